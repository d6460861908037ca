//! Lists of Gs through their own links, and the global run queue that is one.
//!
//! A [`GList`] needs no memory of its own: each G has one link, and is in one list at most (ONE-RIGHT). The global
//! queue holds what found no room in a ring, what was preempted, and what yielded to everybody.
//!
//! A list that still holds Gs must not be dropped, as a `Runnable` must not.
//!
//! *Locks.* A `GList` belongs to its owner; the global queue is guarded by the scheduler's lock.

use crate::{g::GRef, machine::Machine, token::Runnable};

/// A queue of runnable Gs, linked through the Gs.
#[derive(Debug)]
pub struct GList<K: Machine> {
    head: Option<GRef<K>>,
    tail: Option<GRef<K>>,
    len: usize,
}

impl<K: Machine> GList<K> {
    /// An empty list.
    pub const fn new() -> Self {
        Self { head: None, tail: None, len: 0 }
    }

    /// How many Gs are in it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds `g` at the tail.
    pub fn push_back(&mut self, g: Runnable<K>) {
        let g = g.into_raw();
        g.set_link(None);
        match self.tail {
            Some(tail) => tail.set_link(Some(g)),
            None => self.head = Some(g),
        }
        self.tail = Some(g);
        self.len += 1;
    }

    /// Takes the G at the head.
    pub fn pop_front(&mut self) -> Option<Runnable<K>> {
        let g = self.head?;
        self.head = g.link();
        if self.head.is_none() {
            self.tail = None;
        }
        self.len -= 1;
        // SAFETY: ONE-RIGHT: the G left the list, and only `push_back` puts one in.
        Some(unsafe { Runnable::from_raw(g) })
    }

    /// Adds all of `other` at the tail.
    pub fn append(&mut self, other: &mut Self) {
        match self.tail {
            Some(tail) => tail.set_link(other.head),
            None => self.head = other.head,
        }
        if other.tail.is_some() {
            self.tail = other.tail;
        }
        self.len += other.len;
        (other.head, other.tail, other.len) = (None, None, 0);
    }

    /// Cuts the first `n` off.
    pub fn split_front(&mut self, n: usize) -> Self {
        let mut front = Self::new();
        while front.len < n
            && let Some(g) = self.pop_front()
        {
            front.push_back(g);
        }
        front
    }

    /// Walks the Gs without taking any.
    pub fn iter(&self) -> impl Iterator<Item = GRef<K>> + '_ {
        core::iter::successors(self.head, |g| g.link()).take(self.len)
    }
}

impl<K: Machine> Drop for GList<K> {
    fn drop(&mut self) {
        if let Some(g) = self.head {
            lost(g.id(), self.len);
        }
    }
}

#[cold]
fn lost(first: u64, len: usize) -> ! {
    panic!("a list of {len} runnable goroutines was lost, the first of them {first}");
}

impl<K: Machine> Default for GList<K> {
    fn default() -> Self {
        Self::new()
    }
}
