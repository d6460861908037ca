//! The map of the address space: who lives where.
//!
//! All of it is in the upper half. The lower half holds the loader's identity map until the kernel drops it, then
//! nothing but, for moments, the page on which further cores start. Page 0 is never mapped.

/// Bytes in a page, and in a frame.
pub const PAGE_SIZE: u64 = 4096;

/// All physical memory, never executable; what holds the kernel's text and constants is read-only here too.
pub const PHYS_MAP: u64 = 0xffff_8000_0000_0000;
/// Stacks of Gs.
pub const STACKS: u64 = 0xffff_a000_0000_0000;
/// Large blocks of the heap.
pub const HEAP: u64 = 0xffff_c000_0000_0000;
/// The end of [`HEAP`].
pub const HEAP_END: u64 = KSTACKS;
/// Stacks of g0 and of interrupts.
pub const KSTACKS: u64 = 0xffff_d000_0000_0000;
/// Device registers: the register at physical address `p` is at `MMIO + p`.
pub const MMIO: u64 = 0xffff_e000_0000_0000;
/// How far [`MMIO`] reaches.
pub const MMIO_LEN: u64 = BOOT - MMIO;
/// What the boot loader hands over. Above it, at 0xffff_ffff_8000_0000, is the kernel's image.
pub const BOOT: u64 = 0xffff_f000_0000_0000;

/// Where physical memory can be read and written.
#[inline]
pub const fn phys_to_virt(physical: u64) -> *mut u8 {
    (PHYS_MAP + physical) as *mut u8
}
