//! What the console's commands do.
//!
//! *Context.* The console's goroutine, or `main` for the kernel command line. Commands that start long work let it run by itself,
//! so that the console stays at hand.
#![forbid(unsafe_code)]

use alloc::vec::Vec;

use super::{
    command::{Command, Help},
    demo, show,
};
use crate::{
    JoinHandle, boot, chan, go,
    machine::sched,
    print, println, shutdown,
    time::{Duration, Instant},
    trace,
};

/// Does it, and waits for what it started: for a command line that nobody sits at.
pub fn run_to_end(command: Command) {
    if let Command::Hog(n) = command {
        hog(n).into_iter().for_each(|hog| drop(hog.join()));
    } else {
        run(command);
    }
}

/// Does it.
pub fn run(command: Command) {
    match command {
        Command::Nothing => {}
        Command::Help => print::print(format_args!("{Help}")),
        Command::Ps => println!("{}", show::Ps),
        Command::Cores => println!("{}", show::Cores),
        Command::Mem => println!("{}", show::Mem),
        Command::Info => println!("{}", show::Info),
        Command::Schedtrace(period) => trace::set(period, boot::settings().scheddetail),
        Command::Scheddetail => trace::print_now(true),
        Command::Sieve(n) => println!("the {}th prime is {}", n, demo::sieve(n)),
        Command::Hog(n) => drop(hog(n)),
        Command::Spawn(n) => spawn(n),
        Command::KillMe => kill_me(),
        Command::Deadlock => deadlock(),
        Command::Clear => print::write("\x1b[2J\x1b[H"),
        Command::Poweroff => shutdown::exit(0),
    }
}

/// How long hogs run.
const HOG_TIME: Duration = Duration::from_secs(10);

fn hog(n: u32) -> Vec<JoinHandle<u64>> {
    let until = Instant::now() + HOG_TIME;
    println!("{n} goroutines compute for {} s without a call", HOG_TIME.as_secs());
    (0..n).map(|_| go(move || demo::hog(until))).collect()
}

fn spawn(n: u32) {
    let start = Instant::now();
    match demo::spawn(n) {
        Ok(sum) => {
            println!("{n} goroutines started and joined in {:?}; their numbers add up to {sum}", start.elapsed())
        }
        Err(error) => println!("{error}"),
    }
}

fn kill_me() {
    let victim = go(|| {
        let wanted: Option<u32> = core::hint::black_box(None);
        wanted.expect("kill-me was typed")
    });
    match victim.join() {
        Ok(value) => println!("it returned {value}"),
        Err(error) => println!("join: {error}"),
    }
}

/// Two goroutines that wait for each other for ever. The report comes when everything else is asleep too.
fn deadlock() {
    sched().forget_deadlock();
    let (to_first, first) = chan::unbuffered::<()>();
    let (to_second, second) = chan::unbuffered::<()>();
    drop(go(move || first.recv().map(|()| to_second.send(()))));
    drop(go(move || second.recv().map(|()| to_first.send(()))));
    println!("two goroutines wait for each other now");
}
