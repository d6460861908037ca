//! L1: nobody runs and nothing can wake anybody: the system says so and names them all.
#![no_std]
#![no_main]

use gopark::{
    chan, go,
    sync::{Mutex, WaitGroup},
    time::{Duration, sleep},
};

gopark::main!(main);

static LOCK: Mutex<()> = Mutex::new(());
static GROUP: WaitGroup = WaitGroup::new();

fn main() {
    let (to, from) = chan::unbuffered::<u32>();
    let _guard = LOCK.lock();
    GROUP.add(1);
    drop(go(|| GROUP.wait()));
    drop(go(|| LOCK.lock().is_ok()));
    // A sleeper is not a deadlock; it becomes one when the last timer is gone.
    drop(go(|| sleep(Duration::from_millis(30))));
    let _ = from.recv();
    drop(to);
}
