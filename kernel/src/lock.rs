//! Spin locks of the kernel: preemption off while held, order checked.
//!
//! One wrapper over [`spin`], so that the two rules live in one place: whoever holds a lock is not preempted (a
//! spinner would wait a whole slice for it), and locks are taken in rising [`Rank`].
//!
//! *Context.* Any G, g0. Never an interrupt handler: handlers take no locks at all.
//!
//! *Invariants.* RANKS: in debug builds a core that takes a lock whose rank is not above all ranks it holds stops
//! the system and names both.

use core::{
    fmt,
    ops::{Deref, DerefMut},
    sync::atomic::Ordering,
};

use crate::{core as cpu, preempt::PreemptOff};

/// The order of the locks: a lock may be taken while only lower ones are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum Rank {
    /// A channel, a mutex' queue: the outermost.
    Chan = 0,
    /// The semaphore table.
    Sema,
    /// A stack class' list of free windows.
    Stacks,
    /// One size class' central list.
    HeapClass,
    /// The heap of large blocks.
    Heap,
    /// The I/O APICs.
    Devices,
    /// Kernel stacks' address space.
    KStacks,
    /// The frame allocator.
    Frames,
    /// The console: innermost, so that anything may print.
    Console,
}

/// A spin lock with a rank.
pub struct Lock<T> {
    rank: Rank,
    inner: spin::mutex::SpinMutex<T>,
}

impl<T> Lock<T> {
    /// An unlocked lock.
    pub const fn new(rank: Rank, value: T) -> Self {
        Self { rank, inner: spin::mutex::SpinMutex::new(value) }
    }

    /// Takes the lock, spinning with PAUSE; preemption is off until the guard drops.
    #[inline]
    pub fn lock(&self) -> Guard<'_, T> {
        let off = PreemptOff::new();
        note_taken(self.rank, &off);
        Guard { held: Held { inner: self.inner.lock(), rank: self.rank }, off }
    }
}

impl<T> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lock({:?})", self.rank)
    }
}

/// Holds a [`Lock`]. Not `Send`: the lock is the core's.
pub struct Guard<'a, T> {
    held: Held<'a, T>,
    // Dropped after `held`: preemption comes back when the lock is free.
    off: PreemptOff,
}

/// Holds a [`Lock`] on a core where preemption is off for another reason: in the commit of a park.
pub struct Held<'a, T> {
    inner: spin::mutex::SpinMutexGuard<'a, T>,
    rank: Rank,
}

impl<'a, T> Guard<'a, T> {
    /// The lock and the right to be preempted, apart: a park takes the second, its commit frees the first.
    pub fn split(self) -> (Held<'a, T>, PreemptOff) {
        (self.held, self.off)
    }
}

impl<T> fmt::Debug for Guard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.held.fmt(f)
    }
}

impl<T> fmt::Debug for Held<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Held({:?})", self.rank)
    }
}

impl<T> Drop for Held<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if cfg!(debug_assertions) {
            cpu::here().held_ranks.fetch_and(!(1 << self.rank as u32), Ordering::Relaxed);
        }
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.held
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.held
    }
}

impl<T> Deref for Held<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> DerefMut for Held<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

#[inline]
fn note_taken(rank: Rank, off: &PreemptOff) {
    if cfg!(debug_assertions) {
        let held = cpu::this(off).held_ranks.load(Ordering::Relaxed);
        assert!(held >> rank as u32 == 0, "lock order: {rank:?} taken with ranks {held:#b} held");
        hold(rank, off);
    }
}

#[inline]
fn hold(rank: Rank, off: &PreemptOff) {
    if cfg!(debug_assertions) {
        cpu::this(off).held_ranks.fetch_or(1 << rank as u32, Ordering::Relaxed);
    }
}
