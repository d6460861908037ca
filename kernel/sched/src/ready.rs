//! Making Gs runnable: `ready`, and batches of them.
//!
//! *Context.* g0, or a G under the preemption guard; never an interrupt handler (they fire poll descriptors).
#![forbid(unsafe_code)]

use crate::{
    cx::Cx,
    globq::GList,
    machine::Machine,
    sched::Scheduler,
    token::{Parked, Runnable},
};

impl<K: Machine> Scheduler<K> {
    /// Makes a waiting G runnable: in `runnext` (it runs next here, in our slice) or at our queue's tail.
    #[doc(alias = "goready")]
    #[inline]
    pub fn ready(&self, cx: &Cx<'_, K>, parked: Parked<K>, next: bool) {
        self.submit(cx, parked.into_runnable(), next);
    }

    #[inline]
    pub(crate) fn submit(&self, cx: &Cx<'_, K>, g: Runnable<K>, next: bool) {
        let overflow = if next { cx.p.runq.put_next(g) } else { cx.p.runq.put(g) };
        if let Some(mut batch) = overflow {
            self.globq_put(&mut batch);
        }
        if cfg!(not(feature = "bug_no_wake")) {
            self.wakep();
        }
    }

    /// Puts a batch into our queue, in order, and wakes a core for what we cannot run ourselves. A goroutine of the system, which has
    /// little to do and is waited for, runs next.
    #[doc(alias = "injectglist")]
    pub(crate) fn inject(&self, cx: &Cx<'_, K>, mut list: GList<K>) {
        if list.is_empty() {
            return;
        }
        while let Some(g) = list.pop_front() {
            let overflow = if g.g().is_system() { cx.p.runq.put_next(g) } else { cx.p.runq.put(g) };
            if let Some(mut batch) = overflow {
                self.globq_put(&mut batch);
            }
        }
        self.wakep();
    }
}
