//! M2 (conformance): stacks come page by page. 200 goroutines grow theirs from 1 to 24 KiB (twice that in a debug build) in lockstep, four times; a
//! stack of 8 MiB holds a recursion of 6.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;
use core::hint::black_box;

use gopark::{Builder, go, runtime};

gopark::main!(main);

fn main() {
    for _ in 0..4 {
        let all: Vec<_> = (0..200)
            .map(|_| {
                go(|| {
                    for kib in [1, 2, 4, 8, 16, 24] {
                        assert_eq!(dig(kib), kib);
                        runtime::yield_now();
                    }
                })
            })
            .collect();
        for handle in all {
            handle.join().expect("its stack holds that");
        }
    }
    let deep = Builder::new().stack_size(8 << 20).spawn(|| dig(6 << 10)).expect("there is room");
    assert_eq!(deep.join().expect("its stack holds that"), 6 << 10);
}

/// Uses about so many KiB of stack, and checks on the way back that nobody wrote into it.
#[inline(never)]
fn dig(kib: usize) -> usize {
    if kib == 0 {
        return 0;
    }
    let mut frame = [kib as u64; 120];
    black_box(&mut frame);
    let depth = dig(kib - 1) + 1;
    assert!(black_box(&frame).iter().all(|&word| word == kib as u64), "the stack was overwritten");
    depth
}
