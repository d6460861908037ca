//! Timers: a 4-ary heap per P, and who wakes up for the earliest.
//!
//! A timer fires where its P's owner comes by `find_runnable`, or a thief. While any core is idle, one of the idle ones is
//! the *keeper*: it sleeps until the earliest timer of all Ps, and no other idle core takes a timer interrupt. While
//! none is idle, each running core's tick comes no later than its own P's earliest timer.
//!
//! *Context.* g0, or a G under the preemption guard: never an interrupt handler. Adding may grow the heap's vector.
//!
//! *Locks.* Each heap has its own; under it nothing else is taken.
//!
//! *Memory order.* An adder and a keeper-to-be each announce, fence, look:
//! ```text
//!   adder                               keeper
//!   min = when                          keeper = me; keeper_until = earliest
//!   store_load_fence                    store_load_fence
//!   keeper awake after `when`? -> event earliest again: sleep no longer than that
//! ```
//! *Invariants.* KEEPER-WORD: the keeper sleeps no longer than `keeper_until` says, and looks once more after it stopped being the
//! keeper: so an adder of a later timer may leave it to the keeper.
//!
//! *Differences from Go.* A sleep's timer lives in the G and is put into the heap after the G is off its stack, as in Go
//! 1.23. The keeper stands where Go has the M that blocks in netpoll.

use alloc::vec::Vec;
use core::ptr::NonNull;

use crate::{
    cx::Cx,
    g::{G, GRef},
    globq::GList,
    m::M,
    machine::Machine,
    sched::Scheduler,
    sync::{AtomicPtr, AtomicU64, AtomicUsize, Lock, Ordering, store_load_fence},
    token::Parked,
};

/// Something that happens once, at a time: today, that a sleeping G becomes runnable.
#[derive(Debug)]
pub struct Timer<K: Machine> {
    sleeper: AtomicPtr<G<K>>,
}

impl<K: Machine> Timer<K> {
    pub(crate) fn new() -> Self {
        Self { sleeper: AtomicPtr::new(core::ptr::null_mut()) }
    }
}

#[derive(Debug)]
struct Entry<K: Machine> {
    when: u64,
    timer: NonNull<Timer<K>>,
}

impl<K: Machine> Clone for Entry<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K: Machine> Copy for Entry<K> {}

// SAFETY: the timer lies in a G (TYPE-STABLE), and is touched under the heap's lock or before it enters the heap.
unsafe impl<K: Machine> Send for Entry<K> {}

/// One P's timers.
#[derive(Debug)]
pub struct Timers<K: Machine> {
    heap: Lock<Heap<K>>,
    /// The earliest deadline, `u64::MAX` for none: read without the lock.
    min: AtomicU64,
    /// How many belong to goroutines of the user.
    user: AtomicUsize,
    /// How many there are.
    len: AtomicUsize,
}

#[derive(Debug)]
struct Heap<K: Machine>(Vec<Entry<K>>);

impl<K: Machine> Heap<K> {
    fn min(&self) -> u64 {
        self.0.first().map_or(u64::MAX, |e| e.when)
    }

    fn push(&mut self, entry: Entry<K>) {
        self.0.push(entry);
        let mut i = self.0.len() - 1;
        while i > 0 && self.0[(i - 1) / 4].when > self.0[i].when {
            self.0.swap(i, (i - 1) / 4);
            i = (i - 1) / 4;
        }
    }

    fn pop_due(&mut self, now: u64) -> Option<Entry<K>> {
        if self.min() > now {
            return None;
        }
        let entry = self.0.swap_remove(0);
        let mut i = 0;
        while let Some(least) = self.least_child(i)
            && self.0[least].when < self.0[i].when
        {
            self.0.swap(i, least);
            i = least;
        }
        Some(entry)
    }

    fn least_child(&self, i: usize) -> Option<usize> {
        let end = self.0.len().min(4 * i + 5);
        (4 * i + 1..end).min_by_key(|&c| self.0[c].when)
    }
}

impl<K: Machine> Timers<K> {
    pub(crate) fn new() -> Self {
        Self {
            heap: Lock::new(Heap(Vec::new())),
            min: AtomicU64::new(u64::MAX),
            user: AtomicUsize::new(0),
            len: AtomicUsize::new(0),
        }
    }

    /// The earliest deadline (ns), `u64::MAX` if there is none.
    #[inline]
    pub fn min(&self) -> u64 {
        self.min.load(Ordering::Acquire)
    }

    /// How many timers wait, those of the system not counted.
    pub(crate) fn user_len(&self) -> usize {
        self.user.load(Ordering::Acquire)
    }

