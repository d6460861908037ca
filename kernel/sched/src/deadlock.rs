//! The deadlock check: all goroutines are asleep, and nothing is left that could wake one.
//!
//! A core that is about to sleep looks whether it is the last: all Ps idle, all queues empty. Then only a timer or a device
//! with a waiting G can make anything happen; without either, the program is stuck, and says so instead of hanging.
//! All of that is read under the lock, with all Ps in it: nobody can take an event or end a goroutine meanwhile.
//!
//! A console on which somebody may type is no reason to say nothing: it is reported as its own kind, once, until
//! something ran again.
#![forbid(unsafe_code)]

use crate::{
    machine::{Deadlock, Machine},
    sched::Scheduler,
    sync::Ordering,
};

impl<K: Machine> Scheduler<K> {
    /// Looks whether everything sleeps for ever. Called by an M that is about to halt.
    #[doc(alias = "checkdead")]
    pub(crate) fn check_dead(&self) {
        if self.npidle.load(Ordering::SeqCst) != self.ps.len() {
            return;
        }
        let Some(kind) = self.stuck() else { return };
        if !self.deadlock_told.swap(true, Ordering::SeqCst) {
            self.machine.deadlock(kind);
        }
    }

    /// All goroutines wait, and for nothing that can come.
    fn stuck(&self) -> Option<Deadlock> {
        let inner = self.lock();
        let quiet = inner.idle_ps.len() == self.ps.len()
            && inner.globq.is_empty()
            && self.ps.iter().all(|p| p.runq.is_empty() && p.timers.user_len() == 0)
            && !self.poll.pending();
        if cfg!(feature = "bug_deadlock_unlocked") {
            drop(inner);
        }
        // Still under the lock, with all Ps in it: whoever would take an event or end a G needs a P first.
        let (devices, consoles) = self.poll.waiting();
        let goroutines = self.num_goroutine();
        match (quiet && devices == 0 && goroutines != 0, consoles as u64) {
            (false, _) => None,
            (true, 0) => Some(Deadlock::Everything),
            // The consoles belong to the system; for each, somebody may wait for its end. Nobody else is there: nobody is stuck.
            (true, n) if goroutines <= n => None,
            (true, _) => Some(Deadlock::AllButConsole),
        }
    }

    /// A new situation: a later deadlock is news again.
    pub fn forget_deadlock(&self) {
        self.deadlock_told.store(false, Ordering::SeqCst);
    }
}
