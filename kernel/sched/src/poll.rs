//! Netpoll without a poll: interrupt handlers fire descriptors, the next `find_runnable` readies their Gs.
//!
//! A handler may do exactly this much: [`PollList::fire`] marks a descriptor and links it into a lock-free list, and
//! [`Scheduler::event_for_idle`] makes sure that some core looks. The list is emptied where Go calls `netpoll(0)`.
//!
//! *Invariants.* QUEUED-ONCE: a descriptor's `queued` flag is set by whoever links it and cleared by whoever unlinked it,
//! before its state is read; so an event is either in what the unlinker is about to read, or links it again.
//! Descriptors live for ever. MARK-RMW: a mark is set and taken by read-modify-writes only, so whoever takes it sees what the
//! handlers wrote before every event that it stands for.
//!
//! *Memory order.*
//! ```text
//!   handler                                     waiter (on g0)
//!   data into the device's ring                 state: NONE -> G       (CAS, AcqRel)
//!   queued: swap(true); push; fence                or finds READY: goes on at once
//!   then the unlinker: state: swap(READY)       -> the G it found is ready
//! ```

use crate::{
    cx::Cx,
    g::{G, GRef},
    globq::GList,
    machine::Machine,
    sched::Scheduler,
    sync::{AtomicBool, AtomicPtr, AtomicUsize, Ordering},
    token::Parked,
};

/// One thing that a G may wait for: input on a device.
#[derive(Debug)]
pub struct PollDesc<K: Machine> {
    state: AtomicPtr<G<K>>,
    next: AtomicPtr<PollDesc<K>>,
    queued: AtomicBool,
    console: bool,
}

/// The state of a descriptor that fired while nobody waited.
fn fired<K: Machine>() -> *mut G<K> {
    core::ptr::without_provenance_mut(1)
}

impl<K: Machine> PollDesc<K> {
    /// A descriptor on which nothing happened. A `console`'s waiter does not count against a deadlock.
    #[cfg(not(loom))]
    pub const fn new(console: bool) -> Self {
        Self {
            state: AtomicPtr::new(core::ptr::null_mut()),
            next: AtomicPtr::new(core::ptr::null_mut()),
            queued: AtomicBool::new(false),
            console,
        }
    }

    /// A descriptor on which nothing happened.
    #[cfg(loom)]
    pub fn new(console: bool) -> Self {
        Self {
            state: AtomicPtr::new(core::ptr::null_mut()),
            next: AtomicPtr::new(core::ptr::null_mut()),
            queued: AtomicBool::new(false),
            console,
        }
    }

