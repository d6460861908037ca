//! Closing a channel: what is in it still comes out, who waits is woken, later sends get their value back.
#![no_std]
#![no_main]

use gopark::{
    chan::{self, RecvError, SendError, TryRecvError, TrySendError},
    go, runtime,
};

gopark::main!(main);

fn main() {
    drains();
    wakes_receivers();
    gives_values_back();
    last_sender_closes();
}

fn drains() {
    let (to, from) = chan::bounded(2);
    to.send(1).expect("there is room");
    to.send(2).expect("there is room");
    assert!(matches!(to.try_send(3), Err(TrySendError::Full(3))));
    assert_eq!((to.len(), to.capacity()), (2, 2));
    assert!(to.close() && !to.close(), "only the first close counts");
    assert_eq!((from.recv(), from.recv(), from.recv()), (Ok(1), Ok(2), Err(RecvError)));
    assert_eq!(from.try_recv(), Err(TryRecvError::Closed));
}

fn wakes_receivers() {
    let (to, from) = chan::unbuffered::<u32>();
    let waiting = [0; 3].map(|_| {
        let from = from.clone();
        go(move || from.recv())
    });
    (0..10).for_each(|_| runtime::yield_now());
    to.close();
    for handle in waiting {
        assert_eq!(handle.join().expect("it returns"), Err(RecvError));
    }
}

fn gives_values_back() {
    let (to, from) = chan::unbuffered();
    let sender = {
        let to = to.clone();
        go(move || to.send(5))
    };
    (0..10).for_each(|_| runtime::yield_now());
    to.close();
    // Whether it waited already or came later, the value was never received.
    assert!(matches!(sender.join().expect("it returns"), Err(SendError(5))));
    assert!(matches!(to.try_send(6), Err(TrySendError::Closed(6))));
    assert_eq!(from.recv(), Err(RecvError));
}

fn last_sender_closes() {
    let (to, from) = chan::bounded(1);
    let other = to.clone();
    drop(to);
    other.send(1).expect("one sender is left");
    drop(other);
    assert_eq!((from.recv(), from.recv()), (Ok(1), Err(RecvError)));
    let (to, from) = chan::bounded(1);
    drop(from);
    assert!(matches!(to.send(1), Err(SendError(1))), "nobody will receive");
}
