//! Putting the kernel's segments and physical memory into the page tables.
//!
//! *Invariants.* IDENTITY and NEW-FRAMES (`tables`). W^X: a segment has the rights of its ELF flags; the physical map is never
//! executable, and where it shows the kernel's text and constants it cannot be written.
//!
//! *Rejected.* Mapping the file's own pages as text, to save the copy (35 thousand instructions): then the file's place and the
//! linker's padding decide what a page holds. Pages of 1 GiB: a processor may lack them, and 2 MiB cost 5 instructions each.

use elf::{ElfBytes, endian::LittleEndian};
use gopark_boot::{
    image::{Image, MAX_SEGMENTS, Segment},
    regions::{Entry, RAM, Range},
};

use crate::{
    stop,
    tables::{self, Frames, LARGE_PAGE, PAGE, Rights, Size},
};

/// E820: ACPI tables that may be reclaimed, and ACPI's own storage: the kernel reads both.
const ACPI: core::ops::RangeInclusive<u32> = 3..=4;

/// The section where the kernel says what it asks for, if it has one.
pub(crate) fn config(file: &[u8]) -> Option<&[u8]> {
    let elf = ElfBytes::<LittleEndian>::minimal_parse(file).ok()?;
    let section = elf.section_header_by_name(".bootloader-config").ok()??;
    // A section that is not in the file reads as an empty one, which is refused.
    Some(elf.section_data(&section).map_or(&[], |(bytes, _)| bytes))
}

/// Loads all segments; returns the frames of those that must not be written.
pub(crate) fn image(frames: &mut Frames, file: &[u8], image: &Image) -> Range {
    // The read-only ones first and in a row, and page tables after all of them, so that those frames are one range.
    let start = frames.take(image.size() / PAGE);
    let read_only = |s: &&Segment| !s.write;
    let mut at = start;
    let mut place = |s: &Segment| {
        let here = at;
        fill(here, file, s);
        at += s.end_page() - s.first_page();
        here
    };
    let mut places = [0; MAX_SEGMENTS];
    let indexed = || image.segments().iter().enumerate();
    indexed().filter(|(_, s)| read_only(s)).for_each(|(i, s)| places[i] = place(s));
    let end = start + indexed().filter(|(_, s)| read_only(s)).map(|(_, s)| s.end_page() - s.first_page()).sum::<u64>();
    indexed().filter(|(_, s)| !read_only(s)).for_each(|(i, s)| places[i] = place(s));
    indexed().for_each(|(i, s)| map(frames, s, places[i]));
    Range { start, end }
}

/// Copies a segment's bytes to its frames, and clears the rest of them.
fn fill(at: u64, file: &[u8], s: &Segment) {
    let size = (s.end_page() - s.first_page()) as usize;
    // SAFETY: IDENTITY, NEW-FRAMES: the frames are ours and mapped.
    let memory = unsafe { core::slice::from_raw_parts_mut(at as *mut u8, size) };
    let (head, rest) = memory.split_at_mut((s.start - s.first_page()) as usize);
    let (bytes, tail) = rest.split_at_mut(s.file_size);
    head.fill(0);
    bytes.copy_from_slice(&file[s.offset..s.offset + s.file_size]);
    tail.fill(0);
}

fn map(frames: &mut Frames, s: &Segment, at: u64) {
    let rights = match (s.write, s.execute) {
        (true, _) => Rights::ReadWrite,
        (false, true) => Rights::ReadExecute,
        (false, false) => Rights::Read,
    };
    let pages = (s.end_page() - s.first_page()) / PAGE;
    tables::map(frames, Size::Page, s.first_page(), at, pages, rights);
}

/// Maps all memory, and ACPI's tables, at `base`.
pub(crate) fn map_physical_memory(
    frames: &mut Frames,
    base: u64,
    memory: impl Iterator<Item = Entry>,
    read_only: Range,
) {
    for entry in memory.filter(|e| e.kind == RAM || ACPI.contains(&e.kind)) {
        let mut at = entry.range.start & !(LARGE_PAGE - 1);
        if base.checked_add(entry.range.end).is_none_or(|end| end > u64::MAX - LARGE_PAGE) {
            stop(format_args!("memory up to {:#x} does not fit behind physical_memory, {base:#x}", entry.range.end));
        }
        let end = entry.range.end.next_multiple_of(LARGE_PAGE);
        // Large pages, but for those that hold what may not be written.
        while at < end {
            let next = if read_only.end <= at { end } else { (read_only.start & !(LARGE_PAGE - 1)).clamp(at, end) };
            let count = (next - at) / LARGE_PAGE;
            tables::map(frames, Size::Large, base + at, at, count, Rights::ReadWrite);
            at = next;
            if at < end {
                map_pages(frames, base, at, read_only);
                at += LARGE_PAGE;
            }
        }
    }
}

/// The large page at `at`, page by page, since parts of it may not be written.
fn map_pages(frames: &mut Frames, base: u64, at: u64, read_only: Range) {
    let end = at + LARGE_PAGE;
    let (from, to) = (read_only.start.clamp(at, end), read_only.end.clamp(at, end));
    for (start, end, rights) in [(at, from, Rights::ReadWrite), (from, to, Rights::Read), (to, end, Rights::ReadWrite)]
    {
        tables::map(frames, Size::Page, base + start, start, (end - start) / PAGE, rights);
    }
}
