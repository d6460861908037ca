//! The memory map for the kernel: what the machine says, minus what the loader keeps.

use bootloader_api::info::{MemoryRegion, MemoryRegionKind};

/// A range of physical memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First byte.
    pub start: u64,
    /// One past the last.
    pub end: u64,
}

/// One entry of the machine's own map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where.
    pub range: Range,
    /// The E820 type: 1 is memory.
    pub kind: u32,
}

/// E820's word for memory that anybody may use.
pub const RAM: u32 = 1;

/// There are more regions than the table has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

/// Fills `out` with the machine's map, cut so that each of `kept` is its own region; returns how many there are.
///
/// Empty and overlapping entries lose: the first entry that names a byte says what it is.
///
/// # Errors
/// If `out` is too small.
pub fn build(
    machine: impl Iterator<Item = Entry>,
    kept: &[Range],
    out: &mut [MemoryRegion],
) -> Result<usize, TooMany> {
    let mut list = List { out, len: 0 };
    for entry in machine {
        if entry.kind != RAM {
            list.push(entry.range, MemoryRegionKind::UnknownBios(entry.kind))?;
            continue;
        }
        let mut from = entry.range.start;
        while from < entry.range.end {
            let next = kept.iter().filter(|k| k.end > from).min_by_key(|k| k.start);
            let cut = next.map_or(u64::MAX, |k| k.start).clamp(from, entry.range.end);
            list.push(Range { start: from, end: cut }, MemoryRegionKind::Usable)?;
            let end = next.map_or(cut, |k| k.end).clamp(cut, entry.range.end);
            list.push(Range { start: cut, end }, MemoryRegionKind::Bootloader)?;
            from = end;
        }
    }
    let len = list.len;
    out[..len].sort_unstable_by_key(|r| r.start);
    Ok(trim(&mut out[..len]))
}

/// Cuts overlaps off, in favour of what begins first; returns how many regions are left.
fn trim(regions: &mut [MemoryRegion]) -> usize {
    let (mut end, mut kept) = (0, 0);
    for i in 0..regions.len() {
        let mut region = regions[i];
        region.start = region.start.max(end);
        if region.start < region.end {
            end = region.end;
            regions[kept] = region;
            kept += 1;
        }
    }
    kept
}

struct List<'a> {
    out: &'a mut [MemoryRegion],
    len: usize,
}

impl List<'_> {
    fn push(&mut self, range: Range, kind: MemoryRegionKind) -> Result<(), TooMany> {
        if range.start >= range.end {
            return Ok(());
        }
        let place = self.out.get_mut(self.len).ok_or(TooMany)?;
        *place = MemoryRegion { start: range.start, end: range.end, kind };
        self.len += 1;
        Ok(())
    }
}
