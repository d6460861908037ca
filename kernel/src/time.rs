//! Time: the monotonic clock, and sleeping.
//!
//! *Context.* [`Instant::now`]: anywhere, interrupt handlers too. [`sleep`]: any G.
#![forbid(unsafe_code)]

use core::ops::{Add, AddAssign, Sub, SubAssign};

pub use core::time::Duration;

use gopark_sched::WaitReason;

use crate::{
    arch::clock,
    machine::{park, sched, yield_now},
    preempt::PreemptOff,
};

/// A moment of the monotonic clock: nanoseconds since the kernel began.
///
/// Never runs backwards, on any core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// Now.
    pub fn now() -> Self {
        Self(clock::now())
    }

    /// The time since `earlier`, or zero if that is later.
    pub fn duration_since(&self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The time since this moment.
    pub fn elapsed(&self) -> Duration {
        Self::now().duration_since(*self)
    }

    /// This moment plus `duration`, if the clock reaches so far (584 years).
    pub fn checked_add(&self, duration: Duration) -> Option<Self> {
        let nanos = u64::try_from(duration.as_nanos()).ok()?;
        self.0.checked_add(nanos).map(Self)
    }

    /// This moment minus `duration`, if that is not before the kernel began.
    pub fn checked_sub(&self, duration: Duration) -> Option<Self> {
        let nanos = u64::try_from(duration.as_nanos()).ok()?;
        self.0.checked_sub(nanos).map(Self)
    }

    fn saturating_add(self, duration: Duration) -> Self {
        self.checked_add(duration).unwrap_or(Self(u64::MAX))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// # Panics
    /// If the clock does not reach so far.
    fn add(self, duration: Duration) -> Self {
        self.checked_add(duration).expect("overflow when adding duration to instant")
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    /// # Panics
    /// If the result is before the kernel began.
    fn sub(self, duration: Duration) -> Self {
        self.checked_sub(duration).expect("overflow when subtracting duration from instant")
    }
}

impl SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }
}

/// Lets at least `duration` pass; others run meanwhile. Zero yields.
pub fn sleep(duration: Duration) {
    if duration.is_zero() {
        return yield_now();
    }
    sleep_until(Instant::now().saturating_add(duration));
}

/// Sleeps until `deadline`; returns at once if it is over.
pub fn sleep_until(deadline: Instant) {
    if deadline <= Instant::now() {
        return;
    }
    park(PreemptOff::new(), WaitReason::Sleep, |cx, parked| {
        sched().sleep_until(cx, parked, deadline.0);
        None
    });
}
