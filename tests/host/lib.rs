//! The host's side of the tests: boots a kernel, talks to its console, and judges what it did.
//!
//! One module per concern: [`script`] knows what to wait for and what to type, [`qemu`] runs one boot under a time
//! limit, [`trial`] says what a test is, [`figures`] compares measurements with a saved baseline. The tables of tests
//! are not here but in `tests/boot/`, the measurements in `tests/bench/`: both find their kernels through cargo.

#![forbid(unsafe_code)]

pub mod figures;
pub mod qemu;
pub mod script;
pub mod trial;

/// The path of a test kernel, which cargo built before the program that names it.
///
/// Only integration tests and benches may use it: cargo tells nobody else where the binaries are.
#[macro_export]
macro_rules! kernel {
    ($name:literal) => {
        $crate::trial::Kernel { name: $name, path: env!(concat!("CARGO_BIN_EXE_", $name)) }
    };
}
