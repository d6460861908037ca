//! A2: a goroutine that only polls and yields does not keep a sender from getting through.
#![no_std]
#![no_main]

use gopark::{
    chan::{self, TryRecvError},
    go, runtime,
    time::{Duration, sleep},
};

gopark::main!(main);

fn main() {
    let (to, from) = chan::unbuffered::<u32>();
    let (ack, acked) = chan::unbuffered::<u32>();
    drop(go(move || {
        loop {
            match from.try_recv() {
                Ok(value) => return ack.send(value).expect("main waits"),
                Err(TryRecvError::Empty) => runtime::yield_now(),
                Err(TryRecvError::Closed) => panic!("closed before anything came"),
            }
        }
    }));
    sleep(Duration::from_millis(10));
    to.send(7).expect("somebody polls");
    assert_eq!(acked.recv(), Ok(7));
}
