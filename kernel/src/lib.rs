//! gopark: Go's scheduler on bare metal.
//!
//! A Rust program that links this library and names its `main` with [`main!`] is a kernel image for x86-64: it boots on all cores,
//! and runs goroutines on them with nothing underneath.
//!
//! ```ignore
//! #![no_std]
//! #![no_main]
//! use gopark::{chan, go, println};
//!
//! gopark::main!(main);
//!
//! fn main() {
//!     let (tx, rx) = chan::bounded(8);
//!     for n in 0..4 {
//!         let tx = tx.clone();
//!         drop(go(move || tx.send(n * n)));
//!     }
//!     drop(tx);
//!     println!("the sum is {}", rx.iter().sum::<i32>());
//! }
//! ```
//!
//! What goroutines call: [`go`](fn@go), [`chan`], [`sync`], [`time`], [`runtime`]. What runs them: `gopark-sched`. What is below:
//! [`machine`], [`mod@boot`], [`irq`], [`arch`], [`mem`].
#![cfg_attr(not(test), no_std)]

extern crate alloc;

#[doc(hidden)]
pub use bootloader_api;

#[path = "arch/x86_64"]
pub mod arch {
    //! The processor and its platform: x86-64.
    pub mod acpi;
    pub mod apic;
    mod calibrate;
    pub mod clock;
    pub(crate) mod context;
    mod cpuid;
    pub(crate) mod entry;
    pub mod gdt;
    pub mod idt;
    pub mod ioapic;
    mod list;
    mod madt;
    mod mmio;
    pub mod pic;
    pub mod port;
    mod reference;
    pub mod smp;
    pub mod timer;
    mod trampoline;
    mod tsc_sync;
    pub mod vector;
}

mod backtrace;
pub mod boot;
pub mod chan;
pub mod console;
pub mod core;
mod deadlock;
pub mod dev;
mod entry_macro;
mod fault;
mod go;
pub mod irq;
mod join;
pub mod lock;
pub mod machine;
pub mod mem;
pub mod panic;
pub mod preempt;
pub mod print;
pub mod report;
pub mod runtime;
pub mod settings;
mod shutdown;
pub mod stack;
pub mod symbols;
pub mod sync;
pub mod time;
pub mod trace;
mod waitq;

pub use go::{Builder, JoinError, JoinHandle, go};
pub use runtime::yield_now;
pub use shutdown::{ExitStatus, Termination, exit};
