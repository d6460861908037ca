//! Atomics and locks: `core` and `spin` in a kernel, `loom` under the model checker.
//!
//! Its one job is to be the only door: no other file of this crate names `core::sync::atomic`, so every
//! word of every protocol is seen by loom.
//!
//! *Locks.* [`Lock`] spins with PAUSE and knows nothing of preemption: whoever takes one is on g0, or
//! holds the machine's preemption guard (`Cx` proves either).
//!
//! *Memory order.* Store-then-load points (announce, then look) are never left to the strength of an
//! access: they call [`store_load_fence`], the one form that loom models faithfully.

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};

/// Orders every store before it against every load after it, on this core and as seen by all others.
///
/// Each use stands opposite to another one: of two parties that each announce and then look, at least
/// one sees the other.
#[inline(always)]
pub(crate) fn store_load_fence() {
    if cfg!(not(feature = "bug_no_store_load_fence")) {
        fence(Ordering::SeqCst);
    }
}

/// A spin lock around `T`.
#[derive(Debug)]
pub struct Lock<T> {
    #[cfg(not(loom))]
    inner: spin::mutex::SpinMutex<T>,
    #[cfg(loom)]
    inner: loom::sync::Mutex<T>,
}

#[cfg(not(loom))]
pub(crate) type Guard<'a, T> = spin::mutex::SpinMutexGuard<'a, T>;
#[cfg(loom)]
pub(crate) type Guard<'a, T> = loom::sync::MutexGuard<'a, T>;

impl<T> Lock<T> {
    /// An unlocked lock.
    pub fn new(value: T) -> Self {
        Self {
            #[cfg(not(loom))]
            inner: spin::mutex::SpinMutex::new(value),
            #[cfg(loom)]
            inner: loom::sync::Mutex::new(value),
        }
    }

    /// Takes the lock; the guard gives it back.
    #[inline]
    pub fn lock(&self) -> Guard<'_, T> {
        #[cfg(not(loom))]
        return self.inner.lock();
        #[cfg(loom)]
        return self.inner.lock().expect("loom: a thread panicked with the lock held");
    }
}

/// A set of small numbers, read without a lock: idle Ms, Ps with timers.
///
/// One bit changes by one atomic operation. Readers see each bit's own history, and no snapshot of several.
#[derive(Debug)]
pub struct BitSet {
    words: [AtomicU64; BitSet::WORDS],
}

impl BitSet {
    /// One more than the largest number a set can hold.
    pub const CAPACITY: usize = if cfg!(loom) { 64 } else { 256 };
    const WORDS: usize = Self::CAPACITY / 64;

    /// The empty set.
    pub fn new() -> Self {
        Self { words: core::array::from_fn(|_| AtomicU64::new(0)) }
    }

    /// Adds `i`.
    pub fn insert(&self, i: usize) {
        self.words[i / 64].fetch_or(1 << (i % 64), Ordering::SeqCst);
    }

    /// Takes `i` out; true if it was in.
    pub fn remove(&self, i: usize) -> bool {
        let bit = 1 << (i % 64);
        self.words[i / 64].fetch_and(!bit, Ordering::SeqCst) & bit != 0
    }

    /// Whether `i` is in.
    pub fn contains(&self, i: usize) -> bool {
        self.words[i / 64].load(Ordering::SeqCst) >> (i % 64) & 1 != 0
    }

    /// The smallest member.
    pub fn first(&self) -> Option<usize> {
        let mut words = self.words.iter().enumerate();
        words.find_map(|(w, word)| match word.load(Ordering::SeqCst) {
            0 => None,
            bits => Some(w * 64 + bits.trailing_zeros() as usize),
        })
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.words.iter().map(|w| w.load(Ordering::SeqCst).count_ones() as usize).sum()
    }
}

impl Default for BitSet {
    fn default() -> Self {
        Self::new()
    }
}
