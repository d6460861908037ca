//! The central lists: where cores exchange small free blocks, and where new ones are cut.
//!
//! One per size class: a stack of whole batches, and the slab that blocks are being cut from. A batch moves in constant
//! time.
//!
//! *Locks.* `Rank::HeapClass`, one per class; a new slab takes `Rank::Frames`.
//!
//! *Invariants.* WHOLE-BATCHES: what is on the stack has exactly [`batch`] blocks. OWN-BLOCKS (`magazine`).
//!
//! *Rejected.* Giving slabs back: a slab's blocks are spread over all magazines, and counting them would cost every
//! `free`. The pages of a class stay with it.

use core::{
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use super::{
    frames,
    layout::phys_to_virt,
    magazine::{Free, List},
    size_class::{CLASSES, SLAB, batch, size_of},
};
use crate::lock::{Lock, Rank};

struct Central {
    batches: Option<NonNull<Free>>,
    /// What is left of the newest slab.
    slab: Option<NonNull<u8>>,
    left: usize,
}

// SAFETY: the pointers are to memory that the list owns (OWN-BLOCKS), wherever it is used from.
unsafe impl Send for Central {}

static CENTRAL: [Lock<Central>; CLASSES] = [const { Lock::new(Rank::HeapClass, Central::new()) }; CLASSES];
static SLABS: AtomicU64 = AtomicU64::new(0);

/// Bytes in slabs, in use or not.
pub(super) fn slab_bytes() -> u64 {
    SLABS.load(Relaxed) * SLAB as u64
}

/// Some blocks of `class`: a batch, or as many as there are. None at all if memory is exhausted.
pub(super) fn take(class: usize) -> List {
    CENTRAL[class].lock().take(class, new_slab)
}

/// Keeps a whole batch.
pub(super) fn give(class: usize, list: List) {
    CENTRAL[class].lock().give(class, list);
}

fn new_slab() -> Option<NonNull<u8>> {
    let frame = frames::alloc()?;
    SLABS.fetch_add(1, Relaxed);
    NonNull::new(phys_to_virt(frame.into_address()))
}

impl Central {
    const fn new() -> Self {
        Self { batches: None, slab: None, left: 0 }
    }

    fn take(&mut self, class: usize, new_slab: impl FnOnce() -> Option<NonNull<u8>>) -> List {
        let Some(head) = self.batches else { return self.cut(class, new_slab) };
        // SAFETY: OWN-BLOCKS: `give` wrote the link.
        self.batches = unsafe { (*head.as_ptr()).next_batch };
        // SAFETY: WHOLE-BATCHES, and it is off the stack now.
        unsafe { List::from_batch(head, batch(class)) }
    }

    fn give(&mut self, class: usize, list: List) {
        assert_eq!(list.len(), batch(class), "WHOLE-BATCHES");
        let Some(head) = list.into_batch() else { return };
        // SAFETY: OWN-BLOCKS: the block's memory came with the list; only the address is taken.
        let next = unsafe { &raw mut (*head.as_ptr()).next_batch };
        // SAFETY: as above.
        unsafe { next.write(self.batches) };
        self.batches = Some(head);
    }

    /// Up to a batch of new blocks from the newest slab, or from a new one.
    fn cut(&mut self, class: usize, new_slab: impl FnOnce() -> Option<NonNull<u8>>) -> List {
        let size = size_of(class);
        if self.left < size {
            self.slab = new_slab();
            self.left = if self.slab.is_some() { SLAB } else { 0 };
        }
        let mut list = List::new();
        while let Some(block) = self.slab.filter(|_| self.left >= size && list.len() < batch(class)) {
            // SAFETY: a part of the slab that belongs to no block yet.
            unsafe { list.push(block) };
            // SAFETY: at most one past the slab's end, by `left`.
            self.slab = Some(unsafe { block.add(size) });
            self.left -= size;
        }
        list
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{boxed::Box, collections::HashSet};

    use super::*;

    #[repr(align(4096))]
    struct Slab {
        _bytes: [u8; SLAB],
    }

    fn fresh() -> Option<NonNull<u8>> {
        Some(NonNull::from(Box::leak(Box::new(Slab { _bytes: [0xaa; SLAB] }))).cast())
    }

    #[test]
    fn cuts_slabs_without_rest_or_overlap() {
        for class in 0..CLASSES {
            let mut central = Central::new();
            let mut seen = HashSet::new();
            let slab = fresh();
            let mut list = central.take(class, || slab);
            while list.len() != 0 {
                while let Some(block) = list.pop() {
                    let offset = block.as_ptr() as usize - slab.unwrap().as_ptr() as usize;
                    assert!(offset.is_multiple_of(size_of(class)) && offset + size_of(class) <= SLAB);
                    assert!(seen.insert(offset));
                }
                list = central.take(class, || None);
            }
            assert_eq!(seen.len(), SLAB / size_of(class));
        }
    }

    #[test]
    fn batches_come_back_as_they_went() {
        let class = 3;
        let mut central = Central::new();
        let lists = [central.take(class, fresh), central.take(class, fresh)];
        let heads = lists.map(|list| {
            assert_eq!(list.len(), batch(class));
            let head = list.into_batch().unwrap();
            // SAFETY: the batch just taken.
            central.give(class, unsafe { List::from_batch(head, batch(class)) });
            head
        });
        assert_eq!(central.take(class, || None).into_batch(), Some(heads[1]));
        assert_eq!(central.take(class, || None).into_batch(), Some(heads[0]));
        assert_eq!(central.take(class, || None).len(), 0);
    }
}
