//! The default program, what `cargo run` boots: one screen about the machine, a workload over all cores with the scheduler's trace
//! beside it, then a console if somebody sits at the serial line.
//!
//! Words on the kernel command line (`cargo run -- run hog 8`) are done instead of the workload, as if typed at the console.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::{string::ToString, vec::Vec};

use gopark::{
    ExitStatus, boot,
    console::{self, demo, show},
    go, println,
    settings::ConsoleMode,
    time::{Duration, Instant, sleep},
    trace,
};

gopark::main!(main);

fn main() -> ExitStatus {
    println!("{}\n", show::Info);
    let words = boot::settings().words().collect::<Vec<_>>().join(" ");
    let done = if words.is_empty() { workload() } else { console::run_line(&words) };
    if boot::settings().console == Some(ConsoleMode::Interactive) {
        let ended = match console::start() {
            Ok(console) => console.join().err().map(|error| error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        println!("the console ended: {}", ended.unwrap_or_default());
        return ExitStatus(1);
    }
    ExitStatus(u8::from(!done))
}

/// How often the workload's trace comes, unless the command line says.
const TRACE_MS: u32 = 100;

fn workload() -> bool {
    let own_trace = boot::settings().schedtrace.is_none();
    if own_trace {
        trace::set(Some(TRACE_MS), false);
    }
    let start = Instant::now();
    let fan = go(|| demo::fan(96, 20_000));
    let sieve = go(|| demo::sieve(200));
    let (fan, sieve) = (fan.join(), sieve.join());
    let took = start.elapsed();
    if own_trace {
        trace::set(None, false);
        sleep(Duration::from_millis(u64::from(TRACE_MS)));
    }
    match (fan, sieve) {
        (Ok(fan), Ok(prime)) => {
            println!("\nsieve: the 200th prime is {prime}, by a chain of 200 goroutines");
            println!("fan-in: {} has the longest Collatz sequence: {} steps", fan.longest.0, fan.longest.1);
            println!("pieces by core: {:?}; sleepers woken meanwhile: {}; {took:?} in all", fan.by_core, fan.woken);
            true
        }
        (fan, sieve) => {
            println!("the workload failed: {:?} {:?}", fan.err(), sieve.err());
            false
        }
    }
}
