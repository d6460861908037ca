//! X1, B1: loops that never call anything do not keep a core to themselves. There are more of them than cores, and
//! `main` still sleeps, wakes and ends the program.
#![no_std]
#![no_main]

use core::{
    arch::asm,
    hint::black_box,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use gopark::{
    go, runtime,
    time::{Duration, sleep},
};

gopark::main!(main);

static STEPS: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];

fn main() {
    for _ in 0..runtime::gomaxprocs() {
        drop(go(count));
        drop(go(compute));
        drop(go(stand_still));
    }
    while STEPS.iter().any(|steps| steps.load(Relaxed) == 0) {
        runtime::yield_now();
    }
    for _ in 0..3 {
        let before = STEPS[0].load(Relaxed);
        while STEPS[0].load(Relaxed) == before {
            sleep(Duration::from_millis(5));
        }
    }
}

fn count() {
    loop {
        STEPS[0].fetch_add(1, Relaxed);
    }
}

fn compute() {
    STEPS[1].fetch_add(1, Relaxed);
    let mut x = 1_u64;
    loop {
        x = black_box(x.wrapping_mul(3));
    }
}

fn stand_still() {
    STEPS[2].fetch_add(1, Relaxed);
    // SAFETY: jumps to itself for ever, and touches nothing.
    unsafe { asm!("2:", "jmp 2b", options(nomem, nostack, noreturn)) }
}
