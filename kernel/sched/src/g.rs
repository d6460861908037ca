//! G: a goroutine, and its status machine.
//!
//! ```text
//!            spawn                execute
//!   Dead ------------> Runnable <---------> Running ----> Dead
//!                         ^     yield/preempt  |   exit
//!                   ready |                    | park
//!                         +----- Waiting <-----+
//! ```
//! Every arrow is one compare-and-swap, in release builds too; one that does not fit is fatal and names both
//! states. Who owns the stack: Running, the core that runs it; every other state, nobody (its registers are
//! saved in it); the commit of a park runs with the status Waiting already.
//!
//! *Invariants.* TYPE-STABLE: a G's memory lives as long as its scheduler; dead Gs are used again as Gs and
//! for nothing else. So a stale [`GRef`] may see another life of the G, and never anything but a G.

use core::{ops::Deref, ptr::NonNull};

use crate::{
    machine::{Machine, WaitReason},
    sync::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering},
    timer::Timer,
};

/// Where a G stands; numbered as in Go, whose numbers `scheddetail` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Status {
    /// Made, never run yet.
    Idle = 0,
    /// In a queue, or on its way into one.
    Runnable = 1,
    /// On a core.
    Running = 2,
    /// In a blocking call.
    Syscall = 3,
    /// Parked.
    Waiting = 4,
    /// Done; on a free list, or kept because it panicked.
    Dead = 6,
    /// Stopped for a suspension.
    Preempted = 9,
}

impl Status {
    fn from_u32(v: u32) -> Self {
        match v {
            0 => Self::Idle,
            1 => Self::Runnable,
            2 => Self::Running,
            3 => Self::Syscall,
            4 => Self::Waiting,
            6 => Self::Dead,
            9 => Self::Preempted,
            _ => panic!("goroutine status {v} does not exist"),
        }
    }

    /// Go's word for it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Runnable => "runnable",
            Self::Running => "running",
            Self::Syscall => "syscall",
            Self::Waiting => "waiting",
            Self::Dead => "dead",
            Self::Preempted => "preempted",
        }
    }
}

/// A goroutine.
#[derive(Debug)]
#[repr(C)]
pub struct G<K: Machine> {
    /// The machine's part: touched by the core that runs the G, or by the holder of its right.
    pub ext: K::Ext,

    // Changed by the status machine.
    status: AtomicU32,
    wait_reason: AtomicU32,
    since: AtomicU64,

    // Set at spawn, constant for this life.
    id: AtomicU64,
    parent: AtomicU64,
    system: AtomicBool,

    // Owned by whoever holds the G's right, or by the list it is in.
    link: AtomicPtr<G<K>>,
    // The chain of all Gs ever made: set once.
    pub(crate) all_next: AtomicPtr<G<K>>,

    /// The timer of [`sleep`](crate::timer): outside the stack, so that a sleeper's stack can be away.
    pub(crate) timer: Timer<K>,
    core: AtomicU32,
    panicked: AtomicBool,
}

impl<K: Machine> G<K> {
    /// A dead G around `ext`.
    pub(crate) fn new(ext: K::Ext) -> Self {
        Self {
            ext,
            status: AtomicU32::new(Status::Dead as u32),
            wait_reason: AtomicU32::new(0),
            since: AtomicU64::new(0),
            id: AtomicU64::new(0),
            parent: AtomicU64::new(0),
            system: AtomicBool::new(false),
            link: AtomicPtr::new(core::ptr::null_mut()),
            all_next: AtomicPtr::new(core::ptr::null_mut()),
            timer: Timer::new(),
            core: AtomicU32::new(0),
            panicked: AtomicBool::new(false),
        }
    }

    /// This goroutine's number: from 1 (main), never used twice.
    pub fn id(&self) -> u64 {
        self.id.load(Ordering::Relaxed)
    }

    /// The number of the goroutine that started it; 0 if none did.
    pub fn parent(&self) -> u64 {
        self.parent.load(Ordering::Relaxed)
    }

    /// Whether it belongs to the system: not counted, and no reason to stay alive.
    pub fn is_system(&self) -> bool {
        self.system.load(Ordering::Relaxed)
    }

