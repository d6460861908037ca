//! The packet between a goroutine and the handle that waits for its result.
//!
//! *Invariants.* ONE-END (`go`): `complete` is called once. ONE-WAITER: `wait` takes the handle by value, so at most one G
//! waits. The state word says whose turn the result is: EMPTY or a waiter's: the goroutine's; DONE: the waiter's.
//!
//! *Memory order.*
//! ```text
//!   goroutine                        joiner (on g0)
//!   result = ..                      state: EMPTY -> its G   (CAS, AcqRel)
//!   state: swap(DONE, AcqRel)   <->     or finds DONE: goes on at once
//!     found a G: ready it            result is read after DONE was seen
//! ```

use core::{
    cell::UnsafeCell,
    ptr::{null_mut, without_provenance_mut},
    sync::atomic::{AtomicPtr, Ordering},
};

use gopark_sched::{Cx, G, GRef, Parked, WaitReason};

use crate::{
    go::JoinError,
    machine::{Kernel, park, sched, with_cx},
    preempt::PreemptOff,
};

/// A result on its way.
#[derive(Debug)]
pub(crate) struct Packet<T> {
    state: AtomicPtr<G<Kernel>>,
    result: UnsafeCell<Option<Result<T, JoinError>>>,
}

// SAFETY: the state word hands the result from one side to the other; see the header.
unsafe impl<T: Send> Send for Packet<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Packet<T> {}

fn done() -> *mut G<Kernel> {
    without_provenance_mut(1)
}

impl<T> Packet<T> {
    pub(crate) fn new() -> Self {
        Self { state: AtomicPtr::new(null_mut()), result: UnsafeCell::new(None) }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.state.load(Ordering::Acquire) == done()
    }

    /// Stores the result and wakes the joiner.
    pub(crate) fn complete(&self, result: Result<T, JoinError>) {
        if let Some(parked) = self.finish(result) {
            with_cx(|cx| sched().ready(cx, parked, true));
        }
    }

    fn finish(&self, result: Result<T, JoinError>) -> Option<Parked<Kernel>> {
        // SAFETY: ONE-END, and the joiner reads only after DONE.
        unsafe { *self.result.get() = Some(result) };
        let waiter = self.state.swap(done(), Ordering::AcqRel);
        // SAFETY: the joiner's commit stored it, and the swap took it out.
        core::ptr::NonNull::new(waiter).map(|g| unsafe { Parked::from_raw(GRef::from_raw(g)) })
    }

    /// For [`OnDeath`](crate::go::OnDeath): completes with an error, from the dying G or from g0.
    ///
    /// # Safety
    /// `packet` is a live `Packet<T>` that was not completed.
    pub(crate) unsafe fn tell(packet: *const (), cx: &Cx<'_, Kernel>, error: JoinError) {
        // SAFETY: by contract.
        let packet = unsafe { &*packet.cast::<Self>() };
        if let Some(parked) = packet.finish(Err(error)) {
            sched().ready(cx, parked, false);
        }
    }

    /// Waits for the result and takes it.
    pub(crate) fn wait(&self) -> Result<T, JoinError> {
        if !self.is_done() {
            park(PreemptOff::new(), WaitReason::Join, |_, parked| self.commit(parked));
        }
        // SAFETY: DONE was seen (the park returns after it), and nobody else reads (ONE-WAITER).
        match unsafe { (*self.result.get()).take() } {
            Some(result) => result,
            None => unreachable!("a packet is taken once"),
        }
    }

    fn commit(&self, parked: Parked<Kernel>) -> Option<Parked<Kernel>> {
        let g = parked.into_raw();
        let empty = null_mut();
        match self.state.compare_exchange(empty, g.as_ptr(), Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => None,
            // SAFETY: it was not stored: the right is still ours.
            Err(_) => Some(unsafe { Parked::from_raw(g) }),
        }
    }
}
