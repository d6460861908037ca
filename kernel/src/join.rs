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
    mem::ManuallyDrop,
    ptr::{NonNull, null_mut, without_provenance_mut},
    sync::atomic::{AtomicPtr, Ordering},
};

use gopark_sched::{Cx, G, GRef, Parked, WaitReason};

use crate::{
    go::JoinError,
    machine::{Kernel, current_g, park, sched, with_cx},
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
    ///
    /// From the announcement on nobody may tell this packet anything (ONE-END), whatever the goroutine still dies of: a
    /// result's destructor may panic. Both are one step, since with preemption off no death of a goroutine comes in between.
    pub(crate) fn complete(&self, value: T) {
        self.store(Ok(value));
        with_cx(|cx| {
            if let Some(g) = current_g() {
                g.ext.on_death.set(None);
            }
            if let Some(parked) = self.announce() {
                sched().ready(cx, parked, true);
            }
        });
    }

    fn store(&self, result: Result<T, JoinError>) {
        // SAFETY: ONE-END, and the joiner reads only after DONE.
        let place = unsafe { &mut *self.result.get() };
        // A value that was stored and not announced is kept, like all that a dying goroutine has.
        let _kept = ManuallyDrop::new(place.replace(result));
    }

    fn announce(&self) -> Option<Parked<Kernel>> {
        let waiter = NonNull::new(self.state.swap(done(), Ordering::AcqRel))?;
        // SAFETY: the joiner's commit stored the address of a G, which lives for ever.
        let g = unsafe { GRef::from_raw(waiter) };
        // SAFETY: that commit gave the right up for it, and the swap took it out.
        Some(unsafe { Parked::from_raw(g) })
    }

    /// For [`OnDeath`](crate::go::OnDeath): completes with an error, from the dying G or from g0.
    ///
    /// # Safety
    /// `packet` is a live `Packet<T>`, and its goroutine does not go on.
    pub(crate) unsafe fn tell(packet: *const (), cx: &Cx<'_, Kernel>, error: JoinError) {
        // SAFETY: by contract.
        let packet = unsafe { &*packet.cast::<Self>() };
        if packet.is_done() {
            return; // it returned, and then the destructor of a result that nobody wanted panicked
        }
        packet.store(Err(error));
        if let Some(parked) = packet.announce() {
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
