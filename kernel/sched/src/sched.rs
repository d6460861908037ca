//! The scheduler: what all Ms share.
//!
//! One value, no statics: a test makes as many as it likes. The main line reads: [`run`](Scheduler::run) finds a G
//! (`find`), executes it, and files it by the way it stopped; `idle` parks and wakes Ms; `ready` and `spawn` bring
//! work in.
//!
//! *Locks.* `inner` guards the global queue and the idle lists. It is taken under a channel's or a heap's lock, and
//! nothing is taken under it.
//!
//! *Fields* are grouped by who guards them.

use alloc::{boxed::Box, vec::Vec};

use crate::{
    fixed::Fixed,
    g::{G, GRef},
    globq::GList,
    m::M,
    machine::Machine,
    p::{OwnedP, P},
    poll::PollList,
    spawn::FreeList,
    steal::StealOrders,
    sync::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, BitSet, Guard, Lock, Ordering},
};

/// How a scheduler is set up.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// How many Ms there are: one for each core.
    pub cores: usize,
    /// How many Ps: 1 to `cores`.
    pub gomaxprocs: usize,
    /// Where all its dice start.
    pub seed: u64,
    /// A G that runs longer is preempted (ns).
    pub slice: u64,
}

/// Go's time slice: 10 ms.
pub const SLICE: u64 = 10_000_000;

/// All that the cores share.
#[derive(Debug)]
pub struct Scheduler<K: Machine> {
    /// What it runs on.
    pub machine: K,
    pub(crate) config: Config,
    pub(crate) ps: Fixed<[P<K>]>,
    pub(crate) ms: Box<[M<K>]>,
    pub(crate) steal_orders: StealOrders,

    // Guarded by the lock.
    inner: Lock<Inner<K>>,
    // Changed under the lock, read without.
    pub(crate) globq_len: AtomicUsize,
    pub(crate) npidle: AtomicUsize,
    pub(crate) idle_ms: BitSet,

    // The spinning protocol's words.
    pub(crate) nmspinning: AtomicUsize,
    pub(crate) needspinning: AtomicBool,

    // The idle M that watches the timers, plus 1, and until when it sleeps.
    pub(crate) keeper: AtomicU32,
    pub(crate) keeper_until: AtomicU64,

    /// What interrupt handlers leave for us.
    pub poll: PollList<K>,

    // All Gs ever made: pushed once, never taken out.
    pub(crate) allgs: AtomicPtr<G<K>>,
    pub(crate) next_id: AtomicU64,
    pub(crate) system_gs: AtomicU64,
    pub(crate) deadlock_told: AtomicBool,
}

#[derive(Debug)]
pub(crate) struct Inner<K: Machine> {
    pub globq: GList<K>,
    pub idle_ps: Vec<OwnedP<K>>,
    pub free: FreeList<K>,
}

impl<K: Machine> Scheduler<K> {
    /// A scheduler with all Ps idle.
    ///
    /// # Panics
    /// If a number in `config` is 0, above [`BitSet::CAPACITY`], or there are more Ps than cores.
    pub fn new(machine: K, config: Config) -> Self {
        assert!((1..=BitSet::CAPACITY).contains(&config.cores), "1 to 256 cores");
        assert!((1..=config.cores).contains(&config.gomaxprocs), "1 to as many Ps as cores");
        let ps = Fixed::new((0..config.gomaxprocs).map(P::new).collect::<Box<[P<K>]>>());
        // SAFETY: ONE-OWNER: once for each P; they are at a fixed address, and live as long as we do.
        let idle_ps = ps.iter().rev().map(|p| unsafe { OwnedP::new(p) }).collect();
        let inner = Inner { globq: GList::new(), idle_ps, free: FreeList::new() };
        Self {
            machine,
            config,
            ms: (0..config.cores).map(|id| M::new(id, config.seed)).collect(),
            npidle: AtomicUsize::new(ps.len()),
            steal_orders: StealOrders::new(ps.len()),
            ps,
            inner: Lock::new(inner),
            globq_len: AtomicUsize::new(0),
            idle_ms: BitSet::new(),
            nmspinning: AtomicUsize::new(0),
            needspinning: AtomicBool::new(false),
            keeper: AtomicU32::new(0),
            keeper_until: AtomicU64::new(u64::MAX),
            poll: PollList::new(),
            allgs: AtomicPtr::new(core::ptr::null_mut()),
            next_id: AtomicU64::new(1),
            system_gs: AtomicU64::new(0),
            deadlock_told: AtomicBool::new(false),
        }
    }

