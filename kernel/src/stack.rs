//! Stacks of Gs: a window of address space each, of which only what was used is present.
//!
//! Its one job is to hand stacks out, and to let them grow: a stack starts with its top page, the rest comes by page
//! fault, and nothing is ever copied, so a pointer into a stack stays good. What becomes of a G whose stack cannot grow
//! is left to the caller.
//!
//! *Context.* [`alloc()`], [`free`]: any G, g0. [`fault`]: the page-fault handler, on its interrupt stack, interrupts
//! off: takes no lock, and memory only from the core's reserve.
//!
//! *Locks.* `Rank::Stacks`.
//!
//! *Invariants.* TOP-PRESENT: a stack's top page is present while a G has it. SAME-PAGE: two cores may fault on one
//! page at once (a value on a G's stack can be lent to others); both see one frame, by BY-CAS (`mem::tables`). SPARE: the
//! lowest pages of a stack are for code that must not be stopped where it is: with preemption off it may hold a lock of
//! the runtime, and a panic wants to be told. Who borrows them with preemption off ends when it is on again. Those of `mem::windows`.
//!
//! *Differences from Go.* Stacks are not copied, so they neither move nor shrink under a G. A stack that was freed
//! keeps its pages for the next G.
//!
//! *Rejected.* Clearing new pages: all of a stack is written before it is read.

use core::fmt;

use crate::{
    core::Core,
    lock::Rank,
    mem::{
        layout::{PAGE_SIZE, STACKS},
        paging::{self, MapError},
        tables::{FrameSource, WalkError, present},
        windows::{self, Space, Window, WindowError},
    },
};

/// The largest window.
pub const MAX_SIZE: usize = windows::MAX_SIZE as usize;

/// SPARE: what code with preemption off may use below the end of a stack, in bytes.
const SPARE: u64 = 2 * PAGE_SIZE;

static SPACE: Space = Space::new(STACKS, Rank::Stacks);

/// A G's stack. Dropping it without [`free`] keeps it, and all in it, for ever: so do Gs that panicked.
#[derive(Debug)]
#[must_use = "a dropped stack is lost"]
pub struct Stack(Window);

impl Stack {
    /// The size of the window: what was asked for, rounded up; 4 KiB of it are the guard.
    pub const fn size(&self) -> u64 {
        self.0.size()
    }

    /// The window, to be compared with the one in [`Fault::Overflow`].
    pub const fn window(&self) -> Window {
        self.0
    }
}

/// Why there is no stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StackError {
    /// No memory for its first page, or for page tables.
    OutOfMemory,
    /// More than [`MAX_SIZE`] bytes asked for.
    TooLarge(usize),
    /// All windows of that size are in use.
    Exhausted(usize),
}

impl fmt::Display for StackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfMemory => write!(f, "no memory for a stack"),
            Self::TooLarge(size) => write!(f, "a stack of {size} bytes is asked for; the limit is {MAX_SIZE}"),
            Self::Exhausted(size) => write!(f, "all stack windows for {size} bytes are in use"),
        }
    }
}

impl core::error::Error for StackError {}

/// A stack in a window of at least `size` bytes, rounded up to a power of two of 16 KiB or more. The lowest page of the
/// window is the guard, so 4 KiB less can be used.
///
/// # Errors
/// See [`StackError`].
pub fn alloc(size: usize) -> Result<Stack, StackError> {
    let taken = SPACE.take(size as u64, |window, warm| if warm { Ok(()) } else { commit_top(window) });
    taken.map(Stack).map_err(|error| match error {
        WindowError::OutOfMemory => StackError::OutOfMemory,
        WindowError::TooLarge => StackError::TooLarge(size),
        WindowError::Exhausted => StackError::Exhausted(size),
    })
}

/// TOP-PRESENT for a window that was never used.
fn commit_top(window: Window) -> Result<(), WindowError> {
    match paging::map_new(window.top() - PAGE_SIZE, paging::DATA) {
        Ok(()) | Err(MapError::Occupied(_)) => Ok(()),
        Err(_) => Err(WindowError::OutOfMemory),
    }
}

/// Gives a stack back, with the pages it has, to the next G with that size.
///
/// # Safety
/// Nothing runs on it, and nothing points into it.
pub unsafe fn free(stack: Stack) {
    // SAFETY: by contract; the window is this space's, and `stack` was its only token.
    unsafe { SPACE.give(stack.0) };
}

/// What a page fault was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A stack grew: go on where the fault was.
    Committed,
    /// A stack grew into its SPARE pages: go on, and end when that is possible.
    Borrowed,
    /// A stack in use is at its end.
    Overflow(Window),
    /// A stack should grow, but the reserve has no frame for it: refill it on g0, and go on where the fault was.
    ReserveEmpty,
    /// No address in a stack that is in use.
    NotAStack,
}

/// Who needs the page, and so what may be spent on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A G that can be stopped where it is.
    Usual,
    /// One that is dying, and has something to say: SPARE is for it too.
    Dying,
    /// Code with preemption off.
    Unstoppable,
}

/// Answers a page fault at `addr` on `core`, the calling core. Only for faults on pages that are not present, by
/// reading or writing: the error code's bits P and I/D are 0 (Intel SDM vol. 3, 5.7). All others are no business of
/// stacks.
///
/// `own` is the stack of the G that faulted. It may touch others' stacks too, where values on them were lent to it; but another
/// stack's end is not its own end, and another's guard page is a wild address.
pub fn fault(addr: u64, core: &Core, need: Need, own: Option<Window>) -> Fault {
    let Some(window) = SPACE.at(addr).filter(Window::in_use) else { return Fault::NotAStack };
    let own = own == Some(window);
    let spare = own && addr < window.limit() + SPARE;
    if addr < window.limit() || (spare && need == Need::Usual) {
        return if own { Fault::Overflow(window) } else { Fault::NotAStack };
    }
    if core.reserve.is_short() && need != Need::Unstoppable {
        return Fault::ReserveEmpty;
    }
    let outcome = commit(addr, core);
    if spare && outcome == Fault::Committed { Fault::Borrowed } else { outcome }
}

fn commit(addr: u64, core: &Core) -> Fault {
    let entry = match paging::tables().reach(addr, &core.reserve) {
        Ok(entry) => entry,
        Err(WalkError::OutOfMemory) => return Fault::ReserveEmpty,
        Err(WalkError::HugePage) => return Fault::NotAStack,
    };
    if present(entry.load()) {
        return Fault::Committed; // SAME-PAGE: another core was faster.
    }
    let Some(frame) = core.reserve.take() else { return Fault::ReserveEmpty };
    if entry.replace(0, frame.address() | paging::DATA.bits()).is_ok() {
        let _in_the_table = frame.into_address();
    } else {
        core.reserve.give(frame);
    }
    Fault::Committed
}
