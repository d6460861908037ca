//! Device registers and firmware tables in the physical address space.
//!
//! Its one job is to turn a physical address into something that the `volatile` crate (registers) or the `acpi` crate
//! (tables) reads through. Mapping itself is left to [`crate::mem::paging`].

use core::ptr::NonNull;

use volatile::VolatilePtr;

use crate::mem::{layout::PHYS_MAP, paging};

/// A block of 32-bit registers at multiples of 4 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Registers {
    base: NonNull<u32>,
    count: usize,
}

// SAFETY: the block is mapped on every core and never unmapped; what accesses mean is the device's business, and
// the drivers built on this say who may make them.
unsafe impl Send for Registers {}
// SAFETY: as above.
unsafe impl Sync for Registers {}

impl Registers {
    /// Maps `len` bytes of registers, uncached. `None` if there is no room to map them.
    ///
    /// # Safety
    /// A device's registers are at that address, and the caller is their driver.
    pub(super) unsafe fn map(physical: u64, len: usize) -> Option<Self> {
        let base = NonNull::new(paging::map_mmio(physical, len).cast::<u32>())?;
        Some(Self { base, count: len / size_of::<u32>() })
    }

    /// The block that starts at `base`, which [`Registers::map`] returned before.
    ///
    /// # Safety
    /// `base` came from [`Registers::base`], with the same length.
    pub(super) const unsafe fn at(base: NonNull<u32>, len: usize) -> Self {
        Self { base, count: len / size_of::<u32>() }
    }

    /// Where the block is mapped.
    pub(super) const fn base(&self) -> NonNull<u32> {
        self.base
    }

    /// The register at `offset` bytes.
    #[inline]
    pub(super) fn at_offset(&self, offset: usize) -> VolatilePtr<'static, u32> {
        let index = offset / size_of::<u32>();
        debug_assert!(index < self.count, "register {offset:#x} is outside its block");
        // SAFETY: inside the mapped block.
        let register = unsafe { self.base.add(index) };
        // SAFETY: mapped for ever, aligned, and a register by the contract of `map`.
        unsafe { VolatilePtr::new(register) }
    }

    /// Reads the register at `offset` bytes.
    #[inline]
    pub(super) fn read(&self, offset: usize) -> u32 {
        self.at_offset(offset).read()
    }

    /// Writes the register at `offset` bytes.
    #[inline]
    pub(super) fn write(&self, offset: usize, value: u32) {
        self.at_offset(offset).write(value);
    }
}

/// Where `len` bytes of firmware's memory can be read: through the physical map if it covers them, else mapped.
pub(super) fn reach(physical: u64, len: usize) -> Option<NonNull<u8>> {
    let start = PHYS_MAP.wrapping_add(physical);
    let covered = (start & !0xfff..start + len as u64).step_by(4096).all(|page| paging::translate(page).is_some());
    let at = if covered { start as *mut u8 } else { paging::map_mmio(physical, len) };
    NonNull::new(at)
}
