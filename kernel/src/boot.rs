//! Bring-up: from the loader's hand-over to the first goroutine.
//!
//! The order, and why: per-core block (everything reads GS), console, memory (stacks need it), descriptor tables (faults need
//! stacks), ACPI (the rest needs its tables), interrupt controllers, clock (the other cores settle meanwhile), settings, the
//! other cores, the scheduler, console input, `main`. Each step prints one line if it has to complain.
//!
//! *Context.* The boot core, interrupts off until the scheduler runs; the other cores in [`ap_main`].

use alloc::{boxed::Box, vec::Vec};
use core::sync::atomic::{AtomicU32, Ordering};

use bootloader_api::{BootInfo, BootloaderConfig, config::Mapping, info::Optional};
use gopark_sched::{Config, Scheduler, sched::SLICE};
use spin::Once;

use crate::{
    arch::{acpi::Platform, apic, clock, gdt, idt, ioapic, pic, smp, vector},
    core::{self as cpu, BOOT_CORE, Core},
    dev::uart,
    go::Builder,
    irq,
    machine::{self, Kernel},
    mem::{self, kstack, layout, paging, reserve},
    panic, raw_println,
    settings::{PanicMode, Settings},
    shutdown::{self, Termination},
    symbols, trace,
};

/// What this kernel asks of its loader.
pub const CONFIG: BootloaderConfig = {
    let mut config = BootloaderConfig::new_default();
    config.mappings.physical_memory = Some(Mapping::FixedAddress(layout::PHYS_MAP));
    config.kernel_stack_size = BOOT_STACK;
    config
};

/// The boot core's g0 stack, which the loader makes, and the other cores', in bytes.
const BOOT_STACK: u64 = 64 * 1024;

static SETTINGS: Once<Settings<'static>> = Once::new();
static PLATFORM: Once<Platform> = Once::new();

/// The command line's settings.
pub fn settings() -> &'static Settings<'static> {
    SETTINGS.call_once(Settings::default)
}

/// What the firmware's tables say.
pub fn platform() -> &'static Platform {
    PLATFORM.call_once(|| Platform::read(None))
}

/// Where `gopark::main!` leads.
pub fn start<T: Termination + 'static>(info: &'static mut BootInfo, main: fn() -> T) -> ! {
    // SAFETY: GS-CORE: this is the boot core, and nothing read GS yet.
    unsafe { cpu::install(&BOOT_CORE) };
    cpu::register(&BOOT_CORE);
    uart::init();
    let info = &*info;
    mem::init(info);
    symbols::init(info.kernel_addr, info.kernel_len);
    machine::provide_spare(&BOOT_CORE);
    reserve::refill(&BOOT_CORE);
    gdt::init(&BOOT_CORE);
    idt::load();
    // SAFETY: descriptor tables and stacks are ours by now; nothing points into the loader's identity map.
    unsafe { paging::drop_identity_map() };
    devices(info);
    read_settings(info);
    let cores = start_cores(info);
    run(cores, main)
}

fn devices(info: &BootInfo) {
    let rsdp = match info.rsdp_addr {
        Optional::Some(address) => Some(address),
        Optional::None => None,
    };
    let platform = PLATFORM.call_once(|| Platform::read(rsdp));
    if let Some(problem) = platform.problem {
        raw_println!("gopark: {problem}");
    }
    pic::disable();
    if apic::init(platform).is_none() {
        panic!("the local APIC's registers cannot be mapped");
    }
    BOOT_CORE.apic_id.store(apic::id(), Ordering::Relaxed);
    smp::reset_others();
    clock::init(platform);
    ioapic::init(platform);
}

/// The loader puts the command line where a ramdisk would be.
fn command_line(info: &BootInfo) -> &'static [u8] {
    let Optional::Some(at) = info.ramdisk_addr else { return &[] };
    // SAFETY: the loader's contract: mapped, whole, and never changed.
    unsafe { core::slice::from_raw_parts(at as *const u8, info.ramdisk_len as usize) }
}

