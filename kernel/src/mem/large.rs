//! Large blocks: the heap of the `linked_list_allocator` crate, grown as needed.
//!
//! First fit over a list of holes, sorted by address. Its address space is one range that only grows; pages are mapped
//! at its end.
//!
//! *Locks.* `Rank::Heap`; mapping takes `Rank::Frames`. The lock is let go between steps of growth, so that a request
//! for a gigabyte does not keep preemption off while its pages are mapped.

use core::{alloc::Layout, ptr::NonNull};

use linked_list_allocator::Heap;

use super::{
    frames,
    layout::{HEAP, HEAP_END, PAGE_SIZE},
    paging::{self, MapError},
};
use crate::lock::{Lock, Rank};

struct Large {
    heap: Heap,
    /// Where the mapped part ends.
    end: u64,
}

static LARGE: Lock<Large> = Lock::new(Rank::Heap, Large { heap: Heap::empty(), end: HEAP });

/// How much is mapped at a time, at most: what one holder of the lock does without preemption.
const STEP: u64 = 64 * PAGE_SIZE;

/// Bytes in use, and bytes mapped.
pub(super) fn stats() -> (u64, u64) {
    let large = LARGE.lock();
    (large.heap.used() as u64, large.end - HEAP)
}

/// A block, or null when memory is exhausted.
#[cold]
pub(super) fn alloc(layout: Layout) -> *mut u8 {
    // What growth must add at most: the block, and the gap in front of an aligned one.
    let Some(worst) = layout.size().checked_add(layout.align()).and_then(|sum| sum.checked_add(64)) else {
        return core::ptr::null_mut();
    };
    loop {
        if let Ok(block) = LARGE.lock().heap.allocate_first_fit(layout) {
            return block.as_ptr();
        }
        // If others take what was added, memory runs out after finitely many rounds.
        if !grow(worst as u64) {
            return core::ptr::null_mut();
        }
    }
}

/// Adds at least `bytes` at the end; whether that was possible.
fn grow(bytes: u64) -> bool {
    // A request that cannot be met must not eat all memory first.
    if bytes / PAGE_SIZE >= frames::stats().free {
        return false;
    }
    let mut added = 0;
    while added < bytes {
        let step = LARGE.lock().extend((bytes - added).clamp(1, STEP));
        if step == 0 {
            return false;
        }
        added += step;
    }
    true
}

impl Large {
    /// Maps at least `bytes` more, less if memory runs out; how many were added to the heap.
    fn extend(&mut self, bytes: u64) -> u64 {
        let start = self.end;
        let wanted = bytes.next_multiple_of(STEP);
        while self.end < start + wanted && self.end < HEAP_END {
            match paging::map_new(self.end, paging::DATA) {
                Ok(()) => self.end += PAGE_SIZE,
                Err(MapError::OutOfMemory) => break,
                Err(error) => panic!("the heap cannot grow: {error}"),
            }
        }
        let added = self.end - start;
        if added == 0 {
            return 0;
        }
        if start == HEAP {
            // SAFETY: the heap is empty, the range is mapped for ever, and nobody else uses it.
            unsafe { self.heap.init(HEAP as *mut u8, added as usize) };
        } else {
            // SAFETY: the range follows directly on the heap's, mapped for ever, and nobody else uses it.
            unsafe { self.heap.extend(added as usize) };
        }
        added
    }
}

/// Takes a block back.
///
/// # Safety
/// It came from [`alloc()`] with this layout, and is not used any more.
#[cold]
pub(super) unsafe fn free(block: NonNull<u8>, layout: Layout) {
    // SAFETY: by contract.
    unsafe { LARGE.lock().heap.deallocate(block, layout) };
}
