//! Sleeping, timers, and a machine with nothing to do.

use gopark_tests::{
    kernel,
    trial::{Trial, trial},
};

pub fn rows() -> Vec<Trial> {
    vec![
        trial(kernel!("sleep_order")),
        trial(kernel!("sleep_many")).limit(120),
        trial(kernel!("idle")).expect("timer interrupts"),
    ]
}
