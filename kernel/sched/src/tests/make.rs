//! What tests begin with: schedulers on the fake machine, and Gs in each state.

use std::{boxed::Box, vec::Vec};

use super::fake::{Clock, Fake, FakeG};
use crate::{Config, Cx, G, Parked, PollDesc, Runnable, Scheduler, p::OwnedP};

/// A scheduler with `cores` cores, as many Ps, and a clock that stands.
pub fn scheduler(cores: usize) -> Scheduler<Fake> {
    with_clock(cores, cores, Clock::Manual)
}

pub fn with_clock(cores: usize, gomaxprocs: usize, clock: Clock) -> Scheduler<Fake> {
    let config = Config { cores, gomaxprocs, seed: 1, slice: 10_000_000 };
    Scheduler::new(Fake::new(cores, clock), config)
}

/// Takes the next idle P for M `m`, as if that M ran with it.
pub fn seize(s: &Scheduler<Fake>, m: usize) -> OwnedP<Fake> {
    let p = s.take_idle_p(&mut s.lock()).expect("a P is idle");
    p.set_m(Some(m));
    p
}

/// A poll descriptor, which lives for ever as all do; kept where Miri finds it.
pub fn desc(console: bool) -> &'static PollDesc<Fake> {
    let desc = Box::leak(Box::new(PollDesc::new(console)));
    static ALL: std::sync::Mutex<Vec<&'static PollDesc<Fake>>> = std::sync::Mutex::new(Vec::new());
    if cfg!(miri) {
        ALL.lock().unwrap().push(desc);
    }
    desc
}

/// A new G, begun, and not queued.
pub fn new_g(cx: &Cx<'_, Fake>) -> Runnable<Fake> {
    spawn_with(cx, FakeG::idle())
}

pub fn spawn_with(cx: &Cx<'_, Fake>, ext: FakeG) -> Runnable<Fake> {
    cx.sched.begin(cx, cx.sched.new_dead(ext).expect("memory"), 0, false)
}

/// A G that waits, as one that parked.
pub fn parked(cx: &Cx<'_, Fake>) -> Parked<Fake> {
    let g = new_g(cx).start(0, 0);
    g.transition(crate::Status::Running, crate::Status::Waiting);
    Runnable::parked(g)
}

/// A G of the system that waits.
pub fn parked_system(cx: &Cx<'_, Fake>) -> Parked<Fake> {
    let g = cx.sched.begin(cx, cx.sched.new_dead(FakeG::idle()).expect("memory"), 0, true).start(0, 0);
    g.transition(crate::Status::Running, crate::Status::Waiting);
    Runnable::parked(g)
}

/// Uses a right up without a trace.
pub fn forget(g: Runnable<Fake>) -> u64 {
    g.into_raw().id()
}

/// Gs without a scheduler, numbered from 1: for tests of the queues alone.
pub struct Gs(Vec<crate::GRef<Fake>>);

impl Gs {
    pub fn new(n: u64) -> Self {
        Self((1..=n).map(Self::make).collect())
    }

    fn make(id: u64) -> crate::GRef<Fake> {
        let g = Box::into_raw(Box::new(G::new(FakeG::idle())));
        let g = crate::GRef::from_ptr(g).expect("a box is not null");
        g.begin_life(id, 0, false);
        g
    }

    /// The right to run the G with that number; made once for each at a time.
    pub fn runnable(&self, id: u64) -> Runnable<Fake> {
        Runnable::begun(self.0[id as usize - 1])
    }
}

impl Drop for Gs {
    fn drop(&mut self) {
        for g in &self.0 {
            // SAFETY: `make` leaked it, and the tests' queues are empty or forgotten by now.
            drop(unsafe { Box::from_raw(g.as_ptr()) });
        }
    }
}

/// Runs `f` under loom in all orders with at most three preemptions (or as the environment says).
#[cfg(loom)]
pub fn model(f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 20_000;
    if builder.preemption_bound.is_none() {
        builder.preemption_bound = Some(3);
    }
    builder.check(f);
}
