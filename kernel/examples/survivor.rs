//! A panic ends one goroutine, not the system: its handle gets the message, and a lock it held is never given out again.
#![no_std]
#![no_main]

use gopark::{go, println, sync::Mutex};

gopark::main!(main);

static ACCOUNT: Mutex<i64> = Mutex::new(100);

fn withdraw(amount: i64) -> i64 {
    let Ok(mut balance) = ACCOUNT.lock() else { return 0 };
    *balance -= amount;
    assert!(*balance >= 0, "the account is overdrawn by {}", -*balance);
    amount
}

fn main() {
    for amount in [30, 90, 5] {
        match go(move || withdraw(amount)).join() {
            Ok(paid) => println!("asked for {amount}, got {paid}"),
            Err(error) => println!("asked for {amount}: {error}"),
        }
    }
    if let Err(error) = ACCOUNT.lock() {
        println!("the account: {error}");
    }
}
