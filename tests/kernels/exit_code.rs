//! A program's exit code reaches whoever started the machine.
#![no_std]
#![no_main]

use gopark::{ExitStatus, println};

gopark::main!(main);

fn main() -> ExitStatus {
    println!("leaving with 42");
    ExitStatus(42)
}
