//! The hand-over: `BootInfo`, memory map, command line and stack, laid out where the kernel wants them; then the jump.
//!
//! *Invariants.* IDENTITY and NEW-FRAMES (`tables`). LAST: the memory map is made when no frame will be taken any more.

use core::{arch::asm, mem::size_of};

use bootloader_api::{
    BootInfo,
    info::{MemoryRegion, MemoryRegions, Optional},
};
use gopark_boot::{
    config::Layout,
    regions::{self, Range},
};

use crate::{
    range_of,
    start_info::StartInfo,
    stop,
    tables::{self, Frames, PAGE, Rights, Size},
};

/// Pages for `BootInfo` and the memory map behind it.
const INFO_PAGES: u64 = 3;
/// Where the map begins.
const MAP_OFFSET: usize = 512;
const MAP_ENTRIES: usize = (INFO_PAGES as usize * PAGE as usize - MAP_OFFSET) / size_of::<MemoryRegion>();
const _: () = assert!(size_of::<BootInfo>() <= MAP_OFFSET);

/// The loader begins at 1 MiB (link.ld), and all it takes lies behind it in a row.
const LOADER: u64 = 1 << 20;

/// All that is to be handed over.
pub(crate) struct Handover {
    pub info: &'static StartInfo,
    pub file: &'static [u8],
    pub layout: Layout,
    pub entry: u64,
}

impl Handover {
    /// Lays everything out and enters the kernel.
    pub(crate) fn jump(self, mut frames: Frames) -> ! {
        let info = frames.take_zeroed(INFO_PAGES);
        map_all(&mut frames, self.layout.boot_info, info, INFO_PAGES);
        let line = self.command_line(&mut frames);
        let stack_pages = self.layout.stack_size / PAGE;
        let stack = frames.take(stack_pages);
        let bottom = self.layout.stack + PAGE; // below it: the guard
        map_all(&mut frames, bottom, stack, stack_pages);
        self.write_info(info, line, frames.next());
        let top = bottom + stack_pages * PAGE;
        tables::unmap_page_0();
        // SAFETY: the entry lies in an executable segment that is mapped; the stack and `BootInfo` are; interrupts are off.
        unsafe {
            asm!(
                "mov cr3, rcx",
                "mov rsp, rdx",
                "xor ebp, ebp",
                "call rax",
                "ud2",
                in("rcx") current_cr3(),
                in("rdx") top,
                in("rax") self.entry,
                in("rdi") self.layout.boot_info,
                options(noreturn),
            )
        }
    }

    /// Copies the command line; returns its length.
    fn command_line(&self, frames: &mut Frames) -> u64 {
        let text = self.info.command_line();
        let pages = (text.len() as u64).div_ceil(PAGE);
        let at = frames.take_zeroed(pages);
        // SAFETY: IDENTITY, NEW-FRAMES: as many bytes as were taken.
        unsafe { core::ptr::copy_nonoverlapping(text.as_ptr(), at as *mut u8, text.len()) };
        map_all(frames, self.layout.command_line, at, pages);
        text.len() as u64
    }

    /// Writes `BootInfo` into its frames. No frame is taken after `end` was read.
    fn write_info(&self, at: u64, line: u64, end: u64) {
        let file = range_of(self.file);
        let whole = Range { start: file.start & !(PAGE - 1), end: file.end.next_multiple_of(PAGE) };
        let kept = [Range { start: LOADER, end }, whole];
        let place = (at as usize + MAP_OFFSET) as *mut MemoryRegion;
        // SAFETY: IDENTITY, NEW-FRAMES: behind `BootInfo` in its own cleared pages; 0s are an empty region.
        let map = unsafe { core::slice::from_raw_parts_mut(place, MAP_ENTRIES) };
        let count = regions::build(self.info.memory(), &kept, map)
            .unwrap_or_else(|_| stop(format_args!("the memory map has more than {MAP_ENTRIES} regions")));
        let seen = (self.layout.boot_info as usize + MAP_OFFSET) as *mut MemoryRegion;
        // SAFETY: the kernel's own view of the same pages, mapped above; nobody else has a reference.
        let regions = unsafe { core::slice::from_raw_parts_mut(seen, count) };
        let mut info = BootInfo::new(MemoryRegions::from(regions));
        info.physical_memory_offset = self.layout.physical_memory.map_or(Optional::None, Optional::Some);
        info.rsdp_addr = self.info.rsdp().map_or(Optional::None, Optional::Some);
        info.ramdisk_addr = if line > 0 { Optional::Some(self.layout.command_line) } else { Optional::None };
        info.ramdisk_len = line;
        info.kernel_addr = file.start;
        info.kernel_len = self.file.len() as u64;
        info.kernel_image_offset = 0;
        info.kernel_stack_bottom = self.layout.stack + PAGE;
        info.kernel_stack_len = self.layout.stack_size;
        // SAFETY: IDENTITY, NEW-FRAMES: the first page is for this.
        unsafe { (at as *mut BootInfo).write(info) };
    }
}

fn map_all(frames: &mut Frames, base: u64, at: u64, pages: u64) {
    tables::map(frames, Size::Page, base, at, pages, Rights::ReadWrite);
}

/// Loading it again flushes what the processor remembers of the tables.
fn current_cr3() -> u64 {
    let cr3;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, cr3", out(reg) cr3, options(nomem, nostack, preserves_flags)) };
    cr3
}
