//! T1: sleepers wake in the order of their deadlines, and never early.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;

use gopark::{
    chan, go,
    time::{Duration, Instant, sleep},
};

gopark::main!(main);

fn main() {
    let (to, from) = chan::bounded(8);
    let start = Instant::now();
    for n in [5_u64, 1, 4, 2, 3] {
        let to = to.clone();
        drop(go(move || {
            let nap = Duration::from_millis(60 * n);
            sleep(nap);
            assert!(start.elapsed() >= nap, "early: {:?} of {nap:?}", start.elapsed());
            to.send(n).expect("main collects");
        }));
    }
    drop(to);
    assert_eq!(from.iter().collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    sleep(Duration::ZERO);
    assert!(start.elapsed() >= Duration::from_millis(300));
}
