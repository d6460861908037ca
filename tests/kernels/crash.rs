//! L2: crashes inside crashes, and crashes on all cores at once, end the system once and in bounded time. The command line says which.
#![no_std]
#![no_main]

use core::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
};

use gopark::{boot, go, runtime, sync::WaitGroup};

gopark::main!(main);

fn main() {
    match boot::settings().words().next() {
        Some("recursive") => panic!("told by {}", Evil),
        Some("in_goroutine") => drop(go(|| panic!("told by {}", Evil)).join()),
        Some("concurrent") => concurrent(),
        other => panic!("no such crash: {other:?}"),
    }
}

/// Cannot be printed.
struct Evil;

impl fmt::Display for Evil {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("the message's own panic")
    }
}

/// As many goroutines as there are cores panic at the same moment, as nearly as they can.
fn concurrent() {
    static READY: AtomicUsize = AtomicUsize::new(0);
    static NEVER: WaitGroup = WaitGroup::new();
    let all = runtime::gomaxprocs();
    for n in 1..all {
        drop(go(move || crash_together(&READY, all, n)));
    }
    crash_together(&READY, all, 0);
    NEVER.wait();
}

fn crash_together(ready: &AtomicUsize, all: usize, n: usize) {
    ready.fetch_add(1, Ordering::SeqCst);
    while ready.load(Ordering::SeqCst) < all {
        core::hint::spin_loop();
    }
    panic!("crash number {n}");
}
