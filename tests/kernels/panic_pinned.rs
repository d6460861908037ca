//! Why the stack of a goroutine that panicked is kept: its destructors did not run, so what lived on it may still be
//! linked elsewhere, and must stay what it was.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;
use core::{
    pin::pin,
    sync::atomic::{AtomicPtr, AtomicU64, Ordering::SeqCst},
};

use gopark::go;

gopark::main!(main);

/// A list of one: who is on it takes itself off when it is dropped.
static LINKED: AtomicPtr<Node> = AtomicPtr::new(core::ptr::null_mut());

struct Node(AtomicU64);

impl Drop for Node {
    fn drop(&mut self) {
        LINKED.store(core::ptr::null_mut(), SeqCst);
    }
}

fn main() {
    let error = go(|| {
        let node = pin!(Node(AtomicU64::new(0x1234_5678)));
        LINKED.store(core::ptr::from_ref(&*node).cast_mut(), SeqCst);
        assert!(node.0.load(SeqCst) == 0, "dying with a pinned node on the list");
    })
    .join()
    .expect_err("it panics");
    assert!(error.message().contains("pinned node"), "{error}");
    for _ in 0..20 {
        let others: Vec<_> = (0..100).map(|n| go(move || core::hint::black_box([n; 400])[7])).collect();
        others.into_iter().for_each(|other| _ = other.join().expect("it returns"));
    }
    // SAFETY: the node was pinned and its destructor did not run, so its memory was never used for anything else.
    let node = unsafe { LINKED.load(SeqCst).as_ref() }.expect("nobody took it off the list");
    assert_eq!(node.0.load(SeqCst), 0x1234_5678, "the dead goroutine's stack was used again");
}
