//! Tests of the scheduler, beside its sources so that they reach its protocols.
//!
//! One fake machine (`fake`) carries all of them: host tests and Miri with threads as cores, and the models under loom.
//! `kernel/sched/tests/seeded-bugs.sh` shows that each of them can fail.

#[cfg_attr(loom, expect(dead_code, reason = "the models need half of it"))]
mod fake;
#[cfg(not(loom))]
mod find;
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
#[cfg_attr(loom, expect(dead_code, reason = "the models need half of it"))]
mod make;
#[cfg(not(loom))]
mod poll;
#[cfg(not(loom))]
mod quiet;
#[cfg(not(loom))]
mod runq;
#[cfg(not(loom))]
mod spawn;
#[cfg(not(loom))]
mod status;
#[cfg(not(loom))]
mod steal;
#[cfg(not(loom))]
mod stress;
#[cfg(not(loom))]
mod timer;
