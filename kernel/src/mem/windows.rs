//! Windows: address space for stacks, each above an unmapped guard page.
//!
//! A [`Space`] is cut into one region per power of two, and each region into windows of that size. So the window around
//! an address, its size and its guard follow from the address by arithmetic: a page fault needs no lookup and no lock.
//! What is mapped in a window is its taker's business.
//!
//! *Locks.* One per space, with the rank it was given.
//!
//! *Invariants.* RECORD: the guard page's entry in the page tables is never present. Its other bits are free for
//! software, and hold the window's record: in use, or the next window on the list of free ones. So a window costs no
//! memory but its pages and its share of the tables. WARM: windows are reused in LIFO order, and keep the pages they
//! have.
//!
//! *Rejected.* A header in the stack: the first thing an overflow destroys. A table of windows: 8 bytes each, and a
//! lookup.

use super::{
    layout::{HEAP, KSTACKS, MMIO, PAGE_SIZE, STACKS},
    paging::{Frames, tables},
    tables::{Entry, Tables, WalkError},
};
use crate::lock::{Lock, Rank};

/// The smallest window has 2^14 bytes: a guard page and three others.
const MIN_SHIFT: u32 = 14;
/// The largest has 1 GiB.
const MAX_SHIFT: u32 = 30;
const SIZES: usize = (MAX_SHIFT - MIN_SHIFT + 1) as usize;
/// Each size has 512 GiB of address space: one entry of the level 4 table.
const REGION_SHIFT: u32 = 39;

/// The largest window.
pub const MAX_SIZE: u64 = 1 << MAX_SHIFT;
/// How much address space a [`Space`] takes.
pub const SPACE_SIZE: u64 = (SIZES as u64) << REGION_SHIFT;

const _: () = assert!(STACKS + SPACE_SIZE <= HEAP && KSTACKS + SPACE_SIZE <= MMIO, "spaces overlap their neighbours");

/// One window: the guard page, and above it the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    start: u64,
    shift: u32,
}

impl Window {
    /// The guard page, at the window's start.
    pub const fn guard(&self) -> u64 {
        self.start
    }

    /// The lowest address that a stack in here may use.
    pub const fn limit(&self) -> u64 {
        self.start + PAGE_SIZE
    }

    /// The end of the window, where a stack begins.
    pub const fn top(&self) -> u64 {
        self.start + self.size()
    }

    /// All of it, the guard included.
    pub const fn size(&self) -> u64 {
        1 << self.shift
    }

    /// Whether someone has taken the window and not given it back.
    pub fn in_use(&self) -> bool {
        record(tables(), *self).is_some_and(|entry| entry.load() & IN_USE != 0)
    }
}

/// Set in the record of a window that someone has. Bit 0, "present", is never set.
const IN_USE: u64 = 1 << 1;
/// Above this bit, a free window's record holds the next free window's index plus 1.
const NEXT_SHIFT: u32 = 12;

fn record(tables: Tables, window: Window) -> Option<Entry> {
    tables.find(window.guard()).map(|(entry, _)| entry)
}

/// The windows of one size.
struct Class {
    /// Index plus 1 of the free window that was used last; 0: none.
    free: u64,
    /// The first window that was never used.
    fresh: u64,
}

/// Why there is no window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowError {
    /// No memory for its pages or tables.
    OutOfMemory,
    /// Larger than [`MAX_SIZE`].
    TooLarge,
    /// All windows of that size are in use.
    Exhausted,
}

impl From<WalkError> for WindowError {
    fn from(error: WalkError) -> Self {
        match error {
            WalkError::OutOfMemory => Self::OutOfMemory,
            // Never seen: nobody maps huge pages into a space of windows.
            WalkError::HugePage => Self::Exhausted,
        }
    }
}

/// A range of the address space that is cut into windows.
pub struct Space {
    base: u64,
    classes: Lock<[Class; SIZES]>,
}

impl Space {
    /// The space from `base` on, with a lock of that rank.
    pub const fn new(base: u64, rank: Rank) -> Self {
        assert!(base.trailing_zeros() >= REGION_SHIFT, "windows must be aligned to their size");
        Self { base, classes: Lock::new(rank, [const { Class { free: 0, fresh: 0 } }; SIZES]) }
    }

