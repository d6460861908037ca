//! Magazines: each core's own small free blocks.
//!
//! A magazine is two lists of free blocks of one class. Allocating pops from one, freeing pushes to it; when it is
//! empty or full, the lists change places, and only when that does not help either is a whole list exchanged with the
//! central list (`central`). So a G that allocates and frees at the edge of a list does not go back and forth.
//!
//! *Context.* Any G, g0, under `PreemptOff`. Not interrupt handlers.
//!
//! *Invariants.* OWN-BLOCKS: a block on a list belongs to the list alone; its first word is the link to the next. FULL:
//! `spare` is empty or holds exactly one batch. It does not matter which core a block came from.
//!
//! *Rejected.* Arrays of pointers: they cost memory per core, and the block's first word is about to be used anyway.

use core::{cell::UnsafeCell, ptr::NonNull};

use super::size_class::CLASSES;
use crate::preempt::PreemptOff;

/// The beginning of a free block. Every block has at least 16 bytes.
#[derive(Debug)]
pub(super) struct Free {
    next: Option<NonNull<Free>>,
    /// On the first block of a batch on the central list: the next batch.
    pub(super) next_batch: Option<NonNull<Free>>,
}

/// A list of free blocks of one class.
#[derive(Debug, Default)]
pub(super) struct List {
    head: Option<NonNull<Free>>,
    len: u32,
}

impl List {
    pub(super) const fn new() -> Self {
        Self { head: None, len: 0 }
    }

    pub(super) const fn len(&self) -> u32 {
        self.len
    }

    #[inline(always)]
    pub(super) fn pop(&mut self) -> Option<NonNull<u8>> {
        let block = self.head?;
        // SAFETY: OWN-BLOCKS: the link is there, and the memory is ours.
        self.head = unsafe { (*block.as_ptr()).next };
        self.len -= 1;
        Some(block.cast())
    }

    /// # Safety
    /// The block is of the list's class, and the caller gives it up.
    #[inline(always)]
    pub(super) unsafe fn push(&mut self, block: NonNull<u8>) {
        let block: NonNull<Free> = block.cast();
        // SAFETY: by contract the memory is ours now, all of the block; only the address is taken.
        let next = unsafe { &raw mut (*block.as_ptr()).next };
        // SAFETY: as above; blocks are aligned to 16.
        unsafe { next.write(self.head) };
        self.head = Some(block);
        self.len += 1;
    }

    /// The list as one batch; its length must be remembered elsewhere.
    pub(super) const fn into_batch(self) -> Option<NonNull<Free>> {
        self.head
    }

    /// # Safety
    /// `head` is a batch of `len` blocks that came from [`List::into_batch`], and the caller gives it up.
    pub(super) const unsafe fn from_batch(head: NonNull<Free>, len: u32) -> Self {
        Self { head: Some(head), len }
    }
}

/// One core's free blocks of one class.
#[derive(Debug, Default)]
pub(super) struct Magazine {
    loaded: List,
    spare: List,
}

impl Magazine {
    const fn new() -> Self {
        Self { loaded: List::new(), spare: List::new() }
    }

    /// A block, if there is one here.
    #[inline(always)]
    pub(super) fn pop(&mut self) -> Option<NonNull<u8>> {
        self.loaded.pop()
    }

    /// A block when `pop` had none; `refill` brings blocks from elsewhere.
    pub(super) fn pop_slow(&mut self, refill: impl FnOnce() -> List) -> Option<NonNull<u8>> {
        core::mem::swap(&mut self.loaded, &mut self.spare);
        if self.loaded.len == 0 {
            self.loaded = refill();
        }
        self.loaded.pop()
    }

    /// Keeps a block. When both lists are full, `spill` is given a batch of exactly `batch` blocks.
    ///
    /// # Safety
    /// The block is of the magazine's class, and the caller gives it up.
    #[inline(always)]
    pub(super) unsafe fn push(&mut self, block: NonNull<u8>, batch: u32, spill: impl FnOnce(List)) {
        if self.loaded.len >= batch {
            self.unload(spill);
        }
        // SAFETY: by contract.
        unsafe { self.loaded.push(block) };
    }

    #[cold]
    fn unload(&mut self, spill: impl FnOnce(List)) {
        let full = core::mem::take(&mut self.loaded);
        let before = core::mem::replace(&mut self.spare, full);
        if before.len != 0 {
            spill(before);
        }
    }
}

/// One core's magazines.
pub struct Magazines {
    classes: [UnsafeCell<Magazine>; CLASSES],
}

impl Magazines {
    /// Empty ones.
    pub const fn new() -> Self {
        Self { classes: [const { UnsafeCell::new(Magazine::new()) }; CLASSES] }
    }

    /// The magazine of `class`.
    ///
    /// # Safety
    /// These are the magazines of the core that `_off` keeps us on, and the reference is gone before the next call.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "a cell; exclusive by contract")]
    pub(super) unsafe fn get<'a>(&'a self, class: usize, _off: &'a PreemptOff) -> &'a mut Magazine {
        // SAFETY: by contract this core's, one reference at a time.
        unsafe { &mut *self.classes[class].get() }
    }
}

impl Default for Magazines {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for Magazines {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Magazines")
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{boxed::Box, collections::HashSet, vec::Vec};

    use super::*;

    fn block() -> NonNull<u8> {
        NonNull::from(Box::leak(Box::new([0u128; 1]))).cast()
    }

    fn list(blocks: u32) -> List {
        let mut list = List::new();
        for _ in 0..blocks {
            // SAFETY: a fresh block.
            unsafe { list.push(block()) };
        }
        list
    }

    #[test]
    fn refills_only_when_both_lists_are_empty() {
        let mut magazine = Magazine { loaded: list(2), spare: list(3) };
        let mut taken = HashSet::new();
        for _ in 0..5 {
            let block = magazine.pop().or_else(|| magazine.pop_slow(|| panic!("there was one"))).unwrap();
            assert!(taken.insert(block));
        }
        assert!(magazine.pop().is_none());
        assert!(magazine.pop_slow(|| list(4)).is_some());
        assert_eq!(magazine.loaded.len(), 3);
        let mut empty = Magazine::new();
        assert!(empty.pop_slow(List::new).is_none(), "out of memory");
    }

    #[test]
    fn spills_whole_batches_and_loses_nothing() {
        const BATCH: u32 = 4;
        let mut magazine = Magazine::new();
        let mut spilled = Vec::new();
        let mut given = HashSet::new();
        for _ in 0..19 {
            let block = block();
            given.insert(block);
            // SAFETY: a fresh block.
            unsafe { magazine.push(block, BATCH, |list| spilled.push(list)) };
        }
        assert_eq!(spilled.iter().map(List::len).collect::<Vec<_>>(), [BATCH, BATCH, BATCH]);
        let mut found = HashSet::new();
        for mut list in spilled.into_iter().chain([magazine.loaded, magazine.spare]) {
            while let Some(block) = list.pop() {
                assert!(found.insert(block), "twice");
            }
        }
        assert_eq!(found, given);
    }

    #[test]
    fn the_edge_of_a_list_costs_no_exchange() {
        let mut magazine = Magazine::new();
        for _ in 0..4 {
            // SAFETY: a fresh block.
            unsafe { magazine.push(block(), 4, |_| panic!("room for two lists")) };
        }
        for _ in 0..100 {
            // SAFETY: a fresh block, or one just popped.
            unsafe { magazine.push(block(), 4, |_| panic!("room for two lists")) };
            magazine.pop().or_else(|| magazine.pop_slow(|| panic!("not empty"))).unwrap();
        }
    }
}
