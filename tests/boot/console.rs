//! The default program and its console, driven by real bytes on the serial line.

use gopark_tests::{
    kernel,
    trial::{Trial, status, trial},
};

const PROMPT: &str = "gopark> ";

/// The default program with somebody at the serial line.
fn console(variant: &'static str) -> Trial {
    trial(kernel!("program")).variant(variant).append("console=interactive").limit(120).expect(PROMPT)
}

pub fn rows() -> Vec<Trial> {
    vec![
        trial(kernel!("program")).append("console=none").limit(120).expect("SCHED ").forbid(PROMPT),
        console("poweroff").send("poweroff\r"),
        console("help")
            .send("help\r")
            .expect("schedtrace MS|off")
            .expect("run hog N")
            .expect(PROMPT)
            .send("poweroff\r"),
        console("unknown")
            .cores(&[2])
            .send("frobnicate\r")
            .expect("unknown command \"frobnicate\"; there are: help,")
            .expect(PROMPT)
            .send("spawn many\r")
            .expect("usage: spawn N, not \"many\"; N is a number from 1 to 100000")
            .expect(PROMPT)
            .send("poweroff\r"),
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
        console("ps").send("ps\r").expect("sleep").expect(PROMPT).send("cores\r").expect(PROMPT).send("poweroff\r"),
        console("hog")
            .send("run hog 8\r")
            .expect(PROMPT)
            .send("cores\r")
            .expect(PROMPT)
            .send("help\r")
            .expect("list the commands")
            .expect(PROMPT)
            .send("poweroff\r"),
        console("sieve").send("run sieve 100\r").expect("541").expect(PROMPT).send("poweroff\r"),
        console("spawn").memory("512M").send("spawn 10000\r").expect("10000").expect(PROMPT).send("poweroff\r"),
        console("kill-me")
            .send("kill-me\r")
            .expect("panic: ")
            .expect(PROMPT)
            .send("ps\r")
            .expect(PROMPT)
            .send("poweroff\r"),
        console("deadlock").send("deadlock\r").expect("asleep - deadlock!").status(status::CRASH),
        console("schedtrace")
            .send("schedtrace 50\r")
            .expect("SCHED ")
            .expect("SCHED ")
            .expect("SCHED ")
            .send("schedtrace off\r")
            .expect(PROMPT)
            .send("scheddetail\r")
            .expect("  P0: status=")
            .expect("  G1: status=")
            .expect(PROMPT)
            .send("poweroff\r"),
    ]
}
