//! A worker pool: as many workers as can run at the same time share one channel of jobs; their results come back in the order
//! in which they are done, and are sorted here.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;

use gopark::{chan, go, println, runtime};

gopark::main!(main);

fn main() {
    let (jobs, todo) = chan::bounded(16);
    let (report, done) = chan::bounded(16);
    for _ in 0..runtime::gomaxprocs() {
        let (todo, report) = (todo.clone(), report.clone());
        drop(go(move || todo.iter().try_for_each(|n: u64| report.send((n, divisors(n))))));
    }
    drop((todo, report)); // from here on, the workers' ends are the only ones
    drop(go(move || (10_000..10_200).try_for_each(|n| jobs.send(n))));

    let mut results: Vec<(u64, usize)> = done.iter().collect();
    results.sort_by_key(|&(n, count)| (core::cmp::Reverse(count), n));
    println!("{} numbers looked at; those with the most divisors:", results.len());
    for (n, count) in &results[..3] {
        println!("{n} has {count}");
    }
}

fn divisors(n: u64) -> usize {
    (1..=n).filter(|&d| n.is_multiple_of(d)).count()
}
