//! [`Cx`]: where we are: this scheduler, this M, this P.
//!
//! Go reaches all three through a thread-local "current G". Here they are an argument, so that a function's type says
//! that it must run with a P and without being moved.
//!
//! *Invariants.* PINNED: whoever holds a `Cx` stays on its core as long as it lives: on g0 by nature, on a G by the
//! machine's preemption guard. `p` is owned by `m`, and `m` is what this core carries.

use crate::{m::M, machine::Machine, p::P, sched::Scheduler};

/// This core's view: scheduler, M and P.
#[derive(Debug)]
#[non_exhaustive]
pub struct Cx<'a, K: Machine> {
    /// The scheduler.
    pub sched: &'a Scheduler<K>,
    /// The M that this core carries.
    pub m: &'a M<K>,
    /// The P that it holds.
    pub p: &'a P<K>,
}

impl<'a, K: Machine> Cx<'a, K> {
    /// The view of g0, which does not move.
    #[inline(always)]
    pub(crate) fn on(sched: &'a Scheduler<K>, m: &'a M<K>, p: &'a P<K>) -> Self {
        Self { sched, m, p }
    }

    /// The view of the core that carries `m`; `None` if its G runs without a P.
    ///
    /// # Safety
    /// PINNED: the caller is on that core, and stays there as long as the result lives.
    #[inline(always)]
    pub unsafe fn of(sched: &'a Scheduler<K>, m: &'a M<K>) -> Option<Self> {
        m.p().map(|p| Self { sched, m, p })
    }
}

impl<K: Machine> Clone for Cx<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K: Machine> Copy for Cx<'_, K> {}
