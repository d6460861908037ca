//! gopark-boot: loads a kernel and hands it over by the `bootloader_api` contract.
//!
//! Started by PVH (QEMU's `-kernel`, Firecracker, Cloud Hypervisor) with the kernel's ELF file as the first module. Reads top to
//! bottom: check the file and its wishes, load its segments, map physical memory, lay the hand-over out, jump.
//!
//! The command line is handed over as the ramdisk: `bootloader_api` has no field for it.
#![no_std]
#![no_main]

mod entry;
mod handover;
mod load;
mod serial;
mod start_info;
mod symbols;
mod tables;

use core::fmt::{self, Write};

use bootloader_api::BootloaderConfig;
use gopark_boot::{
    config, image,
    regions::{RAM, Range},
};
use start_info::StartInfo;
use tables::Frames;

unsafe extern "C" {
    static __loader_end: u8;
}

/// Where [`entry`] leads, with the address of the start info.
pub(crate) extern "C" fn main(start_info: u32) -> ! {
    let info = StartInfo::at(start_info);
    let file = info.kernel();
    let image = image::check(file).unwrap_or_else(|why| stop(format_args!("{why}")));
    let layout = config::layout(&load::config(file))
        .unwrap_or_else(|what| stop(format_args!("the kernel asks for what this loader does not do: {what}")));
    let mut frames = own_frames(info, file);
    let read_only = load::image(&mut frames, file, &image);
    if let Some(base) = layout.physical_memory {
        load::map_physical_memory(&mut frames, base, info.memory(), read_only);
    }
    let handover = handover::Handover { info, file, layout, entry: image.entry };
    handover.jump(frames)
}

/// Memory for tables and kernel: behind the loader, up to the end of that region or the kernel's file.
fn own_frames(info: &StartInfo, file: &[u8]) -> Frames {
    let start = (&raw const __loader_end) as u64;
    let file = range_of(file);
    let ours = |e: &gopark_boot::regions::Entry| {
        e.kind == RAM && e.range.start <= start && start < e.range.end
    };
    let Some(region) = info.memory().find(ours) else {
        stop(format_args!("the memory map does not list the memory that the loader is in"))
    };
    let end = if file.end > start { region.range.end.min(file.start.max(start)) } else { region.range.end };
    Frames::new(start, end.min(1 << 32))
}

pub(crate) fn range_of(bytes: &[u8]) -> Range {
    let start = bytes.as_ptr() as u64;
    Range { start, end: start + bytes.len() as u64 }
}

/// Says in one line why there is no way on, and ends the machine.
pub(crate) fn stop(why: fmt::Arguments<'_>) -> ! {
    // The port's `write_str` does not fail.
    let _ = writeln!(serial::Serial, "gopark-boot: {why}");
    serial::exit()
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    stop(format_args!("{info}"))
}

/// What a kernel without a `.bootloader-config` section gets.
const fn default_config() -> BootloaderConfig {
    BootloaderConfig::new_default()
}
