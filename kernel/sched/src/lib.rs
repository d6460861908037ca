//! Go's G-M-P scheduler, portable: no hardware, no statics, no `std`.
//!
//! Goroutines are [`G`]s, cores carry [`M`]s, and a [`P`] is the right to run, with a run queue and a timer heap.
//! The machine below is one trait, [`Machine`]; the same source runs in the kernel, under host tests with
//! threads as cores, under loom and under Miri.
//!
//! Read in this order: [`machine`], [`token`], [`g`], [`runq`], [`idle`], [`find`], [`run`].
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod cx;
mod deadlock;
pub mod find;
mod fixed;
pub mod g;
pub mod globq;
pub mod idle;
pub mod m;
pub mod machine;
pub mod p;
pub mod poll;
mod ready;
mod rng;
pub mod run;
pub mod runq;
pub mod sched;
pub mod schedtrace;
pub mod spawn;
pub mod steal;
mod sync;
pub mod sysmon;
#[cfg(test)]
mod tests;
pub mod timer;
pub mod token;

pub use cx::Cx;
pub use g::{G, GRef, Status};
pub use m::M;
pub use machine::{Commit, Deadlock, Machine, Stop, WaitReason};
pub use p::P;
pub use poll::PollDesc;
pub use sched::{Config, Scheduler};
pub use token::{Parked, Runnable};
