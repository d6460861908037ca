//! Rights as values: [`Runnable`] and [`Parked`].
//!
//! A `Runnable` is the one right to queue or run a G; a `Parked` is the one right to make a waiting G runnable.
//! Each exists once per G or not at all, neither can be copied, and dropping one is fatal: a lost right is a G
//! that never runs again, and is found where it is lost instead of as a hang.
//!
//! *Invariants.* ONE-RIGHT: while a G is Runnable, exactly one `Runnable` of it exists, as a value or as a raw
//! pointer inside a queue; while it is Waiting, exactly one `Parked`; while it is Running or Dead, neither.
//! Raw pointers are made by `into_raw` and turned back exactly once by `from_raw`.

use core::mem::ManuallyDrop;

use crate::{
    g::{GRef, Status},
    machine::Machine,
};

/// The right to queue or run one G.
#[derive(Debug)]
#[must_use = "a dropped Runnable is a goroutine that never runs again"]
pub struct Runnable<K: Machine>(GRef<K>);

/// The right to make one waiting G runnable.
#[derive(Debug)]
#[must_use = "a dropped Parked is a goroutine that can never be woken"]
pub struct Parked<K: Machine>(GRef<K>);

macro_rules! right {
    ($right:ident) => {
        impl<K: Machine> $right<K> {
            /// The G that this is the right over.
            pub fn g(&self) -> GRef<K> {
                self.0
            }

            /// Gives the right up for a pointer, for a queue that stores pointers.
            pub fn into_raw(self) -> GRef<K> {
                ManuallyDrop::new(self).0
            }

            /// The right back from its pointer.
            ///
            /// # Safety
            /// `g` came from `into_raw` of this type, and is turned back this one time.
            pub unsafe fn from_raw(g: GRef<K>) -> Self {
                Self(g)
            }
        }

        impl<K: Machine> Drop for $right<K> {
            #[cold]
            fn drop(&mut self) {
                panic!(concat!("the ", stringify!($right), " of goroutine {} was lost"), self.0.id());
            }
        }
    };
}

right!(Runnable);
right!(Parked);

impl<K: Machine> Runnable<K> {
    /// The G begins to run on that core: its right is used up.
    #[inline]
    pub(crate) fn start(self, core: u32, now: u64) -> GRef<K> {
        let g = self.into_raw();
        g.transition(Status::Runnable, Status::Running);
        g.set_core(core);
        g.set_since(now);
        g
    }

    /// The right over a G that has just left its core and wants to go on later.
    #[inline]
    pub(crate) fn after_run(g: GRef<K>) -> Self {
        g.transition(Status::Running, Status::Runnable);
        // A running G has no right (ONE-RIGHT); the transition, which succeeds once, makes this one.
        Self(g)
    }

    /// The right over a G whose life has just begun.
    pub(crate) fn begun(g: GRef<K>) -> Self {
        Self(g)
    }

    /// The right over a G that has just begun to wait.
    #[inline]
    pub(crate) fn parked(g: GRef<K>) -> Parked<K> {
        Parked(g)
    }
}

impl<K: Machine> Parked<K> {
    /// The waiting G becomes runnable.
    pub(crate) fn into_runnable(self) -> Runnable<K> {
        let g = self.into_raw();
        g.transition(Status::Waiting, Status::Runnable);
        // SAFETY: ONE-RIGHT: the Parked was used up.
        unsafe { Runnable::from_raw(g) }
    }

    /// Waits for ever: nobody will ever wake this G (an empty select, a channel that does not exist).
    pub fn forever(self) {
        let _ = self.into_raw();
    }
}

// SAFETY: a right is a pointer to a G, whose shared fields are atomics and whose machine part is reached only by
// the holder of the right or by the core that runs the G: sending the right sends that permission.
unsafe impl<K: Machine> Send for Runnable<K> {}
// SAFETY: as above.
unsafe impl<K: Machine> Send for Parked<K> {}
