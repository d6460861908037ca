//! What somebody presses, read from the bytes of a serial terminal.
//!
//! Terminals disagree: the erase key sends DEL or BS, Enter sends CR, LF or both, arrows come as `ESC [ A` or `ESC O A`.
//! Here each becomes one [`Key`]. Bytes that mean nothing become [`Key::Unknown`], once per character or sequence, so
//! that garbage on the line is heard (a bell) but never stored.
//!
//! *Invariants.* ENTER-WINS: a control character inside an unfinished escape sequence ends the sequence and counts, so
//! noise cannot swallow the Enter behind it.
//!
//! *Context.* Pure: no heap, no clock. Without a clock a lone Escape waits for the next byte and takes it along.

#![forbid(unsafe_code)]

/// One key press.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each name says it")]
pub enum Key {
    /// A printable ASCII character.
    Char(u8),
    Enter,
    /// Erase the character to the left.
    Backspace,
    /// Erase the character under the cursor.
    Delete,
    Left,
    Right,
    Up,
    Down,
    Home,
    End,
    /// Ctrl-C: give this line up.
    Interrupt,
    /// Ctrl-U: erase everything left of the cursor.
    EraseToStart,
    /// Ctrl-K: erase everything right of it.
    EraseToEnd,
    /// Ctrl-W: erase the word to the left.
    EraseWord,
    /// Ctrl-L: draw the line again.
    Redraw,
    /// Something this console has no use for.
    Unknown,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Plain,
    /// Behind a CR, whose LF is still part of the same Enter.
    AfterCr,
    /// Behind ESC.
    Escape,
    /// Behind `ESC O`.
    Ss3,
    /// Behind `ESC [`, with the first parameter so far.
    Csi(u16),
    /// Behind the first parameter of a sequence with several.
    CsiRest(u16),
}

/// Turns bytes into keys.
#[derive(Debug, Default)]
pub struct Keys {
    state: State,
}

const ESC: u8 = 0x1b;

impl Keys {
    /// Nothing read yet.
    pub const fn new() -> Self {
        Self { state: State::Plain }
    }

    /// Takes one byte; `None` while a sequence is unfinished.
    pub fn feed(&mut self, byte: u8) -> Option<Key> {
        let state = core::mem::take(&mut self.state);
        if byte == ESC {
            self.state = State::Escape;
            return None;
        }
        if byte < b' ' || byte == 0x7f {
            return self.control(byte, state);
        }
        match state {
            State::Plain | State::AfterCr => character(byte),
            State::Escape => self.escape(byte),
            State::Ss3 => Some(final_byte(byte, 0)),
            State::Csi(first) | State::CsiRest(first) => self.csi(byte, first, state),
        }
    }

    fn control(&mut self, byte: u8, state: State) -> Option<Key> {
        let key = match byte {
            b'\n' if state == State::AfterCr => return None,
            b'\r' => {
                self.state = State::AfterCr;
                Key::Enter
            }
            b'\n' => Key::Enter,
            0x08 | 0x7f => Key::Backspace,
            0x01 => Key::Home,
            0x02 => Key::Left,
            0x03 => Key::Interrupt,
            0x04 => Key::Delete,
            0x05 => Key::End,
            0x06 => Key::Right,
            0x0b => Key::EraseToEnd,
            0x0c => Key::Redraw,
            0x0e => Key::Down,
            0x10 => Key::Up,
            0x15 => Key::EraseToStart,
            0x17 => Key::EraseWord,
            // Padding on slow lines.
            0x00 => return None,
            _ => Key::Unknown,
        };
        Some(key)
    }

    fn escape(&mut self, byte: u8) -> Option<Key> {
        self.state = match byte {
            b'[' => State::Csi(0),
            b'O' => State::Ss3,
            _ => return Some(Key::Unknown),
        };
        None
    }

