//! The heap: what `Box` and `Vec` allocate from.
//!
//! Small requests are served from this core's magazine of that size, in about twenty instructions and without a lock;
//! empty and overfull magazines exchange whole lists with the central ones. Requests above 2 KiB go to the heap of
//! large blocks.
//!
//! *Context.* Any G, g0, bring-up after `mem::init`. Not interrupt handlers. With preemption off, fewer than two pages
//! of stack are used (`reserve::SIZE`).
//!
//! *Invariants.* OWN-CORE (`core`), OWN-BLOCKS (`magazine`). SAME-CLASS: the class of a block follows from its layout
//! alone, so a block may be freed on any core.

use core::{
    alloc::{GlobalAlloc, Layout},
    ptr::NonNull,
};

use super::{
    central, large,
    size_class::{batch, class_of},
};
use crate::{core as cpu, preempt::PreemptOff};

/// The allocator; `gopark::main!` makes it the program's `#[global_allocator]`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heap;

/// How much memory the heap has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes in pages for small blocks.
    pub slabs: u64,
    /// Bytes mapped for large blocks.
    pub large: u64,
    /// Bytes of large blocks in use.
    pub large_used: u64,
}

/// How much memory the heap has taken, and how much of it is in large blocks that are in use.
pub fn stats() -> Stats {
    let (large_used, large) = large::stats();
    Stats { slabs: central::slab_bytes(), large, large_used }
}

// SAFETY: blocks are disjoint and as large and aligned as their layout says (`size_class`, `linked_list_allocator`),
// belong to one owner at a time (OWN-BLOCKS), and nothing here unwinds.
unsafe impl GlobalAlloc for Heap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match class_of(layout.size(), layout.align()) {
            Some(class) => alloc_small(class),
            None => large::alloc(layout),
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: by contract the block came from `alloc`, which returned it as a success.
        let block = unsafe { NonNull::new_unchecked(block) };
        match class_of(layout.size(), layout.align()) {
            // SAFETY: by contract, with SAME-CLASS.
            Some(class) => unsafe { free_small(class, block) },
            // SAFETY: by contract.
            None => unsafe { large::free(block, layout) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let class = class_of(layout.size(), layout.align());
        if class.is_some() && class == class_of(new_size, layout.align()) {
            return block;
        }
        // SAFETY: by contract the size is not 0 and does not overflow when rounded up to the alignment.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        // SAFETY: by contract the size is not 0.
        let new = unsafe { self.alloc(new_layout) };
        if !new.is_null() {
            // SAFETY: both blocks are that long, and a new block overlaps no other.
            unsafe { new.copy_from_nonoverlapping(block, layout.size().min(new_size)) };
            // SAFETY: by contract.
            unsafe { self.dealloc(block, layout) };
        }
        new
    }
}

#[inline]
fn alloc_small(class: usize) -> *mut u8 {
    let off = PreemptOff::new();
    // SAFETY: OWN-CORE: this core's magazines, under `off`; the reference ends in this function.
    let magazine = unsafe { cpu::this(&off).magazines.get(class, &off) };
    let block = match magazine.pop() {
        Some(block) => Some(block),
        None => magazine.pop_slow(|| central::take(class)),
    };
    block.map_or(core::ptr::null_mut(), NonNull::as_ptr)
}

/// # Safety
/// The block is of this class, and the caller gives it up.
#[inline]
unsafe fn free_small(class: usize, block: NonNull<u8>) {
    let off = PreemptOff::new();
    // SAFETY: OWN-CORE: this core's magazines, under `off`; the reference ends in this function.
    let magazine = unsafe { cpu::this(&off).magazines.get(class, &off) };
    // SAFETY: by contract.
    unsafe { magazine.push(block, batch(class), |list| central::give(class, list)) };
}
