//! The scheduler's dice: xorshift64*, one per M, from one seed.
//!
//! Not for secrets. With one seed and one order of events it gives one order of choices, which replay is built on.
#![forbid(unsafe_code)]

use crate::sync::{AtomicU64, Ordering};

/// A generator that one core uses; an atomic only so that it may lie in a shared block.
#[derive(Debug)]
pub struct Rng(AtomicU64);

impl Rng {
    /// A generator; any seed will do.
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed | 1))
    }

    /// The next 32 bits.
    pub fn next_u32(&self) -> u32 {
        let mut x = self.0.load(Ordering::Relaxed);
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.0.store(x, Ordering::Relaxed);
        (x.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }
}
