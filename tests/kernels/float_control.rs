//! Rounding and the handling of denormals belong to the goroutine: MXCSR and the x87 control word stay what it made them, over
//! preemptions, yields and sleeps, on whatever core it goes on; a new goroutine begins with the usual ones.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;
use core::arch::asm;

use gopark::{
    go, runtime,
    time::{Duration, Instant, sleep},
};

gopark::main!(main);

/// MXCSR's and the x87 control word's values after a reset of the runtime's kind: round to nearest, all exceptions masked (Intel
/// SDM vol. 1, 8.1.5 and 10.2.3).
const USUAL: (u32, u16) = (0x1f80, 0x37f);
/// MXCSR's flags: any computation may set them.
const FLAGS: u32 = 0x3f;

fn main() {
    let all: Vec<_> = (0..16).map(|n| go(move || keeps(unusual(n)))).collect();
    for handle in all {
        handle.join().expect("its control words are kept");
    }
    for _ in 0..32 {
        assert_eq!(go(read).join().expect("it returns"), USUAL, "a goroutine begins with another's");
    }
    let child = go(|| {
        write(unusual(7));
        go(read).join()
    });
    assert_eq!(child.join().expect("it returns").expect("it returns"), USUAL, "a goroutine inherits its creator's");
    assert_eq!(read(), USUAL);
}

/// All four roundings of SSE, with and without flush-to-zero, and those of the x87.
fn unusual(n: u32) -> (u32, u16) {
    (USUAL.0 | (n & 3) << 13 | (n >> 2 & 1) << 15, USUAL.1 | (n as u16 >> 1 & 3) << 10)
}

fn keeps(wanted: (u32, u16)) {
    write(wanted);
    for round in 0..120 {
        match round % 3 {
            0 => computes(wanted, Duration::from_micros(100)),
            1 => runtime::yield_now(),
            _ => sleep(Duration::from_micros(50)),
        }
        assert_eq!(read(), wanted, "after round {round}");
    }
}

/// Long enough for several preemptions.
fn computes(wanted: (u32, u16), time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        assert_eq!(read(), wanted);
    }
}

fn read() -> (u32, u16) {
    let (mut sse, mut x87) = (0_u32, 0_u16);
    // SAFETY: it stores to this variable alone.
    unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut sse, options(nostack, preserves_flags)) };
    // SAFETY: as above.
    unsafe { asm!("fnstcw [{}]", in(reg) &raw mut x87, options(nostack, preserves_flags)) };
    (sse & !FLAGS, x87)
}

fn write((sse, x87): (u32, u16)) {
    // SAFETY: no reserved bit is set, and no exception unmasked; what this program computes depends on neither rounding.
    unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const sse, options(nostack, preserves_flags, readonly)) };
    // SAFETY: as above.
    unsafe { asm!("fldcw [{}]", in(reg) &raw const x87, options(nostack, preserves_flags, readonly)) };
}