    /// ECMA-48, 5.4: parameters and intermediates up to 0x3f, then one final byte.
    fn csi(&mut self, byte: u8, first: u16, state: State) -> Option<Key> {
        self.state = match (byte, state) {
            (b'0'..=b'9', State::Csi(_)) => State::Csi(first.saturating_mul(10).saturating_add(u16::from(byte - b'0'))),
            (..=0x3f, _) => State::CsiRest(first),
            _ => return Some(final_byte(byte, first)),
        };
        None
    }
}

/// A byte outside every sequence.
fn character(byte: u8) -> Option<Key> {
    match byte {
        b' '..=b'~' => Some(Key::Char(byte)),
        // The rest of a character whose first byte was reported already.
        0x80..=0xbf => None,
        _ => Some(Key::Unknown),
    }
}

/// The key that a sequence with this end and first parameter stands for.
fn final_byte(byte: u8, first: u16) -> Key {
    match (byte, first) {
        (b'A', _) => Key::Up,
        (b'B', _) => Key::Down,
        (b'C', _) => Key::Right,
        (b'D', _) => Key::Left,
        (b'H', _) | (b'~', 1 | 7) => Key::Home,
        (b'F', _) | (b'~', 4 | 8) => Key::End,
        (b'~', 3) => Key::Delete,
        _ => Key::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{vec, vec::Vec};

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut keys = Keys::new();
        bytes.iter().filter_map(|&byte| keys.feed(byte)).collect()
    }

    #[test]
    fn text_comes_through() {
        assert_eq!(keys(b"a ~"), [Key::Char(b'a'), Key::Char(b' '), Key::Char(b'~')]);
    }

    #[test]
    fn each_kind_of_enter_counts_once() {
        assert_eq!(keys(b"\r"), [Key::Enter]);
        assert_eq!(keys(b"\n"), [Key::Enter]);
        assert_eq!(keys(b"\r\n"), [Key::Enter]);
        assert_eq!(keys(b"\r\r\n\n"), [Key::Enter; 3]);
        assert_eq!(keys(b"\ra\n"), [Key::Enter, Key::Char(b'a'), Key::Enter]);
    }

    #[test]
    fn both_erase_keys_erase() {
        assert_eq!(keys(b"\x08\x7f"), [Key::Backspace; 2]);
    }

    #[test]
    fn arrows_come_in_two_dialects() {
        let all = [Key::Up, Key::Down, Key::Right, Key::Left];
        assert_eq!(keys(b"\x1b[A\x1b[B\x1b[C\x1b[D"), all);
        assert_eq!(keys(b"\x1bOA\x1bOB\x1bOC\x1bOD"), all);
        assert_eq!(keys(b"\x10\x0e\x06\x02"), all);
    }

    #[test]
    fn keys_with_numbers() {
        assert_eq!(keys(b"\x1b[1~\x1b[4~\x1b[3~"), [Key::Home, Key::End, Key::Delete]);
        assert_eq!(keys(b"\x1b[1;5D"), [Key::Left]);
        assert_eq!(keys(b"\x1b[99999999999~"), [Key::Unknown]);
        assert_eq!(keys(b"\x1b[5~x"), [Key::Unknown, Key::Char(b'x')]);
    }

    #[test]
    fn a_control_character_ends_a_sequence() {
        assert_eq!(keys(b"\x1b[12\r"), [Key::Enter]);
        assert_eq!(keys(b"\x1b\x03"), [Key::Interrupt]);
        assert_eq!(keys(b"\x1b\x1b[A"), [Key::Up]);
    }

    #[test]
    fn a_foreign_character_is_heard_once() {
        assert_eq!(keys("é€😀".as_bytes()), [Key::Unknown; 3]);
        assert_eq!(keys(b"\x80\xbf\0"), vec![]);
    }

    #[test]
    fn enter_is_never_lost_behind_noise() {
        for first in 0..=255 {
            for second in 0..=255 {
                let got = keys(&[first, second, b'x', b'\r']);
                assert_eq!(got.last(), Some(&Key::Enter), "{first:#x} {second:#x}");
            }
        }
    }
}
