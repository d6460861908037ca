//! Channels: typed, bounded or unbuffered, FIFO.
//!
//! A value goes from stack to stack: a sender that finds a waiting receiver writes into the receiver's frame and readies it in
//! `runnext`; a receiver that finds a waiting sender takes from the sender's. Neither side allocates; the buffer is
//! allocated once, when the channel is made.
//!
//! *Context.* Any G, no lock held. *Locks.* Each channel has its own ([`Rank::Chan`]); rights are used after it is free.
//!
//! *Invariants.* NO-BOTH: receivers wait only while the buffer is empty and no sender waits; senders only while it is full and
//! no receiver waits. ON-STACK (`waitq`).
//!
//! *Differences from Go.* Closing is also what the last sender's drop does, and sending to nobody fails: all receivers gone is an
//! error, not a wait for ever. Sending on a closed channel returns the value instead of panicking.

use alloc::{collections::VecDeque, sync::Arc};
use core::{
    fmt,
    ptr::NonNull,
    sync::atomic::{AtomicUsize, Ordering},
};

use gopark_sched::{Parked, WaitReason};

use crate::{
    lock::{Guard, Lock, Rank},
    machine::{Kernel, park, sched, with_cx},
    waitq::{WaitQueue, Waiter},
};

/// A channel that holds up to `capacity` values; 0 makes it [`unbuffered`].
///
/// # Panics
/// If the buffer would not fit into memory.
pub fn bounded<T: Send>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let state = State {
        buffer: VecDeque::with_capacity(capacity),
        closed: false,
        senders: WaitQueue::new(),
        receivers: WaitQueue::new(),
    };
    let chan = Arc::new(Chan {
        capacity,
        state: Lock::new(Rank::Chan, state),
        senders: AtomicUsize::new(1),
        receivers: AtomicUsize::new(1),
    });
    (Sender { chan: chan.clone() }, Receiver { chan })
}

/// A channel without a buffer: a send waits for its receiver.
pub fn unbuffered<T: Send>() -> (Sender<T>, Receiver<T>) {
    bounded(0)
}

struct Chan<T> {
    capacity: usize,
    state: Lock<State<T>>,
    senders: AtomicUsize,
    receivers: AtomicUsize,
}

struct State<T> {
    buffer: VecDeque<T>,
    closed: bool,
    /// Their items: the value to be taken; one that is still there when the sender wakes was not.
    senders: WaitQueue<Option<T>>,
    /// Their items: the place for a value; one that is still empty when the receiver wakes means closed.
    receivers: WaitQueue<Option<T>>,
}

/// The sending half; clone it for more senders. The last one to drop closes the channel.
pub struct Sender<T> {
    chan: Arc<Chan<T>>,
}

/// The receiving half; clone it for more receivers. When the last one drops, sends fail.
pub struct Receiver<T> {
    chan: Arc<Chan<T>>,
}

/// The channel is closed; the value comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

/// The channel is closed and empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecvError;

/// Why a value was not sent; it comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TrySendError<T> {
    /// No room, and nobody waits for it.
    Full(T),
    /// The channel is closed.
    Closed(T),
}

/// Why nothing was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// Nothing is there yet.
    Empty,
    /// The channel is closed and empty.
    Closed,
}

impl<T> Chan<T> {
    /// The part of a send that does not wait.
    fn offer<'a>(&'a self, value: T) -> Result<(), (TrySendError<T>, Guard<'a, State<T>>)> {
        let mut state = self.state.lock();
        if state.closed {
            return Err((TrySendError::Closed(value), state));
        }
        let mut value = Some(value);
        if let Some(((), parked)) = state.receivers.pop_front(|place| *place = value.take()) {
            drop(state);
            wake(parked);
            return Ok(());
        }
        match value {
            Some(value) if state.buffer.len() < self.capacity => state.buffer.push_back(value),
            Some(value) => return Err((TrySendError::Full(value), state)),
            None => unreachable!("only a receiver takes the value"),
        }
        Ok(())
    }

    fn send(&self, value: T) -> Result<(), SendError<T>> {
        let (value, mut state) = match self.offer(value) {
            Ok(()) => return Ok(()),
            Err((TrySendError::Closed(value), _)) => return Err(SendError(value)),
            Err((TrySendError::Full(value), state)) => (value, state),
        };
        let mut waiter = Waiter::new(Some(value));
        let place = NonNull::from(&mut waiter);
        // SAFETY: ON-STACK: this frame stays until the park returns; the lock is held until the commit.
        unsafe { state.senders.push_back(place) };
        wait(state, place, WaitReason::ChanSend);
        waiter.item.map_or(Ok(()), |value| Err(SendError(value)))
    }

    /// The part of a receive that does not wait.
    fn poll<'a>(&'a self) -> Result<T, (TryRecvError, Guard<'a, State<T>>)> {
        let mut state = self.state.lock();
        if let Some(value) = state.buffer.pop_front() {
            // A waiting sender's value takes the room; its turn in the order is the buffer's tail.
            if let Some((Some(next), parked)) = state.senders.pop_front(Option::take) {
                state.buffer.push_back(next);
                drop(state);
                wake(parked);
            }
            return Ok(value);
        }
        if let Some((Some(value), parked)) = state.senders.pop_front(Option::take) {
            drop(state);
            wake(parked);
            return Ok(value);
        }
        let error = if state.closed { TryRecvError::Closed } else { TryRecvError::Empty };
        Err((error, state))
    }

    fn recv(&self) -> Result<T, RecvError> {
        let mut state = match self.poll() {
            Ok(value) => return Ok(value),
            Err((TryRecvError::Closed, _)) => return Err(RecvError),
            Err((TryRecvError::Empty, state)) => state,
        };
        let mut waiter = Waiter::new(None);
        let place = NonNull::from(&mut waiter);
        // SAFETY: as in `send`.
        unsafe { state.receivers.push_back(place) };
        wait(state, place, WaitReason::ChanReceive);
        waiter.item.ok_or(RecvError)
    }

    /// Wakes all who wait: receivers find nothing, senders keep their values. False if it was closed already.
    fn close(&self) -> bool {
        if core::mem::replace(&mut self.state.lock().closed, true) {
            return false;
        }
        while let Some(parked) = self.next_waiter() {
            wake(parked);
        }
        true
    }

    fn next_waiter(&self) -> Option<Parked<Kernel>> {
        let mut state = self.state.lock();
        let receiver = state.receivers.pop_front(|_| ());
        receiver.or_else(|| state.senders.pop_front(|_| ())).map(|((), parked)| parked)
    }
}

