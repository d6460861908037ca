//! [`Fixed`]: a box that others may point into.
//!
//! A `Box` claims, each time it is moved, to be the only way to what is in it, and so spoils every pointer into it. What
//! Ms and the idle list point at for as long as the scheduler lives is owned by this one instead, which claims nothing.

use alloc::boxed::Box;
use core::{ops::Deref, ptr::NonNull};

/// An owner of a `T` at a fixed address, which it only lends out for reading.
#[derive(Debug)]
pub(crate) struct Fixed<T: ?Sized>(NonNull<T>);

impl<T: ?Sized> Fixed<T> {
    pub(crate) fn new(value: Box<T>) -> Self {
        Self(NonNull::from(Box::leak(value)))
    }
}

impl<T: ?Sized> Deref for Fixed<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: `new` leaked it, nobody but `drop` takes it back, and only shared references are ever made.
        unsafe { self.0.as_ref() }
    }
}

impl<T: ?Sized> Drop for Fixed<T> {
    fn drop(&mut self) {
        // SAFETY: `new` leaked it from a box, and this is the last use.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

// SAFETY: it owns its T as a box does.
unsafe impl<T: ?Sized + Send> Send for Fixed<T> {}
// SAFETY: it lends its T as a box does.
unsafe impl<T: ?Sized + Sync> Sync for Fixed<T> {}