    /// Where it stands now.
    pub fn status(&self) -> Status {
        Status::from_u32(self.status.load(Ordering::Acquire))
    }

    /// Why it waits; means something only while it does.
    pub fn wait_reason(&self) -> WaitReason {
        WaitReason::from_u8(self.wait_reason.load(Ordering::Relaxed) as u8)
    }

    /// Since when (ns) it stands where it stands.
    pub fn since(&self) -> u64 {
        self.since.load(Ordering::Relaxed)
    }

    /// The core that it ran on last.
    pub fn core(&self) -> u32 {
        self.core.load(Ordering::Relaxed)
    }

    /// Whether this life of it ended by a panic or a fault.
    pub fn panicked(&self) -> bool {
        self.panicked.load(Ordering::Acquire)
    }

    /// Notes that this life ends by a panic or a fault. Called on the dying G.
    pub fn set_panicked(&self) {
        self.panicked.store(true, Ordering::Release);
    }

    pub(crate) fn begin_life(&self, id: u64, parent: u64, system: bool) {
        self.id.store(id, Ordering::Relaxed);
        self.parent.store(parent, Ordering::Relaxed);
        self.system.store(system, Ordering::Relaxed);
        self.panicked.store(false, Ordering::Relaxed);
    }

    /// The one way from a state to another. Release and acquire: the next owner sees what the last one wrote.
    #[inline]
    pub(crate) fn transition(&self, from: Status, to: Status) {
        let swap = self.status.compare_exchange(from as u32, to as u32, Ordering::AcqRel, Ordering::Acquire);
        if let Err(found) = swap {
            self.bad_transition(from, to, found);
        }
    }

    #[cold]
    fn bad_transition(&self, from: Status, to: Status, found: u32) -> ! {
        panic!("goroutine {}: {from:?} -> {to:?}, but it is {:?}", self.id(), Status::from_u32(found));
    }

    pub(crate) fn set_since(&self, now: u64) {
        self.since.store(now, Ordering::Relaxed);
    }

    pub(crate) fn set_core(&self, core: u32) {
        self.core.store(core, Ordering::Relaxed);
    }

    pub(crate) fn set_wait_reason(&self, reason: WaitReason) {
        self.wait_reason.store(reason as u32, Ordering::Relaxed);
    }

    pub(crate) fn link(&self) -> Option<GRef<K>> {
        GRef::from_ptr(self.link.load(Ordering::Relaxed))
    }

    pub(crate) fn set_link(&self, next: Option<GRef<K>>) {
        self.link.store(GRef::to_ptr(next), Ordering::Relaxed);
    }
}

/// A pointer to a G that may be copied freely (TYPE-STABLE).
///
/// It gives no right: only reading what the G says of itself.
#[derive(Debug)]
pub struct GRef<K: Machine>(NonNull<G<K>>);

impl<K: Machine> GRef<K> {
    /// # Safety
    /// `g` points to a G that a scheduler made, and is used no longer than that scheduler lives.
    pub unsafe fn from_raw(g: NonNull<G<K>>) -> Self {
        Self(g)
    }

    /// The plain pointer.
    pub fn as_ptr(self) -> *mut G<K> {
        self.0.as_ptr()
    }

    /// From a pointer of [`GRef::to_ptr`].
    pub(crate) fn from_ptr(p: *mut G<K>) -> Option<Self> {
        NonNull::new(p).map(Self)
    }

    pub(crate) fn to_ptr(g: Option<Self>) -> *mut G<K> {
        g.map_or(core::ptr::null_mut(), Self::as_ptr)
    }
}

impl<K: Machine> Deref for GRef<K> {
    type Target = G<K>;

    #[inline(always)]
    fn deref(&self) -> &G<K> {
        // SAFETY: TYPE-STABLE.
        unsafe { self.0.as_ref() }
    }
}

impl<K: Machine> Clone for GRef<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K: Machine> Copy for GRef<K> {}
impl<K: Machine> PartialEq for GRef<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<K: Machine> Eq for GRef<K> {}

// SAFETY: through a GRef only atomics are reachable, and `ext`, whose rules G states.
unsafe impl<K: Machine> Send for GRef<K> {}
// SAFETY: as above.
unsafe impl<K: Machine> Sync for GRef<K> {}
