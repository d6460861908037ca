//! Page tables: the loader's own, which grow into the kernel's.
//!
//! *Invariants.* IDENTITY: everything below 4 GiB is mapped at its own address while the loader runs, so a table's physical address is
//! its address. LOW: all tables lie below 4 GiB, since starting processors load CR3 in 32-bit mode. NEW-FRAMES: frames come from
//! [`Frames`], once each.

use core::cell::UnsafeCell;

use crate::stop;

const PRESENT: u64 = 1;
const WRITE: u64 = 2;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
/// A page.
pub(crate) const PAGE: u64 = 4096;
/// A large page.
pub(crate) const LARGE_PAGE: u64 = 1 << 21;

/// What may be done with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rights {
    Read,
    ReadWrite,
    ReadExecute,
}

impl Rights {
    fn bits(self) -> u64 {
        match self {
            Self::Read => PRESENT | NO_EXECUTE,
            Self::ReadWrite => PRESENT | WRITE | NO_EXECUTE,
            Self::ReadExecute => PRESENT,
        }
    }
}

/// One table, or several in a row.
#[repr(C, align(4096))]
pub(crate) struct Table<const N: usize>(UnsafeCell<[u64; N]>);
// SAFETY: one processor runs the loader.
unsafe impl<const N: usize> Sync for Table<N> {}

pub(crate) static BOOT_PML4: Table<512> = Table(UnsafeCell::new([0; 512]));
pub(crate) static BOOT_PDPT: Table<512> = Table(UnsafeCell::new([0; 512]));
pub(crate) static BOOT_PDS: Table<2048> = Table(UnsafeCell::new([0; 2048]));
pub(crate) static BOOT_PT: Table<512> = Table(UnsafeCell::new([0; 512]));

/// Hands out frames from one range, upwards.
#[derive(Debug)]
pub(crate) struct Frames {
    next: u64,
    end: u64,
}

impl Frames {
    pub(crate) fn new(start: u64, end: u64) -> Self {
        Self { next: start.next_multiple_of(PAGE), end: end & !(PAGE - 1) }
    }

    /// Where the next frame will be.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// `count` frames in a row, not cleared.
    pub(crate) fn take(&mut self, count: u64) -> u64 {
        let at = self.next;
        match count.checked_mul(PAGE).and_then(|size| at.checked_add(size)) {
            Some(next) if next <= self.end => self.next = next,
            _ => stop(format_args!("too little memory: {count} more pages are needed, up to {:#x}", self.end)),
        }
        at
    }

    /// `count` frames in a row, cleared.
    pub(crate) fn take_zeroed(&mut self, count: u64) -> u64 {
        let at = self.take(count);
        // SAFETY: IDENTITY, NEW-FRAMES: mapped, and nobody else's.
        unsafe { core::ptr::write_bytes(at as *mut u8, 0, (count * PAGE) as usize) };
        at
    }
}

/// From here on a null pointer leads nowhere. The start info may lie there: it must have been read.
pub(crate) fn unmap_page_0() {
    // SAFETY: one processor; no row of this table is borrowed.
    unsafe { BOOT_PT.0.get().cast::<u64>().write(0) };
}

/// How much one entry maps: its level in the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Page = 1,
    Large = 2,
}

impl Size {
    fn bytes(self) -> u64 {
        match self {
            Self::Page => PAGE,
            Self::Large => LARGE_PAGE,
        }
    }

    fn bits(self) -> u64 {
        match self {
            Self::Page => 0,
            Self::Large => LARGE,
        }
    }
}

/// Maps `count` pages in a row. They may be mapped so already, as two regions may share a large page, but not otherwise.
pub(crate) fn map(frames: &mut Frames, size: Size, mut page: u64, mut frame: u64, mut count: u64, rights: Rights) {
    while count > 0 {
        let entries = entries(frames, page, size as u32);
        let row = (entries.len() as u64).min(count);
        for entry in &mut entries[..row as usize] {
            let value = frame | rights.bits() | size.bits();
            if *entry != 0 && *entry != value {
                two_things(page);
            }
            *entry = value;
            page = page.wrapping_add(size.bytes());
            frame += size.bytes();
        }
        count -= row;
    }
}

fn two_things(page: u64) -> ! {
    stop(format_args!("two things are to be mapped at {page:#x}"))
}

/// The entries from that of `page` to the end of its table of that level; tables on the way are made.
fn entries(frames: &mut Frames, page: u64, level: u32) -> &'static mut [u64] {
    let mut table = BOOT_PML4.0.get();
    for above in (level + 1..=4).rev() {
        let entry = &mut row(table, index(page, above))[0];
        if *entry == 0 {
            *entry = frames.take_zeroed(1) | PRESENT | WRITE;
        } else if *entry & LARGE != 0 {
            two_things(page);
        }
        table = (*entry & ADDRESS) as *mut [u64; 512];
    }
    row(table, index(page, level))
}

fn row(table: *mut [u64; 512], from: usize) -> &'static mut [u64] {
    // SAFETY: IDENTITY: a table; one processor, and no two rows are borrowed at once.
    let table = unsafe { &mut *table };
    &mut table[from..]
}

fn index(page: u64, level: u32) -> usize {
    (page >> (12 + 9 * (level - 1)) & 511) as usize
}
