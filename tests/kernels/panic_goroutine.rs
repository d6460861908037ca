//! A panic in a goroutine ends that goroutine; `join` tells why. (With `panic=abort` it ends the system.)
#![no_std]
#![no_main]

use gopark::{go, println};

gopark::main!(main);

fn main() {
    for n in 0..20 {
        let error = go(move || panic!("number {n} gives up")).join().expect_err("it panics");
        assert!(error.message().ends_with("gives up") && error.id() > 1, "{error}");
    }
    assert_eq!(go(|| 5).join().expect("it returns"), 5);
    println!("main goes on");
}
