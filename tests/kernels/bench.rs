//! Measures what the scheduler's operations cost; the command line says which rows.
//!
//! Boots under `-icount shift=0`: one tick of the time-stamp counter is one guest instruction, so the figures are exact
//! and the same from run to run. Rows mean what the rows of the same names mean for Go (docs/benchmarks/README.md).
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;
use core::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use gopark::{
    boot, chan, go,
    internals::tsc,
    println,
    runtime::yield_now,
    sync::WaitGroup,
    time::{Duration, sleep},
};

gopark::main!(main);

fn main() {
    let booted = tsc();
    for row in boot::settings().words() {
        let value = match row {
            "boot" => booted,
            "yield_2" => yields(2, 50_000),
            "yield_1000" => yields(1_000, 100),
            "pingpong" => pingpong(20_000),
            "ring_1000" => ring(1_000, 20),
            "spawn" => spawn(10_000, 5),
            "sleep1ms_over_p50" => p50(51, sleep_over),
            "preempt_p50" => p50(11, preempt),
            other => panic!("no such row: {other}"),
        };
        println!("{row} {value} instructions");
    }
}

/// The middle one of so many measurements.
fn p50(times: usize, measure: fn() -> u64) -> u64 {
    let mut all: Vec<u64> = (0..times).map(|_| measure()).collect();
    all.sort_unstable();
    all[times / 2]
}

/// One yield of `n` goroutines that only yield.
fn yields(n: u32, each: u64) -> u64 {
    static GROUP: WaitGroup = WaitGroup::new();
    GROUP.add(n);
    let start = tsc();
    for _ in 0..n {
        drop(go(move || {
            (0..each).for_each(|_| yield_now());
            GROUP.done();
        }));
    }
    GROUP.wait();
    (tsc() - start) / (u64::from(n) * each)
}

/// A round trip of two goroutines over two unbuffered channels.
fn pingpong(rounds: u64) -> u64 {
    let (there, here) = chan::unbuffered::<u64>();
    let (back, returned) = chan::unbuffered::<u64>();
    drop(go(move || while here.recv().is_ok_and(|value| back.send(value).is_ok()) {}));
    let start = tsc();
    for n in 0..rounds {
        assert!(there.send(n).is_ok() && returned.recv() == Ok(n));
    }
    (tsc() - start) / rounds
}

/// One hop of a token in a ring of goroutines over unbuffered channels.
fn ring(size: u64, laps: u64) -> u64 {
    let (first, mut from) = chan::unbuffered::<u64>();
    for _ in 1..size {
        let (to, next) = chan::unbuffered();
        let here = core::mem::replace(&mut from, next);
        drop(go(move || while here.recv().is_ok_and(|token| to.send(token + 1).is_ok()) {}));
    }
    let start = tsc();
    let mut token = 0;
    for _ in 0..laps {
        first.send(token + 1).expect("the ring is closed");
        token = from.recv().expect("the ring is closed");
    }
    assert_eq!(token, size * laps);
    (tsc() - start) / token
}

/// Create, run and finish a goroutine, `n` at a time; the first round makes the goroutines that later ones use again.
fn spawn(n: u32, rounds: u64) -> u64 {
    spawn_round(n);
    let start = tsc();
    (0..rounds).for_each(|_| spawn_round(n));
    (tsc() - start) / (rounds * u64::from(n))
}

fn spawn_round(n: u32) {
    static GROUP: WaitGroup = WaitGroup::new();
    GROUP.add(n);
    for _ in 0..n {
        drop(go(|| GROUP.done()));
    }
    GROUP.wait();
}

/// How much later than 1 ms a sleep returns.
fn sleep_over() -> u64 {
    let start = tsc();
    sleep(Duration::from_millis(1));
    (tsc() - start).saturating_sub(1_000_000)
}

/// A hog that calls nothing owns the only P: how long until another goroutine runs.
fn preempt() -> u64 {
    static HOG_SINCE: AtomicU64 = AtomicU64::new(0);
    static STOP: AtomicBool = AtomicBool::new(false);
    STOP.store(false, Relaxed);
    let other = go(|| {
        let waited = tsc() - HOG_SINCE.load(Acquire);
        STOP.store(true, Relaxed);
        waited
    });
    // The later one of two runs first.
    let hog = go(|| {
        HOG_SINCE.store(tsc(), Release);
        while !STOP.load(Relaxed) {
            core::hint::black_box(());
        }
    });
    hog.join().expect("it returns");
    other.join().expect("it returns")
}