    /// The Ms, by core.
    pub fn ms(&self) -> &[M<K>] {
        &self.ms
    }

    /// The Ps that Gs run on now.
    pub fn ps(&self) -> &[P<K>] {
        &self.ps
    }

    /// How many Gs can run at the same time.
    pub fn gomaxprocs(&self) -> usize {
        self.ps.len()
    }

    /// How many Ms look for work.
    pub fn spinning(&self) -> usize {
        self.nmspinning.load(Ordering::Relaxed)
    }

    /// How many Ps nobody holds.
    pub fn idle_ps(&self) -> usize {
        self.npidle.load(Ordering::Relaxed)
    }

    /// How many Ms are parked.
    pub fn idle_ms(&self) -> usize {
        self.idle_ms.len()
    }

    /// Whether an M that is about to drop its P shall spin once more.
    pub fn need_spinning(&self) -> bool {
        self.needspinning.load(Ordering::Relaxed)
    }

    /// Length of the global queue.
    pub fn globq_len(&self) -> usize {
        self.globq_len.load(Ordering::Relaxed)
    }

    /// How many goroutines there are, those of the system not counted.
    pub fn num_goroutine(&self) -> u64 {
        let gone: u64 = self.ps.iter().map(|p| p.stats.exited.load(Ordering::Acquire)).sum();
        let made: u64 = self.ps.iter().map(|p| p.stats.spawned.load(Ordering::Acquire)).sum();
        made.saturating_sub(gone)
    }

    /// How many goroutines belong to the system.
    pub fn num_system(&self) -> u64 {
        self.system_gs.load(Ordering::Relaxed)
    }

    /// All Gs ever made, dead ones too: newest first.
    pub fn all_gs(&self) -> impl Iterator<Item = GRef<K>> + '_ {
        let first = GRef::from_ptr(self.allgs.load(Ordering::Acquire));
        core::iter::successors(first, |g| GRef::from_ptr(g.all_next.load(Ordering::Acquire)))
    }

    pub(crate) fn lock(&self) -> Guard<'_, Inner<K>> {
        self.inner.lock()
    }

    /// Appends to the global queue.
    pub(crate) fn globq_put(&self, batch: &mut GList<K>) {
        let mut inner = self.lock();
        inner.globq.append(batch);
        self.globq_len.store(inner.globq.len(), Ordering::Relaxed);
    }

    /// One G for the global queue's tail.
    pub(crate) fn globq_put_one(&self, g: crate::token::Runnable<K>) {
        let mut inner = self.lock();
        inner.globq.push_back(g);
        self.globq_len.store(inner.globq.len(), Ordering::Relaxed);
    }

    /// Takes up to `n` Gs from the global queue's head.
    pub(crate) fn globq_get(&self, n: impl FnOnce(usize) -> usize) -> GList<K> {
        let mut inner = self.lock();
        let n = n(inner.globq.len());
        let batch = if n == inner.globq.len() { core::mem::take(&mut inner.globq) } else { inner.globq.split_front(n) };
        self.globq_len.store(inner.globq.len(), Ordering::Relaxed);
        batch
    }
}

impl<K: Machine> Drop for Scheduler<K> {
    fn drop(&mut self) {
        while let Some(g) = self.lock().globq.pop_front() {
            let _ = g.into_raw(); // its memory ends below, with that of all others
        }
        let mut next = GRef::from_ptr(self.allgs.load(Ordering::Acquire));
        while let Some(g) = next {
            next = GRef::from_ptr(g.all_next.load(Ordering::Acquire));
            // SAFETY: every G in the chain came from a leaked box, is there once, and its life ends with ours
            // (TYPE-STABLE).
            drop(unsafe { Box::from_raw(g.as_ptr()) });
        }
        let inner = &mut *self.inner.lock();
        while let Some(p) = inner.idle_ps.pop() {
            let _ = p.into_raw();
        }
    }
}
