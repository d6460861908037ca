//! `Mutex`: a word that names its owner.
//!
//! Taking a free mutex and giving it back are one compare-and-swap each. Waiters sleep in the semaphore table; a waiter that
//! has wanted the lock for 1 ms gets it handed over, so that newcomers cannot starve it (Go's starvation mode).
//!
//! *Context.* Any G; not g0, not interrupt handlers. A G may be preempted while it holds a mutex.
//!
//! *Invariants.* OWNER: the word is 0, or the owner's G address, plus bit 0 if somebody may wait in the table. ABANDONED: a G that dies
//! holding a mutex stays its owner for ever, since its G is never used again (KEPT-STACK): nobody gets a guard any more.
//!
//! *Differences from Go.* A mutex knows its owner, and is not released when the owner dies; unlocking is the guard's.

use core::{
    cell::UnsafeCell,
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    ptr::NonNull,
    sync::atomic::{AtomicUsize, Ordering},
};

use gopark_sched::{G, GRef, WaitReason};

use super::sema::{self, Wait, Wake};
use crate::{
    arch::clock,
    machine::{Kernel, current_g},
};

/// Bit 0 of the word: the table may have waiters.
const WAITERS: usize = 1;

/// A waiter older than this gets the lock handed over (ns): Go's 1 ms.
const STARVING: u64 = 1_000_000;

/// Mutual exclusion between goroutines.
pub struct Mutex<T: ?Sized> {
    word: AtomicUsize,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached by the lock's owner only (OWNER).
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

/// The goroutine that held the lock died: what it guards may be half changed, and stays locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abandoned;

impl fmt::Display for Abandoned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the goroutine that held the lock died")
    }
}

impl core::error::Error for Abandoned {}

/// Why a lock was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryLockError {
    /// Somebody has it.
    WouldBlock,
    /// Whoever had it died.
    Abandoned,
}

impl<T> Mutex<T> {
    /// An unlocked mutex.
    pub const fn new(value: T) -> Self {
        Self { word: AtomicUsize::new(0), value: UnsafeCell::new(value) }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Locks; waits while another goroutine holds the lock.
    ///
    /// # Errors
    /// If the goroutine that held it died with it.
    ///
    /// # Panics
    /// If the caller holds it already, or is no goroutine.
    #[inline]
    pub fn lock(&self) -> Result<MutexGuard<'_, T>, Abandoned> {
        let me = me();
        if self.word.compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed).is_err() {
            self.lock_slow(me)?;
        }
        Ok(MutexGuard::new(self))
    }

    /// Locks if nobody holds it.
    ///
    /// # Errors
    /// If somebody does, or died with it.
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T>, TryLockError> {
        let word = self.word.load(Ordering::Relaxed);
        if owner(word) != 0 {
            return Err(if self.is_abandoned(word) { TryLockError::Abandoned } else { TryLockError::WouldBlock });
        }
        let to = me() | word;
        let swap = self.word.compare_exchange(word, to, Ordering::Acquire, Ordering::Relaxed);
        swap.map(|_| MutexGuard::new(self)).map_err(|_| TryLockError::WouldBlock)
    }

    /// The value, for whoever has the mutex alone.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// The value, whoever holds the lock: the way to what an [`Abandoned`] mutex guards.
    pub fn data_ptr(&self) -> *mut T {
        self.value.get()
    }

    #[cold]
    fn lock_slow(&self, me: usize) -> Result<(), Abandoned> {
        let mut since = None;
        loop {
            let word = self.word.load(Ordering::Relaxed);
            assert!(owner(word) != me, "a goroutine locks a mutex that it holds");
            if owner(word) == 0 {
                let to = me | word;
                if self.word.compare_exchange(word, to, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                    return Ok(());
                }
                continue;
            }
            if self.is_abandoned(word) {
                return Err(Abandoned);
            }
            if self.announce(word) {
                let (wake, first) = self.wait(word | WAITERS, since);
                since = Some(first);
                match wake {
                    Wake::Handed => return Ok(()),
                    Wake::Abandoned => return Err(Abandoned),
                    Wake::Retry | Wake::NotNeeded => {}
                }
            }
        }
    }

    fn announce(&self, word: usize) -> bool {
        let to = word | WAITERS;
        word == to || self.word.compare_exchange(word, to, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn wait(&self, expected: usize, since: Option<u64>) -> (Wake, u64) {
        let how = Wait { addr: self.addr(), reason: WaitReason::SyncMutexLock, since, owner: Some(owner_at) };
        let Some(g) = current_g() else { panic!("a mutex is waited for by goroutines only") };
        sema::wait(&how, g, || self.word.load(Ordering::Relaxed) == expected && !self.is_abandoned(expected))
    }

    #[inline]
    fn unlock(&self) {
        let me = me();
        if self.word.compare_exchange(me, 0, Ordering::Release, Ordering::Relaxed).is_err() {
            self.unlock_slow();
        }
    }

    /// Somebody waits: the oldest is woken, and owns the lock already if it is starving.
    #[cold]
    fn unlock_slow(&self) {
        sema::wake_one(self.addr(), |first, more| {
            let bit = if more { WAITERS } else { 0 };
            match first {
                Some(ticket) if clock::now() - ticket.since > STARVING => {
                    self.word.store(ticket.g.as_ptr() as usize | bit, Ordering::Release);
                    Wake::Handed
                }
                _ => {
                    self.word.store(bit, Ordering::Release);
                    Wake::Retry
                }
            }
        });
    }

    /// Whether the owner in `word` died with the lock (ABANDONED). The word is read again after its owner's fate: an owner that
    /// unlocked first and died later had changed it by then.
    fn is_abandoned(&self, word: usize) -> bool {
        let Some(g) = NonNull::new(owner(word) as *mut G<Kernel>) else { return false };
        // SAFETY: OWNER: the address of a G, which lives for ever (TYPE-STABLE).
        let dead = unsafe { GRef::from_raw(g) }.panicked();
        dead && owner(self.word.load(Ordering::Acquire)) == owner(word)
    }

    fn addr(&self) -> usize {
        (&raw const self.word) as usize
    }
}

fn me() -> usize {
    match current_g() {
        Some(g) => g.as_ptr() as usize,
        None => panic!("a mutex is locked by goroutines only"),
    }
}

fn owner(word: usize) -> usize {
    word & !WAITERS
}

/// # Safety
/// `addr` is a mutex' word.
unsafe fn owner_at(addr: usize) -> usize {
    // SAFETY: by contract.
    owner(unsafe { &*(addr as *const AtomicUsize) }.load(Ordering::Relaxed))
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_lock() {
            Ok(guard) => f.debug_struct("Mutex").field("value", &&*guard).finish(),
            Err(error) => f.debug_struct("Mutex").field("value", &error).finish(),
        }
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

/// Holds a [`Mutex`]; unlocks when dropped.
#[must_use = "a guard that is dropped at once guards nothing"]
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    // The owner is this G: the guard must not be dropped by another.
    not_send: PhantomData<*mut ()>,
}

// SAFETY: sharing a guard shares the value.
unsafe impl<T: ?Sized + Sync> Sync for MutexGuard<'_, T> {}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    fn new(mutex: &'a Mutex<T>) -> Self {
        Self { mutex, not_send: PhantomData }
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: OWNER: we hold the lock.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: OWNER: we hold the lock, and are borrowed mutably.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.mutex.unlock();
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
