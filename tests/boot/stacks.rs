//! Stacks: growth, the end of one, and what becomes of it.

use gopark_tests::{
    kernel,
    trial::{Trial, trial},
};

pub fn rows() -> Vec<Trial> {
    vec![
        trial(kernel!("stack_grow")),
        trial(kernel!("stack_overflow"))
            .expect("runtime: goroutine stack exceeds 65536-byte limit")
            .expect("stack=[0x")
            .expect("recurse")
            .expect("main goes on"),
        trial(kernel!("stack_overflow_main"))
            .crash("a panic in main")
            .expect("byte limit")
            .expect("fatal error: stack overflow")
            .expect("recurse"),
        trial(kernel!("panic_pinned")).expect("panic: dying with a pinned node on the list"),
    ]
}
