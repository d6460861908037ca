//! `find_runnable`: where the next G comes from, in Go's order.
//!
//! 1. timers that are due on this P; interrupts' poll list, if a tick found that nobody came to look at it for long
//! 2. every 61st slice: one G from the global queue, so that two Gs which wake each other cannot starve it
//! 3. `runnext`, then the local ring
//! 4. the global queue: a fair share of it, moved to the local ring
//! 5. what interrupts left in the poll list
//! 6. other Ps: timers, rings, `runnext` (only if few enough Ms spin already)
//! 7. nothing: give the P back, look once more at everything, sleep (`idle`)
//!
//! *Context.* g0, with a P. *Locks.* The scheduler's, in 2, 4 and 7; a heap's in 1 and 6.
#![forbid(unsafe_code)]

use crate::{
    cx::Cx, m::M, machine::Machine, p::OwnedP, runq::CAPACITY, sched::Scheduler, sync::Ordering, token::Runnable,
};

/// Every so many slices the global queue comes first.
const GLOBAL_EVERY: u64 = 61;

/// What was found, and the P to run it with.
#[derive(Debug)]
pub(crate) struct Found<K: Machine> {
    pub p: OwnedP<K>,
    pub g: Runnable<K>,
    /// It goes on with the slice of the G before it.
    pub inherit: bool,
    pub now: u64,
}

impl<K: Machine> Scheduler<K> {
    /// The next G for `m`; waits for one. `None`: the machine shuts down.
    #[doc(alias = "findRunnable")]
    pub(crate) fn find_runnable(&self, m: &M<K>, mut p: OwnedP<K>, mut now: u64) -> Option<Found<K>> {
        loop {
            let cx = Cx::on(self, m, &p);
            if let Some((g, inherit)) = self.find_near(&cx, now) {
                return Some(Found { p, g, inherit, now });
            }
            self.check_poll(&cx);
            if let Some((g, inherit)) = p.runq.take() {
                return Some(Found { p, g, inherit, now });
            }
            if self.may_spin(m)
                && let Some(g) = self.steal_work(&cx)
            {
                now = self.machine.now();
                return Some(Found { p, g, inherit: false, now });
            }
            p = self.stopm(m, p)?;
            p.set_m(Some(m.id));
            now = self.machine.now();
            p.renew_slice(now + self.config.slice);
        }
    }

    /// Sources 1 to 4: no other P is touched.
    #[inline]
    fn find_near(&self, cx: &Cx<'_, K>, now: u64) -> Option<(Runnable<K>, bool)> {
        self.check_timers(cx, &cx.p.timers, now);
        if self.poll.take_overdue() {
            self.check_poll(cx);
        }
        if cx.p.schedtick().is_multiple_of(GLOBAL_EVERY)
            && self.globq_len.load(Ordering::Relaxed) != 0
            && let Some(g) = self.globq_get(|_| 1).pop_front()
        {
            return Some((g, false));
        }
        if let Some(found) = cx.p.runq.take() {
            return Some(found);
        }
        if self.globq_len.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.take_share(cx).map(|g| (g, false))
    }

    /// Our share of the global queue: one to run now, the rest into the (empty) local ring.
    fn take_share(&self, cx: &Cx<'_, K>) -> Option<Runnable<K>> {
        let procs = self.ps.len();
        let mut batch = self.globq_get(|len| len.min(len / procs + 1).min(CAPACITY / 2));
        let g = batch.pop_front();
        cx.p.runq.put_batch(&mut batch);
        debug_assert!(batch.is_empty(), "half a ring fits into an empty one");
        g
    }

    /// Whether `m` may look at other Ps: it does already, or at most half of the busy Ps' Ms do.
    pub(crate) fn may_spin(&self, m: &M<K>) -> bool {
        if m.spinning() {
            return true;
        }
        let spinning = self.nmspinning.load(Ordering::SeqCst);
        let busy = self.ps.len() - self.npidle.load(Ordering::SeqCst).min(self.ps.len());
        if 2 * spinning < busy {
            self.become_spinning(m);
            return true;
        }
        false
    }
}
