//! The memory map for the kernel: what the machine says, minus what the loader keeps.
//!
//! *Invariants.* SORTED: the regions ascend and do not overlap, whatever the machine says.

use bootloader_api::info::{MemoryRegion, MemoryRegionKind};

/// A range of physical memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First byte.
    pub start: u64,
    /// One past the last.
    pub end: u64,
}

impl Range {
    fn contains(&self, address: u64) -> bool {
        self.start <= address && address < self.end
    }
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

/// Fills `out` with the machine's map, in which the memory in `kept` is the loader's; returns how many regions there are.
///
/// Where entries overlap, the careful one holds: what any entry calls something else than memory is not memory.
///
/// # Errors
/// If `out` is too small.
pub fn build(
    machine: impl Iterator<Item = Entry> + Clone,
    kept: &[Range],
    out: &mut [MemoryRegion],
) -> Result<usize, TooMany> {
    let mut list = List { out, len: 0 };
    let mut at = 0;
    // From one address where anything begins or ends to the next: in between, all is of one kind.
    while let Some(end) = next_edge(machine.clone(), kept, at) {
        if let Some(kind) = kind_at(machine.clone(), kept, at) {
            list.push(MemoryRegion { start: at, end, kind })?;
        }
        at = end;
    }
    Ok(list.len)
}

/// The first address behind `at` where an entry or a kept range begins or ends.
fn next_edge(machine: impl Iterator<Item = Entry>, kept: &[Range], at: u64) -> Option<u64> {
    let ranges = machine.map(|e| e.range).chain(kept.iter().copied());
    ranges.flat_map(|r| [r.start, r.end]).filter(|&edge| edge > at).min()
}

/// What the byte at `at` is; `None` where nothing is said of it.
fn kind_at(machine: impl Iterator<Item = Entry>, kept: &[Range], at: u64) -> Option<MemoryRegionKind> {
    let mut memory = false;
    for entry in machine.filter(|e| e.range.contains(at)) {
        if entry.kind != RAM {
            return Some(MemoryRegionKind::UnknownBios(entry.kind));
        }
        memory = true;
    }
    let ours = kept.iter().any(|k| k.contains(at));
    memory.then_some(if ours { MemoryRegionKind::Bootloader } else { MemoryRegionKind::Usable })
}

struct List<'a> {
    out: &'a mut [MemoryRegion],
    len: usize,
}

impl List<'_> {
    /// Adds a region, or lengthens the last one.
    fn push(&mut self, region: MemoryRegion) -> Result<(), TooMany> {
        if let Some(last) = self.out[..self.len].last_mut()
            && last.end == region.start
            && last.kind == region.kind
        {
            last.end = region.end;
            return Ok(());
        }
        *self.out.get_mut(self.len).ok_or(TooMany)? = region;
        self.len += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
