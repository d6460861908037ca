//! sysmon without a thread: what the tick of a running core has to decide.
//!
//! Go's sysmon is a thread that sleeps and looks. Here each running core's own timer interrupt does its part, and no core
//! is spent on it: end the slice that is over, and see to it that timers and events that nobody came to see are seen by
//! an idle core.
//!
//! *Context.* An interrupt handler: takes no lock, readies nobody.
#![forbid(unsafe_code)]

use crate::{cx::Cx, m::M, machine::Machine, sched::Scheduler, sync::Ordering};

/// What the tick decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// The G that runs here has used its slice up.
    pub preempt: bool,
    /// When the next tick must come (ns).
    pub next: u64,
}

impl<K: Machine> Scheduler<K> {
    /// The timer interrupt of a core. `cx` is `None` on a core that holds no P now: it looks by itself.
    pub fn tick(&self, m: &M<K>, cx: Option<&Cx<'_, K>>, now: u64) -> Option<Tick> {
        let Some(cx) = cx else {
            self.event_for_idle(m);
            return None;
        };
        if self.poll.mark_overdue() || self.next_timer() <= now {
            self.event_for_idle(m);
        }
        let preempt = now >= cx.p.slice_end();
        let next = if preempt { now + self.config.slice } else { self.tick_deadline(cx, now).max(now + 1) };
        Some(Tick { preempt, next })
    }

    /// Whether anything but the running Gs wants a P.
    pub fn work_waiting(&self) -> bool {
        self.globq_len.load(Ordering::Relaxed) != 0 || self.ps.iter().any(|p| !p.runq.is_empty())
    }
}