    /// How many timers wait. Takes no lock: reports are made by Gs that may be preempted.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.min() == u64::MAX
    }

    /// True if the new one is the earliest now.
    pub(crate) fn add(&self, when: u64, g: GRef<K>) -> bool {
        let mut heap = self.heap.lock();
        let earliest = when < heap.min();
        heap.push(Entry { when, timer: NonNull::from(&g.timer) });
        if !g.is_system() {
            self.user.fetch_add(1, Ordering::Relaxed);
        }
        self.min.store(heap.min(), Ordering::Release);
        self.len.store(heap.0.len(), Ordering::Relaxed);
        earliest
    }

    /// Takes all that are due off the heap, and makes their sleepers runnable.
    pub(crate) fn take_due(&self, now: u64) -> GList<K> {
        let mut due = GList::new();
        let mut heap = self.heap.lock();
        while let Some(entry) = heap.pop_due(now) {
            // SAFETY: TYPE-STABLE, and the timer left the heap under its lock.
            let timer = unsafe { entry.timer.as_ref() };
            let sleeper = timer.sleeper.swap(core::ptr::null_mut(), Ordering::Relaxed);
            let Some(g) = GRef::from_ptr(sleeper) else { continue };
            if !g.is_system() {
                self.user.fetch_sub(1, Ordering::Relaxed);
            }
            // SAFETY: ONE-RIGHT: the swap took out what `sleep_until` put in.
            due.push_back(unsafe { Parked::from_raw(g) }.into_runnable());
        }
        self.min.store(heap.min(), Ordering::Release);
        self.len.store(heap.0.len(), Ordering::Relaxed);
        due
    }
}

impl<K: Machine> Scheduler<K> {
    /// The commit of a sleep: `parked` becomes runnable at `when` (ns) or soon after.
    pub fn sleep_until(&self, cx: &Cx<'_, K>, parked: Parked<K>, when: u64) {
        let g = parked.into_raw();
        g.timer.sleeper.store(g.as_ptr(), Ordering::Relaxed);
        if cx.p.timers.add(when, g) {
            self.timers_changed(cx, when);
        }
    }

    pub(crate) fn timers_changed(&self, cx: &Cx<'_, K>, when: u64) {
        store_load_fence();
        match self.keeper.load(Ordering::Relaxed) {
            0 => self.machine.arm(cx.m.id, when),
            _ if cfg!(feature = "bug_adder_tells_nobody") => {}
            keeper if when < self.keeper_until.load(Ordering::Relaxed) => {
                self.event(&self.ms[keeper as usize - 1]);
            }
            _ => {}
        }
    }

    /// Fires what is due in `p`'s heap. What becomes runnable goes to the caller's own queue.
    #[inline]
    pub(crate) fn check_timers(&self, cx: &Cx<'_, K>, timers: &Timers<K>, now: u64) -> bool {
        if timers.min() > now {
            return false;
        }
        let due = timers.take_due(now);
        let any = !due.is_empty();
        self.inject(cx, due);
        any
    }

    /// The earliest deadline of all Ps.
    pub(crate) fn next_timer(&self) -> u64 {
        self.ps.iter().map(|p| p.timers.min()).min().unwrap_or(u64::MAX)
    }

    /// An idle M asks until when it may sleep: for ever, unless it is or becomes the keeper.
    pub(crate) fn watch_timers(&self, m: &M<K>) -> Option<u64> {
        let me = m.id as u32 + 1;
        let mut until = self.next_timer();
        if until == u64::MAX && self.leave_keeper(m) {
            until = self.next_timer(); // an adder may have left its timer to the keeper that we were
        }
        if until == u64::MAX || self.npidle.load(Ordering::SeqCst) == 0 {
            self.leave_keeper(m);
            return None;
        }
        let claim = self.keeper.compare_exchange(0, me, Ordering::SeqCst, Ordering::SeqCst);
        if claim.is_err_and(|keeper| keeper != me) {
            return None;
        }
        self.keeper_until.store(until, Ordering::Relaxed);
        store_load_fence();
        if cfg!(feature = "bug_keeper_oversleeps") {
            return Some(self.next_timer());
        }
        // Not later than announced: an adder of a later timer relies on our looking again then (KEEPER-WORD).
        Some(until.min(self.next_timer()))
    }

    /// The keeper has other things to do: its core's own tick watches from now on.
    ///
    /// True if it was the keeper; then what it looks at next is looked at after that was announced.
    pub(crate) fn leave_keeper(&self, m: &M<K>) -> bool {
        m.set_rearm();
        if self.keeper.load(Ordering::Relaxed) != m.id as u32 + 1 {
            return false;
        }
        self.keeper_until.store(u64::MAX, Ordering::Relaxed);
        self.keeper.store(0, Ordering::SeqCst);
        store_load_fence();
        cfg!(not(feature = "bug_keeper_leaves_blindly"))
    }

    /// When this core's tick must come: its slice's end, or a timer that nobody else watches.
    pub(crate) fn tick_deadline(&self, cx: &Cx<'_, K>, now: u64) -> u64 {
        let own = match self.keeper.load(Ordering::SeqCst) {
            0 => self.next_timer(),
            _ => cx.p.timers.min(),
        };
        let end = cx.p.slice_end();
        // A timer that is due already and found no idle core waits for the slice's end.
        if own <= now { end } else { own.min(end) }
    }
}
