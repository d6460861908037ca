//! Small programs that show the scheduler at work.
#![forbid(unsafe_code)]

use alloc::vec::Vec;
use core::{
    hint::black_box,
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::{
    Builder,
    chan::{self, Receiver},
    core::MAX_CORES,
    go, runtime,
    stack::StackError,
    sync::WaitGroup,
    time::{Duration, Instant, sleep},
};

/// The `n`th prime, by a chain of goroutines: each lets through what its prime does not divide. `n` is at least 1.
pub fn sieve(n: u32) -> u32 {
    let (numbers, mut source) = chan::unbuffered();
    drop(go(move || (2u32..).try_for_each(|n| numbers.send(n))));
    for _ in 1..n {
        source = filter(source);
    }
    source.recv().unwrap_or(0)
}

fn filter(source: Receiver<u32>) -> Receiver<u32> {
    let (rest, next) = chan::unbuffered();
    drop(go(move || {
        let Ok(prime) = source.recv() else { return };
        for n in source.iter().filter(|n| n % prime != 0) {
            if rest.send(n).is_err() {
                return; // whoever wanted more is gone
            }
        }
    }));
    next
}

/// Computes until then, in a loop without a call.
pub fn hog(until: Instant) -> u64 {
    let mut x = 1u64;
    while Instant::now() < until {
        for _ in 0..1000 {
            x = black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
    }
    x
}

/// Starts `n` goroutines that do nothing but end, and waits for them; the sum of their results.
///
/// # Errors
/// If memory ends first.
pub fn spawn(n: u32) -> Result<u64, StackError> {
    let all = (0..n).map(|i| Builder::new().spawn(move || u64::from(i))).collect::<Result<Vec<_>, _>>()?;
    Ok(all.into_iter().filter_map(|handle| handle.join().ok()).sum())
}

/// What [`fan`] found.
#[derive(Debug)]
pub struct Fan {
    /// The longest Collatz sequence's start, and its length.
    pub longest: (u64, u32),
    /// How many pieces each core finished.
    pub by_core: Vec<usize>,
    /// How many sleepers woke meanwhile.
    pub woken: usize,
}

static BY_CORE: [AtomicUsize; MAX_CORES] = [const { AtomicUsize::new(0) }; MAX_CORES];
static WOKEN: AtomicUsize = AtomicUsize::new(0);
static SLEEPERS: WaitGroup = WaitGroup::new();

/// Fan-out and fan-in: `pieces` goroutines look for the longest Collatz sequence below `pieces * size`, and send what they found
/// to one; others sleep and wake meanwhile.
pub fn fan(pieces: u64, size: u64) -> Fan {
    BY_CORE.iter().for_each(|count| count.store(0, Ordering::Relaxed));
    WOKEN.store(0, Ordering::Relaxed);
    sleepers(16);
    let (found, results) = chan::bounded(16);
    for piece in 0..pieces {
        let found = found.clone();
        drop(go(move || {
            let best = longest_collatz(piece * size + 1..(piece + 1) * size);
            BY_CORE[runtime::core_id()].fetch_add(1, Ordering::Relaxed);
            found.send(best)
        }));
    }
    drop(found);
    let longest = results.iter().max_by_key(|best| best.1).unwrap_or((0, 0));
    SLEEPERS.wait();
    Fan {
        longest,
        by_core: BY_CORE.iter().take(runtime::num_cpu()).map(|count| count.load(Ordering::Relaxed)).collect(),
        woken: WOKEN.load(Ordering::Relaxed),
    }
}

fn sleepers(n: u32) {
    SLEEPERS.add(n);
    for i in 1..=n {
        drop(go(move || {
            for _ in 0..4 {
                sleep(Duration::from_millis(u64::from(i)));
                WOKEN.fetch_add(1, Ordering::Relaxed);
            }
            SLEEPERS.done();
        }));
    }
}

fn longest_collatz(starts: core::ops::Range<u64>) -> (u64, u32) {
    starts.map(|n| (n, collatz(n))).max_by_key(|best| best.1).unwrap_or((0, 0))
}

fn collatz(mut n: u64) -> u32 {
    let mut steps = 0;
    while n > 1 {
        n = if n.is_multiple_of(2) { n / 2 } else { 3 * n + 1 };
        steps += 1;
    }
    steps
}
