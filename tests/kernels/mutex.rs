//! A mutex excludes, also when its holder is switched away inside.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;

use gopark::{
    go, runtime,
    sync::{Mutex, TryLockError},
};

gopark::main!(main);

static PAIR: Mutex<(u32, u32)> = Mutex::new((0, 0));

const GOROUTINES: u32 = 8;
const ROUNDS: u32 = 500;

fn main() {
    let all: Vec<_> = (0..GOROUTINES).map(|n| go(move || (0..ROUNDS).for_each(|round| step(n, round)))).collect();
    for handle in all {
        handle.join().expect("it counts");
    }
    let pair = PAIR.lock().expect("nobody died");
    assert_eq!(*pair, (GOROUTINES * ROUNDS, GOROUTINES * ROUNDS));
    assert!(matches!(PAIR.try_lock(), Err(TryLockError::WouldBlock)));
    drop(pair);
    assert!(PAIR.try_lock().is_ok());
}

fn step(n: u32, round: u32) {
    let mut pair = PAIR.lock().expect("nobody died");
    assert_eq!(pair.0, pair.1, "somebody else is inside");
    pair.0 += 1;
    if (n + round).is_multiple_of(7) {
        runtime::yield_now();
    }
    pair.1 += 1;
}
