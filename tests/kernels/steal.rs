//! P4, P5: goroutines that one goroutine made spread over all cores, although each starts in that one's queue.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;
use core::{
    hint::black_box,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use gopark::{go, println, runtime};

gopark::main!(main);

const GOROUTINES: usize = 3_000;
static DONE_ON: [AtomicUsize; 256] = [const { AtomicUsize::new(0) }; 256];

fn main() {
    let all: Vec<_> = (0..GOROUTINES).map(|n| go(move || compute(n as u64))).collect();
    for handle in all {
        handle.join().expect("it computes");
    }
    let cores = runtime::gomaxprocs();
    let share: Vec<usize> = DONE_ON[..cores].iter().map(|done| done.load(Relaxed)).collect();
    println!("done on each core: {share:?}");
    assert_eq!(share.iter().sum::<usize>(), GOROUTINES, "each goroutine ran exactly once");
    // The host has fewer CPUs than the larger guests have: there a core may come too late for its fair share.
    let least = if cores <= 4 { GOROUTINES * 6 / 10 / cores } else { 1 };
    let enough = share.iter().filter(|&&done| done >= least).count();
    assert!(enough >= cores - cores / 8, "only {enough} of {cores} cores did at least {least}");
}

fn compute(seed: u64) {
    let mut x = seed;
    for _ in 0..60_000 {
        x = black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
    DONE_ON[runtime::core_id()].fetch_add(1, Relaxed);
}
