//! B7: two goroutines that wake each other for ever do not keep a timer from firing, even on one core.
#![no_std]
#![no_main]

use gopark::{
    chan, go,
    time::{Duration, Instant, sleep},
};

gopark::main!(main);

fn main() {
    let (to, from) = chan::unbuffered::<()>();
    drop(go(move || while to.send(()).is_ok() {}));
    drop(go(move || while from.recv().is_ok() {}));
    let start = Instant::now();
    for _ in 0..5 {
        sleep(Duration::from_millis(20));
    }
    assert!(start.elapsed() >= Duration::from_millis(100));
}
