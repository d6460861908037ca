//! Parking and waking Ms: the idle lists, the spinning protocol, the wake word.
//!
//! The problem: work may be submitted at the moment in which the last core that looks for work gives up. Waking a core
//! for every submission would be simple and slow. The protocol, as numbered steps:
//!
//! 1. A submitter queues its work, *fence*, looks: if a P is idle and no M spins, it starts one M spinning (`wakep`).
//! 2. An M without work spins (at most half as many as there are busy Ps) over all queues.
//! 3. If it found none it gives its P back and enters the idle set, in one step under the lock; a P in the idle list
//!    thus always finds an idle M, unless all are in blocking calls.
//! 4. It stops spinning (`nmspinning` - 1), *fence*, and looks once more at every queue, timer and event.
//! 5. Found something: it takes an idle P and spins again; if no P is idle, it sets `needspinning`, and whoever is
//!    about to give a P back looks again instead.
//! 6. Found nothing: it halts until its wake word has a bit.
//!
//! *Memory order.* Submitter and last spinner each announce, fence, look:
//! ```text
//!   submitter                         spinner
//!   push to a queue                   nmspinning -= 1
//!   store_load_fence                  store_load_fence
//!   nmspinning == 0?  -> wakep        any queue filled?  -> reacquire
//! ```
//!
//! *Locks.* The scheduler's lock, for moments. *Invariants.* IDLE-PAIR: an M is in the idle set exactly when it has neither
//! a P nor one on its way; whoever takes it out of the set must either give it a P and notify it, or be it. SPIN-CLAIM: a waker
//! that counted itself in `nmspinning` and then found no P takes that back under the lock, so that nobody who found a P after
//! it holds the claim for an M that looks.

use crate::{
    m::M,
    machine::Machine,
    p::{OwnedP, bump},
    sched::{Inner, Scheduler},
    sync::{AtomicU32, Ordering, store_load_fence},
};

/// How an M sleeps and is woken: one word.
#[derive(Debug)]
pub struct WakeWord(AtomicU32);

impl WakeWord {
    /// Somebody gave this M a P.
    pub(crate) const NOTIFIED: u32 = 1;
    /// An interrupt left something to look at, or the timers changed.
    pub(crate) const EVENT: u32 = 2;
    /// The core is halted, or about to be: it needs an interrupt.
    const HALTED: u32 = 4;

    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Announces a halt, interrupts being off. False if a wake-up is there already: then do not halt.
    pub fn halt(&self) -> bool {
        let before = self.0.fetch_or(Self::HALTED, Ordering::SeqCst);
        if before & (Self::NOTIFIED | Self::EVENT) == 0 || cfg!(feature = "bug_halt_blindly") {
            return true;
        }
        self.awake();
        false
    }

    /// The core runs again.
    pub fn awake(&self) {
        self.0.fetch_and(!Self::HALTED, Ordering::SeqCst);
    }

    /// Whether the core is halted and an interrupt handler on it should leave it a wake-up.
    pub fn is_halted(&self) -> bool {
        self.0.load(Ordering::SeqCst) & Self::HALTED != 0
    }

    /// Sets `bit`; true if the core must be kicked.
    pub(crate) fn set(&self, bit: u32) -> bool {
        let before = self.0.fetch_or(bit, Ordering::SeqCst);
        before & Self::HALTED != 0 && before & (Self::NOTIFIED | Self::EVENT) == 0
    }

    pub(crate) fn take(&self) -> u32 {
        self.0.fetch_and(Self::HALTED, Ordering::SeqCst) & (Self::NOTIFIED | Self::EVENT)
    }
}

impl<K: Machine> Scheduler<K> {
    /// Work was queued: starts an M that looks for it, unless one looks already or no P is idle.
    #[inline]
    pub fn wakep(&self) {
        store_load_fence();
        if self.npidle.load(Ordering::Relaxed) != 0 && self.nmspinning.load(Ordering::Relaxed) == 0 {
            self.wakep_slow();
        }
    }

    #[cold]
    fn wakep_slow(&self) {
        if self.nmspinning.compare_exchange(0, 1, Ordering::SeqCst, Ordering::Relaxed).is_err() {
            return;
        }
        let mut inner = self.lock();
        if let Some(p) = self.take_idle_p(&mut inner) {
            match self.take_idle_m(&p) {
                Some(m) => {
                    drop(inner);
                    m.set_spinning(true);
                    return self.notify(m, p);
                }
                None => self.put_idle_p(&mut inner, p),
            }
        }
        // We found work that we cannot take: whoever drops its P next shall look again.
        self.needspinning.store(true, Ordering::Relaxed);
        // Under the lock: who gives a P back after us must not take our claim for a spinning M (SPIN-CLAIM).
        if cfg!(not(feature = "bug_claim_outlives_lock")) {
            self.nmspinning.fetch_sub(1, Ordering::SeqCst);
        }
        drop(inner);
        if cfg!(feature = "bug_claim_outlives_lock") {
            self.nmspinning.fetch_sub(1, Ordering::SeqCst);
        }
    }

    fn notify(&self, m: &M<K>, p: OwnedP<K>) {
        m.give_nextp(p);
        bump(&m.stats.wakes);
        if m.wake.set(WakeWord::NOTIFIED) {
            self.machine.kick(m.id);
        }
    }

    /// Makes `m`'s core look at events and timers, if it is idle.
    pub(crate) fn event(&self, m: &M<K>) {
        if m.wake.set(WakeWord::EVENT) {
            self.machine.kick(m.id);
        }
    }

