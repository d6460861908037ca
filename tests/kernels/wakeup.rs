//! M2, M4: no wake-up is lost. Pairs hand a token to and fro with pauses in which cores go idle; one lost wake-up and
//! this never ends.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;

use gopark::{
    chan, go,
    time::{Duration, sleep},
};

gopark::main!(main);

const PAIRS: u64 = 6;
const ROUNDS: u64 = 400;

fn main() {
    let all: Vec<_> = (0..PAIRS).map(|pair| go(move || ping(pair))).collect();
    for handle in all {
        handle.join().expect("the pair plays on");
    }
}

fn ping(pair: u64) {
    let (there, here) = chan::unbuffered::<u64>();
    let (back, returned) = chan::unbuffered::<u64>();
    let pong = go(move || {
        for value in here.iter() {
            back.send(value + 1).expect("ping waits");
        }
    });
    for round in 0..ROUNDS {
        there.send(round).expect("pong waits");
        assert_eq!(returned.recv(), Ok(round + 1));
        if round % 8 == pair {
            // Each pair pauses at another time and for another while.
            sleep(Duration::from_micros(40 + 37 * pair + round % 50));
        }
    }
    drop(there);
    pong.join().expect("pong ends with the channel");
}
