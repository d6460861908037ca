//! Goroutines and what they do with each other: creation, scheduling, channels, locks.

use gopark_tests::{
    kernel,
    trial::{Trial, trial},
};

pub fn rows() -> Vec<Trial> {
    vec![
        trial(kernel!("hello")).variant("large").cores(&[8, 64]).expect("hello from").check(counts_cores),
        trial(kernel!("hello")).expect("hello from").check(counts_cores),
        trial(kernel!("parallel")).cores(&[1, 2, 4, 8]),
        trial(kernel!("yield_progress")),
        trial(kernel!("num_goroutine")),
        trial(kernel!("daisy_chain")),
        trial(kernel!("steal")).cores(&[1, 2, 4, 8]).expect("done on each core"),
        // Under -icount all cores advance evenly, so shares can be asked for: each at least half of a fair one.
        trial(kernel!("steal"))
            .variant("shares")
            .cores(&[2, 4])
            .setting(&["--icount", "shift=0,sleep=off"])
            .append("-- 15"),
        trial(kernel!("steal")).variant("large").cores(&[64]).limit(240).expect("done on each core"),
        trial(kernel!("wakeup")).cores(&[1, 2, 4, 8]),
        trial(kernel!("preempt")),
        trial(kernel!("x87")).cores(&[1, 2]).expect("each has its own x87 stack"),
        trial(kernel!("preempt_float")).append("slice=50").cores(&[1, 2, 4]).limit(120).check(often),
        trial(kernel!("preempt_float"))
            .variant("icount")
            .setting(&["--icount", "shift=0,sleep=off"])
            .append("slice=20 -- 20")
            .cores(&[1, 2])
            .limit(120)
            .check(thousands_of_times),
        trial(kernel!("float_control")).append("slice=50"),
        trial(kernel!("fair")),
        trial(kernel!("chan_fifo")),
        trial(kernel!("chan_close")),
        trial(kernel!("mutex")),
        trial(kernel!("mutex_abandoned")).expect("panic: with the lock in my hands").expect("everybody knows"),
        trial(kernel!("waitgroup")),
        trial(kernel!("many")).memory("1G").cores(&[1, 4]).limit(240).expect("100001 goroutines"),
    ]
}

/// All cores came up, and each has a P.
fn counts_cores(console: &str, cores: u32) -> Result<(), String> {
    let wanted = format!("hello from {cores} cores, {cores} Ps\n");
    if console.contains(&wanted) { Ok(()) } else { Err(format!("missing on the console: {wanted:?}")) }
}

/// The kernel says how often it was preempted; exactness it checks itself.
fn preempted(console: &str, least: u64) -> Result<(), String> {
    let number = |line: &str| line.strip_prefix("preempted ")?.strip_suffix(" times")?.parse::<u64>().ok();
    match console.lines().find_map(number) {
        Some(count) if count >= least => Ok(()),
        Some(few) => Err(format!("preempted {few} times: too few to show anything")),
        None => Err("it does not say how often it was preempted".into()),
    }
}

/// How often depends on how fast the host is.
fn often(console: &str, _: u32) -> Result<(), String> {
    preempted(console, 100)
}

/// Under -icount it does not.
fn thousands_of_times(console: &str, _: u32) -> Result<(), String> {
    preempted(console, 2_000)
}
