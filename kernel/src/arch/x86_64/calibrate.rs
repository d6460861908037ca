//! How fast the TSC and the local APIC's timer count.
//!
//! Its one job is to find both frequencies, stated (CPUID) or measured against a `Reference`, in one window: until
//! the window is long enough for the uncertainty of its two ends. An emulator that counts instructions reads each end
//! within nanoseconds, so that a fraction of a millisecond does; where a register access takes microseconds, the
//! window grows by itself.
//!
//! *Context.* Once, on the boot core, with interrupts off.
//!
//! *Invariants.* BOUNDED: a counter that stands still ends the measurement after a number of reads.

use super::{
    acpi::Platform,
    clock::tsc,
    cpuid,
    reference::{Kind, Reference},
    timer,
};

/// The window is this many times its uncertainty: at worst 1 part in 2000 is wrong, half of what we promise.
const PRECISION: u64 = 2000;
/// No window is shorter: ten counts of a 100 kHz counter, if there were one, and the cores' rest after INIT.
const SHORTEST_FS: u64 = 100_000_000_000;
/// No window is longer, however noisy its ends: 25 ms, less than half of what the PIT can count.
const LONGEST_FS: u64 = 25_000_000_000_000;
/// Reads of a counter that stands still, before it is taken for dead.
const DEAD: u32 = 100_000;
/// Samples in a window, at most: even reads of 10 ns fill 25 ms long before.
const SAMPLES: u32 = 10_000_000;
const FS_PER_S: u128 = 1_000_000_000_000_000;

/// Who told the TSC's frequency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Source {
    /// Nobody: 1 GHz is assumed.
    Assumed = 0,
    /// CPUID leaf 0x15, with the crystal.
    Crystal,
    /// CPUID leaves 0x15 and 0x16.
    Base,
    /// The hypervisor's CPUID leaf.
    Hypervisor,
    /// Measured by the HPET.
    Hpet,
    /// Measured by ACPI's power management timer.
    PmTimer,
    /// Measured by the PIT.
    Pit,
}

impl Source {
    const ALL: [Self; 7] =
        [Self::Assumed, Self::Crystal, Self::Base, Self::Hypervisor, Self::Hpet, Self::PmTimer, Self::Pit];

    /// Its name on the boot screen.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Assumed => "nothing (1 GHz assumed)",
            Self::Crystal => "CPUID 0x15",
            Self::Base => "CPUID 0x16",
            Self::Hypervisor => "hypervisor CPUID 0x40000010",
            Self::Hpet => "HPET",
            Self::PmTimer => "ACPI PM timer",
            Self::Pit => "PIT",
        }
    }

    pub(super) fn name_of(number: u8) -> &'static str {
        Self::ALL.get(usize::from(number)).map_or("?", |source| source.name())
    }
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frequencies {
    /// The time-stamp counter's, in Hz.
    pub tsc_hz: u64,
    /// The local APIC timer's, undivided, in Hz.
    pub apic_hz: u64,
    /// Who told the TSC's.
    pub source: Source,
}

/// Finds both frequencies.
pub(super) fn run(platform: &Platform) -> Frequencies {
    if let Some(stated) = cpuid::stated_frequencies() {
        let apic_hz = stated.apic_hz.unwrap_or_else(|| apic_by_tsc(stated.tsc_hz));
        return Frequencies { tsc_hz: stated.tsc_hz, apic_hz, source: stated.source };
    }
    Reference::all(platform).find_map(|reference| measure(&reference)).unwrap_or_else(|| {
        let tsc_hz = 1_000_000_000;
        Frequencies { tsc_hz, apic_hz: apic_by_tsc(tsc_hz), source: Source::Assumed }
    })
}

/// All three counters at one moment, and how long (in TSC ticks) the moment was.
#[derive(Clone, Copy)]
struct Sample {
    reference: u64,
    tsc: u64,
    apic: u64,
    width: u64,
}

