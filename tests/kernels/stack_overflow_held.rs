//! L3: a stack may end anywhere, and so inside the runtime, where preemption is off and a lock may be held: that still ends the
//! one goroutine only. Recursions that allocate come to their end in the allocator as often as not; each begins a little deeper.
//! On a large stack the core's reserve of frames runs low there too.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::boxed::Box;
use core::hint::black_box;

use gopark::{Builder, go, println, sync::Mutex};

gopark::main!(main);

static HELD: Mutex<()> = Mutex::new(());

fn main() {
    for size in [64 << 10, 2 << 20] {
        for start in 0..40 {
            let recursion = move || deeper(start, &|| *allocate(0));
            let error = Builder::new().stack_size(size).spawn(recursion).expect("there is memory");
            let error = error.join().expect_err("no stack is endless");
            assert!(error.message().contains("stack overflow"), "{error}");
        }
    }
    // What it holds is abandoned, as after any other death.
    let holder = go(|| {
        let _guard = HELD.lock();
        allocate(0)
    });
    assert!(holder.join().is_err() && HELD.lock().is_err());
    assert_eq!(go(|| *Box::new(5)).join().expect("it returns"), 5);
    println!("main goes on");
}

/// Calls `f` from a stack that is `n` small frames deep.
#[inline(never)]
fn deeper(n: usize, f: &dyn Fn() -> u64) -> u64 {
    if n == 0 { f() } else { deeper(n - 1, f) + black_box(0) }
}

#[expect(unconditional_recursion, reason = "that is the test")]
fn allocate(depth: u64) -> Box<u64> {
    let before = black_box(Box::new(depth));
    let rest = allocate(depth + 1);
    Box::new(*before + *rest)
}
