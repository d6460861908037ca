//! Physical frames: who owns which 4 KiB of the machine's memory.
//!
//! A frame is either owned by whoever holds its [`Frame`], or it is free. Free frames are of two kinds: those that were
//! used before form a list that is linked through the frames themselves, and those never touched yet are handed out in
//! the order of the memory map. So booting touches no memory, and both ends cost a handful of instructions.
//!
//! *Context.* Any G, g0, bring-up. Not interrupt handlers: stack faults use [`super::reserve`].
//!
//! *Locks.* `Rank::Frames`.
//!
//! *Invariants.* ONE-OWNER: at most one [`Frame`] exists per frame; it comes from a `Usable` region above 1 MiB, and
//! its memory belongs to the holder alone. FREE-LIST: the first word of a frame on the list is the next one's address.
//!
//! *Rejected.* A bitmap: it must be sized for the largest machine, and searched. Buddies: nothing here needs
//! neighbours.

use bootloader_api::info::{MemoryRegion, MemoryRegionKind};

use super::layout::{PAGE_SIZE, PHYS_MAP};
use crate::lock::{Lock, Rank};

/// Ownership of one frame. Dropping it without [`free`] leaks the frame.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a dropped frame is lost"]
pub struct Frame(u64);

impl Frame {
    /// The physical address.
    #[inline]
    pub const fn address(&self) -> u64 {
        self.0
    }

    /// Gives the ownership away as a number, to be kept in a page table or an atomic.
    #[inline]
    pub const fn into_address(self) -> u64 {
        self.0
    }

    /// Takes the ownership back.
    ///
    /// # Safety
    /// The number came from [`Frame::into_address`], and is turned back once.
    #[inline]
    pub const unsafe fn from_address(address: u64) -> Self {
        Self(address)
    }
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Frames that were ever ours to give.
    pub total: u64,
    /// Frames that nobody owns now.
    pub free: u64,
}

/// Real-mode memory, firmware tables and the start page of further cores: never handed out.
const LOWEST: u64 = 1 << 20;
const NONE: u64 = 0;

struct Pool {
    /// Where physical address 0 is mapped.
    linear: u64,
    /// What follows the region that `cursor` is in, and that region first.
    untouched: &'static [MemoryRegion],
    cursor: u64,
    list: u64,
    stats: Stats,
}

/// The whole frames of a usable region.
fn usable(region: &MemoryRegion) -> core::ops::Range<u64> {
    if region.kind != MemoryRegionKind::Usable {
        return 0..0;
    }
    region.start.max(LOWEST).next_multiple_of(PAGE_SIZE)..region.end & !(PAGE_SIZE - 1)
}

impl Pool {
    const fn new(linear: u64) -> Self {
        Self { linear, untouched: &[], cursor: 0, list: NONE, stats: Stats { total: 0, free: 0 } }
    }

    fn init(&mut self, regions: &'static [MemoryRegion]) {
        let total = regions.iter().map(usable).map(|r| r.end.saturating_sub(r.start) / PAGE_SIZE).sum();
        self.untouched = regions;
        self.stats = Stats { total, free: total };
    }

    fn alloc(&mut self) -> Option<Frame> {
        let frame = if self.list == NONE { self.touch()? } else { self.pop() };
        self.stats.free -= 1;
        Some(Frame(frame))
    }

    fn pop(&mut self) -> u64 {
        let frame = self.list;
        // SAFETY: ONE-OWNER: a frame on the list is the pool's; FREE-LIST: it holds the link.
        self.list = unsafe { self.link(frame).read() };
        frame
    }

    fn free(&mut self, frame: Frame) {
        // SAFETY: ONE-OWNER: the frame became the pool's by the move of `frame`.
        unsafe { self.link(frame.0).write(self.list) };
        self.list = frame.0;
        self.stats.free += 1;
    }

    fn link(&self, frame: u64) -> *mut u64 {
        (self.linear + frame) as *mut u64
    }

    /// The next frame that was never handed out.
    fn touch(&mut self) -> Option<u64> {
        loop {
            let region = usable(self.untouched.first()?);
            let frame = region.start.max(self.cursor);
            if frame < region.end {
                self.cursor = frame + PAGE_SIZE;
                return Some(frame);
            }
            self.untouched = &self.untouched[1..];
            self.cursor = 0;
        }
    }
}

static POOL: Lock<Pool> = Lock::new(Rank::Frames, Pool::new(PHYS_MAP));

/// Takes the machine's usable memory over.
///
/// # Panics
/// If a usable region overlaps another region: the map cannot be trusted then.
pub(super) fn init(regions: &'static [MemoryRegion]) {
    for (i, a) in regions.iter().enumerate() {
        let clash = regions[i + 1..].iter().find(|b| {
            (a.kind == MemoryRegionKind::Usable || b.kind == MemoryRegionKind::Usable)
                && a.start < b.end
                && b.start < a.end
        });
        assert!(clash.is_none(), "the memory map overlaps itself: {a:x?} and {clash:x?}");
    }
    POOL.lock().init(regions);
}

