//! Mapping: which address leads to which frame, with which rights.
//!
//! The kernel goes on with the loader's page tables, which all cores share. This module changes single pages in them,
//! keeps the rules below, and flushes this core's TLB.
//!
//! *Context.* Any G, g0, bring-up. No locks: see [`super::tables`].
//!
//! *Invariants.* W-XOR-X: no entry made here is writable and executable, or open to user mode, or maps page 0; the
//! whole of the tables is checked by [`super::audit`]. NO-REUSE: other cores' TLBs are not flushed; therefore an
//! address that lost its page never gets a different one, and rights are taken away only before other cores run. (The
//! start page of further cores is mapped again for a later start, but it is the same page with the same rights.)

use core::fmt;

use x86_64::{
    VirtAddr,
    instructions::tlb,
    registers::control::{Cr3, Cr4, Cr4Flags},
    structures::paging::PageTableFlags,
};

use super::{
    frames::{self, Frame},
    layout::{MMIO, MMIO_LEN, PAGE_SIZE, PHYS_MAP},
    tables::{FrameSource, Tables, WalkError, address, flags, present},
};

/// Rights of memory that holds data.
pub const DATA: PageTableFlags =
    PageTableFlags::PRESENT.union(PageTableFlags::WRITABLE).union(PageTableFlags::NO_EXECUTE);
/// Rights of constants.
pub const CONSTANTS: PageTableFlags = PageTableFlags::PRESENT.union(PageTableFlags::NO_EXECUTE);
/// Rights of code.
pub const CODE: PageTableFlags = PageTableFlags::PRESENT;
/// Rights of device registers: strong uncacheable, PAT entry 3 (Intel SDM vol. 3, table 13-12).
pub const REGISTERS: PageTableFlags = DATA.union(PageTableFlags::NO_CACHE).union(PageTableFlags::WRITE_THROUGH);

/// Why a mapping was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// No frame for the page or for a table.
    OutOfMemory,
    /// A huge page covers the address.
    HugePage(u64),
    /// Something else is mapped there.
    Occupied(u64),
    /// Nothing is mapped there.
    NotMapped(u64),
    /// Not a multiple of the page size, or page 0.
    BadAddress(u64),
    /// Writable and executable, not present, or open to user mode.
    BadRights(PageTableFlags),
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfMemory => write!(f, "out of memory"),
            Self::HugePage(at) => write!(f, "{at:#x} belongs to a huge page"),
            Self::Occupied(at) => write!(f, "{at:#x} is mapped already"),
            Self::NotMapped(at) => write!(f, "{at:#x} is not mapped"),
            Self::BadAddress(at) => write!(f, "{at:#x} is not an address of a page that may be mapped"),
            Self::BadRights(rights) => write!(f, "pages with these rights are not allowed: {rights:?}"),
        }
    }
}

impl core::error::Error for MapError {}

/// The frame allocator as a source of tables.
#[derive(Clone, Copy, Debug)]
pub struct Frames;

impl FrameSource for Frames {
    fn take(&self) -> Option<Frame> {
        frames::alloc()
    }

    fn give(&self, frame: Frame) {
        frames::free(frame);
    }
}

/// The tables that all cores use.
#[inline]
pub fn tables() -> Tables {
    let root = Cr3::read().0.start_address().as_u64();
    // SAFETY: CR3 holds the level 4 table; the loader put all tables into memory that PHYS_MAP covers, and both
    // invariants are those of this module and of `tables`, the only ones that change entries.
    unsafe { Tables::new(root, PHYS_MAP) }
}

