//! The end of the system.
//!
//! *Context.* [`exit`]: any G. [`now`]: anywhere.
#![forbid(unsafe_code)]

use core::sync::atomic::Ordering;

use crate::{
    arch::port::{self, ExitCode},
    machine::yield_now,
    panic::PANICKING,
    time::{Duration, Instant},
};

/// How long the end waits for a goroutine that prints its panic.
const PANIC_GRACE: Duration = Duration::from_secs(1);

/// Ends the system with a program's exit code: 0 is success; above 63 counts as 63.
///
/// Other goroutines just stop, wherever they are; one that is printing its panic is waited for.
pub fn exit(code: u8) -> ! {
    let until = Instant::now() + PANIC_GRACE;
    while PANICKING.load(Ordering::Acquire) != 0 && Instant::now() < until {
        yield_now();
    }
    now(ExitCode::program(code))
}

/// Ends the system at once.
pub(crate) fn now(code: ExitCode) -> ! {
    port::debug_exit(code)
}

/// What `main` may return.
pub trait Termination {
    /// Its exit code, after saying what there is to say.
    fn report(self) -> u8;
}

impl Termination for () {
    fn report(self) -> u8 {
        0
    }
}

impl Termination for ExitStatus {
    fn report(self) -> u8 {
        self.0
    }
}

impl<T: Termination, E: core::fmt::Debug> Termination for Result<T, E> {
    fn report(self) -> u8 {
        match self {
            Ok(value) => value.report(),
            Err(error) => {
                crate::println!("Error: {error:?}");
                1
            }
        }
    }
}

/// An exit code of its own, for a `main` that returns one: 0 is success, 1 to 63 reach the runner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitStatus(pub u8);
