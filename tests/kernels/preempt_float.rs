//! X1: loops of floating point and integers that call nothing share a core, are preempted again and again, and are exact
//! to the last bit.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;

use gopark::{boot, go, internals::cores, println, runtime};

gopark::main!(main);

fn main() {
    let rounds = boot::settings().words().next().map_or(40, |word| word.parse().expect("a number of rounds"));
    let wanted = (float(1, rounds), integer(1, rounds));
    let each = 2 * runtime::gomaxprocs() as u64;
    let floats: Vec<_> = (0..each).map(|_| go(move || float(1, rounds))).collect();
    let integers: Vec<_> = (0..each).map(|_| go(move || integer(1, rounds))).collect();
    for handle in floats {
        assert_eq!(handle.join().expect("it returns").map(f64::to_bits), wanted.0.map(f64::to_bits));
    }
    for handle in integers {
        assert_eq!(handle.join().expect("it returns"), wanted.1);
    }
    let preempted: u64 = cores().map(|core| core.stats.preemptions.load(Relaxed)).sum();
    println!("preempted {preempted} times");
}

/// Eight running sums keep many registers alive at once.
#[inline(never)]
fn float(seed: u64, rounds: u64) -> [f64; 8] {
    let mut x = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7].map(|start: f64| start + seed as f64);
    for _ in 0..rounds * 20_000 {
        for n in 0..8 {
            x[n] = x[n] * 0.999_999 + 1.0 / (x[(n + 3) % 8] + 1.5);
        }
    }
    x
}

#[inline(never)]
fn integer(seed: u64, rounds: u64) -> [u64; 8] {
    let mut x = [seed; 8];
    for _ in 0..rounds * 60_000 {
        for n in 0..8 {
            x[n] = (x[n] ^ x[(n + 5) % 8] >> 7).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(n as u32 + 1);
        }
    }
    x
}
