//! Ten goroutines, one channel: the program in the README.
#![no_std]
#![no_main]
use gopark::{chan, go, println};

gopark::main!(main);

fn main() {
    let (results, all) = chan::bounded(8);
    for n in 1..=10_u64 {
        let results = results.clone();
        drop(go(move || results.send(n * n)));
    }
    drop(results); // the channel closes when its last sender is gone
    println!("the squares up to 10 add up to {}", all.iter().sum::<u64>());
}
