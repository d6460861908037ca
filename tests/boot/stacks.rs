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
        trial(kernel!("stack_overflow_held")).expect("stack overflow").expect("main goes on"),
        trial(kernel!("panic_late")).expect("panic: dropped").expect("main goes on"),
        trial(kernel!("memory_out"))
            .memory("64M")
            .expect("out of memory: its stack could not grow")
            .expect("join: goroutine ")
            .expect("the other one answers Ok(2)"),
        trial(kernel!("panic_pinned")).expect("panic: dying with a pinned node on the list"),
    ]
}
