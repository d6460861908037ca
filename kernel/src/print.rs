//! Console output: [`println!`](crate::println) for goroutines, [`raw_println!`](crate::raw_println) for everything else.
//!
//! A line is formatted first and written under the console's lock then: lines of several goroutines do not mix, and a
//! `Display` that panics, locks or yields does so without the lock.
//!
//! *Context.* `println!`: any G, g0; it allocates. `raw_println!`: anywhere, interrupt handlers and fatal paths too: no lock, no heap,
//! and lines may mix.

use alloc::string::String;
use core::fmt::{self, Write};

use crate::{
    dev::uart,
    lock::{Lock, Rank},
    panic,
};

static CONSOLE: Lock<()> = Lock::new(Rank::Console, ());

/// Writes formatted text to the console, as one piece.
pub fn print(text: fmt::Arguments<'_>) {
    if let Some(text) = text.as_str() {
        return write(text);
    }
    let mut line = Line(String::new());
    // Fails only if a `Display` says so: then what it wrote so far is printed.
    let _ = line.write_fmt(text);
    write(&line.0);
}

/// Collects a line. Without memory for it, it is printed piece by piece, and may mix with others'.
struct Line(String);

impl Write for Line {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        if self.0.try_reserve(piece.len()).is_ok() {
            self.0.push_str(piece);
        } else {
            write(&core::mem::take(&mut self.0));
            write(piece);
        }
        Ok(())
    }
}

/// Writes text to the console, as one piece.
pub fn write(text: &str) {
    if panic::is_ending() {
        return; // the report has the console to itself
    }
    let _one_at_a_time = CONSOLE.lock();
    uart::write(text.as_bytes());
}

/// Writes formatted text at once, whoever else writes.
pub fn raw(text: fmt::Arguments<'_>) {
    // The port's `write_str` does not fail; a `Display` that does has printed what it could.
    let _ = uart::Raw.write_fmt(text);
}

/// Prints to the serial console, with a newline. Any goroutine.
#[macro_export]
macro_rules! println {
    () => { $crate::print::print(::core::format_args!("\n")) };
    ($($arg:tt)*) => { $crate::print::print(::core::format_args!("{}\n", ::core::format_args!($($arg)*))) };
}

/// Prints to the serial console. Any goroutine.
#[macro_export]
macro_rules! print {
    ($($arg:tt)*) => { $crate::print::print(::core::format_args!($($arg)*)) };
}

/// Prints to the serial console from anywhere, without lock or heap.
#[macro_export]
macro_rules! raw_println {
    ($($arg:tt)*) => { $crate::print::raw(::core::format_args!("{}\n", ::core::format_args!($($arg)*))) };
}
