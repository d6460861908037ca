//! Memory: from the boot loader's map to stacks and heap blocks.
//!
//! The order of the parts is the order in which memory flows: [`frames`] owns physical pages; [`tables`] and [`paging`]
//! give them addresses; [`heap`] cuts them into blocks, [`windows`] into stacks ([`kstack`] for the system,
//! [`crate::stack`] for Gs, whose page faults draw on [`reserve`]). [`memops`] copies and compares.
//!
//! *Context.* [`init`] runs once, on the boot core, before anything else here is used. Interrupt handlers use nothing
//! of this, except [`crate::stack::fault`].

pub mod audit;
mod central;
pub mod frames;
pub mod heap;
pub mod kstack;
mod large;
pub mod layout;
pub mod magazine;
pub mod memops;
pub mod paging;
pub mod reserve;
pub mod size_class;
pub mod tables;
pub mod windows;

use bootloader_api::{BootInfo, info::Optional};

/// Takes over the memory that the boot loader left. The loader's identity map stays until
/// [`paging::drop_identity_map`], which needs descriptor tables of our own first.
///
/// # Panics
/// If the loader did not map physical memory where `BootloaderConfig` asked for it, or if its memory map overlaps
/// itself.
pub fn init(info: &'static BootInfo) {
    assert!(
        matches!(info.physical_memory_offset, Optional::Some(layout::PHYS_MAP)),
        "the boot loader maps physical memory at {:?}, not at {:#x}",
        info.physical_memory_offset,
        layout::PHYS_MAP
    );
    frames::init(&info.memory_regions);
}
