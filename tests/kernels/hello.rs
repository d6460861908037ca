//! The smallest program: it prints and returns.
#![no_std]
#![no_main]

use gopark::{println, runtime};

gopark::main!(main);

fn main() {
    println!("hello from {} cores, {} Ps", runtime::num_cpu(), runtime::gomaxprocs());
}
