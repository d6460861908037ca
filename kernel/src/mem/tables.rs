//! Page tables: walking and growing them, by atomic entries.
//!
//! Its one job is to find the entry that decides about an address, and to add the tables on the way to it. What goes
//! into entries is left to [`super::paging`] and [`super::windows`]; the bits are those of the `x86_64` crate.
//!
//! *Context.* Anywhere, the page-fault handler included: no lock is taken. Where new tables come from is the caller's
//! choice ([`FrameSource`]).
//!
//! *Invariants.* TABLES-STAY: a table, once linked, is never unlinked or freed (the lower half excepted, which
//! [`super::paging`] drops as a whole). So an entry's address is good for ever. BY-CAS: an entry changes from what its
//! changer saw, or not at all; two cores that add the same page agree on one of them.
//!
//! *Memory order.* A new table is cleared, then linked (release); a walk loads entries with acquire. The processor's
//! own walks are ordered by x86-TSO, and it never caches an entry that is not present (Intel SDM vol. 3, 5.10.4.3), so
//! adding needs no flush.
//!
//! *Rejected.* `OffsetPageTable`: it holds `&mut` to tables that a fault on another core is changing. A lock: a stack
//! fault could hit its holder.

use core::sync::atomic::{AtomicU64, Ordering};

use x86_64::{VirtAddr, structures::paging::PageTableFlags};

use super::{frames::Frame, layout::PAGE_SIZE};

/// The physical address in an entry: bits 51..12 (Intel SDM vol. 3, table 5-20).
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// Where tables and pages come from.
pub trait FrameSource {
    /// One frame, if there is one.
    fn take(&self) -> Option<Frame>;
    /// Takes back a frame that was not needed after all.
    fn give(&self, frame: Frame);
}

/// Why an entry cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalkError {
    /// No frame for a table.
    OutOfMemory,
    /// A huge page covers the address.
    HugePage,
}

