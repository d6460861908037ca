//! The console on the serial line: what somebody types, and what comes of it.
//!
//! [`keys`] reads keys from bytes, [`mod@line`] and [`history`] hold what was typed, [`editor`] keeps the terminal in step
//! with them, [`command`] understands a finished line: all pure, and tested on the host. [`run`] is the goroutine that blocks on
//! the UART, [`exec`] does what the commands say, with the programs of [`demo`] and the tables of [`show`].

pub mod command;
pub mod demo;
pub mod editor;
pub mod exec;
pub mod history;
pub mod keys;
pub mod line;
pub mod show;

use core::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
};

use gopark_sched::WaitReason;

use self::editor::{Editor, Event, PROMPT};
use crate::{
    Builder, JoinHandle,
    dev::uart,
    irq::CONSOLE_INPUT,
    machine::{park, sched},
    preempt::PreemptOff,
    print, println,
    stack::StackError,
};

/// Whether somebody sees a prompt, which others that print should print again.
static PROMPTED: AtomicBool = AtomicBool::new(false);

/// Echo of what is typed.
struct Echo;

impl fmt::Write for Echo {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        print::write(text);
        Ok(())
    }
}

/// Starts the console: a goroutine of the system, which runs next when a key wakes it, however many others compute.
///
/// # Errors
/// If there is a console already, or no memory for it.
pub fn start() -> Result<JoinHandle<()>, StartError> {
    static STARTED: AtomicBool = AtomicBool::new(false);
    if STARTED.swap(true, Ordering::AcqRel) {
        return Err(StartError::AlreadyThere);
    }
    Builder::new().system().spawn(run).map_err(StartError::Stack)
}

/// Why there is no (further) console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartError {
    /// One reads the serial line already.
    AlreadyThere,
    /// There is no memory for its stack.
    Stack(StackError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyThere => f.write_str("there is a console already"),
            Self::Stack(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for StartError {}

/// Reads commands and does them, until `poweroff` ends the system. Blocks its goroutine on the UART.
fn run() {
    println!("\nType `help` for the commands, `poweroff` to end.");
    let mut editor = Editor::new();
    let mut bytes = [0; 64];
    prompt(&editor);
    loop {
        let n = uart::read(&mut bytes);
        if n == 0 {
            wait_for_input();
        }
        for &byte in &bytes[..n] {
            take(&mut editor, byte);
        }
    }
}

fn take(editor: &mut Editor, byte: u8) {
    // The echo's `write_str` does not fail, so the editor does not.
    match editor.feed(byte, &mut Echo) {
        Ok(Event::Line(text)) => {
            PROMPTED.store(false, Ordering::Relaxed);
            match command::parse(text) {
                Ok(command) => exec::run(command),
                Err(error) => println!("{error}"),
            }
            prompt(editor);
        }
        Ok(Event::Interrupted) => prompt(editor),
        Ok(Event::Editing) | Err(_) => {}
    }
}

fn prompt(editor: &Editor) {
    // As in `take`.
    let _ = editor.prompt(&mut Echo);
    PROMPTED.store(true, Ordering::Relaxed);
}

/// Something else was printed below a prompt that is waiting: shows it again. From anywhere that may print.
pub(crate) fn prompt_again() {
    if PROMPTED.load(Ordering::Relaxed) {
        crate::print!("{PROMPT}");
    }
}

/// Parks until the UART's interrupt has left something in the ring.
fn wait_for_input() {
    if !CONSOLE_INPUT.take_fired() {
        park(PreemptOff::new(), WaitReason::IoWait, |_, parked| sched().poll_wait(&CONSOLE_INPUT, parked));
    }
}

/// Does what a line says, as if it was typed; `run` may be left out. False if it is no command: then it says why.
pub fn run_line(line: &str) -> bool {
    let longer = alloc::format!("run {line}");
    match command::parse(line).or_else(|error| command::parse(&longer).map_err(|_| error)) {
        Ok(command) => exec::run_to_end(command),
        Err(error) => {
            println!("{error}");
            return false;
        }
    }
    true
}
