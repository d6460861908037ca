//! P: the right to run Gs, and what goes with it: a run queue, a timer heap, caches.
//!
//! [`OwnedP`] is that right as a value: it moves from the idle list to an M, from an M back, and cannot be in two
//! places. "Stopping an M that still holds a P" does not compile.
//!
//! *Invariants.* ONE-OWNER: at any time exactly one `OwnedP` of each P exists, as a value or as a raw pointer in an M.
//! Fields marked *owner* are written by its holder only; they are atomics because anyone may read them.

use core::{ops::Deref, ptr::NonNull};

use crate::{
    machine::Machine,
    runq::RunQueue,
    spawn::FreeList,
    sync::{AtomicU32, AtomicU64, AtomicUsize, Lock, Ordering},
    timer::Timers,
};

/// A processor: what an M must hold to run goroutines.
#[derive(Debug)]
#[repr(align(64))]
pub struct P<K: Machine> {
    /// Its number, from 0.
    pub id: usize,
    /// Gs that wait to run here.
    pub runq: RunQueue<K>,
    /// Timers that fire here.
    pub timers: Timers<K>,

    // Owner.
    schedtick: AtomicU64,
    slice_end: AtomicU64,
    m: AtomicU32,
    last_m: AtomicU32,
    /// Goroutine numbers not yet given out.
    pub(crate) ids: IdBatch,
    /// Counters.
    pub stats: PStats,

    /// Dead Gs to be used again. Uncontended: only the owner comes by.
    pub(crate) free: Lock<FreeList<K>>,
    /// How many there are; read without the lock.
    free_len: AtomicUsize,
}

/// What a P counts; written by its owner.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "each name says it")]
pub struct PStats {
    pub switches: AtomicU64,
    pub steals: AtomicU64,
    pub spawned: AtomicU64,
    pub exited: AtomicU64,
}

/// Numbers `next..end`.
#[derive(Debug)]
pub(crate) struct IdBatch {
    next: AtomicU64,
    end: AtomicU64,
}

impl IdBatch {
    fn new() -> Self {
        Self { next: AtomicU64::new(0), end: AtomicU64::new(0) }
    }

    /// The next number; an empty batch is filled by `refill`, which returns its first number and its size.
    pub(crate) fn take(&self, refill: impl FnOnce() -> (u64, u64)) -> u64 {
        let mut next = self.next.load(Ordering::Relaxed);
        if next == self.end.load(Ordering::Relaxed) {
            let (first, n) = refill();
            next = first;
            self.end.store(first + n, Ordering::Relaxed);
        }
        self.next.store(next + 1, Ordering::Relaxed);
        next
    }
}

pub(crate) fn bump(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

impl<K: Machine> P<K> {
    pub(crate) fn new(id: usize) -> Self {
        Self {
            id,
            runq: RunQueue::new(),
            timers: Timers::new(),
            schedtick: AtomicU64::new(0),
            slice_end: AtomicU64::new(0),
            m: AtomicU32::new(NO_M),
            last_m: AtomicU32::new(NO_M),
            ids: IdBatch::new(),
            stats: PStats::default(),
            free: Lock::new(FreeList::new()),
            free_len: AtomicUsize::new(0),
        }
    }

    /// How many time slices were begun here.
    pub fn schedtick(&self) -> u64 {
        self.schedtick.load(Ordering::Relaxed)
    }

    pub(crate) fn begin_slice(&self, end: u64) {
        bump(&self.schedtick);
        self.slice_end.store(end, Ordering::Relaxed);
    }

    /// The slice from before an idle time is over; what comes from `runnext` now shall not inherit that.
    pub(crate) fn renew_slice(&self, end: u64) {
        self.slice_end.store(end, Ordering::Relaxed);
    }

    /// When the slice that runs here is over (ns).
    pub fn slice_end(&self) -> u64 {
        self.slice_end.load(Ordering::Relaxed)
    }

    /// How many dead Gs wait here to be used again. Takes no lock: reports are made by Gs that may be preempted.
    pub fn free_len(&self) -> usize {
        self.free_len.load(Ordering::Relaxed)
    }

    pub(crate) fn note_free(&self, len: usize) {
        self.free_len.store(len, Ordering::Relaxed);
    }

    /// The M that holds it now.
    pub fn m(&self) -> Option<usize> {
        index(self.m.load(Ordering::Relaxed))
    }

    /// The M that held it last: its caches may still be warm there.
    pub(crate) fn last_m(&self) -> Option<usize> {
        index(self.last_m.load(Ordering::Relaxed))
    }

    pub(crate) fn set_m(&self, m: Option<usize>) {
        let word = m.map_or(NO_M, |m| m as u32);
        self.m.store(word, Ordering::Relaxed);
        if m.is_some() {
            self.last_m.store(word, Ordering::Relaxed);
        }
    }
}

const NO_M: u32 = u32::MAX;

fn index(word: u32) -> Option<usize> {
    (word != NO_M).then_some(word as usize)
}

/// The one right to use a P as its owner.
#[derive(Debug)]
#[must_use = "a dropped P is a processor that never runs anything again"]
pub struct OwnedP<K: Machine>(NonNull<P<K>>);

impl<K: Machine> OwnedP<K> {
    /// # Safety
    /// ONE-OWNER: called once for each P, and the P outlives the right.
    pub(crate) unsafe fn new(p: &P<K>) -> Self {
        Self(NonNull::from(p))
    }

    pub(crate) fn into_raw(self) -> *mut P<K> {
        self.0.as_ptr()
    }

    /// # Safety
    /// ONE-OWNER: `p` came from `into_raw`, and is turned back this one time.
    pub(crate) unsafe fn from_raw(p: *mut P<K>) -> Option<Self> {
        NonNull::new(p).map(Self)
    }
}

impl<K: Machine> Deref for OwnedP<K> {
    type Target = P<K>;

    #[inline(always)]
    fn deref(&self) -> &P<K> {
        // SAFETY: ONE-OWNER: Ps live as long as their scheduler.
        unsafe { self.0.as_ref() }
    }
}

// SAFETY: the right is a pointer to a P, which is Sync; moving it moves the ownership.
unsafe impl<K: Machine> Send for OwnedP<K> {}
