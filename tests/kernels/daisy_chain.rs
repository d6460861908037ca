//! A13: a chain of 10,000 goroutines hands one value from the end to the beginning.
#![no_std]
#![no_main]

use gopark::{chan, go};

gopark::main!(main);

const LENGTH: u32 = 10_000;

fn main() {
    let (mut right, leftmost) = chan::unbuffered::<u32>();
    for _ in 0..LENGTH {
        let (to_me, mine) = chan::unbuffered();
        let left = core::mem::replace(&mut right, to_me);
        drop(go(move || left.send(mine.recv().expect("the right one sends") + 1).expect("the left one receives")));
    }
    right.send(0).expect("the last one receives");
    assert_eq!(leftmost.recv(), Ok(LENGTH));
}
