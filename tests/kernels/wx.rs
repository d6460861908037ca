//! No core writes to what it executes, or executes what it writes: neither at the address where it is used nor through the map of
//! physical memory. `audit` looks at every core's tables and control registers; the other words try it, on the core that follows.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::{boxed::Box, vec::Vec};
use core::{
    arch::asm,
    mem::transmute,
    sync::atomic::{AtomicU64, Ordering},
};

use gopark::{
    JoinHandle, boot, go,
    internals::{audit, paging, phys_to_virt},
    println,
    runtime::{core_id, num_cpu, yield_now},
};

gopark::main!(main);

fn main() {
    let mut words = boot::settings().words();
    let what = words.next().unwrap_or("nothing");
    if what == "audit" {
        return on_each_core(audit_here);
    }
    let core = words.next().and_then(|word| word.parse().ok()).expect("the number of a core");
    println!("about to: {what} on core {core}");
    let attempt: fn() = match what {
        "write_alias" => || write_to(alias(main as fn() as usize)),
        "write_text" => || write_to(main as fn() as usize as *mut u8),
        "run_alias" => || run(alias(ret as extern "C" fn() as usize)),
        "run_heap" => || run(Box::leak(Box::new([RET; 16])).as_ptr()),
        other => panic!("no such attempt: {other}"),
    };
    on_each_core(move |here| {
        if here == core {
            attempt();
            println!("still alive");
        }
    });
}

/// Calls `f` once on each core, from a goroutine that stays there meanwhile.
fn on_each_core(f: impl Fn(usize) + Copy + Send + 'static) {
    static DONE: AtomicU64 = AtomicU64::new(0);
    let all = (1u64 << num_cpu()) - 1;
    let visit = move || {
        while DONE.load(Ordering::Acquire) != all {
            pinned(|| {
                let here = core_id();
                if DONE.fetch_or(1 << here, Ordering::AcqRel) >> here & 1 == 0 {
                    f(here);
                }
            });
            yield_now();
        }
    };
    let visitors: Vec<JoinHandle<()>> = (0..2 * num_cpu()).map(|_| go(visit)).collect();
    visitors.into_iter().for_each(|visitor| visitor.join().expect("a visitor does not panic"));
    println!("{} cores visited", num_cpu());
}

/// Without interrupts nobody is preempted.
fn pinned(f: impl FnOnce()) {
    // SAFETY: interrupts are on in every goroutine, and on again below.
    unsafe { asm!("cli", options(nostack)) };
    f();
    // SAFETY: as it was.
    unsafe { asm!("sti", options(nostack)) };
}

fn audit_here(core: usize) {
    let summary = audit::run(&mut |violation| println!("core {core}: {violation}"));
    assert!(summary.violations == 0 && summary.executable > 0, "core {core}: {summary:?}");
    assert!(!paging::is_mapped(0), "core {core}: page 0 is mapped");
    let (cr0, cr4, efer, mxcsr) = (cr0(), cr4(), efer(), mxcsr());
    // Intel SDM vol. 3, 2.5 and 2.2.1: WP and MP set, EM and TS clear; MCE, OSFXSR and OSXMMEXCPT set, OSXSAVE clear; NXE.
    assert_eq!(cr0 & (1 << 16 | 1 << 1 | 1 << 2 | 1 << 3), 1 << 16 | 1 << 1, "core {core}: cr0 {cr0:#x}");
    assert_eq!(cr4 & (1 << 6 | 1 << 9 | 1 << 10 | 1 << 18), 1 << 6 | 1 << 9 | 1 << 10, "core {core}: cr4 {cr4:#x}");
    assert_eq!(efer >> 11 & 1, 1, "core {core}: efer {efer:#x}");
    assert_eq!(mxcsr & !0x3f, 0x1f80, "core {core}: mxcsr {mxcsr:#x}");
    println!("core {core} keeps the rules");
}

fn cr0() -> u64 {
    let value;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, cr0", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

fn cr4() -> u64 {
    let value;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, cr4", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

fn efer() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: reads IA32_EFER, which every 64-bit processor has.
    unsafe {
        asm!("rdmsr", in("ecx") 0xc000_0080u32, out("eax") low, out("edx") high, options(nomem, nostack, preserves_flags));
    }
    u64::from(high) << 32 | u64::from(low)
}

fn mxcsr() -> u32 {
    let mut value = 0u32;
    // SAFETY: writes four bytes to `value`.
    unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut value, options(nostack, preserves_flags)) };
    value
}

/// Where the map of physical memory has what is at `place`.
fn alias(place: usize) -> *mut u8 {
    phys_to_virt(paging::translate(place as u64).expect("code is mapped"))
}

/// The instruction `ret`.
const RET: u8 = 0xc3;

extern "C" fn ret() {}

fn write_to(place: *mut u8) {
    // SAFETY: none: the write must not get through.
    unsafe { asm!("mov byte ptr [{}], 1", in(reg) place) }
}

fn run(code: *const u8) {
    // SAFETY: none: the call must not get through; if it does, it returns at once.
    let code = unsafe { transmute::<*const u8, extern "C" fn()>(code) };
    code();
}
