//! Starting the other cores.
//!
//! Its one job is to bring every core to `ap_main` on its own stack with its own block, or to say that it did
//! not come. All cores are reset at once ([`reset_others`]); while they settle the boot core measures its clocks. Then
//! they get their start-up IPIs one after the other, so that a core's clock is compared while the cores still
//! to come sleep: on an emulator with fewer processors than cores, a crowd of waiting cores would cost seconds.
//!
//! *Context.* The boot core, interrupts off, after `apic::init` and `clock::init` and without identity map; once.
//!
//! *Invariants.* ONE-SIDE: a slot leaves `WAITING` by one exchange, the core's (to `ARRIVED`) or, when its time is
//! over, the boot core's (to `GIVEN_UP`); so a core that comes too late touches neither stack nor block, and
//! halts. PAGE: no core runs in the start page or uses its tables after it arrived; it is mapped only
//! meanwhile (and as long as a core is missing), executable and read-only, and written through the physical map.
//!
//! *Time.* The manual's start sequence (Intel SDM vol. 3, 9.4.4.1) waits 10 ms after INIT and 200 us between two
//! start-up IPIs, for the sake of processors with an external APIC. Every processor that has long mode has the
//! APIC inside, takes a start-up IPI as soon as INIT is done, and needs no second; ours comes only if the first
//! had no effect, and the clock's calibration is wait enough after INIT.

use core::{
    arch::asm,
    hint::spin_loop,
    ptr::NonNull,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering},
};

use alloc::vec::Vec;

use super::{apic, clock, cpuid, trampoline, tsc_sync::Exchange, vector};
use crate::{
    core::{Core, MAX_CORES},
    mem::{layout::phys_to_virt, paging},
};

/// The core's arrival is awaited.
pub(super) const WAITING: u32 = 1;
/// The core runs on its own stack.
pub(super) const ARRIVED: u32 = 2;
/// The core may go on to `ap_main`.
const RELEASED: u32 = 3;
/// Too late.
const GIVEN_UP: u32 = 4;

/// How long the boot core waits for one core before it goes on to the next.
const FIRST_WAIT_NS: u64 = 100_000_000;
/// How long it then waits for all that are missing together.
const LAST_WAIT_NS: u64 = 2_000_000_000;
/// How long a comparison of clocks may take.
const COMPARE_NS: u64 = 20_000_000;
/// How often an arrived core looks whether it may go on: the boot core needs a moment, or it is lost anyway.
const RELEASE_LOOKS: u64 = 10_000_000_000;

/// A core's place in the start; read by [`trampoline`]'s assembly.
#[repr(C)]
pub(super) struct Slot {
    pub(super) apic_id: AtomicU32,
    pub(super) state: AtomicU32,
    pub(super) stack: AtomicU64,
    pub(super) core: AtomicPtr<Core>,
    exchange: Exchange,
}

pub(super) static SLOTS: [Slot; MAX_CORES] = [const {
    Slot {
        apic_id: AtomicU32::new(u32::MAX),
        state: AtomicU32::new(0),
        stack: AtomicU64::new(0),
        core: AtomicPtr::new(core::ptr::null_mut()),
        exchange: Exchange::new(),
    }
}; MAX_CORES];
pub(super) static SLOTS_USED: AtomicU32 = AtomicU32::new(0);

static AP_MAIN: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());
static START_PAGE: AtomicU64 = AtomicU64::new(0);
static RESET: AtomicBool = AtomicBool::new(false);

/// Where a core goes when it is up.
pub type ApMain = extern "C" fn(&'static Core) -> !;

/// What became of a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It runs, and its clock agrees with the boot core's.
    Started,
    /// It runs; its counter is that many ticks ahead, which the clock corrects.
    Skewed(i64),
    /// It did not come within its time, and will halt if it comes later.
    Missing,
    /// There is no page below 1 MiB to start it in, or no slot.
    NoRoom,
}

impl core::fmt::Display for Outcome {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Started => f.write_str("started"),
            Self::Skewed(ticks) => write!(f, "started, its counter {ticks} ticks ahead (corrected)"),
            Self::Missing => f.write_str("did not start within its time: left out"),
            Self::NoRoom => f.write_str("cannot be started: no usable page below 1 MiB"),
        }
    }
}

/// Resets all other cores. Best right before `clock::init`, which takes the time that they need.
pub fn reset_others() {
    apic::send_init_all_but_self();
    RESET.store(true, Ordering::Relaxed);
}