/// A frame with undefined content, or `None` when memory is exhausted.
#[inline]
pub fn alloc() -> Option<Frame> {
    POOL.lock().alloc()
}

/// Up to `count` frames under one lock; how many there were.
pub fn alloc_many(count: usize, mut put: impl FnMut(Frame)) -> usize {
    let mut pool = POOL.lock();
    for done in 0..count {
        let Some(frame) = pool.alloc() else { return done };
        put(frame);
    }
    count
}

/// Gives a frame back. Nothing may map it any more except the map of physical memory.
#[inline]
pub fn free(frame: Frame) {
    POOL.lock().free(frame);
}

/// How much memory there is, and how much of it is free.
pub fn stats() -> Stats {
    POOL.lock().stats
}

/// A page of usable memory below 640 KiB, where a processor in real mode can start (never page 0).
pub fn real_mode_page(regions: &[MemoryRegion]) -> Option<u64> {
    const CONVENTIONAL_END: u64 = 640 * 1024;
    let highest = |r: &MemoryRegion| {
        let page = (r.end.min(CONVENTIONAL_END) & !(PAGE_SIZE - 1)).checked_sub(PAGE_SIZE)?;
        (page >= r.start.max(PAGE_SIZE)).then_some(page)
    };
    regions.iter().filter(|r| r.kind == MemoryRegionKind::Usable).filter_map(highest).max()
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{boxed::Box, collections::HashSet, vec, vec::Vec};

    use super::*;

    const fn region(start: u64, end: u64, kind: MemoryRegionKind) -> MemoryRegion {
        MemoryRegion { start, end, kind }
    }

    /// A pool over `pages` pages of the test's own memory, after a region that must not be touched.
    fn pool(pages: u64) -> (Pool, u64) {
        let memory = vec![0u8; ((pages + 1) * PAGE_SIZE) as usize].leak();
        let start = (memory.as_ptr() as u64).next_multiple_of(PAGE_SIZE);
        let regions: &'static [MemoryRegion] = Box::leak(Box::new([
            region(0, start - PAGE_SIZE, MemoryRegionKind::Bootloader),
            region(start - 24, start + 2 * PAGE_SIZE + 24, MemoryRegionKind::Usable),
            region(start + 2 * PAGE_SIZE + 24, start + 3 * PAGE_SIZE, MemoryRegionKind::UnknownBios(2)),
            region(start + 3 * PAGE_SIZE, start + pages * PAGE_SIZE, MemoryRegionKind::Usable),
        ]));
        let mut pool = Pool::new(0);
        pool.init(regions);
        (pool, start)
    }

    #[test]
    fn hands_out_each_usable_frame_once() {
        let (mut pool, start) = pool(10);
        assert_eq!(pool.stats, Stats { total: 9, free: 9 });
        let all: Vec<Frame> = core::iter::from_fn(|| pool.alloc()).collect();
        let distinct: HashSet<u64> = all.iter().map(Frame::address).collect();
        assert_eq!(distinct.len(), 9);
        assert!(!distinct.contains(&(start + 2 * PAGE_SIZE)), "a frame that is only partly usable");
        assert!(distinct.iter().all(|f| f % PAGE_SIZE == 0));
        assert_eq!(pool.stats.free, 0);
    }

    #[test]
    fn reuses_the_warmest_frame_first() {
        let (mut pool, _) = pool(10);
        let (a, b) = (pool.alloc().unwrap(), pool.alloc().unwrap());
        let (x, y) = (a.address(), b.address());
        pool.free(a);
        pool.free(b);
        assert_eq!([pool.alloc().unwrap().address(), pool.alloc().unwrap().address()], [y, x]);
    }

    #[test]
    fn keeps_the_first_mebibyte() {
        assert!(usable(&region(0, 0x9f000, MemoryRegionKind::Usable)).is_empty());
        assert_eq!(usable(&region(0x1000, 0x10_2000, MemoryRegionKind::Usable)), 0x10_0000..0x10_2000);
    }

    #[test]
    fn finds_a_page_for_real_mode() {
        let map =
            [region(0, 0x9fc00, MemoryRegionKind::Usable), region(0x10_0000, 0x20_0000, MemoryRegionKind::Usable)];
        assert_eq!(real_mode_page(&map), Some(0x9e000));
        assert_eq!(real_mode_page(&map[1..]), None);
        assert_eq!(real_mode_page(&[region(0, 0x1800, MemoryRegionKind::Usable)]), None, "page 0 only");
    }
}
