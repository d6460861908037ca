//! A ring of bytes from an interrupt handler to whoever reads.
//!
//! Its one job is to carry bytes without a lock: the handler must never wait, and the reader may be preempted anywhere.
//!
//! *Invariants.* ONE-PRODUCER: one interrupt handler on one core pushes. Readers may be several; each byte goes to one
//! of them.
//!
//! *Memory order.*
//!
//! | producer | reader |
//! |---|---|
//! | acquires `head`: the slot was read | acquires `tail`: the slot was written |
//! | writes the slot | reads the slot |
//! | releases `tail` | releases `head` by exchange, or tries again |

#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

/// Up to `N` bytes on their way; `N` is a power of two.
#[derive(Debug)]
pub struct Ring<const N: usize> {
    slots: [AtomicU8; N],
    /// The next byte to read; counts for ever.
    head: AtomicUsize,
    /// The next slot to write; counts for ever.
    tail: AtomicUsize,
}

impl<const N: usize> Ring<N> {
    /// An empty ring.
    pub const fn new() -> Self {
        assert!(N.is_power_of_two(), "positions wrap with the counters");
        Self { slots: [const { AtomicU8::new(0) }; N], head: AtomicUsize::new(0), tail: AtomicUsize::new(0) }
    }

    /// Appends a byte; `false` if there is no room. By the producer only.
    #[must_use]
    pub fn push(&self, byte: u8) -> bool {
        let tail = self.tail.load(Ordering::Relaxed);
        if tail.wrapping_sub(self.head.load(Ordering::Acquire)) == N {
            return false;
        }
        self.slots[tail % N].store(byte, Ordering::Relaxed);
        self.tail.store(tail.wrapping_add(1), Ordering::Release);
        true
    }

    /// Takes the oldest byte, if there is one.
    pub fn pop(&self) -> Option<u8> {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            if head == self.tail.load(Ordering::Acquire) {
                return None;
            }
            let byte = self.slots[head % N].load(Ordering::Relaxed);
            match self.head.compare_exchange(head, head.wrapping_add(1), Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return Some(byte),
                Err(taken) => head = taken,
            }
        }
    }

    /// Whether no byte is there to be read.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.head.load(Ordering::Relaxed) == self.tail.load(Ordering::Acquire)
    }

    /// Whether there is no room.
    pub fn is_full(&self) -> bool {
        self.tail.load(Ordering::Relaxed).wrapping_sub(self.head.load(Ordering::Acquire)) == N
    }
}

impl<const N: usize> Default for Ring<N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::Ring;

    #[test]
    fn first_in_first_out_until_full() {
        let ring = Ring::<4>::new();
        assert!(ring.is_empty() && ring.pop().is_none());
        for round in 0..100u8 {
            (0..4).for_each(|i| assert!(ring.push(round + i)));
            assert!(ring.is_full() && !ring.push(0));
            (0..4).for_each(|i| assert_eq!(ring.pop(), Some(round + i)));
            assert_eq!(ring.pop(), None);
        }
    }

    #[test]
    fn two_readers_share_every_byte_once() {
        let ring = Ring::<8>::new();
        let total: u64 = (0..20_000u64).map(|i| i % 251).sum();
        let (ring, left) = (&ring, std::sync::atomic::AtomicUsize::new(20_000));
        let read = || {
            let mut sum = 0u64;
            while left.load(std::sync::atomic::Ordering::Relaxed) != 0 {
                match ring.pop() {
                    Some(byte) => {
                        sum += u64::from(byte);
                        left.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
                    }
                    None => std::thread::yield_now(),
                }
            }
            sum
        };
        let got: u64 = std::thread::scope(|scope| {
            let readers = [scope.spawn(read), scope.spawn(read)];
            for i in 0..20_000u64 {
                while !ring.push((i % 251) as u8) {
                    std::thread::yield_now();
                }
            }
            readers.into_iter().map(|reader| reader.join().expect("readers do not panic")).sum()
        });
        assert_eq!(got, total);
    }
}
