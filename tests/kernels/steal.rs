//! P4, P5: goroutines that one goroutine made spread over all cores, although each starts in that one's queue.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;
use core::{
    hint::black_box,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use gopark::{boot, go, internals::sched, println, runtime};

gopark::main!(main);

/// Fewer than a ring holds: nothing reaches the global queue, so whoever runs one elsewhere has stolen it.
const GOROUTINES: usize = 200;
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
    let enough = share.iter().filter(|&&done| done * 100 >= GOROUTINES * percent()).count();
    assert_eq!(enough, cores, "each core does at least {} % of the work", percent());
    let workers = share.iter().filter(|&&done| done > 0).count();
    assert!(cores == 1 || workers > 1, "one core did everything");
    // Cores that advance evenly keep their Ps, so each P but the one that all began on has stolen.
    if percent() > 0 {
        let thieves = sched().ps().iter().filter(|p| p.stats.steals.load(Relaxed) > 0).count();
        assert!(thieves + 1 >= cores, "only {thieves} of {cores} Ps stole");
    }
}

/// The share that each core must have, in percent: a word of the command line, for machines whose cores advance evenly.
fn percent() -> usize {
    boot::settings().words().find_map(|word| word.parse().ok()).unwrap_or(0)
}

fn compute(seed: u64) {
    let mut x = seed;
    for _ in 0..600_000 {
        x = black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
    DONE_ON[runtime::core_id()].fetch_add(1, Relaxed);
}
