//! What no core may do with a page: one attempt per boot and core; and a look at every core's tables and control registers.

use gopark_tests::{
    kernel,
    trial::{Trial, trial},
};

/// What is tried, and the page fault's error code: a write (bit 1) or a fetch (bit 4) that the page's rights forbid (bit 0).
const ATTEMPTS: [(&str, &str); 4] =
    [("write_text", "0x3"), ("write_alias", "0x3"), ("run_alias", "0x11"), ("run_heap", "0x11")];

pub fn rows() -> Vec<Trial> {
    let audit = trial(kernel!("wx")).append("audit").anywhere("core 0 keeps the rules").expect("cores visited");
    let attempts = (0..4).flat_map(|core| ATTEMPTS.map(|(what, error)| attempt(what, core, error)));
    [audit].into_iter().chain(attempts).collect()
}

fn attempt(what: &str, core: u32, error: &str) -> Trial {
    trial(kernel!("wx"))
        .variant(format!("{what}_{core}").leak())
        .append(format!("{what} {core}").leak())
        .cores(&[4])
        .crash("a CPU exception")
        .expect(&format!("exception 14 (page fault), error code {error}"))
        .expect(&format!("core {core} "))
        .forbid("still alive")
}
