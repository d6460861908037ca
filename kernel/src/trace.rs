//! `schedtrace`: the scheduler's state, printed every so often by a goroutine of the system.
//!
//! *Context.* [`set`]: any G. *Differences from Go.* There sysmon prints; here a system goroutine does, which is scheduled like any
//! other, and is none of the reasons to stay alive.
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::{
    arch::clock,
    go::Builder,
    machine::sched,
    println,
    time::{Duration, sleep},
};

/// Milliseconds between two reports; 0 is off.
static PERIOD: AtomicU32 = AtomicU32::new(0);
static DETAIL: AtomicBool = AtomicBool::new(false);
/// Whether the goroutine is there.
static RUNNING: AtomicBool = AtomicBool::new(false);

/// Prints a report every `period` milliseconds from now on; `None` stops that. `detail` adds a line for each P, M and G.
pub fn set(period: Option<u32>, detail: bool) {
    PERIOD.store(period.unwrap_or(0), Ordering::Relaxed);
    DETAIL.store(detail, Ordering::Relaxed);
    if period.is_some() && !RUNNING.swap(true, Ordering::AcqRel) {
        match Builder::new().system().spawn(report) {
            Ok(handle) => drop(handle),
            Err(error) => {
                RUNNING.store(false, Ordering::Release);
                println!("gopark: no schedtrace: {error}");
            }
        }
    }
}

/// Prints one report.
pub fn print_now(detail: bool) {
    println!("{}", sched().schedtrace(clock::now(), detail));
}

fn report() {
    loop {
        while let period @ 1.. = PERIOD.load(Ordering::Relaxed) {
            print_now(DETAIL.load(Ordering::Relaxed));
            sleep(Duration::from_millis(period.into()));
        }
        RUNNING.store(false, Ordering::Release);
        // Switched on again in between, by somebody who saw us running: then it is still our turn.
        if PERIOD.load(Ordering::Relaxed) == 0 || RUNNING.swap(true, Ordering::AcqRel) {
            return;
        }
    }
}