/// Starts `cores` (not the calling one), whose APIC ids and stacks are set, and tells for each how it went. They start in
/// `page`, a physical page below 1 MiB that nobody else uses. When this returns, those that came are in
/// `ap_main` or on the way there.
pub fn start(cores: &[&'static Core], page: Option<u64>, ap_main: ApMain) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(cores.len());
    if cores.is_empty() {
        return outcomes;
    }
    AP_MAIN.store(ap_main as *mut (), Ordering::Relaxed);
    fill_slots(cores);
    if !RESET.swap(true, Ordering::Relaxed) {
        apic::send_init_all_but_self();
    }
    let Some(vector) = page.and_then(open_start_page) else {
        outcomes.resize(cores.len(), Outcome::NoRoom);
        return outcomes;
    };
    for (slot, _) in SLOTS.iter().zip(cores) {
        apic::send_start_up(slot.apic_id.load(Ordering::Relaxed), vector);
        outcomes.push(await_core(slot, clock::now() + FIRST_WAIT_NS));
    }
    await_the_rest(&mut outcomes, vector);
    // A core that comes late must find its way to the halt instruction: without the page it would reset the machine.
    if !outcomes.contains(&Outcome::Missing) {
        // SAFETY: all have come, and left the page (PAGE). If it cannot be unmapped it was not mapped: as good.
        let _ = unsafe { paging::unmap_trampoline(u64::from(vector) << 12) };
    }
    outcomes.resize(cores.len(), Outcome::NoRoom);
    outcomes
}

/// Writes the start code into the page, then makes it executable; the vector of a start-up IPI that leads there.
fn open_start_page(page: u64) -> Option<u8> {
    let vector = u8::try_from(page >> 12).ok().filter(|&vector| vector != 0)?;
    let copy = NonNull::new(phys_to_virt(page))?;
    // SAFETY: the page is the caller's to give, and `copy` is where the physical map has it.
    unsafe { trampoline::write(copy, page as u32) };
    START_PAGE.store(page, Ordering::Relaxed);
    // SAFETY: it holds the start code, and the kernel runs without identity map by now.
    unsafe { paging::map_trampoline(page) }.ok()?;
    Some(vector)
}

fn fill_slots(cores: &[&'static Core]) {
    for (slot, core) in SLOTS.iter().zip(cores) {
        core.set_this();
        slot.apic_id.store(core.apic_id(), Ordering::Relaxed);
        slot.stack.store(core.boot_stack_top.load(Ordering::Relaxed), Ordering::Relaxed);
        slot.core.store(core::ptr::from_ref(*core).cast_mut(), Ordering::Relaxed);
        slot.state.store(WAITING, Ordering::Release);
    }
    SLOTS_USED.store(cores.len().min(MAX_CORES) as u32, Ordering::Release);
}

/// Waits for one core; if it comes, compares its clock and lets it go.
fn await_core(slot: &'static Slot, deadline: u64) -> Outcome {
    while slot.state.load(Ordering::Acquire) != ARRIVED {
        if clock::now() > deadline {
            return Outcome::Missing;
        }
        spin_loop();
    }
    let bounds = slot.exchange.ask(clock::now() + COMPARE_NS);
    let outcome = bounds.skew().map_or(Outcome::Started, |ticks| {
        // SAFETY: the slot's core was stored from a reference that lives for ever.
        let core = unsafe { &*slot.core.load(Ordering::Relaxed) };
        clock::correct(core, ticks);
        Outcome::Skewed(ticks)
    });
    slot.state.store(RELEASED, Ordering::Release);
    outcome
}

/// Asks once more whoever is missing; then gives up, so that nobody arrives behind our back.
fn await_the_rest(outcomes: &mut [Outcome], vector: u8) {
    let deadline = clock::now() + LAST_WAIT_NS;
    let missing = || {
        SLOTS
            .iter()
            .zip(0..outcomes.len())
            .filter(|(slot, _)| matches!(slot.state.load(Ordering::Relaxed), WAITING | ARRIVED))
    };
    for (slot, _) in missing() {
        apic::send_start_up(slot.apic_id.load(Ordering::Relaxed), vector);
    }
    let late: Vec<usize> = missing().map(|(_, index)| index).collect();
    for index in late {
        let slot = &SLOTS[index];
        outcomes[index] = await_core(slot, deadline);
        let gone = slot.state.compare_exchange(WAITING, GIVEN_UP, Ordering::AcqRel, Ordering::Acquire);
        if gone == Err(ARRIVED) {
            // It came between our last look and now.
            outcomes[index] = await_core(slot, deadline);
        }
    }
}

/// Halts the calling core, which must have its interrupts set up, until `gate` is not 0; returns with interrupts off. Waiting
/// by looking would hold up the cores that start after it, where there are fewer processors than cores.
pub fn wait_at(gate: &AtomicU32) {
    loop {
        x86_64::instructions::interrupts::disable();
        if gate.load(Ordering::Acquire) != 0 {
            return;
        }
        // SAFETY: STI takes effect after the next instruction, so that no kick is lost between the look at the gate and
        // HLT (Intel SDM vol. 2, "STI"). Clobbers memory: what a handler changed is read anew.
        unsafe { asm!("sti", "hlt", options(nostack)) };
    }
}

/// Opens the gate and wakes `cores` that wait at it.
pub fn open<'a>(gate: &AtomicU32, value: u32, cores: impl Iterator<Item = &'a Core>) {
    gate.store(value, Ordering::Release);
    cores.for_each(|core| apic::send_ipi(core.apic_id(), vector::KICK));
}

/// The first Rust function of a started core, on its own stack.
pub(super) extern "C" fn arrive(slot: &'static Slot) -> ! {
    // The start page is about to be unmapped: nothing of it may stay in this core's translations (PAGE).
    let page = x86_64::VirtAddr::new(START_PAGE.load(Ordering::Relaxed));
    x86_64::instructions::tlb::flush(page);
    let mut answered = 0;
    for _ in 0..RELEASE_LOOKS {
        if slot.state.load(Ordering::Acquire) == RELEASED {
            go_on(slot);
        }
        answered = slot.exchange.answer(answered);
        spin_loop();
    }
    halt()
}

fn go_on(slot: &'static Slot) -> ! {
    // SAFETY: `start` stored a function of this type before the first core was started.
    let ap_main = unsafe { core::mem::transmute::<*mut (), ApMain>(AP_MAIN.load(Ordering::Relaxed)) };
    // SAFETY: stored from a reference that lives for ever.
    let core = unsafe { &*slot.core.load(Ordering::Relaxed) };
    debug_assert_eq!(core.apic_id(), cpuid::apic_id(), "each core found its own slot");
    ap_main(core)
}

fn halt() -> ! {
    loop {
        x86_64::instructions::interrupts::disable();
        x86_64::instructions::hlt();
    }
}