/// W-XOR-X for one page.
fn check(page: u64, rights: PageTableFlags) -> Result<(), MapError> {
    let writable_code = rights.contains(PageTableFlags::WRITABLE) && !rights.contains(PageTableFlags::NO_EXECUTE);
    let bad = writable_code
        || rights.intersects(PageTableFlags::USER_ACCESSIBLE | PageTableFlags::HUGE_PAGE)
        || !rights.contains(PageTableFlags::PRESENT);
    if bad {
        return Err(MapError::BadRights(rights));
    }
    if page == 0 || !page.is_multiple_of(PAGE_SIZE) || VirtAddr::try_new(page).is_err() {
        return Err(MapError::BadAddress(page));
    }
    Ok(())
}

/// Maps the page at `page` to the frame at `physical`.
///
/// # Safety
/// The caller owns the address, and what is at `physical` may be used with these rights.
///
/// # Errors
/// See [`MapError`]; nothing is mapped then.
pub unsafe fn map(page: u64, physical: u64, rights: PageTableFlags) -> Result<(), MapError> {
    check(page, rights)?;
    if address(physical) != physical {
        return Err(MapError::BadAddress(physical));
    }
    let entry = tables().reach(page, &Frames).map_err(|e| match e {
        WalkError::OutOfMemory => MapError::OutOfMemory,
        WalkError::HugePage => MapError::HugePage(page),
    })?;
    // Not present before, so no TLB knows it.
    entry.replace(0, physical | rights.bits()).map_err(|_| MapError::Occupied(page))?;
    Ok(())
}

/// Maps a new frame at `page`, with undefined content.
///
/// # Errors
/// See [`MapError`]; nothing is mapped then.
pub fn map_new(page: u64, rights: PageTableFlags) -> Result<(), MapError> {
    let frame = frames::alloc().ok_or(MapError::OutOfMemory)?;
    // SAFETY: the frame is ours (ONE-OWNER), and a page that was not mapped can belong to nobody else.
    let mapped = unsafe { map(page, frame.address(), rights) };
    if mapped.is_err() {
        frames::free(frame);
    }
    mapped
}

/// Takes a page away and returns the physical address it had. Other cores may use it until they flush: NO-REUSE.
///
/// # Safety
/// Nobody uses the page any more.
///
/// # Errors
/// [`MapError::NotMapped`], [`MapError::HugePage`].
pub unsafe fn unmap(page: u64) -> Result<u64, MapError> {
    change(page, |_| 0)
}

/// Changes the rights of a page. Other cores may go by the old ones until they flush: NO-REUSE.
///
/// # Safety
/// Nobody uses the page in a way that the new rights forbid.
///
/// # Errors
/// See [`MapError`]; nothing is changed then.
pub unsafe fn protect(page: u64, rights: PageTableFlags) -> Result<(), MapError> {
    check(page, rights)?;
    change(page, |old| address(old) | rights.bits())?;
    Ok(())
}

/// Replaces a present entry and flushes it here; the physical address that was in it.
fn change(page: u64, new: impl Fn(u64) -> u64) -> Result<u64, MapError> {
    let (entry, level) = tables().find(page).ok_or(MapError::NotMapped(page))?;
    if level != 1 {
        return Err(MapError::HugePage(page));
    }
    let mut old = entry.load();
    // The processor may set the accessed and dirty bits meanwhile: once each, so this ends.
    loop {
        if !present(old) {
            return Err(MapError::NotMapped(page));
        }
        match entry.replace(old, new(old)) {
            Ok(_) => break,
            Err(now) => old = now,
        }
    }
    tlb::flush(VirtAddr::new_truncate(page));
    Ok(address(old))
}

/// The physical address behind `addr`, and its rights as far as the last entry decides them.
pub fn lookup(addr: u64) -> Option<(u64, PageTableFlags)> {
    let (entry, level) = tables().find(addr)?;
    let raw = entry.load();
    let within = addr & ((PAGE_SIZE << (9 * u64::from(level - 1))) - 1);
    // In a huge page's entry, bit 12 is not part of the address but its PAT bit.
    let base = address(raw) & !((PAGE_SIZE << (9 * u64::from(level - 1))) - 1);
    present(raw).then(|| (base + within, flags(raw)))
}

