//! L3: a goroutine that runs out of stack is named with its limit, and only it ends.
#![no_std]
#![no_main]

use core::hint::black_box;

use gopark::{go, println};

gopark::main!(main);

fn main() {
    for _ in 0..3 {
        let error = go(|| recurse(0)).join().expect_err("no stack is endless");
        assert!(error.message().contains("stack overflow"), "{error}");
    }
    assert_eq!(go(|| 5).join().expect("it returns"), 5);
    println!("main goes on");
}

#[expect(unconditional_recursion, reason = "that is the test")]
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 16]);
    recurse(depth + 1) + black_box(frame)[3]
}
