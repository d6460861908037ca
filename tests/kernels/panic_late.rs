//! A goroutine that has returned can still panic: in the destructor of a result that nobody wants. And a destructor can panic in
//! whoever drops a handle or a channel's end. Each ends the one goroutine that ran it, and a result that was delivered stays.
#![no_std]
#![no_main]

use gopark::{
    chan, go, println,
    time::{Duration, sleep},
};

gopark::main!(main);

struct Grudge;

impl Drop for Grudge {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

fn main() {
    for _ in 0..10 {
        // The handle is gone before the result is there: the goroutine drops it itself.
        let (release, released) = chan::bounded(1);
        let handle = go(move || {
            let _ = released.recv();
            Grudge
        });
        drop(handle);
        assert!(release.send(()).is_ok());
        // The result is there first: whoever drops the handle drops it.
        let dropper = go(|| {
            let handle = go(|| Grudge);
            while !handle.is_finished() {
                sleep(Duration::from_millis(1));
            }
            drop(handle);
        });
        assert_eq!(dropper.join().expect_err("it panics").message(), "dropped");
        let (to, from) = chan::bounded(1);
        assert!(to.send(Grudge).is_ok());
        let closer = go(move || drop((to, from)));
        assert_eq!(closer.join().expect_err("it panics").message(), "dropped");
    }
    sleep(Duration::from_millis(5));
    println!("main goes on");
}
