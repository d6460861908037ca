//! Tests of the scheduler, beside its sources so that they reach its protocols.
//!
//! One fake machine (`fake`) carries all of them: host tests and Miri with threads as cores, and the models under loom.
//! `kernel/sched/tests/seeded-bugs.sh` shows that each of them can fail.

mod fake;
#[cfg(loom)]
mod loom_idle;
#[cfg(loom)]
mod loom_park;
#[cfg(loom)]
mod loom_poll;
#[cfg(loom)]
mod loom_runq;
#[cfg(loom)]
mod loom_timer;
