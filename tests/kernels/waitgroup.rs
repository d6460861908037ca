//! A wait group lets go when all are done, and what they did is visible then; it can be used again.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use gopark::{go, runtime, sync::WaitGroup};

gopark::main!(main);

static GROUP: WaitGroup = WaitGroup::new();
static DONE: AtomicU32 = AtomicU32::new(0);

fn main() {
    GROUP.wait();
    for round in 1..=100 {
        GROUP.add(20);
        for n in 0..20 {
            drop(go(move || {
                if n % 3 == 0 {
                    runtime::yield_now();
                }
                DONE.fetch_add(1, Relaxed);
                GROUP.done();
            }));
        }
        GROUP.wait();
        assert_eq!(DONE.load(Relaxed), 20 * round);
    }
}
