//! A goroutine that dies with a lock in its hands: who waits for the lock learns it, and so does everybody later.
#![no_std]
#![no_main]

use gopark::{
    chan, go, println,
    sync::Mutex,
    time::{Duration, sleep},
};

gopark::main!(main);

static LOCK: Mutex<u32> = Mutex::new(0);

fn main() {
    let (locked, is_locked) = chan::unbuffered();
    let holder = go(move || {
        let _guard = LOCK.lock().expect("it is new");
        locked.send(()).expect("main waits");
        sleep(Duration::from_millis(20));
        panic!("with the lock in my hands");
    });
    is_locked.recv().expect("it locks");
    let waiters = [0; 2].map(|_| go(|| LOCK.lock().is_err()));
    assert_eq!(holder.join().expect_err("it panics").message(), "with the lock in my hands");
    for waiter in waiters {
        assert!(waiter.join().expect("it returns"), "a waiter got a lock that nobody gave back");
    }
    assert!(LOCK.lock().is_err() && LOCK.try_lock().is_err());
    println!("everybody knows");
}
