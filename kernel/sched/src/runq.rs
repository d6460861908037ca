//! A P's run queue: a ring that one core fills and all may empty, and the slot `runnext` before it.
//!
//! The owner pushes at the tail and takes at the head; thieves take half from the head. A G in `runnext` runs
//! before all in the ring and inherits its maker's time slice, so that two Gs which wake each other in turn
//! behave like one G and do not starve the ring for longer than a slice.
//!
//! *Memory order.*
//! ```text
//!   owner, push                          thief, grab                       owner, push again
//!   slot[t] = g        (Relaxed)         h = head      (Acquire)           h = head      (Acquire)
//!   tail = t + 1       (Release)  --->   t = tail      (Acquire)           -> may reuse slots below h
//!                                        slots h..h+n  (Relaxed)
//!                                        head: h->h+n  (CAS, Release) --->
//! ```
//! A thief may read slots that the owner reuses meanwhile; then `head` has moved and its CAS fails.
//!
//! *Invariants.* ONE-RIGHT (`token`): a pointer in the ring or in `runnext` is one `Runnable`.

use crate::{
    g::{G, GRef},
    globq::GList,
    machine::Machine,
    sync::{AtomicPtr, AtomicU32, Ordering},
    token::Runnable,
};

/// Slots of the ring.
pub const CAPACITY: usize = if cfg!(loom) { 4 } else { 256 };
const N: u32 = CAPACITY as u32;

/// One P's queue of runnable Gs.
#[derive(Debug)]
pub struct RunQueue<K: Machine> {
    head: AtomicU32,
    tail: AtomicU32,
    runnext: AtomicPtr<G<K>>,
    ring: [AtomicPtr<G<K>>; CAPACITY],
}

impl<K: Machine> RunQueue<K> {
    /// An empty queue.
    pub fn new() -> Self {
        let null = || AtomicPtr::new(core::ptr::null_mut());
        Self {
            head: AtomicU32::new(0),
            tail: AtomicU32::new(0),
            runnext: null(),
            ring: core::array::from_fn(|_| null()),
        }
    }

    /// Puts `g` into `runnext`; the G that was there goes to the ring's tail. Owner only.
    ///
    /// What did not fit comes back and belongs on the global queue.
    #[inline]
    pub fn put_next(&self, g: Runnable<K>) -> Option<GList<K>> {
        let old = self.runnext.swap(g.into_raw().as_ptr(), Ordering::AcqRel);
        // SAFETY: ONE-RIGHT: the swap took the pointer out.
        let old = GRef::from_ptr(old).map(|g| unsafe { Runnable::from_raw(g) })?;
        self.put(old)
    }

    /// Puts `g` at the tail. Owner only.
    ///
    /// From a full ring half moves out together with `g`: it comes back and belongs on the global queue.
    #[inline]
    pub fn put(&self, mut g: Runnable<K>) -> Option<GList<K>> {
        loop {
            let head = self.head.load(Ordering::Acquire);
            let tail = self.tail.load(Ordering::Relaxed);
            if tail.wrapping_sub(head) < N {
                self.publish(tail, g);
                return None;
            }
            match self.overflow(g, head) {
                Ok(batch) => return Some(batch),
                Err(back) => g = back,
            }
        }
    }

    #[inline]
    fn publish(&self, tail: u32, g: Runnable<K>) {
        let order = if cfg!(feature = "bug_relaxed_tail") { Ordering::Relaxed } else { Ordering::Release };
        if cfg!(feature = "bug_early_publish") {
            self.tail.store(tail.wrapping_add(1), order);
        }
        self.slot(tail).store(g.into_raw().as_ptr(), Ordering::Relaxed);
        self.tail.store(tail.wrapping_add(1), order);
    }

    #[cold]
    fn overflow(&self, g: Runnable<K>, head: u32) -> Result<GList<K>, Runnable<K>> {
        let mut taken = [core::ptr::null_mut(); CAPACITY / 2];
        for (i, place) in (0..).zip(&mut taken) {
            *place = self.slot(head.wrapping_add(i)).load(Ordering::Relaxed);
        }
        if !self.advance_head(head, N / 2) {
            return Err(g);
        }
        let mut batch = GList::new();
        for p in taken.into_iter().filter_map(GRef::from_ptr) {
            // SAFETY: ONE-RIGHT: the CAS made these slots ours.
            batch.push_back(unsafe { Runnable::from_raw(p) });
        }
        batch.push_back(g);
        Ok(batch)
    }

    /// Takes the next G, and whether it inherits the time slice. Owner only.
    #[inline]
    pub fn take(&self) -> Option<(Runnable<K>, bool)> {
        if let Some(g) = self.take_next() {
            return Some((g, true));
        }
        loop {
            let head = self.head.load(Ordering::Acquire);
            if head == self.tail.load(Ordering::Relaxed) {
                return None;
            }
            let g = self.slot(head).load(Ordering::Relaxed);
            if self.advance_head(head, 1) {
                // SAFETY: ONE-RIGHT: the CAS made the slot ours.
                return GRef::from_ptr(g).map(|g| (unsafe { Runnable::from_raw(g) }, false));
            }
        }
    }