    /// Takes a mark that is there already: true if something happened since the last look.
    pub fn take_fired(&self) -> bool {
        let none = core::ptr::null_mut();
        self.state.compare_exchange(fired(), none, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Marks it; returns the G that waited.
    ///
    /// Always a read-modify-write, even of a mark that is there already: whoever takes the mark must see what the
    /// *last* handler wrote into its device's ring (MARK-RMW). Two markers at a time are rare and harmless.
    fn mark(&self) -> Option<Parked<K>> {
        let mut was = self.state.load(Ordering::Acquire);
        loop {
            if cfg!(feature = "bug_mark_by_load") && was == fired() {
                return None;
            }
            let waits = !was.is_null() && was != fired();
            let to = if waits { core::ptr::null_mut() } else { fired() };
            match self.state.compare_exchange(was, to, Ordering::AcqRel, Ordering::Acquire) {
                // SAFETY: ONE-RIGHT: the CAS took out what `poll_wait` put in.
                Ok(g) if waits => return GRef::from_ptr(g).map(|g| unsafe { Parked::from_raw(g) }),
                Ok(_) => return None,
                Err(now) => was = now,
            }
        }
    }
}

/// Descriptors that fired, and how many Gs wait on any.
#[derive(Debug)]
pub struct PollList<K: Machine> {
    head: AtomicPtr<PollDesc<K>>,
    waiters: AtomicUsize,
    console_waiters: AtomicUsize,
    /// A tick found the list filled: Gs that never wait must not keep everybody from looking (Go's sysmon polls for that).
    overdue: AtomicBool,
}

impl<K: Machine> PollList<K> {
    pub(crate) fn new() -> Self {
        Self {
            head: AtomicPtr::new(core::ptr::null_mut()),
            waiters: AtomicUsize::new(0),
            console_waiters: AtomicUsize::new(0),
            overdue: AtomicBool::new(false),
        }
    }

    /// From a tick: if something waits to be looked at, the next `find_runnable` shall do it first. Says whether.
    pub(crate) fn mark_overdue(&self) -> bool {
        let pending = self.pending();
        if pending {
            self.overdue.store(true, Ordering::Relaxed);
        }
        pending
    }

    #[inline]
    pub(crate) fn take_overdue(&self) -> bool {
        let overdue = self.overdue.load(Ordering::Relaxed);
        if overdue {
            self.overdue.store(false, Ordering::Relaxed);
        }
        overdue
    }

    /// Something happened on `desc`. For interrupt handlers: lock-free, takes nothing, readies nobody.
    pub fn fire(&self, desc: &'static PollDesc<K>) {
        // SAFETY: it lives for ever.
        unsafe { self.fire_ptr(core::ptr::from_ref(desc).cast_mut()) }
    }

    /// # Safety
    /// `desc` lives as long as this list.
    pub(crate) unsafe fn fire_ptr(&self, desc: *mut PollDesc<K>) {
        // SAFETY: by contract.
        let d = unsafe { &*desc };
        if d.queued.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            d.next.store(head, Ordering::Relaxed);
            match self.head.compare_exchange(head, desc, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Whether any descriptor fired that nobody looked at yet.
    #[inline]
    pub fn pending(&self) -> bool {
        !self.head.load(Ordering::Acquire).is_null()
    }

    fn take(&self) -> GList<K> {
        let mut ready = GList::new();
        let mut next = self.head.swap(core::ptr::null_mut(), Ordering::AcqRel);
        // SAFETY: descriptors live for ever (QUEUED-ONCE), and the swap made this chain ours.
        while let Some(desc) = unsafe { next.as_ref() } {
            next = desc.next.load(Ordering::Relaxed);
            if cfg!(not(feature = "bug_queued_cleared_late")) {
                desc.queued.swap(false, Ordering::AcqRel);
            }
            let marked = desc.mark();
            if cfg!(feature = "bug_queued_cleared_late") {
                desc.queued.swap(false, Ordering::AcqRel);
            }
            if let Some(parked) = marked {
                self.waiter_count(desc.console).fetch_sub(1, Ordering::AcqRel);
                ready.push_back(parked.into_runnable());
            }
        }
        ready
    }

    fn waiter_count(&self, console: bool) -> &AtomicUsize {
        if console { &self.console_waiters } else { &self.waiters }
    }

    /// Gs that wait on a device: (all but consoles, consoles).
    pub(crate) fn waiting(&self) -> (usize, usize) {
        (self.waiters.load(Ordering::Acquire), self.console_waiters.load(Ordering::Acquire))
    }
}

impl<K: Machine> Scheduler<K> {
    /// The commit of a wait: `parked` becomes runnable when `desc` fires; `Some` if it has fired already.
    pub fn poll_wait(&self, desc: &PollDesc<K>, parked: Parked<K>) -> Option<Parked<K>> {
        let count = self.poll.waiter_count(desc.console);
        count.fetch_add(1, Ordering::AcqRel);
        let g = parked.into_raw();
        let none = core::ptr::null_mut();
        let swap = desc.state.compare_exchange(none, g.as_ptr(), Ordering::AcqRel, Ordering::Acquire);
        let Err(found) = swap else { return None };
        assert!(found == fired(), "two goroutines wait on one poll descriptor");
        // Acquires what the last mark released (MARK-RMW): the G looks at its device next.
        desc.state.swap(none, Ordering::AcqRel);
        count.fetch_sub(1, Ordering::AcqRel);
        // SAFETY: ONE-RIGHT: it was not stored.
        Some(unsafe { Parked::from_raw(g) })
    }

    /// Readies all Gs whose descriptors fired.
    #[doc(alias = "netpoll")]
    #[inline]
    pub(crate) fn check_poll(&self, cx: &Cx<'_, K>) {
        if self.poll.pending() {
            self.inject(cx, self.poll.take());
        }
    }
}
