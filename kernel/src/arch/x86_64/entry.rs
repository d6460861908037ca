//! Interrupt entries: 256 vectors, one way in, one way out.
//!
//! Each vector has a stub that pushes its number (and a 0 where the processor pushes no error code) and jumps to the
//! common entry, which completes a [`Frame`] on its stack, with the SSE state, since handlers may use SSE.
//!
//! *Context.* Every vector runs on an IST stack (`gdt`), interrupts off. Nothing is written below the interrupted `rsp`, so
//! the red zone of prebuilt `core` code is safe.
//!
//! *Invariants.* The handler's answer says how to go on: back to what was interrupted, or to g0 because the G's registers were
//! saved elsewhere, in which case `preempt_off` is 1 already.

use core::{
    arch::{global_asm, naked_asm},
    mem::{offset_of, size_of},
};

use crate::{
    arch::context::to_g0,
    preempt::{Frame, Gpr, Iret},
};

/// Bytes from one stub to the next.
pub const STUB_SIZE: usize = 16;

// Vectors with an error code: #DF #TS #NP #SS #GP #PF #AC #CP #VC #SX (Intel SDM vol. 3, table 7-1; AMD APM vol. 2, 8.2).
global_asm!(
    ".pushsection .text.gopark_vectors, \"ax\", @progbits",
    ".balign 16",
    "gopark_vectors:",
    ".set vector, 0",
    ".rept 256",
    ".balign 16",
    ".if (vector == 8) || ((vector >= 10) && (vector <= 14)) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30)",
    ".else",
    "push 0",
    ".endif",
    "push vector",
    "jmp {common}",
    ".set vector, vector + 1",
    ".endr",
    ".popsection",
    common = sym common,
);

unsafe extern "C" {
    #[link_name = "gopark_vectors"]
    static VECTORS: u8;
}

/// The address of a vector's stub.
pub fn stub(vector: u8) -> u64 {
    (&raw const VECTORS) as u64 + u64::from(vector) * STUB_SIZE as u64
}

const _: () = assert!(offset_of!(Frame, gpr) == 512 && offset_of!(Frame, iret) == 512 + size_of::<Gpr>());
const _: () = assert!((size_of::<Gpr>() + size_of::<Iret>()).is_multiple_of(16), "FXSAVE needs 16-byte alignment");

#[unsafe(naked)]
unsafe extern "sysv64" fn common() {
    naked_asm!(
        "push rax", "push rcx", "push rdx", "push rsi", "push rdi",
        "push r8", "push r9", "push r10", "push r11",
        "push rbx", "push rbp", "push r12", "push r13", "push r14", "push r15",
        "sub rsp, {fx}",
        "fxsave64 [rsp]",
        "cld",
        "mov rdi, rsp",
        "call {handler}",
        "test rax, rax",
        "jnz 2f",
        "fxrstor64 [rsp]",
        "add rsp, {fx}",
        "pop r15", "pop r14", "pop r13", "pop r12", "pop rbp", "pop rbx",
        "pop r11", "pop r10", "pop r9", "pop r8",
        "pop rdi", "pop rsi", "pop rdx", "pop rcx", "pop rax",
        "add rsp, 16",
        "iretq",
        "2:",
        "fninit", // the x87 stack is saved; who runs next expects an empty one
        "sti",
        "jmp {to_g0}",
        fx = const offset_of!(Frame, gpr),
        handler = sym crate::irq::dispatch,
        to_g0 = sym to_g0,
    )
}
