//! A5: a fresh program is one goroutine; the count follows births and deaths.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;

use gopark::{chan, go, runtime};

gopark::main!(main);

fn main() {
    assert_eq!((runtime::num_goroutine(), runtime::goid()), (1, 1));
    let (hold, held) = chan::unbuffered::<()>();
    let all: Vec<_> = (0..10)
        .map(|_| {
            let held = held.clone();
            go(move || {
                held.recv().expect_err("nothing is ever sent");
                runtime::goid()
            })
        })
        .collect();
    assert_eq!(runtime::num_goroutine(), 11);
    hold.close();
    let mut ids: Vec<u64> = all.into_iter().map(|handle| handle.join().expect("it returns")).collect();
    ids.sort_unstable();
    ids.dedup();
    assert!(ids.len() == 10 && !ids.contains(&1), "ids are not unique: {ids:?}");
    while runtime::num_goroutine() > 1 {
        runtime::yield_now();
    }
}
