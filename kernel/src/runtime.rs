//! What a program may ask the runtime, and tell it.
//!
//! *Context.* Any G.
#![forbid(unsafe_code)]

use crate::{
    core as cpu,
    machine::{current_g, sched},
};

pub use crate::machine::yield_now;

/// How many cores run.
#[doc(alias = "NumCPU")]
pub fn num_cpu() -> usize {
    sched().ms().len()
}

/// How many goroutines can run at the same time.
#[doc(alias = "GOMAXPROCS")]
pub fn gomaxprocs() -> usize {
    sched().gomaxprocs()
}

/// How many goroutines there are; those of the runtime itself are not counted.
#[doc(alias = "NumGoroutine")]
pub fn num_goroutine() -> usize {
    usize::try_from(sched().num_goroutine()).unwrap_or(usize::MAX)
}

/// This goroutine's number: 1 for `main`; 0 outside any.
pub fn goid() -> u64 {
    current_g().map_or(0, |g| g.id())
}

/// The core that runs this goroutine now. Out of date as soon as it is known: for reports.
pub fn core_id() -> usize {
    cpu::this(&crate::preempt::PreemptOff::new()).index()
}
