//! The line editor against a terminal of one line that understands exactly the sequences the editor may use.

use std::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::*;
use crate::console::line::MAX;

/// Columns and a cursor.
#[derive(Default)]
struct Terminal {
    row: Vec<u8>,
    cursor: usize,
    bells: usize,
}

impl Terminal {
    fn show(&mut self, text: &str) {
        let mut rest = text.as_bytes();
        while let Some((&byte, behind)) = rest.split_first() {
            rest = if byte == 0x1b { self.sequence(behind) } else { self.byte(byte, behind) };
        }
    }

    fn byte<'a>(&mut self, byte: u8, behind: &'a [u8]) -> &'a [u8] {
        match byte {
            b'\r' => self.cursor = 0,
            b'\n' => (self.row, self.cursor) = (Vec::new(), 0),
            0x07 => self.bells += 1,
            0x08 => self.cursor = self.cursor.checked_sub(1).expect("left of the edge"),
            _ => {
                assert!((b' '..=b'~').contains(&byte), "the terminal got {byte:#x}");
                self.row.resize(self.row.len().max(self.cursor + 1), b' ');
                self.row[self.cursor] = byte;
                self.cursor += 1;
            }
        }
        behind
    }

    fn sequence<'a>(&mut self, behind: &'a [u8]) -> &'a [u8] {
        let end = behind.iter().position(u8::is_ascii_alphabetic).expect("unfinished sequence");
        let text = std::str::from_utf8(&behind[..end]).unwrap();
        let n = || text.strip_prefix('[').and_then(|n| n.parse::<usize>().ok()).expect("no number");
        match behind[end] {
            b'K' => self.row.truncate(self.cursor),
            b'C' => self.cursor += n(),
            b'D' => self.cursor = self.cursor.checked_sub(n()).expect("left of the edge"),
            other => panic!("unknown sequence {other:#x}"),
        }
        &behind[end + 1..]
    }
}

/// An editor at its terminal.
struct Desk {
    editor: Editor,
    terminal: Terminal,
    lines: Vec<String>,
}

impl Desk {
    fn new() -> Self {
        let mut desk = Desk { editor: Editor::new(), terminal: Terminal::default(), lines: Vec::new() };
        desk.prompt();
        desk
    }

    fn prompt(&mut self) {
        let mut echo = String::new();
        self.editor.prompt(&mut echo).unwrap();
        self.terminal.show(&echo);
    }

    fn key_in(&mut self, bytes: &[u8]) -> &mut Self {
        for &byte in bytes {
            let mut echo = String::new();
            let finished = match self.editor.feed(byte, &mut echo).unwrap() {
                Event::Editing => None,
                Event::Line(text) => Some(text.to_string()),
                Event::Interrupted => Some("^C".to_string()),
            };
            self.terminal.show(&echo);
            if let Some(line) = finished {
                self.lines.push(line);
                self.prompt();
            }
            self.in_step();
        }
        self
    }

    /// IN-STEP.
    fn in_step(&self) {
        let wanted = format!("{PROMPT}{}", self.editor.line.as_str());
        assert_eq!(String::from_utf8_lossy(&self.terminal.row), wanted);
        assert_eq!(self.terminal.cursor, PROMPT.len() + self.editor.line.cursor());
    }

    fn lines(&self) -> &[String] {
        &self.lines
    }
}

#[test]
fn a_line_is_typed_and_entered() {
    let mut desk = Desk::new();
    desk.key_in(b"help\r\nps\n\r");
    assert_eq!(desk.lines(), ["help", "ps", ""]);
}

#[test]
fn slips_are_mended() {
    assert_eq!(Desk::new().key_in(b"hrlp\x08\x7f\x7felp\r").lines(), ["help"]);
    assert_eq!(Desk::new().key_in(b"rubbish\x15help\r").lines(), ["help"]);
    assert_eq!(Desk::new().key_in(b"run hog 9  \x17\x178\r").lines(), ["run 8"]);
}

#[test]
fn edits_in_the_middle() {
    assert_eq!(Desk::new().key_in(b"hlp\x1b[D\x1b[De\r").lines(), ["help"]);
    assert_eq!(Desk::new().key_in(b"xhelp\x01\x1b[3~\r").lines(), ["help"]);
    assert_eq!(Desk::new().key_in(b"elp\x01h\x05!\x08\r").lines(), ["help"]);
    assert_eq!(Desk::new().key_in(b"helpless\x02\x02\x02\x02\x0b\r").lines(), ["help"]);
    assert_eq!(Desk::new().key_in(b"a b c\x02\x02\x17x\r").lines(), ["a x c"]);
}

#[test]
fn ctrl_c_gives_the_line_up() {
    assert_eq!(Desk::new().key_in(b"poweroff\x03ps\r").lines(), ["^C", "ps"]);
}

#[test]
fn history_walks_and_returns() {
    let mut desk = Desk::new();
    desk.key_in(b"one\rtwo\rdra\x1b[A\x1b[A\r");
    assert_eq!(desk.lines(), ["one", "two", "one"]);
    desk.key_in(b"ft\x1b[A\x1b[B\r");
    assert_eq!(desk.lines().last().unwrap(), "ft");
}

#[test]
fn a_line_from_history_can_be_changed_without_changing_history() {
    let mut desk = Desk::new();
    desk.key_in(b"spawn 1\r\x1b[A0\r\x1b[A\x1b[A\r");
    assert_eq!(desk.lines(), ["spawn 1", "spawn 10", "spawn 1"]);
}

#[test]
fn what_cannot_be_done_rings() {
    for keys in ["\x08", "\x15", "\x17", "\x1b[A", "\x1b[B", "\x1b[D", "\x1b[C", "\x1b[3~", "\x1b[5~", "é", "\x07"] {
        let mut desk = Desk::new();
        desk.key_in(keys.as_bytes());
        assert_eq!(desk.terminal.bells, 1, "{keys:?}");
    }
}

#[test]
fn a_line_that_is_too_long_rings_and_keeps_what_fits() {
    let mut desk = Desk::new();
    desk.key_in(&[b'x'; MAX + 3]);
    assert_eq!(desk.terminal.bells, 3);
    desk.key_in(b"\r");
    assert_eq!(desk.lines()[0].len(), MAX);
}

#[test]
fn redrawing_shows_the_unfinished_line() {
    let mut desk = Desk::new();
    desk.key_in(b"he\x1b[D");
    desk.terminal.show("\rSCHED 100ms: gomaxprocs=4\n");
    desk.prompt();
    desk.key_in(b"\x0c");
}

/// Any bytes at all: no panic, terminal and line in step, and Enter still works.
#[test]
fn random_bytes_do_no_harm() {
    let interesting = b"\x1b[OABCD~13;\r\n\x08\x7f\x01\x05\x15\x17\x0b\x03ab c\xc3\xa9\xff\0";
    for seed in 0..300u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut desk = Desk::new();
        for _ in 0..400 {
            // xorshift64, Marsaglia 2003
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let byte = if state & 1 == 0 {
                interesting[(state >> 8) as usize % interesting.len()]
            } else {
                (state >> 16) as u8
            };
            desk.key_in(&[byte]);
        }
        desk.key_in(b"\x03end\r");
        assert_eq!(desk.lines().last().unwrap(), "end");
    }
}
