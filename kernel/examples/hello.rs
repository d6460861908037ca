//! The smallest program: one goroutine says hello.
#![no_std]
#![no_main]

use gopark::println;

gopark::main!(main);

fn main() {
    println!("hello from goroutine {}", gopark::runtime::goid());
}
