//! Stealing: which Ps a thief visits, and what it takes.
//!
//! A thief walks all Ps in a random order that needs no memory: from a random start, by a stride that is coprime to
//! their number, which visits each exactly once. Four passes; timers and `runnext` only in the last, since a `runnext` is
//! usually run by its owner within microseconds and is best left where its data is.
#![forbid(unsafe_code)]

use alloc::boxed::Box;

use crate::{
    cx::Cx,
    machine::Machine,
    p::{P, bump},
    sched::Scheduler,
    token::Runnable,
};

const PASSES: usize = 4;

/// How long a thief lets a running owner start its `runnext` itself (ns), as in Go.
const RUNNEXT_GRACE: u64 = 3_000;

/// The orders in which the Ps can be visited.
#[derive(Debug)]
pub struct StealOrders {
    count: usize,
    strides: Box<[u32]>,
}

impl StealOrders {
    /// All orders over `0..count`.
    pub fn new(count: usize) -> Self {
        let strides = (1..=count).filter(|&s| gcd(s, count) == 1).map(|s| s as u32).collect();
        Self { count, strides }
    }

    /// How many strides there are to walk by.
    pub fn strides(&self) -> usize {
        self.strides.len()
    }

    /// The walk with that seed: consecutive seeds give different (start, stride) pairs until all are used up.
    pub fn walk(&self, seed: u32) -> StealOrder {
        let seed = seed as usize;
        let stride = self.strides[seed / self.count % self.strides.len()] as usize;
        StealOrder { count: self.count, left: self.count, pos: seed % self.count, stride }
    }
}

/// One walk over all Ps, each once.
#[derive(Clone, Debug)]
pub struct StealOrder {
    count: usize,
    left: usize,
    pos: usize,
    stride: usize,
}

impl StealOrder {
    /// Start and stride, which together name the walk.
    pub fn key(&self) -> (usize, usize) {
        (self.pos, self.stride)
    }
}

impl Iterator for StealOrder {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let at = self.pos;
        self.pos += self.stride;
        if self.pos >= self.count {
            self.pos -= self.count;
        }
        Some(at)
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl<K: Machine> Scheduler<K> {
    /// One G from somebody else's queue, with more of them moved to ours; or what a stolen timer made runnable.
    pub(crate) fn steal_work(&self, cx: &Cx<'_, K>) -> Option<Runnable<K>> {
        for pass in 0..PASSES {
            let last = pass == PASSES - 1;
            for id in self.steal_orders.walk(cx.m.rng.next_u32()) {
                if let Some(g) = self.steal_from(cx, &self.ps[id], last) {
                    bump(&cx.p.stats.steals);
                    return Some(g);
                }
            }
        }
        None
    }

    fn steal_from(&self, cx: &Cx<'_, K>, victim: &P<K>, last: bool) -> Option<Runnable<K>> {
        if last && !victim.timers.is_empty() {
            let now = self.machine.now();
            if self.check_timers(cx, &victim.timers, now)
                && let Some((g, _)) = cx.p.runq.take()
            {
                return Some(g);
            }
        }
        if victim.id == cx.p.id {
            return None;
        }
        victim.runq.steal_into(&cx.p.runq).or_else(|| self.steal_next(victim, last))
    }

    fn steal_next(&self, victim: &P<K>, last: bool) -> Option<Runnable<K>> {
        if !last || victim.runq.is_empty() {
            return None;
        }
        if victim.m().is_some() {
            let until = self.machine.now() + RUNNEXT_GRACE;
            while !victim.runq.is_empty() && self.machine.now() < until {
                self.machine.relax();
            }
        }
        victim.runq.take_next()
    }
}
