//! Kernel stacks: of g0, and of interrupts.
//!
//! All their pages are present from the start, since what runs on them (the page-fault handler among others) must not
//! fault; below each is an unmapped guard page, so that an overflow is a double fault and not silent damage.
//!
//! *Context.* Any G, g0, bring-up. *Locks.* `Rank::KStacks`.

use super::{
    layout::{KSTACKS, PAGE_SIZE},
    paging::{self, MapError},
    windows::{Space, Window, WindowError},
};
use crate::lock::Rank;

static SPACE: Space = Space::new(KSTACKS, Rank::KStacks);

/// A kernel stack, kept for ever.
#[derive(Debug)]
pub struct KStack(Window);

impl KStack {
    /// Where the stack begins; 4096-byte aligned.
    pub const fn top(&self) -> u64 {
        self.0.top()
    }
}

/// A stack of at least `bytes` bytes.
///
/// # Errors
/// No memory, or more than [`windows::MAX_SIZE`](super::windows::MAX_SIZE) asked for.
pub fn try_alloc(bytes: usize) -> Result<KStack, WindowError> {
    let size = (bytes as u64).checked_next_multiple_of(PAGE_SIZE).ok_or(WindowError::TooLarge)?;
    let window = SPACE.take(size.saturating_add(PAGE_SIZE), |window, _| commit(window.top() - size..window.top()))?;
    Ok(KStack(window))
}

/// Maps the pages of `range` that are not there yet.
fn commit(range: core::ops::Range<u64>) -> Result<(), WindowError> {
    for page in range.step_by(PAGE_SIZE as usize) {
        match paging::map_new(page, paging::DATA) {
            Ok(()) | Err(MapError::Occupied(_)) => {}
            Err(_) => return Err(WindowError::OutOfMemory),
        }
    }
    Ok(())
}

/// A stack that is kept for ever; the address where it begins.
///
/// # Panics
/// If there is no memory for it: a core without its stacks cannot run.
pub fn alloc(bytes: usize) -> u64 {
    match try_alloc(bytes) {
        Ok(stack) => stack.top(),
        Err(error) => panic!("no kernel stack of {bytes} bytes: {error:?}"),
    }
}

/// The guard page that `addr` is in, if it is one of a kernel stack in use: what an exception report calls a stack
/// overflow.
pub fn guard_at(addr: u64) -> Option<Window> {
    SPACE.at(addr).filter(|window| addr < window.limit() && window.in_use())
}