/// Catches the reference at the edge of a tick, so that its coarseness adds nothing.
fn sample(reference: &Reference) -> Option<Sample> {
    let (mut before, seen) = (tsc(), reference.read());
    for _ in 0..DEAD {
        let between = tsc();
        let now = reference.read();
        let after = tsc();
        if now != seen {
            let apic = u64::from(timer::ticks());
            return Some(Sample { reference: now, tsc: before.midpoint(after), apic, width: after - before });
        }
        before = between;
        core::hint::spin_loop();
    }
    None
}

/// The best of a few samples: the first ones suffer from cold caches, any may suffer from a busy host.
fn best_sample(reference: &Reference) -> Option<Sample> {
    (0..4).map_while(|_| sample(reference)).min_by_key(|sample| sample.width)
}

fn measure(reference: &Reference) -> Option<Frequencies> {
    timer::run_free();
    let start = best_sample(reference)?;
    let mut best: Option<Window> = None;
    for _ in 0..SAMPLES {
        let window = Window::between(reference, start, sample(reference)?);
        if window.fs >= SHORTEST_FS && best.is_none_or(|best| window.is_better_than(&best)) {
            best = Some(window);
        }
        if window.fs > LONGEST_FS || best.is_some_and(|best| best.is_good()) {
            break;
        }
        core::hint::spin_loop();
    }
    let best = best.filter(|best| best.tsc != 0 && best.apic != 0)?;
    let hz = |ticks: u64| u64::try_from(u128::from(ticks) * FS_PER_S / u128::from(best.fs)).unwrap_or(u64::MAX);
    let source = match reference.kind() {
        Kind::Hpet(_) => Source::Hpet,
        Kind::PmTimer(_) => Source::PmTimer,
        Kind::Pit => Source::Pit,
    };
    Some(Frequencies { tsc_hz: hz(best.tsc), apic_hz: hz(best.apic), source })
}

#[derive(Clone, Copy)]
struct Window {
    fs: u64,
    tsc: u64,
    apic: u64,
    /// By how many TSC ticks its ends may be wrong.
    doubt: u64,
}

impl Window {
    fn between(reference: &Reference, start: Sample, end: Sample) -> Self {
        let ticks = end.reference.wrapping_sub(start.reference) & reference.mask;
        Self {
            fs: ticks.saturating_mul(reference.tick_fs),
            tsc: end.tsc.wrapping_sub(start.tsc),
            apic: end.apic.wrapping_sub(start.apic),
            doubt: start.width + end.width,
        }
    }

    const fn is_good(&self) -> bool {
        self.doubt.saturating_mul(PRECISION) <= self.tsc
    }

    fn is_better_than(&self, other: &Self) -> bool {
        u128::from(self.doubt) * u128::from(other.tsc) < u128::from(other.doubt) * u128::from(self.tsc)
    }
}

/// The APIC timer's frequency, measured by a TSC whose own is known. A timer that stands still counts as 1 GHz: it
/// will never fire, whatever we believe.
fn apic_by_tsc(tsc_hz: u64) -> u64 {
    timer::run_free();
    let window = tsc_hz / 1000;
    let (start, first) = (tsc(), u64::from(timer::ticks()));
    let mut elapsed = 0;
    for _ in 0..SAMPLES {
        elapsed = tsc() - start;
        if elapsed >= window {
            break;
        }
        core::hint::spin_loop();
    }
    let ticks = u64::from(timer::ticks()) - first;
    if ticks == 0 || elapsed == 0 {
        return 1_000_000_000;
    }
    u64::try_from(u128::from(ticks) * u128::from(tsc_hz) / u128::from(elapsed)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Source, Window};

    #[test]
    fn names_follow_the_numbers() {
        for source in Source::ALL {
            assert_eq!(Source::name_of(source as u8), source.name());
        }
        assert_eq!(Source::name_of(200), "?");
    }

    #[test]
    fn longer_and_sharper_windows_are_better() {
        let short = Window { fs: 1, tsc: 1_000_000, apic: 1, doubt: 1000 };
        let long = Window { tsc: 3_000_000, ..short };
        assert!(long.is_better_than(&short) && !short.is_better_than(&long));
        assert!(!short.is_good() && long.is_better_than(&short));
        assert!(Window { doubt: 500, ..short }.is_good());
    }
}
