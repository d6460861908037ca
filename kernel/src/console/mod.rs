//! The console on the serial line: what somebody types, and what comes of it.
//!
//! [`keys`] reads keys from bytes, [`line`] and [`history`] hold what was typed, [`editor`] keeps the terminal in step
//! with them, [`command`] understands a finished line. All of these are pure and tested on the host.

pub mod command;
pub mod editor;
pub mod history;
pub mod keys;
pub mod line;
