//! `WaitGroup`: waits for a number of goroutines.
//!
//! *Context.* Any G. *Invariants.* COUNT: the upper half of the word is the counter, the lower half how many wait.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering};

use gopark_sched::WaitReason;

use super::sema::{self, Wait};
use crate::machine::current_g;

const ONE: u64 = 1 << 32;

/// Counts what is still to be done; [`WaitGroup::wait`] waits until nothing is.
#[derive(Debug, Default)]
pub struct WaitGroup {
    word: AtomicU64,
}

impl WaitGroup {
    /// A group with nothing to be done.
    pub const fn new() -> Self {
        Self { word: AtomicU64::new(0) }
    }

    /// `n` more are to be done.
    ///
    /// # Panics
    /// If there are more than 2³¹ at once.
    pub fn add(&self, n: u32) {
        let before = self.word.fetch_add(u64::from(n) * ONE, Ordering::Relaxed);
        let count = (before >> 32) + u64::from(n);
        assert!(count < 1 << 31, "sync: WaitGroup counter overflow");
    }

    /// One of them is done.
    ///
    /// # Panics
    /// If nothing was to be done: "sync: negative WaitGroup counter".
    pub fn done(&self) {
        let taken = self.word.fetch_update(Ordering::Release, Ordering::Relaxed, |w| w.checked_sub(ONE));
        let Ok(before) = taken else { panic!("sync: negative WaitGroup counter") };
        if before >> 32 == 1 && before as u32 != 0 {
            self.release();
        }
    }

    /// The counter is 0 and somebody waits. All who wait leave, unless the counter grew again meanwhile.
    fn release(&self) {
        let reset = |w: u64| (w >> 32 == 0 && w as u32 != 0).then_some(0);
        sema::wake_all(self.addr(), || self.word.fetch_update(Ordering::AcqRel, Ordering::Relaxed, reset).is_ok());
    }

    /// Waits until the counter is 0; what was done before each `done` is visible after.
    ///
    /// # Panics
    /// If it would have to wait outside any goroutine.
    pub fn wait(&self) {
        loop {
            let word = self.word.load(Ordering::Acquire);
            if word >> 32 == 0 {
                return;
            }
            let announced = self.word.compare_exchange(word, word + 1, Ordering::Relaxed, Ordering::Relaxed);
            if announced.is_ok() {
                return self.sleep();
            }
        }
    }

    fn sleep(&self) {
        let Some(g) = current_g() else { panic!("a wait group is waited for by goroutines only") };
        let how = Wait { addr: self.addr(), reason: WaitReason::SyncWaitGroupWait, since: None, owner: None };
        // Our announcement stands in the word until the release takes it out.
        sema::wait(&how, g, || self.word.load(Ordering::Acquire) as u32 != 0);
    }

    fn addr(&self) -> usize {
        (&raw const self.word) as usize
    }
}