/// Parks the caller, whose record is queued; the lock is free when the caller is off its stack.
fn wait<T>(state: Guard<'_, State<T>>, place: NonNull<Waiter<Option<T>>>, reason: WaitReason) {
    let (held, off) = state.split();
    park(off, reason, move |_, parked| {
        // SAFETY: the lock is held since the record was queued.
        unsafe { WaitQueue::arm(place, parked) };
        drop(held);
        None
    });
}

fn wake(parked: Parked<Kernel>) {
    with_cx(|cx| sched().ready(cx, parked, true));
}

impl<T: Send> Sender<T> {
    /// Sends; waits while there is no room and nobody receives.
    ///
    /// # Errors
    /// If the channel is closed, before or while waiting: the value comes back.
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        self.chan.send(value)
    }

    /// Sends if that needs no waiting.
    ///
    /// # Errors
    /// If there is no room, or the channel is closed: the value comes back.
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        self.chan.offer(value).map_err(|(error, _)| error)
    }

    /// Closes the channel: what is buffered can still be received, then receives fail. False if it was closed already.
    pub fn close(&self) -> bool {
        self.chan.close()
    }

    /// How many values are buffered.
    pub fn len(&self) -> usize {
        self.chan.state.lock().buffer.len()
    }

    /// Whether nothing is buffered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many values the buffer holds.
    pub fn capacity(&self) -> usize {
        self.chan.capacity
    }
}

impl<T: Send> Receiver<T> {
    /// Receives; waits while nothing is there.
    ///
    /// # Errors
    /// If the channel is closed and empty.
    pub fn recv(&self) -> Result<T, RecvError> {
        self.chan.recv()
    }

    /// Receives if something is there.
    ///
    /// # Errors
    /// If nothing is, or nothing will ever be.
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.chan.poll().map_err(|(error, _)| error)
    }

    /// Receives until the channel is closed and empty.
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        core::iter::from_fn(|| self.recv().ok())
    }

    /// How many values are buffered.
    pub fn len(&self) -> usize {
        self.chan.state.lock().buffer.len()
    }

    /// Whether nothing is buffered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many values the buffer holds.
    pub fn capacity(&self) -> usize {
        self.chan.capacity
    }
}

macro_rules! half {
    ($half:ident, $count:ident) => {
        impl<T> Clone for $half<T> {
            fn clone(&self) -> Self {
                self.chan.$count.fetch_add(1, Ordering::Relaxed);
                Self { chan: self.chan.clone() }
            }
        }

        impl<T> Drop for $half<T> {
            fn drop(&mut self) {
                if self.chan.$count.fetch_sub(1, Ordering::AcqRel) == 1 {
                    self.chan.close();
                }
            }
        }

        impl<T> fmt::Debug for $half<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($half)).field("capacity", &self.chan.capacity).finish_non_exhaustive()
            }
        }
    };
}

half!(Sender, senders);
half!(Receiver, receivers);

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendError(..)")
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sending on a closed channel")
    }
}

impl<T> fmt::Debug for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Self::Full(_)) { "Full(..)" } else { "Closed(..)" })
    }
}

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "sending on a full channel",
            Self::Closed(_) => "sending on a closed channel",
        })
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("receiving on an empty and closed channel")
    }
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "receiving on an empty channel",
            Self::Closed => "receiving on an empty and closed channel",
        })
    }
}

impl<T> core::error::Error for SendError<T> {}
impl<T> core::error::Error for TrySendError<T> {}
impl core::error::Error for RecvError {}
impl core::error::Error for TryRecvError {}
