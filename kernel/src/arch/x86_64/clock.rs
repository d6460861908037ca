//! The clock: nanoseconds since this kernel took over, from the time-stamp counter.
//!
//! Its one job is [`now`]: cheap, callable from anywhere, and monotonic across cores. Measuring the
//! counter's frequency is left to `calibrate`, comparing the cores' counters to `tsc_sync`.
//!
//! *Context.* Any. Before [`init`] the time is 0.
//!
//! *Invariants.* ONE-TIME: whoever reads the clock after having seen, through memory, that another core read it, gets
//! no smaller value. The counters of all cores agree to within what can be noticed (checked at each core's start), or
//! else `SKEWED` is set and each core corrects by its own offset.
//!
//! *Memory order.* RDTSC may be executed before earlier loads; LFENCE keeps it behind them (Intel SDM vol. 3,
//! 18.17), which ONE-TIME needs. The statics are written before a second core runs, and read relaxed.
//!
//! *Rejected.* RDTSCP: it orders as well, but QEMU's plain processor model lacks it.

use core::{
    arch::x86_64::{_mm_lfence, _rdtsc},
    sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
};

use super::{acpi::Platform, calibrate, timer};
use crate::{
    core::{self as cpu, Core},
    preempt::PreemptOff,
};

/// Frequencies are kept as a factor in 32.32 fixed point: one multiplication and one shift to apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scale(pub(super) u64);

const NS_PER_S: u128 = 1_000_000_000;

impl Scale {
    /// Ticks of a counter with that frequency (not 0) to ns.
    pub(super) const fn to_ns(hz: u64) -> Self {
        Self(rounded(NS_PER_S << 32, hz as u128))
    }

    /// Ns to ticks of a counter with that frequency.
    pub(super) const fn from_ns(hz: u64) -> Self {
        Self(rounded((hz as u128) << 32, NS_PER_S))
    }

    /// Applies the factor, rounding down.
    #[inline]
    pub(super) const fn apply(self, value: u64) -> u64 {
        ((value as u128 * self.0 as u128) >> 32) as u64
    }

    /// Applies the factor, rounding up, and staying at the largest value if there is no room.
    #[inline]
    pub(super) const fn apply_up(self, value: u64) -> u64 {
        let exact = value as u128 * self.0 as u128 + u32::MAX as u128;
        let ticks = exact >> 32;
        if ticks > u64::MAX as u128 { u64::MAX } else { ticks as u64 }
    }
}

const fn rounded(numerator: u128, denominator: u128) -> u64 {
    ((numerator + denominator / 2) / denominator) as u64
}

static TO_NS: AtomicU64 = AtomicU64::new(0);
static START: AtomicU64 = AtomicU64::new(0);
static TO_TICKS: AtomicU64 = AtomicU64::new(0);
static TSC_HZ: AtomicU64 = AtomicU64::new(0);
static SOURCE: AtomicU8 = AtomicU8::new(0);
/// Some core's counter differs: every core adds its own [`Core::tsc_offset`].
static SKEWED: AtomicBool = AtomicBool::new(false);

/// Finds the frequencies of the TSC and of the local APIC's timer. Once, on the boot core, after `apic::init`;
/// takes a millisecond or few where they have to be measured, in which the other cores may settle after INIT.
pub fn init(platform: &Platform) -> calibrate::Frequencies {
    let start = tsc();
    let found = calibrate::run(platform);
    TSC_HZ.store(found.tsc_hz, Ordering::Relaxed);
    SOURCE.store(found.source as u8, Ordering::Relaxed);
    START.store(start, Ordering::Relaxed);
    TO_TICKS.store(Scale::from_ns(found.tsc_hz).0, Ordering::Relaxed);
    TO_NS.store(Scale::to_ns(found.tsc_hz).0, Ordering::Relaxed);
    timer::set_frequency(found.apic_hz);
    found
}

/// Nanoseconds since [`init`].
#[inline]
pub fn now() -> u64 {
    let counter = if SKEWED.load(Ordering::Relaxed) { corrected_tsc() } else { tsc() };
    ns(counter)
}

#[inline]
fn ns(counter: u64) -> u64 {
    Scale(TO_NS.load(Ordering::Relaxed)).apply(counter.wrapping_sub(START.load(Ordering::Relaxed)))
}

/// The counter as the boot core would have read it.
#[cold]
fn corrected_tsc() -> u64 {
    // Counter and offset must be the same core's.
    let off = PreemptOff::new();
    tsc().wrapping_add(cpu::this(&off).tsc_offset.load(Ordering::Relaxed))
}

/// The time-stamp counter, read behind all earlier loads.
#[inline]
pub fn tsc() -> u64 {
    // SAFETY: SSE2, which every 64-bit processor has.
    unsafe { _mm_lfence() };
    // SAFETY: every 64-bit processor has the counter, and the kernel may read it.
    unsafe { _rdtsc() }
}

/// What this core's counter will show in `wait` ns: never 0, which would mean no deadline.
#[inline]
pub(super) fn tsc_after(wait: u64) -> u64 {
    let ticks = Scale(TO_TICKS.load(Ordering::Relaxed)).apply_up(wait);
    tsc().saturating_add(ticks).max(1)
}

/// From now on `core` takes its counter for `ahead` ticks less. To be called before that core shares anything.
pub(super) fn correct(core: &Core, ahead: i64) {
    core.tsc_offset.store(ahead.wrapping_neg().cast_unsigned(), Ordering::Relaxed);
    SKEWED.store(true, Ordering::Release);
}

/// The counter's frequency.
pub fn tsc_khz() -> u64 {
    TSC_HZ.load(Ordering::Relaxed) / 1000
}

/// Who told the frequency.
pub fn source() -> &'static str {
    calibrate::Source::name_of(SOURCE.load(Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::Scale;

    #[test]
    fn a_century_fits() {
        let century = 3_155_760_000u64;
        for hz in [1_000_000_000u64, 2_399_998_123, 4_700_000_000] {
            let ns = Scale::to_ns(hz).apply(hz * century.min(u64::MAX / hz));
            let off = ns.abs_diff(century.min(u64::MAX / hz) * 1_000_000_000);
            assert!(u128::from(off) * 1_000_000_000 < u128::from(ns) * 2, "more than 2 ppb off at {hz}: {off}");
        }
    }

    #[test]
    fn ticks_are_rounded_up() {
        let scale = Scale::from_ns(24_000_000);
        assert_eq!(scale.apply_up(0), 0);
        assert_eq!(scale.apply_up(1), 1);
        assert!(scale.apply_up(1_000_000_000) >= 24_000_000);
        assert_eq!(Scale::from_ns(5_000_000_000).apply_up(u64::MAX), u64::MAX);
    }

    #[test]
    fn there_and_back_is_not_early() {
        for hz in [24_000_000u64, 62_500_000, 1_000_000_000, 2_399_998_123] {
            let (there, back) = (Scale::from_ns(hz), Scale::to_ns(hz));
            for ns in [1u64, 999, 10_000, 1_000_000, 1_000_000_007] {
                let again = back.apply(there.apply_up(ns));
                assert!(again + 1 >= ns, "{ns} ns at {hz} Hz came back as {again}");
            }
        }
    }
}
