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

use gopark_boot::{
    config, image,
    regions::{Entry, RAM, Range},
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
    let layout = config::read(load::config(file))
        .and_then(|config| config::layout(&config))
        .unwrap_or_else(|why| stop(format_args!("the kernel's .bootloader-config: {why}")));
    let mut frames = own_frames(info);
    let read_only = load::image(&mut frames, file, &image);
    if let Some(base) = layout.physical_memory {
        load::map_physical_memory(&mut frames, base, info.memory(), read_only);
    }
    let handover = handover::Handover { info, file, layout, entry: image.entry };
    handover.jump(frames)
}

/// Memory for tables and kernel: behind the loader, up to the end of that region or the first thing that was handed to us.
fn own_frames(info: &StartInfo) -> Frames {
    let start = (&raw const __loader_end) as u64;
    let ours = |e: &Entry| e.kind == RAM && e.range.start <= start && start < e.range.end;
    let Some(region) = info.memory().find(ours) else {
        stop(format_args!("the memory map does not list the memory that the loader is in"))
    };
    let end = info.first_behind(start).unwrap_or(u64::MAX).max(start);
    Frames::new(start, end.min(region.range.end).min(1 << 32))
}

pub(crate) fn range_of<T>(things: &[T]) -> Range {
    let start = things.as_ptr() as u64;
    Range { start, end: start + size_of_val(things) as u64 }
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
