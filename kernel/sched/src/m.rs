//! M: what runs goroutines: a core's scheduler state, beside its stack.
//!
//! An M holds a P while it runs Gs, spins for work while it looks for some, and is idle otherwise. M and core are not
//! one thing: a core carries one current M.
//!
//! *Invariants.* OWN-M: `spinning`, `rng`, `rearm` and the slot `p` are written by the core that carries the M; `nextp` by
//! whoever took the M off the idle set, before it sets the NOTIFIED bit, and read by the M after it saw that bit.

use crate::{
    g::{G, GRef},
    idle::WakeWord,
    machine::Machine,
    p::{OwnedP, P},
    rng::Rng,
    sync::{AtomicBool, AtomicPtr, AtomicU64, Ordering},
};

/// A machine in Go's sense: one line of execution that can hold a P.
#[derive(Debug)]
#[repr(align(64))]
pub struct M<K: Machine> {
    /// Its number; Ms are numbered as their cores.
    pub id: usize,
    /// How it is woken.
    pub wake: WakeWord,

    // Own.
    p: AtomicPtr<P<K>>,
    nextp: AtomicPtr<P<K>>,
    curg: AtomicPtr<G<K>>,
    spinning: AtomicBool,
    rearm: AtomicBool,
    pub(crate) rng: Rng,

    /// Counters.
    pub stats: MStats,
}

/// What an M counts; written by itself.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "each name says it")]
pub struct MStats {
    pub parks: AtomicU64,
    pub wakes: AtomicU64,
    pub futile_wakes: AtomicU64,
}

impl<K: Machine> M<K> {
    pub(crate) fn new(id: usize, seed: u64) -> Self {
        Self {
            id,
            wake: WakeWord::new(),
            p: AtomicPtr::new(core::ptr::null_mut()),
            nextp: AtomicPtr::new(core::ptr::null_mut()),
            curg: AtomicPtr::new(core::ptr::null_mut()),
            spinning: AtomicBool::new(false),
            rearm: AtomicBool::new(true),
            rng: Rng::new(seed ^ (id as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            stats: MStats::default(),
        }
    }

    /// Whether it is looking for work.
    pub fn spinning(&self) -> bool {
        self.spinning.load(Ordering::Relaxed)
    }

    pub(crate) fn set_spinning(&self, on: bool) {
        self.spinning.store(on, Ordering::Relaxed);
    }

    /// The P that is lent to the G on this M.
    pub(crate) fn lend_p(&self, p: OwnedP<K>) {
        self.p.store(p.into_raw(), Ordering::Release);
    }

    pub(crate) fn take_p(&self) -> Option<OwnedP<K>> {
        let p = self.p.swap(core::ptr::null_mut(), Ordering::Acquire);
        // SAFETY: ONE-OWNER: the slot held a right that `lend_p` put in, and the swap took it out.
        unsafe { OwnedP::from_raw(p) }
    }

    /// The P held while a G runs here.
    #[inline(always)]
    pub fn p(&self) -> Option<&P<K>> {
        // SAFETY: the slot holds null or a P, and Ps live as long as their scheduler.
        unsafe { self.p.load(Ordering::Relaxed).as_ref() }
    }

    /// The P that comes with a wake-up.
    pub(crate) fn give_nextp(&self, p: OwnedP<K>) {
        self.nextp.store(p.into_raw(), Ordering::Relaxed);
    }

    pub(crate) fn take_nextp(&self) -> Option<OwnedP<K>> {
        let p = self.nextp.swap(core::ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: ONE-OWNER, as in `take_p`; the wake word orders the two sides.
        unsafe { OwnedP::from_raw(p) }
    }

    /// The G that runs on it.
    pub fn curg(&self) -> Option<GRef<K>> {
        GRef::from_ptr(self.curg.load(Ordering::Acquire))
    }

    pub(crate) fn set_curg(&self, g: Option<GRef<K>>) {
        self.curg.store(GRef::to_ptr(g), Ordering::Release);
    }

    /// Notes that this core's timer was set for other timers than those of the P it has now.
    pub(crate) fn set_rearm(&self) {
        self.rearm.store(true, Ordering::Relaxed);
    }

    pub(crate) fn take_rearm(&self) -> bool {
        let due = self.rearm.load(Ordering::Relaxed);
        if due {
            self.rearm.store(false, Ordering::Relaxed);
        }
        due
    }
}
