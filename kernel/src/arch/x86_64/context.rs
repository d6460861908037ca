//! The switch: g0 to a G and back, voluntary and not.
//!
//! A G that leaves by itself is a function call: what the ABI lets a callee destroy is gone anyway, the rest lies on the
//! G's stack, and its `rsp` in the G. A G that was preempted has a [`Frame`] instead, and comes back by IRETQ. g0's side
//! is the same for both: `enter` was called, `enter` returns, with the address of the [`Stop`](gopark_sched::Stop).
//!
//! *Context.* `enter`, `resume`: g0. `leave`: a G with `preempt_off` at 1.
//!
//! *Invariants.* OFF-COUNT (`preempt`): the two ways in take `preempt_off` from 1 to 0 as the last thing that depends on
//! the core. No Rust runs between loading `rsp` and `ret`. MXCSR and the x87 control word are part of a G (ruling: they are
//! the G's to change); g0 uses no floating point and takes them as they come.

use core::{arch::naked_asm, mem::offset_of};

use crate::{
    core::Core,
    preempt::{Frame, Gpr},
};

/// What a new stack holds, from its `rsp` upwards, for [`enter`] to pop.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Initial {
    /// MXCSR, and the x87 control word in the upper half.
    pub fp: u64,
    /// r15, r14, r13, r12: the entry's argument travels in r12, its address in r13.
    pub r15: u64,
    /// See `r15`.
    pub r14: u64,
    /// The function to run.
    pub r13: u64,
    /// Its argument.
    pub r12: u64,
    /// Unused at the start.
    pub rbx: u64,
    /// 0: backtraces end here.
    pub rbp: u64,
    /// [`first`].
    pub rip: u64,
    /// Where `first` finds `rsp`: 16-byte aligned, and 0s above for the unwinder.
    pub end: [u64; 2],
}

/// MXCSR and x87 control word at a G's start: all exceptions masked, round to nearest (Intel SDM vol. 1, 10.2.3, 8.1.5).
pub const FP_DEFAULT: u64 = 0x1f80 | 0x037f << 32;

impl Initial {
    /// The frame of a G that will call `entry(argument)`.
    pub fn new(entry: unsafe extern "C" fn(*mut ()) -> !, argument: *mut ()) -> Self {
        Self {
            fp: FP_DEFAULT,
            r15: 0,
            r14: 0,
            r13: entry as *const () as u64,
            r12: argument as u64,
            rbx: 0,
            rbp: 0,
            rip: first as *const () as u64,
            end: [0; 2],
        }
    }
}

/// The first instructions of every G.
#[unsafe(naked)]
unsafe extern "C" fn first() {
    naked_asm!("mov rdi, r12", "xor ebp, ebp", "call r13", "ud2")
}

/// Runs the G whose registers lie at `rsp` (and which is `current_g` already) until it leaves; returns what
/// [`leave`] was given, or null if it was preempted.
///
/// # Safety
/// On g0, `preempt_off` is 1, and `rsp` was left by [`leave`] or points to an [`Initial`], on a stack nobody uses.
#[unsafe(naked)]
pub unsafe extern "sysv64" fn enter(rsp: u64) -> *const () {
    naked_asm!(
        "push rbp", "push rbx", "push r12", "push r13", "push r14", "push r15",
        "mov gs:[{g0_rsp}], rsp",
        "mov rsp, rdi",
        "ldmxcsr [rsp]",
        "fldcw [rsp + 4]",
        "add rsp, 8",
        "pop r15", "pop r14", "pop r13", "pop r12", "pop rbx", "pop rbp",
        "dec dword ptr gs:[{off}]",
        "ret",
        g0_rsp = const offset_of!(Core, g0_rsp),
        off = const offset_of!(Core, preempt_off),
    )
}

/// Leaves the G's stack for g0, which finds `stop` as the result of its [`enter`]. Returns when the G runs again,
/// perhaps on another core.
///
/// # Safety
/// On a G, with `preempt_off` at 1; `saved_rsp` is where the G keeps its `rsp`; `stop` is valid until g0 has read it.
#[unsafe(naked)]
pub unsafe extern "sysv64" fn leave(stop: *const (), saved_rsp: *mut u64) {
    naked_asm!(
        "push rbp", "push rbx", "push r12", "push r13", "push r14", "push r15",
        "sub rsp, 8",
        "stmxcsr [rsp]",
        "fnstcw [rsp + 4]",
        "fnclex", // raised and not yet taken x87 exceptions would be the next G's, if it unmasks them
        "mov [rsi], rsp",
        "mov rax, rdi",
        "jmp {to_g0}",
        to_g0 = sym to_g0,
    )
}

/// Continues on g0 as if `enter` or `resume` returned `rax`.
///
/// # Safety
/// Not to be called: jumped to, with `preempt_off` at 1 and the G's registers saved.
#[unsafe(naked)]
pub unsafe extern "sysv64" fn to_g0() {
    naked_asm!(
        "mov rsp, gs:[{g0_rsp}]",
        "pop r15", "pop r14", "pop r13", "pop r12", "pop rbx", "pop rbp",
        "ret",
        g0_rsp = const offset_of!(Core, g0_rsp),
    )
}

/// Runs a preempted G on; the frame becomes this core's spare, behind `*frame == next`.
///
/// # Safety
/// As for [`enter`]; `frame` holds the G's registers, is owned by nobody else, and the core has no spare.
#[unsafe(naked)]
pub unsafe extern "sysv64" fn resume(frame: *mut Frame) -> *const () {
    naked_asm!(
        "push rbp", "push rbx", "push r12", "push r13", "push r14", "push r15",
        "mov gs:[{g0_rsp}], rsp",
        "cli", // the frame is our stack from here on: no interrupt may want it as its own
        "fxrstor64 [rdi]",
        "mov gs:[{spare}], rdi",
        "lea rsp, [rdi + {gpr}]",
        "dec dword ptr gs:[{off}]",
        "pop r15", "pop r14", "pop r13", "pop r12", "pop rbp", "pop rbx",
        "pop r11", "pop r10", "pop r9", "pop r8",
        "pop rdi", "pop rsi", "pop rdx", "pop rcx", "pop rax",
        "add rsp, 16", // vector and error code
        "iretq",
        g0_rsp = const offset_of!(Core, g0_rsp),
        spare = const offset_of!(Core, spare_frame),
        off = const offset_of!(Core, preempt_off),
        gpr = const offset_of!(Frame, gpr),
    )
}

const _: () = assert!(offset_of!(Gpr, rax) == 14 * 8, "resume pops 15 registers");
