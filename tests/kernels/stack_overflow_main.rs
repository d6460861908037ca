//! L2: `main` without stack ends the system.
#![no_std]
#![no_main]

use core::hint::black_box;

gopark::main!(main);

fn main() {
    recurse(0);
}

#[expect(unconditional_recursion, reason = "that is the test")]
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 16]);
    recurse(depth + 1) + black_box(frame)[3]
}
