//! T1: a machine with nothing to do takes no timer interrupts: in one second of sleep only those that end it.
#![no_std]
#![no_main]

use core::sync::atomic::Ordering::Relaxed;

use gopark::{
    internals::cores,
    println,
    time::{Duration, sleep},
};

gopark::main!(main);

fn main() {
    // What still has to settle settles.
    sleep(Duration::from_millis(200));
    let before = timer_interrupts();
    sleep(Duration::from_secs(1));
    let count = timer_interrupts() - before;
    println!("{count} timer interrupts in one idle second, on all cores");
    assert!(count <= 4, "an idle core ticks");
}

fn timer_interrupts() -> u64 {
    cores().map(|core| core.stats.timer_interrupts.load(Relaxed)).sum()
}
