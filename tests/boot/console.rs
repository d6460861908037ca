//! The default program and its console, driven by real bytes on the serial line.

use gopark_tests::{
    kernel,
    trial::{Trial, trial},
};

const PROMPT: &str = "gopark> ";

/// The default program with somebody at the serial line; `info` takes the place of its workload.
fn console(variant: &'static str) -> Trial {
    trial(kernel!("program")).variant(variant).append("console=interactive info").limit(60).expect(PROMPT)
}

pub fn rows() -> Vec<Trial> {
    let mut rows = vec![
        trial(kernel!("program")).append("console=none").limit(120).expect("SCHED ").forbid(PROMPT),
        console("poweroff").send("poweroff\r"),
    ];
    rows.extend(typing());
    rows.extend(looking());
    rows.extend(doing());
    rows
}

/// What is typed: commands, slips, edits.
fn typing() -> Vec<Trial> {
    vec![
        answered("help", "help", "schedtrace MS|off"),
        answered("unknown", "frobnicate", "unknown command \"frobnicate\"; there are: help,").cores(&[2]),
        answered("malformed", "spawn many", "usage: spawn N, not \"many\"; N is a number from 1 to 100000").cores(&[2]),
        console("editing")
            .cores(&[2])
            .send("rubbish\x15hell\x7fp\r")
            .expect("list the commands")
            .expect(PROMPT)
            .send("poweroff\x03")
            .expect("^C")
            .expect(PROMPT)
            .send("\x1b[A\r")
            .expect("list the commands")
            .expect(PROMPT)
            .send("poweroff\n"),
    ]
}

/// Commands that show something.
fn looking() -> Vec<Trial> {
    vec![
        answered("ps", "ps", "the system"),
        answered("cores", "cores", "SWITCHES"),
        answered("mem", "mem", "free").cores(&[2]),
        answered("scheddetail", "scheddetail", "  P0: status=").cores(&[2]),
        console("schedtrace")
            .send("schedtrace 50\r")
            .expect("SCHED ")
            .expect("SCHED ")
            .expect("SCHED ")
            .send("schedtrace off\r")
            .expect(PROMPT)
            .send("poweroff\r"),
    ]
}

/// Commands that do something.
fn doing() -> Vec<Trial> {
    vec![
        console("hog")
            .send("run hog 8\r")
            .expect(PROMPT)
            .send("cores\r")
            .expect(PROMPT)
            .send("help\r")
            .expect("list the commands")
            .expect(PROMPT)
            .send("poweroff\r"),
        answered("sieve", "run sieve 100", "541"),
        answered("spawn", "spawn 10000", "10000 goroutines").memory("512M"),
        answered("kill-me", "kill-me", "panic: "),
        answered("deadlock", "deadlock", "asleep - deadlock!"),
    ]
}

/// One command and what must come, then the end.
fn answered(variant: &'static str, command: &str, answer: &str) -> Trial {
    console(variant).send(command).send("\r").expect(answer).expect(PROMPT).send("poweroff\r")
}
