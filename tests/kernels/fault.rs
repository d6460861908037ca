//! Does what a kernel must not do; the command line says what. The report must name it.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec;
use core::{arch::asm, hint::black_box, mem::transmute};

use gopark::{boot, println};

gopark::main!(main);

fn main() {
    let what = boot::settings().words().next().unwrap_or("nothing");
    println!("about to: {what}");
    match what {
        "undefined" => undefined(),
        "divide" => divide(),
        "null" => write_to(core::ptr::null_mut()),
        // Not canonical: bits 63 to 47 differ (Intel SDM vol. 1, 3.3.7.1).
        "far" => write_to(0x1234_5678_0000_0000_usize as *mut u8),
        "write_text" => write_to((main as fn()) as usize as *mut u8),
        "write_rodata" => write_to(what_rodata().cast_mut()),
        "run_heap" => run(vec![RET; 16].as_ptr()),
        "run_stack" => run(black_box([RET; 16]).as_ptr()),
        "bad_stack" => bad_stack(),
        other => panic!("no such fault: {other}"),
    }
    println!("still alive");
}

/// The instruction `ret`.
const RET: u8 = 0xc3;

fn what_rodata() -> *const u8 {
    static TEXT: [u8; 64] = [7; 64];
    black_box(TEXT.as_ptr())
}

#[inline(never)]
fn undefined() {
    // SAFETY: never returns: this instruction exists to fault.
    unsafe { asm!("ud2", options(noreturn, nomem, nostack)) }
}

fn divide() {
    // SAFETY: faults before it changes anything.
    unsafe { asm!("div {0:e}", in(reg) 0, inout("eax") 1 => _, inout("edx") 0 => _) }
}

fn write_to(place: *mut u8) {
    // SAFETY: none: the write must not get through.
    unsafe { asm!("mov byte ptr [{}], 1", in(reg) place) }
}

fn run(code: *const u8) {
    // SAFETY: none: the call must not get through; if it does, it returns at once.
    let code = unsafe { transmute::<*const u8, extern "C" fn()>(code) };
    code();
}

fn bad_stack() {
    // SAFETY: none: the push must not get through, and the handler must do without this stack.
    unsafe { asm!("mov rsp, 0x1000", "push rax", options(noreturn)) }
}
