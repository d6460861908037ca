//! Preemption: who may not be preempted, and where a preempted G's registers go.
//!
//! A timer interrupt that finds a slice over copies the whole register state of the G into a [`Frame`] of this
//! core's, gives the frame to the G, and returns to g0 instead of to the G. Nothing is written to the G's
//! stack: neither its red zone nor its last bytes above the guard page can be hurt, at any depth. If preemption is
//! off just then, the request is noted and honoured by the last [`PreemptOff`] to drop.
//!
//! *Invariants.* OFF-COUNT: `Core::preempt_off` is 0 exactly while a G runs and no guard is alive; the switch to a G
//! takes it from 1 to 0 and every way out of a G takes it back to 1. All changes are single instructions on
//! GS-relative memory, so that they hit the core they happen on even if the G moves just before or after.
//!
//! *Rejected.* A trampoline frame on the G's own stack (Go before 1.26): it needs room that may not be there.

use core::{arch::asm, marker::PhantomData, mem::offset_of};

use crate::core::Core;

/// While one of these lives, the G that made it stays on its core.
#[derive(Debug)]
pub struct PreemptOff {
    // A core's property: must not travel.
    not_send: PhantomData<*mut ()>,
}

impl PreemptOff {
    /// Switches preemption off until the guard drops; nests.
    #[inline(always)]
    pub fn new() -> Self {
        // SAFETY: GS-CORE; OFF-COUNT: one instruction, and it orders like any memory access.
        unsafe {
            asm!("inc dword ptr gs:[{}]", const offset_of!(Core, preempt_off), options(nostack));
        }
        Self { not_send: PhantomData }
    }
}

impl Drop for PreemptOff {
    #[inline(always)]
    fn drop(&mut self) {
        let due: u32;
        // SAFETY: GS-CORE; OFF-COUNT. A preemption between the two instructions moves us to a core whose own
        // request bit is then read: at worst one yield too many.
        unsafe {
            asm!(
                "dec dword ptr gs:[{off}]",
                "jnz 2f",
                "mov {due:e}, dword ptr gs:[{requested}]",
                "2:",
                off = const offset_of!(Core, preempt_off),
                requested = const offset_of!(Core, preempt_requested),
                due = inout(reg) 0u32 => due,
                options(nostack),
            );
        }
        if due != 0 {
            crate::machine::honour_preemption();
        }
    }
}

/// Whether preemption is off for who asks. One instruction, since with preemption on the asker may be on another core right
/// after it, where the answer is the same.
#[inline(always)]
pub(crate) fn is_off() -> bool {
    let count: u32;
    // SAFETY: GS-CORE; the load has no side effect.
    unsafe {
        asm!("mov {:e}, dword ptr gs:[{}]", out(reg) count, const offset_of!(Core, preempt_off),
             options(nostack, preserves_flags, readonly));
    }
    count != 0
}

/// All registers of a G that was stopped between two instructions.
///
/// The interrupt entry builds it on its stack, from `iret` downwards: the last five words are the processor's (Intel SDM
/// vol. 3, 7.14.2, "64-bit mode stack frame"), the rest is pushed by `entry`.
#[repr(C, align(16))]
#[derive(Clone, Debug)]
pub struct Frame {
    pub fx: FxArea,
    pub gpr: Gpr,
    pub iret: Iret,
}

/// The x87, MMX and SSE state as FXSAVE writes it (Intel SDM vol. 1, 10.5.1).
#[repr(C, align(16))]
#[derive(Clone, Debug)]
pub struct FxArea(pub [u8; 512]);

/// The general registers, in the order in which the interrupt entry leaves them in memory.
#[repr(C)]
#[derive(Clone, Debug, Default)]
pub struct Gpr {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rdx: u64,
    pub rcx: u64,
    pub rax: u64,
}

/// What the processor pushes, with the error code, or 0 in its place, and the vector below.
#[repr(C)]
#[derive(Clone, Debug, Default)]
pub struct Iret {
    pub vector: u64,
    pub error: u64,
    pub rip: u64,
    pub cs: u64,
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u64,
}
