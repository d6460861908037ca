//! A pipeline: three goroutines hand values on through unbuffered channels, in order.
#![no_std]
#![no_main]

use gopark::{
    chan::{self, Receiver},
    go, println,
};

gopark::main!(main);

fn main() {
    let odd = stage(numbers(20), |n| (n % 2 == 1).then_some(n));
    let squares = stage(odd, |n| Some(n * n));
    let sum: u64 = squares.iter().inspect(|n| println!("{n}")).sum();
    println!("the squares of the odd numbers up to 20 add up to {sum}");
}

/// 1 to `last`. The channel closes when the goroutine ends and its sender drops.
fn numbers(last: u64) -> Receiver<u64> {
    let (out, numbers) = chan::unbuffered();
    drop(go(move || (1..=last).try_for_each(|n| out.send(n))));
    numbers
}

/// Hands on what `f` makes of each value.
fn stage(source: Receiver<u64>, f: fn(u64) -> Option<u64>) -> Receiver<u64> {
    let (out, results) = chan::unbuffered();
    drop(go(move || source.iter().filter_map(f).try_for_each(|n| out.send(n))));
    results
}
