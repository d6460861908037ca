//! Comparing another core's time-stamp counter with the boot core's.
//!
//! Its one job is a two-way exchange, as between two clocks over a network: the boot core notes its counter, asks, and
//! notes it again when the answer, the other's counter, is there. In between the other's counter was read; so its
//! offset lies between two bounds, and each further round can only bring them closer. If 0 is always inside, nothing
//! that software could observe tells the counters apart.
//!
//! *Context.* The boot core and one other, with interrupts off, while that other starts.
//!
//! *Memory order.* Each side's store is a release that the other's load acquires, and [`clock::tsc`] stays behind
//! earlier loads; the boot core's second reading is behind the load that saw the answer.

use core::{
    hint::spin_loop,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use super::clock;

/// Rounds per core at most: where cores run at the same time the first ones are within a few hundred ticks.
const ROUNDS: u32 = 8;

/// The two sides' mailbox: one per pair, so that no third core answers.
pub(super) struct Exchange {
    asked: AtomicU32,
    answered: AtomicU32,
    answer: AtomicU64,
}

/// Between what two bounds (in ticks) the other's counter is ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    low: i64,
    high: i64,
}

impl Bounds {
    const UNKNOWN: Self = Self { low: i64::MIN, high: i64::MAX };

    /// A round: asked at `before`, answered with `other`, seen at `after`.
    fn round(before: u64, other: u64, after: u64) -> Self {
        Self { low: other.wrapping_sub(after).cast_signed(), high: other.wrapping_sub(before).cast_signed() }
    }

    fn and(self, other: Self) -> Self {
        Self { low: self.low.max(other.low), high: self.high.min(other.high) }
    }

    /// Whether more rounds would tell nothing that matters: the bounds are a microsecond or two apart.
    fn is_narrow(self, tsc_khz: u64) -> bool {
        self.high.abs_diff(self.low) <= tsc_khz / 500
    }

    /// By how much the other is ahead, if that can be noticed at all.
    pub(super) fn skew(self) -> Option<i64> {
        (self.low > 0 || self.high < 0).then(|| self.low.midpoint(self.high))
    }
}

impl Exchange {
    pub(super) const fn new() -> Self {
        Self { asked: AtomicU32::new(0), answered: AtomicU32::new(0), answer: AtomicU64::new(0) }
    }

    /// The boot core's side. Ends early at `deadline` (ns): fewer rounds, wider bounds.
    pub(super) fn ask(&self, deadline: u64) -> Bounds {
        let mut bounds = Bounds::UNKNOWN;
        for _ in 0..ROUNDS {
            let before = clock::tsc();
            let round = self.asked.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
            while self.answered.load(Ordering::Acquire) != round {
                if clock::now() > deadline {
                    return bounds;
                }
                spin_loop();
            }
            let after = clock::tsc();
            bounds = bounds.and(Bounds::round(before, self.answer.load(Ordering::Relaxed), after));
            if bounds.is_narrow(clock::tsc_khz()) {
                break;
            }
        }
        bounds
    }

    /// The other's side: answers, once, if asked since `last` (0 at first); returns the last question.
    pub(super) fn answer(&self, last: u32) -> u32 {
        let asked = self.asked.load(Ordering::Acquire);
        if asked != last {
            self.answer.store(clock::tsc(), Ordering::Relaxed);
            self.answered.store(asked, Ordering::Release);
        }
        asked
    }
}

#[cfg(test)]
mod tests {
    use super::Bounds;

    #[test]
    fn counters_that_agree_show_no_skew() {
        let bounds = Bounds::round(1000, 1040, 1100).and(Bounds::round(2000, 2090, 2100));
        assert_eq!(bounds, Bounds { low: -10, high: 40 });
        assert_eq!(bounds.skew(), None);
    }

    #[test]
    fn rounds_narrow_a_skew_in_both_directions() {
        let ahead = Bounds::round(1000, 6040, 1100).and(Bounds::round(2000, 7090, 2100));
        assert_eq!(ahead.skew(), Some(4990 + (5040 - 4990) / 2));
        let behind = Bounds::round(9000, 40, 9100);
        assert_eq!(behind.skew(), Some((40 - 9100 + 40 - 9000) / 2));
    }

    #[test]
    fn no_round_at_all_says_nothing() {
        assert_eq!(Bounds::UNKNOWN.skew(), None);
        assert!(!Bounds::UNKNOWN.is_narrow(3_000_000));
    }
}
