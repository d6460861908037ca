//! What the kernel asked for in its `BootloaderConfig`: each option is honoured here, or refused in one line.

use bootloader_api::{BootloaderConfig, config::Mapping};

/// Where things go unless the kernel says otherwise.
const BOOT_INFO: u64 = 0xffff_f000_0000_0000;
const COMMAND_LINE: u64 = 0xffff_f000_0010_0000;
const STACK: u64 = 0xffff_f000_0100_0000;
const PHYSICAL_MEMORY: u64 = 0xffff_8000_0000_0000;

/// The least stack a kernel gets, and the most.
const STACK_SIZES: core::ops::RangeInclusive<u64> = 16 * 1024..=16 * 1024 * 1024;

/// Where things may go: what begins here ends before the address space does, whatever its size.
const UPPER_HALF: core::ops::Range<u64> = 0xffff_8000_0000_0000..u64::MAX - (32 << 20);

/// Addresses that the hand-over uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// `BootInfo` and the memory map.
    pub boot_info: u64,
    /// The command line, handed over as the ramdisk.
    pub command_line: u64,
    /// The stack's guard page; the stack is above.
    pub stack: u64,
    /// The stack's size in bytes, whole pages.
    pub stack_size: u64,
    /// Where physical address 0 appears, if it is wanted.
    pub physical_memory: Option<u64>,
}

/// An option that this loader does not offer.
pub type Refused = &'static str;

/// Reads the section. A kernel without one asks for nothing, which none can live with: some tool took its section away,
/// or it is no kernel.
///
/// # Errors
/// What is wrong with it.
pub fn read(section: Option<&[u8]>) -> Result<BootloaderConfig, Refused> {
    let bytes = section.ok_or("there is none; entry_point! of bootloader_api makes it")?;
    let config = BootloaderConfig::deserialize(bytes)?;
    // `BootInfo` has one layout per version of the crate, and `deserialize` does not look.
    if bytes.get(VERSION) != BootloaderConfig::new_default().serialize().get(VERSION) {
        return Err("made by another version of bootloader_api; 0.11.17 is needed");
    }
    Ok(config)
}

/// Where the section has the version: behind the UUID.
const VERSION: core::ops::Range<usize> = 16..23;

/// Reads the options.
///
/// # Errors
/// The first option that cannot be honoured.
pub fn layout(config: &BootloaderConfig) -> Result<Layout, Refused> {
    let m = &config.mappings;
    let refused = [
        (matches!(m.kernel_base, Mapping::FixedAddress(_)), "kernel_base: the kernel is loaded where it was linked"),
        (m.page_table_recursive.is_some(), "page_table_recursive: page tables are reached through physical_memory"),
        (m.aslr, "aslr: the kernel is loaded where it was linked"),
        (m.dynamic_range_start.is_some(), "dynamic_range_start: dynamic mappings have fixed places"),
        (m.dynamic_range_end.is_some(), "dynamic_range_end: dynamic mappings have fixed places"),
        (matches!(m.framebuffer, Mapping::FixedAddress(_)), "framebuffer: there is none"),
        (wants_framebuffer(config), "frame_buffer: there is none"),
    ];
    if let Some((_, what)) = refused.into_iter().find(|(refuse, _)| *refuse) {
        return Err(what);
    }
    if !STACK_SIZES.contains(&config.kernel_stack_size) {
        return Err("kernel_stack_size: 16 KiB to 16 MiB can be had");
    }
    Ok(Layout {
        boot_info: place(m.boot_info, BOOT_INFO)?,
        command_line: place(m.ramdisk_memory, COMMAND_LINE)?,
        stack: place(m.kernel_stack, STACK)?,
        stack_size: config.kernel_stack_size.next_multiple_of(4096),
        physical_memory: match m.physical_memory {
            None => None,
            Some(mapping) => Some(huge(place(mapping, PHYSICAL_MEMORY)?)?),
        },
    })
}

#[expect(deprecated, reason = "kernels that still ask this way are to be told")]
fn wants_framebuffer(config: &BootloaderConfig) -> bool {
    let wish = config.frame_buffer;
    wish.minimum_framebuffer_width.is_some() || wish.minimum_framebuffer_height.is_some()
}

/// The address of a mapping: upper half, page-aligned.
fn place(mapping: Mapping, ours: u64) -> Result<u64, Refused> {
    match mapping {
        Mapping::Dynamic => Ok(ours),
        Mapping::FixedAddress(at) if UPPER_HALF.contains(&at) && at.is_multiple_of(4096) => Ok(at),
        Mapping::FixedAddress(_) => Err("FixedAddress: whole pages of the upper half only, and not its last 32 MiB"),
    }
}

fn huge(at: u64) -> Result<u64, Refused> {
    if at.is_multiple_of(1 << 21) { Ok(at) } else { Err("physical_memory: multiples of 2 MiB only") }
}

#[cfg(test)]
mod tests;
