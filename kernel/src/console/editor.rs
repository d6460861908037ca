//! The line editor: keys in, a finished line out, and what the terminal must show meanwhile.
//!
//! It puts [`Keys`], [`Line`] and [`History`] together and speaks to the terminal in the few sequences that all of them
//! know: backspace moves left, `ESC [ n C` right, `ESC [ K` erases to the end. What to do with a line is the caller's.
//!
//! *Invariants.* IN-STEP: between two bytes the terminal shows the prompt and the line, its cursor at the line's cursor.
//! The tests hold a small terminal of their own against it.
//!
//! *Context.* Pure; prints through the `echo` it is given, with LF for a new line.

#![forbid(unsafe_code)]

use core::fmt::{self, Write};

use super::{
    history::History,
    keys::{Key, Keys},
    line::Line,
};

/// What stands before the line.
pub const PROMPT: &str = "gopark> ";

/// What a byte led to.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Nothing to do yet.
    Editing,
    /// A line is finished; the terminal is on a new line, and [`Editor::prompt`] is due after it was dealt with.
    Line(&'a str),
    /// Somebody gave the line up with Ctrl-C; as above.
    Interrupted,
}

/// A line in the making.
#[derive(Debug, Default)]
pub struct Editor {
    keys: Keys,
    line: Line,
    history: History,
    done: Line,
}

impl Editor {
    /// An empty line, no history.
    pub const fn new() -> Self {
        Self { keys: Keys::new(), line: Line::new(), history: History::new(), done: Line::new() }
    }

    /// Prints the prompt, and the unfinished line behind it: also right after something else was printed meanwhile.
    pub fn prompt(&self, echo: &mut impl Write) -> fmt::Result {
        write!(echo, "\r{PROMPT}{}\x1b[K", self.line.as_str())?;
        left(echo, self.line.tail().len())
    }

    /// Takes one byte from the terminal.
    pub fn feed(&mut self, byte: u8, echo: &mut impl Write) -> Result<Event<'_>, fmt::Error> {
        match self.keys.feed(byte) {
            None => Ok(Event::Editing),
            Some(Key::Enter) => {
                echo.write_char('\n')?;
                self.history.push(&self.line);
                self.done.set(&self.line);
                self.line.clear();
                Ok(Event::Line(self.done.as_str()))
            }
            Some(Key::Interrupt) => {
                echo.write_str("^C\n")?;
                self.history.leave();
                self.line.clear();
                Ok(Event::Interrupted)
            }
            Some(key) => self.edit(key, echo).map(|()| Event::Editing),
        }
    }

    fn edit(&mut self, key: Key, echo: &mut impl Write) -> fmt::Result {
        match key {
            Key::Char(byte) => self.insert(byte, echo),
            Key::Backspace => self.erase(1, echo),
            Key::EraseWord => self.erase(self.line.word_left(), echo),
            Key::EraseToStart => self.erase(self.line.cursor(), echo),
            Key::Delete if self.line.erase_right() => self.show_tail(echo),
            Key::EraseToEnd if self.line.cut_tail() > 0 => self.show_tail(echo),
            Key::Left if self.line.move_left() => left(echo, 1),
            Key::Right if self.line.move_right() => right(echo, 1),
            Key::Home => left(echo, self.line.move_home()),
            Key::End => right(echo, self.line.move_end()),
            Key::Up => self.walk(History::older, echo),
            Key::Down => self.walk(History::newer, echo),
            Key::Redraw => self.prompt(echo),
            Key::EraseToEnd | Key::Delete | Key::Left | Key::Right | Key::Unknown | Key::Enter | Key::Interrupt => {
                bell(echo)
            }
        }
    }

    fn insert(&mut self, byte: u8, echo: &mut impl Write) -> fmt::Result {
        if !self.line.insert(byte) {
            return bell(echo);
        }
        echo.write_char(char::from(byte))?;
        if self.line.tail().is_empty() { Ok(()) } else { self.show_tail(echo) }
    }

    /// Erases characters to the left, or rings if there is none.
    fn erase(&mut self, n: usize, echo: &mut impl Write) -> fmt::Result {
        match self.line.erase_left(n) {
            0 => bell(echo),
            n => {
                left(echo, n)?;
                self.show_tail(echo)
            }
        }
    }

    /// Shows another line of the history in place of this one, or rings if there is none.
    fn walk(&mut self, step: fn(&mut History, &mut Line) -> bool, echo: &mut impl Write) -> fmt::Result {
        if !step(&mut self.history, &mut self.line) {
            return bell(echo);
        }
        self.prompt(echo)
    }

    /// Draws from the cursor to the end, and comes back.
    fn show_tail(&self, echo: &mut impl Write) -> fmt::Result {
        let tail = self.line.tail();
        write!(echo, "{tail}\x1b[K")?;
        left(echo, tail.len())
    }
}

fn bell(echo: &mut impl Write) -> fmt::Result {
    echo.write_char('\x07')
}

fn left(echo: &mut impl Write, n: usize) -> fmt::Result {
    match n {
        0 => Ok(()),
        1 => echo.write_char('\x08'),
        _ => write!(echo, "\x1b[{n}D"),
    }
}

fn right(echo: &mut impl Write, n: usize) -> fmt::Result {
    match n {
        0 => Ok(()),
        _ => write!(echo, "\x1b[{n}C"),
    }
}

#[cfg(test)]
#[path = "editor_tests.rs"]
mod tests;