/// The physical address behind `addr`.
pub fn translate(addr: u64) -> Option<u64> {
    lookup(addr).map(|(physical, _)| physical)
}

/// Whether `addr` can be read at this moment; what crash reports ask before they follow a pointer.
pub fn is_mapped(addr: u64) -> bool {
    VirtAddr::try_new(addr).is_ok() && translate(addr).is_some()
}

/// Maps `len` bytes of device registers, uncached, never executable; null if that is impossible. Asking again for the
/// same registers gives the same address.
pub fn map_mmio(physical: u64, len: usize) -> *mut u8 {
    let end = physical.checked_add(len as u64);
    if end.is_none_or(|end| len == 0 || end > MMIO_LEN) {
        return core::ptr::null_mut();
    }
    let first = physical & !(PAGE_SIZE - 1);
    for page in (first..physical + len as u64).step_by(PAGE_SIZE as usize) {
        // SAFETY: the address follows from the physical one, so nobody else has it; registers are data to everyone.
        match unsafe { map(MMIO + page, page, REGISTERS) } {
            Ok(()) | Err(MapError::Occupied(_)) => {}
            Err(_) => return core::ptr::null_mut(),
        }
    }
    (MMIO + physical) as *mut u8
}

/// Empties the lower half of the address space, where the loader mapped memory at its physical addresses.
///
/// # Safety
/// Nothing uses low addresses any more: this core's stack and descriptor tables lie in the upper half, and no other
/// core runs.
pub unsafe fn drop_identity_map() {
    let tables = tables();
    for index in 0..256 {
        tables.entry_of(tables.root(), index).store(0);
    }
    flush_all();
}

/// Flushes this core's TLB, global pages included (Intel SDM vol. 3, 5.10.4.1).
fn flush_all() {
    let cr4 = Cr4::read();
    tlb::flush_all();
    if cr4.contains(Cr4Flags::PAGE_GLOBAL) {
        // SAFETY: only translations' lifetimes change.
        unsafe { Cr4::write(cr4 - Cr4Flags::PAGE_GLOBAL) };
        // SAFETY: as it was.
        unsafe { Cr4::write(cr4) };
    }
}

/// Makes the page at `physical` executable at its own address, so that a core that starts in real mode can go on there
/// once it has switched paging on. The page must have been written already, through `PHYS_MAP`.
///
/// # Safety
/// The page holds the start code, and the identity map has been dropped.
///
/// # Errors
/// See [`MapError`].
pub unsafe fn map_trampoline(physical: u64) -> Result<(), MapError> {
    // SAFETY: by contract; the lower half is otherwise empty.
    unsafe { map(physical, physical, CODE) }
}

/// Takes the start page away again.
///
/// # Safety
/// All cores have left it, or never will run again.
///
/// # Errors
/// See [`MapError`].
pub unsafe fn unmap_trampoline(physical: u64) -> Result<(), MapError> {
    // SAFETY: by contract.
    unsafe { unmap(physical) }.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_breaks_the_rules() {
        let page = 0xffff_c000_0000_0000;
        assert_eq!(check(page, DATA), Ok(()));
        assert_eq!(check(page, CODE), Ok(()));
        let writable_code = PageTableFlags::PRESENT | PageTableFlags::WRITABLE;
        assert_eq!(check(page, writable_code), Err(MapError::BadRights(writable_code)));
        let user = CONSTANTS | PageTableFlags::USER_ACCESSIBLE;
        assert_eq!(check(page, user), Err(MapError::BadRights(user)));
        assert_eq!(check(0, DATA), Err(MapError::BadAddress(0)));
        assert_eq!(check(page + 8, DATA), Err(MapError::BadAddress(page + 8)));
        assert_eq!(
            check(0x0001_0000_0000_0000, DATA),
            Err(MapError::BadAddress(0x0001_0000_0000_0000)),
            "not canonical"
        );
    }
}