    /// The window that `addr` is in, if it is in this space; whether it is in use is another question.
    pub fn at(&self, addr: u64) -> Option<Window> {
        let offset = addr.checked_sub(self.base)?;
        let class = offset >> REGION_SHIFT;
        if class >= SIZES as u64 {
            return None;
        }
        let shift = MIN_SHIFT + class as u32;
        Some(Window { start: addr & !((1 << shift) - 1), shift })
    }

    /// Takes a window of at least `size` bytes, guard included. `prepare` maps what the taker needs, and is told
    /// whether the window was in use before (WARM). If it fails, nothing was taken.
    ///
    /// # Errors
    /// See [`WindowError`].
    pub fn take(
        &self,
        size: u64,
        prepare: impl FnOnce(Window, bool) -> Result<(), WindowError>,
    ) -> Result<Window, WindowError> {
        let shift = shift_for(size).ok_or(WindowError::TooLarge)?;
        let number = (shift - MIN_SHIFT) as usize;
        let mut classes = self.classes.lock();
        let class = &mut classes[number];
        let warm = class.free != 0;
        let index = if warm { class.free - 1 } else { class.fresh };
        if index >> (REGION_SHIFT - shift) != 0 {
            return Err(WindowError::Exhausted);
        }
        let start = self.base + ((number as u64) << REGION_SHIFT) + (index << shift);
        let window = Window { start, shift };
        let record = tables().reach(window.guard(), &Frames)?;
        prepare(window, warm)?;
        if warm {
            class.free = record.load() >> NEXT_SHIFT;
        } else {
            class.fresh += 1;
        }
        record.store(IN_USE);
        Ok(window)
    }

    /// Gives a window back, with its pages.
    ///
    /// # Safety
    /// It came from [`Space::take`] of this space, is given back once, and nothing in it is used any more.
    ///
    /// # Panics
    /// If it is not in use.
    pub unsafe fn give(&self, window: Window) {
        let number = (window.shift - MIN_SHIFT) as usize;
        let mut classes = self.classes.lock();
        let class = &mut classes[number];
        let record = record(tables(), window).filter(|record| record.load() & IN_USE != 0);
        let Some(record) = record else { panic!("the stack window at {:#x} was given back twice", window.start) };
        record.store(class.free << NEXT_SHIFT);
        class.free = ((window.start & ((1 << REGION_SHIFT) - 1)) >> window.shift) + 1;
    }
}

impl core::fmt::Debug for Space {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Space({:#x})", self.base)
    }
}

/// The power of two for `size` bytes.
fn shift_for(size: u64) -> Option<u32> {
    (size <= MAX_SIZE).then(|| size.next_power_of_two().trailing_zeros().max(MIN_SHIFT))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: u64 = 0xffff_a000_0000_0000;

    #[test]
    fn sizes_are_rounded_up() {
        assert_eq!(shift_for(0), Some(14));
        assert_eq!(shift_for(0x4000), Some(14));
        assert_eq!(shift_for(0x4001), Some(15));
        assert_eq!(shift_for(0x1_0000), Some(16));
        assert_eq!(shift_for(MAX_SIZE), Some(30));
        assert_eq!(shift_for(MAX_SIZE + 1), None);
        assert_eq!(shift_for(u64::MAX), None);
    }

    #[test]
    fn an_address_tells_its_window() {
        let space = Space::new(BASE, Rank::Stacks);
        let in_64k = BASE + (2 << REGION_SHIFT) + 5 * 0x1_0000;
        for addr in [in_64k, in_64k + 0xfff, in_64k + 0xffff] {
            let window = space.at(addr).unwrap();
            assert_eq!((window.guard(), window.size()), (in_64k, 0x1_0000));
            assert_eq!((window.limit(), window.top()), (in_64k + 0x1000, in_64k + 0x1_0000));
        }
        assert_eq!(space.at(BASE + (16 << REGION_SHIFT)).unwrap().size(), MAX_SIZE);
        assert_eq!(space.at(BASE - 1), None);
        assert_eq!(space.at(BASE + SPACE_SIZE), None);
        assert_eq!(space.at(0), None);
    }
}
