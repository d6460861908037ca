//! Channels keep each sender's order, lose nothing and double nothing, buffered or not.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;

use gopark::{chan, go};

gopark::main!(main);

const SENDERS: usize = 4;
const EACH: usize = 2_000;

fn main() {
    for capacity in [0, 1, 2, 100] {
        pass(capacity);
    }
}

fn pass(capacity: usize) {
    let (to, from) = chan::bounded::<(usize, usize)>(capacity);
    for sender in 0..SENDERS {
        let to = to.clone();
        drop(go(move || (0..EACH).for_each(|n| to.send((sender, n)).expect("they are received"))));
    }
    drop(to);
    let receivers: Vec<_> = (0..2)
        .map(|_| {
            let from = from.clone();
            go(move || from.iter().collect::<Vec<_>>())
        })
        .collect();
    let mut seen = [0; SENDERS];
    for receiver in receivers {
        let got = receiver.join().expect("it receives");
        let mut last = [None; SENDERS];
        for (sender, n) in got {
            assert!(last[sender] < Some(n), "capacity {capacity}: {n} of sender {sender} is out of order");
            last[sender] = Some(n);
            seen[sender] += 1;
        }
    }
    assert_eq!(seen, [EACH; SENDERS], "capacity {capacity}");
}