    /// Takes what is in `runnext`. By the owner at once, by a thief only as its last resort.
    #[inline]
    pub fn take_next(&self) -> Option<Runnable<K>> {
        let g = self.runnext.load(Ordering::Relaxed);
        GRef::from_ptr(g)?;
        let none = core::ptr::null_mut();
        if cfg!(feature = "bug_runnext_by_store") {
            self.runnext.store(none, Ordering::Release);
            // SAFETY: none: two may take it here.
            return GRef::from_ptr(g).map(|g| unsafe { Runnable::from_raw(g) });
        }
        let taken = self.runnext.compare_exchange(g, none, Ordering::AcqRel, Ordering::Relaxed);
        // SAFETY: ONE-RIGHT: the CAS took the pointer out.
        GRef::from_ptr(taken.ok()?).map(|g| unsafe { Runnable::from_raw(g) })
    }

    /// Moves half of the ring into `to`, the thief's own and empty queue, and returns the last of it.
    pub fn steal_into(&self, to: &Self) -> Option<Runnable<K>> {
        loop {
            let head = self.head.load(Ordering::Acquire);
            let tail = self.tail.load(Ordering::Acquire);
            let count = tail.wrapping_sub(head);
            let n = count - count / 2;
            if n == 0 {
                return None;
            }
            if n > N / 2 {
                continue; // head and tail are not of one moment
            }
            if let Some(g) = self.grab(head, n, to) {
                return Some(g);
            }
        }
    }

    fn grab(&self, head: u32, n: u32, to: &Self) -> Option<Runnable<K>> {
        let base = to.tail.load(Ordering::Relaxed);
        for i in 0..n {
            let g = self.slot(head.wrapping_add(i)).load(Ordering::Relaxed);
            to.slot(base.wrapping_add(i)).store(g, Ordering::Relaxed);
        }
        if cfg!(feature = "bug_steal_by_store") {
            self.head.store(head.wrapping_add(n), Ordering::Release);
        } else if !self.advance_head(head, n) {
            return None;
        }
        let last = to.slot(base.wrapping_add(n - 1)).load(Ordering::Relaxed);
        to.tail.store(base.wrapping_add(n - 1), Ordering::Release);
        // SAFETY: ONE-RIGHT: the CAS made all n slots ours; the last one is not published in `to`.
        GRef::from_ptr(last).map(|g| unsafe { Runnable::from_raw(g) })
    }

    /// Adds up to the ring's room from `list`, for a batch from the global queue. Owner only.
    pub fn put_batch(&self, list: &mut GList<K>) {
        let room = N - self.len_ring();
        let tail = self.tail.load(Ordering::Relaxed);
        let mut added = 0;
        while added < room
            && let Some(g) = list.pop_front()
        {
            let slot = self.slot(tail.wrapping_add(added));
            slot.store(g.into_raw().as_ptr(), Ordering::Relaxed);
            added += 1;
        }
        self.tail.store(tail.wrapping_add(added), Ordering::Release);
    }

    /// Whether there is nothing at all, judged at one moment: a G that moves from `runnext` to the ring is seen in
    /// one place or the other.
    pub fn is_empty(&self) -> bool {
        loop {
            let head = self.head.load(Ordering::Acquire);
            let tail = self.tail.load(Ordering::Acquire);
            let next = self.runnext.load(Ordering::Acquire);
            if tail == self.tail.load(Ordering::Acquire) {
                return head == tail && next.is_null();
            }
        }
    }

    /// Whether the ring has nothing (thieves leave `runnext` to the owner at first).
    pub fn ring_is_empty(&self) -> bool {
        self.len_ring() == 0
    }

    fn len_ring(&self) -> u32 {
        let head = self.head.load(Ordering::Acquire);
        self.tail.load(Ordering::Acquire).wrapping_sub(head)
    }

    /// How many Gs wait here, `runnext` not counted, as Go's schedtrace prints it.
    pub fn len(&self) -> usize {
        (self.len_ring() as usize).min(CAPACITY)
    }

    /// Sets both indices of an empty queue: they must not mind that they wrap.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn start_at(&self, i: u32) {
        self.head.store(i, Ordering::Relaxed);
        self.tail.store(i, Ordering::Relaxed);
    }

    #[inline]
    fn slot(&self, i: u32) -> &AtomicPtr<G<K>> {
        &self.ring[(i % N) as usize]
    }

    #[inline]
    fn advance_head(&self, head: u32, n: u32) -> bool {
        let to = head.wrapping_add(n);
        self.head.compare_exchange(head, to, Ordering::Release, Ordering::Relaxed).is_ok()
    }
}

impl<K: Machine> Default for RunQueue<K> {
    fn default() -> Self {
        Self::new()
    }
}
