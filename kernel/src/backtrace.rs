//! Backtraces by frame pointers.
//!
//! All code is built with frame pointers (prebuilt `core` too, since Rust 1.79), so the walk reads two words a frame. Each is
//! checked to be mapped before it is read: a broken chain ends the walk, and never faults.
//!
//! *Context.* Anywhere, fatal paths too: takes no lock, allocates nothing.

use core::{arch::asm, fmt};

use crate::{mem::paging, symbols};

/// Where the kernel's addresses begin.
const UPPER_HALF: u64 = 0xffff_8000_0000_0000;

/// Deeper stacks are cut.
const MAX_FRAMES: usize = 64;

/// A walk from a frame; `Display` prints it, one line a frame.
#[derive(Clone, Copy, Debug)]
pub struct Backtrace {
    rip: Option<u64>,
    rbp: u64,
}

impl Backtrace {
    /// From the caller.
    #[inline(always)]
    pub fn here() -> Self {
        let rbp: u64;
        // SAFETY: reads a register.
        unsafe { asm!("mov {}, rbp", out(reg) rbp, options(nomem, nostack, preserves_flags)) };
        Self { rip: None, rbp }
    }

    /// From an interrupted or parked place.
    pub fn at(rip: u64, rbp: u64) -> Self {
        Self { rip: Some(rip), rbp }
    }

    fn frames(self) -> impl Iterator<Item = u64> {
        let callers = core::iter::successors(step(self.rbp), |&(_, rbp)| step(rbp));
        self.rip.into_iter().chain(callers.map(|(rip, _)| rip)).take(MAX_FRAMES)
    }
}

/// The return address and the caller's frame pointer that a frame pointer leads to.
fn step(rbp: u64) -> Option<(u64, u64)> {
    let caller = read(rbp)?;
    let rip = read(rbp.checked_add(8)?)?;
    // The loader's own call of the kernel, in the lower half, is the end of the boot core's.
    (rip >= UPPER_HALF && (caller == 0 || caller > rbp)).then_some((rip, caller))
}

fn read(address: u64) -> Option<u64> {
    let usable = address >= UPPER_HALF && address.is_multiple_of(8);
    if !usable || paging::translate(address).is_none() {
        return None;
    }
    // SAFETY: mapped a moment ago, aligned, and stacks of the living are not unmapped; the value is only printed or
    // checked again.
    Some(unsafe { (address as *const u64).read_volatile() })
}

impl fmt::Display for Backtrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = None;
        let mut repeats = 0;
        for (i, rip) in self.frames().enumerate() {
            if last == Some(rip) {
                repeats += 1;
                continue;
            }
            folded(f, core::mem::take(&mut repeats))?;
            last = Some(rip);
            // A return address may be the first byte of the next function: look up the call itself.
            let call = if i == 0 && self.rip.is_some() { rip } else { rip - 1 };
            match symbols::resolve(call) {
                Some(symbol) => writeln!(f, "  {i:2}: {symbol}")?,
                None => writeln!(f, "  {i:2}: {rip:#x}")?,
            }
        }
        folded(f, repeats)
    }
}

/// Says how often a recursive call was left out.
fn folded(f: &mut fmt::Formatter<'_>, repeats: usize) -> fmt::Result {
    if repeats > 0 { writeln!(f, "      ... {repeats} times the same") } else { Ok(()) }
}