    pub(crate) fn take_idle_p(&self, inner: &mut Inner<K>) -> Option<OwnedP<K>> {
        let p = inner.idle_ps.pop()?;
        self.npidle.fetch_sub(1, Ordering::SeqCst);
        Some(p)
    }

    pub(crate) fn put_idle_p(&self, inner: &mut Inner<K>, p: OwnedP<K>) {
        p.set_m(None);
        inner.idle_ps.push(p);
        self.npidle.fetch_add(1, Ordering::SeqCst);
    }

    /// An idle M for `p`: the one that had it last, if it is idle. Under the lock.
    fn take_idle_m(&self, p: &OwnedP<K>) -> Option<&M<K>> {
        let last = p.last_m().filter(|&m| self.idle_ms.contains(m));
        let id = last.or_else(|| self.idle_ms.first())?;
        self.idle_ms.remove(id);
        Some(&self.ms[id])
    }

    pub(crate) fn become_spinning(&self, m: &M<K>) {
        m.set_spinning(true);
        self.nmspinning.fetch_add(1, Ordering::SeqCst);
        self.needspinning.store(false, Ordering::Relaxed);
    }

    /// A spinning M found work: another one may have to look for more.
    pub(crate) fn reset_spinning(&self, m: &M<K>) {
        m.set_spinning(false);
        self.nmspinning.fetch_sub(1, Ordering::SeqCst);
        self.wakep();
    }

    /// Steps 3 to 6: gives `p` back and sleeps until there is a P to run with. `None`: the machine shuts down.
    pub(crate) fn stopm(&self, m: &M<K>, p: OwnedP<K>) -> Option<OwnedP<K>> {
        let mut inner = self.lock();
        if !inner.globq.is_empty() {
            return Some(p);
        }
        if !m.spinning() && self.needspinning.load(Ordering::Relaxed) {
            self.become_spinning(m);
            return Some(p);
        }
        // Before the idle set: whoever finds us there may make us spinning again, for a count of its own.
        let spun = m.spinning();
        m.set_spinning(false);
        self.put_idle_p(&mut inner, p);
        self.idle_ms.insert(m.id);
        drop(inner);
        self.wait_for_p(m, spun)
    }

    /// The boot core comes up: it takes a P at once, since there is no work yet that could bring it one.
    pub(crate) fn start_boot(&self, m: &M<K>) -> Option<OwnedP<K>> {
        let p = self.take_idle_p(&mut self.lock())?;
        m.set_rearm();
        Some(p)
    }

    /// A core that has just come up: enters the idle set and waits for a P.
    pub(crate) fn startm_first(&self, m: &M<K>) -> Option<OwnedP<K>> {
        let inner = self.lock();
        self.idle_ms.insert(m.id);
        drop(inner);
        self.wait_for_p(m, false)
    }

    /// `spun`: this M still counts in `nmspinning`.
    fn wait_for_p(&self, m: &M<K>, spun: bool) -> Option<OwnedP<K>> {
        // The P that comes may be another one, with other timers.
        m.set_rearm();
        if spun {
            self.nmspinning.fetch_sub(1, Ordering::SeqCst);
        }
        store_load_fence();
        if cfg!(not(feature = "bug_no_final_recheck"))
            && self.work_visible()
            && let Some(p) = self.reacquire(m)
        {
            return Some(p);
        }
        bump(&m.stats.parks);
        let p = self.sleep_until_notified(m);
        self.leave_keeper(m);
        p
    }

    fn sleep_until_notified(&self, m: &M<K>) -> Option<OwnedP<K>> {
        loop {
            let woken = m.wake.take();
            if woken & WakeWord::NOTIFIED != 0 {
                let Some(p) = m.take_nextp() else { panic!("M{} was notified without a P", m.id) };
                return Some(p);
            }
            if self.events_due()
                && let Some(p) = self.reacquire(m)
            {
                return Some(p);
            }
            if self.machine.shutting_down() {
                return None;
            }
            let until = self.watch_timers(m);
            self.check_dead();
            self.machine.idle(m.id, until, &m.wake);
        }
    }

    fn events_due(&self) -> bool {
        let next = self.next_timer();
        self.poll.pending() || next != u64::MAX && next <= self.machine.now()
    }

    fn work_visible(&self) -> bool {
        self.globq_len.load(Ordering::Relaxed) != 0 || self.ps.iter().any(|p| !p.runq.is_empty()) || self.events_due()
    }

    /// Takes an idle P and leaves the idle set, spinning. `None`: no P is idle, or somebody brings us one.
    pub(crate) fn reacquire(&self, m: &M<K>) -> Option<OwnedP<K>> {
        let mut inner = self.lock();
        if !self.idle_ms.contains(m.id) {
            return None; // a P is on its way: the wake word says when
        }
        let Some(p) = self.take_idle_p(&mut inner) else {
            self.needspinning.store(true, Ordering::Relaxed);
            return None;
        };
        self.idle_ms.remove(m.id);
        self.become_spinning(m);
        Some(p)
    }

    /// From an interrupt handler, or after one: an idle core, if there is one, shall look at events and timers.
    /// `here` is the M of the core that asks, on that core.
    pub fn event_for_idle(&self, here: &M<K>) {
        if cfg!(feature = "bug_event_tells_nobody") {
            return;
        }
        store_load_fence();
        if here.wake.is_halted() {
            here.wake.set(WakeWord::EVENT); // no kick: the interrupt that we are in has ended the halt
            return;
        }
        if self.npidle.load(Ordering::Relaxed) == 0 || self.nmspinning.load(Ordering::Relaxed) != 0 {
            return; // all Ps are busy, or somebody looks: both will come by
        }
        if let Some(id) = self.idle_ms.first() {
            self.event(&self.ms[id]);
        }
    }
}
