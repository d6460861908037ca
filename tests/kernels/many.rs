//! 100,000 goroutines at once, each parked on a channel.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;

use gopark::{chan, go, println, runtime};

gopark::main!(main);

const MANY: usize = 100_000;

fn main() {
    let (hold, held) = chan::unbuffered::<()>();
    let (ready, is_ready) = chan::bounded::<()>(1_000);
    let all: Vec<_> = (0..MANY)
        .map(|n| {
            let (held, ready) = (held.clone(), ready.clone());
            go(move || {
                ready.send(()).expect("main counts");
                held.recv().expect_err("nothing is ever sent");
                n
            })
        })
        .collect();
    for _ in 0..MANY {
        is_ready.recv().expect("each reports");
    }
    println!("{} goroutines", runtime::num_goroutine());
    assert_eq!(runtime::num_goroutine(), MANY + 1);
    hold.close();
    let sum: usize = all.into_iter().map(|handle| handle.join().expect("it returns")).sum();
    assert_eq!(sum, MANY * (MANY - 1) / 2);
}
