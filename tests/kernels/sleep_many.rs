//! T1: ten thousand sleepers at once, made on all cores, and every one of them wakes.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use gopark::{
    go,
    sync::WaitGroup,
    time::{Duration, Instant, sleep},
};

gopark::main!(main);

static GROUP: WaitGroup = WaitGroup::new();
static AWAKE: AtomicU32 = AtomicU32::new(0);

const SLEEPERS: u64 = 10_000;

fn main() {
    GROUP.add(SLEEPERS as u32);
    for n in 0..SLEEPERS {
        drop(go(move || {
            let (start, nap) = (Instant::now(), Duration::from_micros(10_000 + n * 7 % 30_000));
            sleep(nap);
            assert!(start.elapsed() >= nap);
            AWAKE.fetch_add(1, Relaxed);
            GROUP.done();
        }));
    }
    GROUP.wait();
    assert_eq!(u64::from(AWAKE.load(Relaxed)), SLEEPERS);
}
