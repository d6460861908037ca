//! Sleep sort: each number sleeps for as long as it is large, and is told when it wakes. A joke, and a test of timers.
#![no_std]
#![no_main]

use gopark::{
    go, println,
    sync::{Mutex, WaitGroup},
    time::{Duration, Instant, sleep_until},
};

gopark::main!(main);

static AWAKE: WaitGroup = WaitGroup::new();
static LAST: Mutex<u64> = Mutex::new(0);

fn main() {
    // One moment for all to count from: they are not started at the same time.
    let start = Instant::now() + Duration::from_millis(50);
    for n in [8, 3, 11, 1, 9, 5] {
        AWAKE.add(1);
        drop(go(move || {
            sleep_until(start + Duration::from_millis(100 * n));
            if let Ok(mut last) = LAST.lock() {
                println!("{n} wakes after {}", *last);
                *last = n;
            }
            AWAKE.done();
        }));
    }
    AWAKE.wait();
    println!("all awake");
}
