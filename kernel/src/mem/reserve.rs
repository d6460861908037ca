//! The reserve: a few frames per core, so that a stack can grow wherever a G happens to be.
//!
//! A stack fault may come while its core holds the frame allocator's lock. So the fault handler takes frames from its
//! core's reserve alone, without any lock, and the scheduler fills the reserve up when it passes through g0.
//!
//! *Context.* [`Reserve::take`] and `give`: the fault handler, interrupts off. [`refill`]: g0, whose stack and data are
//! always present, so no stack fault can come in between; if one did, the slots would still be right.
//!
//! *Invariants.* FROM-BELOW: slots are filled from the lowest on and emptied from the highest, so the last slot tells
//! whether the reserve is full. Slots are atomics only because `Core` is shared; OWN-CORE (`core`): no other core
//! touches them.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{
    frames::{self, Frame},
    tables::FrameSource,
};
use crate::core::Core;

/// How many frames a core keeps.
pub const SIZE: usize = 16;

/// How many of them are for code with preemption off, which cannot leave for g0 to have more: it must not touch more new pages
/// than this. Code that can leave does so rather than take one of these.
pub const KEPT: usize = 8;

const EMPTY: u64 = 0;

/// One core's frames for stack faults.
pub struct Reserve {
    slots: [AtomicU64; SIZE],
}

impl Reserve {
    /// An empty reserve.
    pub const fn new() -> Self {
        Self { slots: [const { AtomicU64::new(EMPTY) }; SIZE] }
    }

    /// Whether a frame is missing: then [`refill`] should be called.
    #[inline]
    pub fn is_low(&self) -> bool {
        self.slots[SIZE - 1].load(Relaxed) == EMPTY
    }

    /// Whether only frames for code with preemption off are left.
    #[inline]
    pub fn is_short(&self) -> bool {
        self.slots[KEPT].load(Relaxed) == EMPTY
    }

    /// How many frames there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.iter().filter(|slot| slot.load(Relaxed) != EMPTY).count()
    }

    fn put(&self, frame: Frame) -> Result<(), Frame> {
        for slot in &self.slots {
            if slot.compare_exchange(EMPTY, frame.address(), Relaxed, Relaxed).is_ok() {
                let _in_the_slot = frame.into_address();
                return Ok(());
            }
        }
        Err(frame)
    }
}

impl FrameSource for Reserve {
    fn take(&self) -> Option<Frame> {
        let frame = self.slots.iter().rev().map(|slot| slot.swap(EMPTY, Relaxed)).find(|&frame| frame != EMPTY)?;
        // SAFETY: only `put` fills slots, with frames whose ownership it took; the swap emptied the slot, so once.
        Some(unsafe { Frame::from_address(frame) })
    }

    fn give(&self, frame: Frame) {
        // The frame came from here a moment ago, so there is room.
        let kept = self.put(frame);
        debug_assert!(kept.is_ok(), "a frame came back to a full reserve");
    }
}

impl Default for Reserve {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for Reserve {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Reserve({} of {SIZE})", self.len())
    }
}

/// Fills the reserve of `core`, which must be the calling core; whether it is full now. If not, memory is exhausted.
pub fn refill(core: &Core) -> bool {
    let reserve = &core.reserve;
    if !reserve.is_low() {
        return true;
    }
    frames::alloc_many(SIZE - reserve.len(), |frame| reserve.give(frame));
    !reserve.is_low()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(n: u64) -> Frame {
        // SAFETY: the test uses no memory behind it.
        unsafe { Frame::from_address(n << 12) }
    }

    #[test]
    fn fills_from_below_and_empties_from_above() {
        let reserve = Reserve::new();
        assert!(reserve.take().is_none() && reserve.is_low());
        for n in 1..=SIZE as u64 {
            assert!(reserve.is_low());
            assert_eq!(reserve.is_short(), n <= KEPT as u64 + 1);
            reserve.give(frame(n));
        }
        assert!(!reserve.is_low());
        assert_eq!(reserve.put(frame(99)), Err(frame(99)));
        assert_eq!(reserve.take(), Some(frame(SIZE as u64)));
        assert!(reserve.is_low());
        reserve.give(frame(77));
        assert!(!reserve.is_low());
        let all = core::iter::from_fn(|| reserve.take()).count();
        assert_eq!((all, reserve.len()), (SIZE, 0));
    }
}
