//! The local APIC's timer: one shot, at a given time (Intel SDM vol. 3, 11.5.4).
//!
//! Its one job is to turn a deadline in [`clock`] time into an interrupt [`vector::TIMER`] on this core: by the count
//! register, or by comparing with the TSC where the processor can (TSC-deadline mode, 11.5.4.1). What happens then,
//! and who wants the next one, is the caller's business.
//!
//! *Context.* As [`apic`]: one core from beginning to end. [`arm`] allocates nothing and takes no lock.
//!
//! *Invariants.* NEVER-EARLY: ticks are rounded up, so that a timer that was set for a near deadline has passed it. A
//! deadline beyond the counter's width fires at the counter's end instead, and finds nothing due: a caller that then
//! arms again loses nothing.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use x86_64::registers::model_specific::Msr;

use super::{
    apic::{self, MASKED, Register},
    clock::{self, Scale},
    cpuid, vector,
};

/// IA32_TSC_DEADLINE: 0 is off.
const TSC_DEADLINE: u32 = 0x6e0;
/// LVT timer modes (figure 11-8).
const ONE_SHOT: u32 = 0b00 << 17;
const DEADLINE_MODE: u32 = 0b10 << 17;
/// The divide configuration register's odd encoding of "by 1" (figure 11-10).
const BY_ONE: u32 = 0b1011;

static BY_DEADLINE: AtomicBool = AtomicBool::new(false);
/// Ticks per ns, as a [`Scale`].
static TICKS: AtomicU64 = AtomicU64::new(0);

/// Takes the measured frequency into use; until then [`arm`] does nothing. Once, before other cores start.
pub(super) fn set_frequency(hz: u64) {
    TICKS.store(Scale::from_ns(hz).0, Ordering::Relaxed);
    BY_DEADLINE.store(cpuid::has_tsc_deadline(), Ordering::Relaxed);
    init_this_core();
}

/// How the timer is driven, for the boot screen.
pub fn mode() -> &'static str {
    if BY_DEADLINE.load(Ordering::Relaxed) { "TSC deadline" } else { "APIC one-shot" }
}

/// Stops this core's timer and sets its mode.
pub(super) fn init_this_core() {
    let mode = if BY_DEADLINE.load(Ordering::Relaxed) { DEADLINE_MODE } else { ONE_SHOT };
    apic::write(Register::DivideBy, BY_ONE);
    apic::write(Register::LvtTimer, mode | u32::from(vector::TIMER));
    disarm();
}

/// Sets the timer to `deadline` (ns, [`clock::now`]'s time), replacing what was set before; `None` switches it off.
/// A deadline that has passed fires at once.
#[inline]
pub fn arm(deadline: Option<u64>) {
    let Some(deadline) = deadline else { return disarm() };
    let ticks = Scale(TICKS.load(Ordering::Relaxed));
    let wait = deadline.saturating_sub(clock::now());
    if BY_DEADLINE.load(Ordering::Relaxed) {
        return set_deadline(clock::tsc_after(wait));
    }
    apic::write(Register::InitialCount, u32::try_from(ticks.apply_up(wait)).unwrap_or(u32::MAX).max(1));
}

#[inline]
fn disarm() {
    if BY_DEADLINE.load(Ordering::Relaxed) {
        set_deadline(0);
    } else {
        apic::write(Register::InitialCount, 0);
    }
}

fn set_deadline(tsc: u64) {
    apic::fence_before_msr();
    let mut msr = Msr::new(TSC_DEADLINE);
    // SAFETY: the processor has the mode (CPUID), and all it does is raise `vector::TIMER`.
    unsafe { msr.write(tsc) };
}

/// Lets the counter run down from its end without an interrupt, to be measured.
pub(super) fn run_free() {
    apic::write(Register::DivideBy, BY_ONE);
    apic::write(Register::LvtTimer, MASKED | ONE_SHOT | u32::from(vector::TIMER));
    apic::write(Register::InitialCount, u32::MAX);
}

/// How far the free-running counter has come.
pub(super) fn ticks() -> u32 {
    u32::MAX - apic::read(Register::CurrentCount)
}