fn read_settings(info: &BootInfo) {
    let settings =
        SETTINGS.call_once(|| Settings::parse(command_line(info), |complaint| raw_println!("gopark: {complaint}")));
    irq::ASYNC_PREEMPT_OFF.store(settings.asyncpreemptoff, Ordering::Relaxed);
    panic::ABORT.store(settings.panic == PanicMode::Abort, Ordering::Relaxed);
}

/// Starts all other cores; returns how many there are in all.
fn start_cores(info: &BootInfo) -> usize {
    let mut blocks: Vec<&'static Core> = Vec::new();
    let listed = platform().cores.iter().copied().filter(|&id| id != BOOT_CORE.apic_id());
    for apic_id in listed.chain(settings().ghostcore) {
        let core: &'static Core = Box::leak(Box::new(Core::new()));
        core.index.store(blocks.len() + 1, Ordering::Relaxed);
        core.apic_id.store(apic_id, Ordering::Relaxed);
        core.boot_stack_top.store(kstack::alloc(BOOT_STACK as usize), Ordering::Relaxed);
        machine::provide_spare(core);
        blocks.push(core);
    }
    let page = mem::frames::real_mode_page(&info.memory_regions);
    let outcomes = smp::start(&blocks, page, ap_main);
    let mut cores = 1;
    for (core, outcome) in blocks.into_iter().zip(outcomes) {
        if matches!(outcome, smp::Outcome::Missing | smp::Outcome::NoRoom) {
            raw_println!("gopark: core with APIC id {} {outcome}", core.apic_id());
            continue;
        }
        core.index.store(cores, Ordering::Relaxed);
        cpu::register(core);
        cores += 1;
    }
    cores
}

/// Set to the number of cores when the scheduler is there.
static GO: AtomicU32 = AtomicU32::new(0);

/// Every other core's way: its own tables and APIC, then the scheduler.
extern "C" fn ap_main(core: &'static Core) -> ! {
    gdt::init(core);
    idt::load();
    apic::init_this_core(platform().nmi_pin);
    reserve::refill(core);
    smp::wait_at(&GO);
    schedule(core)
}

fn schedule(core: &'static Core) -> ! {
    let m = &machine::sched().ms()[core.index()];
    core.m.store(core::ptr::from_ref(m).cast_mut(), Ordering::Release);
    core.online.store(true, Ordering::Release);
    x86_64::instructions::interrupts::enable();
    machine::sched().run(m);
    unreachable!("this machine does not shut its scheduler down")
}

fn run<T: Termination + 'static>(cores: usize, main: fn() -> T) -> ! {
    let gomaxprocs = gomaxprocs(cores);
    let slice = settings().slice.map_or(SLICE, |us| u64::from(us) * 1_000);
    let config = Config { cores, gomaxprocs, seed: clock::tsc(), slice };
    machine::install(Scheduler::new(Kernel, config));
    let sched = machine::sched();
    let m = &sched.ms()[0];
    BOOT_CORE.m.store(core::ptr::from_ref(m).cast_mut(), Ordering::Release);
    BOOT_CORE.online.store(true, Ordering::Release);
    open_console_input();
    sched.run_first(m, |cx| {
        let main = move || -> () {
            let settings = settings();
            if settings.schedtrace.is_some() {
                trace::set(settings.schedtrace, settings.scheddetail);
            }
            shutdown::exit(main().report())
        };
        if let Err(error) = Builder::new().spawn_first(cx, main) {
            panic!("main: {error}");
        }
        smp::open(&GO, cores as u32, cpu::all().skip(1));
        x86_64::instructions::interrupts::enable();
    });
    unreachable!("this machine does not shut its scheduler down")
}

fn gomaxprocs(cores: usize) -> usize {
    let wanted = settings().gomaxprocs.unwrap_or(cores);
    if wanted > cores {
        raw_println!("gopark: gomaxprocs={wanted} is more than there are cores: {cores}");
    }
    wanted.clamp(1, cores)
}

/// Routes the UART's interrupt to the boot core.
fn open_console_input() {
    match ioapic::route(ioapic::Line::Isa(uart::IRQ), vector::UART, BOOT_CORE.apic_id()) {
        Ok(()) => uart::enable_input(),
        Err(error) => raw_println!("gopark: no console input: {error}"),
    }
}
