//! A goroutine that is preempted with a full x87 stack gets it back; who runs meanwhile finds an empty one, as every function may
//! expect (System V ABI for AMD64, 3.2.3).
#![no_std]
#![no_main]

use core::{
    arch::asm,
    sync::atomic::{AtomicBool, Ordering},
};

use gopark::{
    go, println,
    time::{Duration, sleep},
};

gopark::main!(main);

static STOP: AtomicBool = AtomicBool::new(false);

fn main() {
    let full = go(hold_eight);
    for _ in 0..10 {
        sleep(Duration::from_millis(15));
        assert_eq!(in_use(), 0, "somebody else's registers are in the way");
    }
    STOP.store(true, Ordering::Relaxed);
    assert_eq!(full.join().expect("it returns"), 8.0);
    println!("each has its own x87 stack");
}

/// Fills all eight registers, waits without a call, and adds them up.
fn hold_eight() -> f64 {
    let mut sum = 0.0f64;
    // SAFETY: pushes eight times and pops eight times.
    unsafe {
        asm!(
            "fld1", "fld1", "fld1", "fld1", "fld1", "fld1", "fld1", "fld1",
            "2: pause",
            "cmp byte ptr [{stop}], 0",
            "je 2b",
            "faddp", "faddp", "faddp", "faddp", "faddp", "faddp", "faddp",
            "fstp qword ptr [{sum}]",
            stop = in(reg) STOP.as_ptr(),
            sum = in(reg) &raw mut sum,
            out("st(0)") _, out("st(1)") _, out("st(2)") _, out("st(3)") _,
            out("st(4)") _, out("st(5)") _, out("st(6)") _, out("st(7)") _,
            options(nostack),
        );
    }
    sum
}

/// Which registers are in use: one bit each (Intel SDM vol. 1, table 10-2: the abridged tag word of FXSAVE). Asked, not tried: QEMU's
/// x87 does not notice a stack that overflows.
fn in_use() -> u8 {
    #[repr(align(16))]
    struct Area([u8; 512]);
    let mut area = Area([0; 512]);
    // SAFETY: writes 512 bytes, aligned to 16.
    unsafe { asm!("fxsave64 [{}]", in(reg) &raw mut area, options(nostack, preserves_flags)) };
    area.0[4]
}
