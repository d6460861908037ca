//! FIFO queues of waiting goroutines, through records on the waiters' own stacks.
//!
//! *Locks.* A queue belongs to what contains it, and is touched under that lock alone.
//!
//! *Invariants.* ON-STACK: a record lies in the frame of a G that is parked, and leaves the queue before that G can run: whoever
//! takes it out takes its `Parked` too, reads and writes the record under the lock, and readies the G last. A dead G's stack is
//! never reused (KEPT-STACK), and a parked G cannot die.

use core::ptr::NonNull;

use gopark_sched::Parked;

use crate::machine::Kernel;

/// One waiter: what it waits with, and the right to wake it.
#[derive(Debug)]
pub(crate) struct Waiter<T> {
    next: Option<NonNull<Waiter<T>>>,
    parked: Option<Parked<Kernel>>,
    /// What it brings or wants.
    pub(crate) item: T,
}

impl<T> Waiter<T> {
    pub(crate) fn new(item: T) -> Self {
        Self { next: None, parked: None, item }
    }
}

/// A queue of [`Waiter`]s.
#[derive(Debug)]
pub(crate) struct WaitQueue<T> {
    head: Option<NonNull<Waiter<T>>>,
    tail: Option<NonNull<Waiter<T>>>,
}

// SAFETY: the records are reached only under the lock that guards the queue.
unsafe impl<T: Send> Send for WaitQueue<T> {}

impl<T> WaitQueue<T> {
    pub(crate) const fn new() -> Self {
        Self { head: None, tail: None }
    }

    /// Adds a record at the tail. Its G's park follows, whose commit calls [`WaitQueue::arm`].
    ///
    /// # Safety
    /// ON-STACK: `waiter` stays where it is until it left the queue, and the lock is held until `arm`.
    pub(crate) unsafe fn push_back(&mut self, waiter: NonNull<Waiter<T>>) {
        match self.tail {
            // SAFETY: ON-STACK.
            Some(tail) => unsafe { (*tail.as_ptr()).next = Some(waiter) },
            None => self.head = Some(waiter),
        }
        self.tail = Some(waiter);
    }

    /// Adds a record at the head: for one that waited before and lost.
    ///
    /// # Safety
    /// As [`WaitQueue::push_back`].
    pub(crate) unsafe fn push_front(&mut self, waiter: NonNull<Waiter<T>>) {
        // SAFETY: ON-STACK.
        unsafe { (*waiter.as_ptr()).next = self.head };
        if self.tail.is_none() {
            self.tail = Some(waiter);
        }
        self.head = Some(waiter);
    }

    /// Gives the record its right, from the commit of the park.
    ///
    /// # Safety
    /// `waiter` is in a queue whose lock is held since it was pushed.
    pub(crate) unsafe fn arm(waiter: NonNull<Waiter<T>>, parked: Parked<Kernel>) {
        // SAFETY: by contract nobody else can see the record yet.
        unsafe { (*waiter.as_ptr()).parked = Some(parked) };
    }

    /// Takes the first waiter: `f` may use its item, before the right to wake it is returned.
    pub(crate) fn pop_front<R>(&mut self, f: impl FnOnce(&mut T) -> R) -> Option<(R, Parked<Kernel>)> {
        self.pop_first(|_| true, f)
    }

    /// Takes the first waiter of which `which` is true.
    pub(crate) fn pop_first<R>(
        &mut self,
        which: impl Fn(&T) -> bool,
        f: impl FnOnce(&mut T) -> R,
    ) -> Option<(R, Parked<Kernel>)> {
        let mut before: Option<NonNull<Waiter<T>>> = None;
        let mut at = self.head?;
        loop {
            // SAFETY: ON-STACK: the G is parked until we give its right away.
            let waiter = unsafe { &mut *at.as_ptr() };
            if which(&waiter.item) {
                self.unlink(before, waiter);
                return match waiter.parked.take() {
                    Some(parked) => Some((f(&mut waiter.item), parked)),
                    None => unreachable!("a queued waiter is armed before the lock is free"),
                };
            }
            before = Some(at);
            at = waiter.next?;
        }
    }

    /// Moves all of which `which` is true to `to`, in order.
    pub(crate) fn move_all(&mut self, which: impl Fn(&T) -> bool, to: &mut Self) {
        let mut rest = core::mem::replace(self, Self::new());
        while let Some(first) = rest.head {
            // SAFETY: ON-STACK.
            let waiter = unsafe { &mut *first.as_ptr() };
            rest.head = waiter.next.take();
            let queue = if which(&waiter.item) { &mut *to } else { &mut *self };
            // SAFETY: it was in this queue, armed, and is in one queue again.
            unsafe { queue.push_back(first) };
        }
    }

    fn unlink(&mut self, before: Option<NonNull<Waiter<T>>>, waiter: &mut Waiter<T>) {
        let next = waiter.next.take();
        match before {
            // SAFETY: ON-STACK.
            Some(before) => unsafe { (*before.as_ptr()).next = next },
            None => self.head = next,
        }
        if next.is_none() {
            self.tail = before;
        }
    }

    /// Whether there is a waiter of which `which` is true.
    pub(crate) fn any(&self, which: impl Fn(&T) -> bool) -> bool {
        let mut at = self.head;
        while let Some(waiter) = at {
            // SAFETY: ON-STACK.
            let waiter = unsafe { waiter.as_ref() };
            if which(&waiter.item) {
                return true;
            }
            at = waiter.next;
        }
        false
    }
}
