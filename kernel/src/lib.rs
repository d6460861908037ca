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

/// For [`main!`] and for this repository's own kernels. No part of the API: much of it is safe in the runtime's hands only.
#[doc(hidden)]
pub mod internals {
    pub use bootloader_api;

    pub use crate::{
        arch::clock::tsc,
        core::all as cores,
        machine::sched,
        mem::{audit, heap::Heap, layout::phys_to_virt, memops, paging},
    };
}

#[path = "arch/x86_64"]
mod arch {
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
mod core;
mod deadlock;
mod dev;
mod entry_macro;
mod fault;
mod go;
mod irq;
mod join;
mod lock;
mod machine;
mod mem;
pub mod panic;
mod preempt;
pub mod print;
mod report;
pub mod runtime;
pub mod settings;
mod shutdown;
mod stack;
mod symbols;
pub mod sync;
pub mod time;
pub mod trace;
mod waitq;

pub use go::{Builder, JoinError, JoinHandle, go};
pub use runtime::yield_now;
pub use shutdown::{ExitStatus, Termination, exit};
pub use stack::StackError;