/// An entry of some table.
#[derive(Clone, Copy, Debug)]
pub struct Entry(&'static AtomicU64);

impl Entry {
    /// The raw value.
    #[inline]
    pub fn load(self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Puts `new` where `old` is; else what was there.
    #[inline]
    pub fn replace(self, old: u64, new: u64) -> Result<u64, u64> {
        self.0.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire)
    }

    /// Stores a value; for entries that only the caller changes.
    #[inline]
    pub fn store(self, value: u64) {
        self.0.store(value, Ordering::Release);
    }
}

/// What `raw` grants.
#[inline]
pub const fn flags(raw: u64) -> PageTableFlags {
    PageTableFlags::from_bits_truncate(raw)
}

/// The physical address that `raw` leads to.
#[inline]
pub const fn address(raw: u64) -> u64 {
    raw & ADDRESS
}

/// Whether `raw` leads anywhere.
#[inline]
pub const fn present(raw: u64) -> bool {
    raw & PageTableFlags::PRESENT.bits() != 0
}

const fn huge(raw: u64) -> bool {
    raw & PageTableFlags::HUGE_PAGE.bits() != 0
}

/// What links tables: all rights, so that the last entry alone decides; never for user mode.
const LINK: u64 = PageTableFlags::PRESENT.bits() | PageTableFlags::WRITABLE.bits();

/// An address space.
#[derive(Clone, Copy, Debug)]
pub struct Tables {
    root: u64,
    linear: u64,
}

impl Tables {
    /// The tables below `root`, a physical address; `linear` is where physical address 0 is mapped.
    ///
    /// # Safety
    /// `root` is a level 4 table, and all tables are mapped at `linear`, writable, and follow TABLES-STAY and BY-CAS.
    pub const unsafe fn new(root: u64, linear: u64) -> Self {
        Self { root, linear }
    }

    /// The level 4 table.
    pub const fn root(&self) -> u64 {
        self.root
    }

    /// The entry number `index` of the table at physical address `table`.
    pub(super) fn entry_of(&self, table: u64, index: usize) -> Entry {
        let entries = (self.linear + table) as *const [AtomicU64; 512];
        // SAFETY: callers pass tables only; by the contract of `new` it is mapped, and by TABLES-STAY for ever.
        let entries = unsafe { &*entries };
        Entry(&entries[index])
    }

    /// The entry that decides about `addr`, with its level (1: a page, 2 and 3: a huge page), if the tables reach that
    /// far. The entry need not be present on level 1.
    pub fn find(&self, addr: u64) -> Option<(Entry, u8)> {
        let mut table = self.root;
        for level in (2..=4).rev() {
            let entry = self.entry_of(table, index(addr, level));
            let raw = entry.load();
            if !present(raw) {
                return None;
            }
            if huge(raw) {
                return Some((entry, level));
            }
            table = address(raw);
        }
        Some((self.entry_of(table, index(addr, 1)), 1))
    }

    /// The level 1 entry of `addr`, adding the tables that are missing.
    ///
    /// # Errors
    /// No frame for a table, or a huge page in the way.
    pub fn reach(&self, addr: u64, source: &impl FrameSource) -> Result<Entry, WalkError> {
        let mut table = self.root;
        for level in (2..=4).rev() {
            let entry = self.entry_of(table, index(addr, level));
            let mut raw = entry.load();
            if !present(raw) {
                raw = self.add_table(entry, source)?;
            }
            if huge(raw) {
                return Err(WalkError::HugePage);
            }
            table = address(raw);
        }
        Ok(self.entry_of(table, index(addr, 1)))
    }

    /// Links a new table at an entry that was seen empty; what the entry holds then.
    fn add_table(&self, entry: Entry, source: &impl FrameSource) -> Result<u64, WalkError> {
        let frame = source.take().ok_or(WalkError::OutOfMemory)?;
        let memory = (self.linear + frame.address()) as *mut u8;
        // SAFETY: ONE-OWNER (`frames`): nobody else uses the frame, and all frames are mapped at `linear`.
        unsafe { memory.write_bytes(0, PAGE_SIZE as usize) };
        let new = frame.address() | LINK;
        match entry.replace(0, new) {
            Ok(_) => {
                let _in_the_table = frame.into_address();
                Ok(new)
            }
            Err(other) => {
                source.give(frame);
                Ok(other)
            }
        }
    }
}

/// Which entry of a table on `level` leads to `addr`.
fn index(addr: u64, level: u8) -> usize {
    let addr = VirtAddr::new_truncate(addr);
    let index = match level {
        1 => addr.p1_index(),
        2 => addr.p2_index(),
        3 => addr.p3_index(),
        _ => addr.p4_index(),
    };
    usize::from(index)
}

#[cfg(test)]
pub(super) mod tests {
    extern crate std;
    use core::cell::Cell;
    use std::{boxed::Box, vec::Vec};

    use super::*;

    #[repr(align(4096))]
    struct Page {
        _entries: [u64; 512],
    }

    /// Frames of the test's own memory.
    pub struct Source {
        pub left: Cell<usize>,
        given: Cell<Vec<Frame>>,
    }

    impl Source {
        pub fn of(frames: usize) -> Self {
            Self { left: Cell::new(frames), given: Cell::default() }
        }
    }

    impl FrameSource for Source {
        fn take(&self) -> Option<Frame> {
            self.left.set(self.left.get().checked_sub(1)?);
            let page = Box::leak(Box::new(Page { _entries: [!0; 512] }));
            // SAFETY: fresh memory that only this frame names.
            Some(unsafe { Frame::from_address(core::ptr::from_mut(page) as u64) })
        }

        fn give(&self, frame: Frame) {
            let mut given = self.given.take();
            given.push(frame);
            self.given.set(given);
        }
    }

    pub fn empty() -> Tables {
        let root = core::ptr::from_mut(Box::leak(Box::new(Page { _entries: [0; 512] }))) as u64;
        // SAFETY: an empty table, "mapped" at 0 as all of the test's memory.
        unsafe { Tables::new(root, 0) }
    }

    #[test]
    fn adds_only_the_tables_that_are_missing() {
        let (tables, source) = (empty(), Source::of(5));
        let at = 0xffff_a000_0000_0000;
        assert!(tables.find(at).is_none());
        let entry = tables.reach(at, &source).unwrap();
        assert_eq!((entry.load(), source.left.get()), (0, 2), "three tables, cleared");
        tables.reach(at + 0x1f_f000, &source).unwrap();
        assert_eq!(source.left.get(), 2, "same table");
        tables.reach(at + 0x20_0000, &source).unwrap();
        assert_eq!(source.left.get(), 1, "one more");
        assert_eq!(tables.find(at).unwrap().1, 1);
    }

    #[test]
    fn says_what_is_in_the_way() {
        let (tables, source) = (empty(), Source::of(2));
        assert_eq!(tables.reach(0x1000, &source).unwrap_err(), WalkError::OutOfMemory);
        let level3 = address(tables.entry_of(tables.root(), 0).load());
        let level2 = address(tables.entry_of(level3, 0).load());
        tables.entry_of(level2, 0).store(PageTableFlags::HUGE_PAGE.bits() | LINK);
        assert_eq!(tables.reach(0x1000, &source).unwrap_err(), WalkError::HugePage);
        assert_eq!(tables.find(0x1000).unwrap().1, 2);
    }
}
