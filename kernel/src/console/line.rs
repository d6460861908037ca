//! One line of text with a cursor: the edits, without a terminal.
//!
//! *Invariants.* ASCII: only printable ASCII is stored, so a byte is a character is a column, and the distance to move a
//! terminal's cursor is a difference of indices. FITS: never longer than [`MAX`]; what does not fit is refused.

#![forbid(unsafe_code)]

/// The longest line.
pub const MAX: usize = 200;

/// A line and the place in it where the next character goes.
#[derive(Clone, Debug)]
pub struct Line {
    text: [u8; MAX],
    len: usize,
    cursor: usize,
}

impl Default for Line {
    fn default() -> Self {
        Self::new()
    }
}

impl Line {
    /// An empty line.
    pub const fn new() -> Self {
        Self { text: [0; MAX], len: 0, cursor: 0 }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // ASCII holds, so this is never the empty default.
        core::str::from_utf8(&self.text[..self.len]).unwrap_or("")
    }

    /// The text from the cursor on.
    pub fn tail(&self) -> &str {
        &self.as_str()[self.cursor..]
    }

    /// The cursor's place.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// How many characters there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Empties the line.
    pub fn clear(&mut self) {
        (self.len, self.cursor) = (0, 0);
    }

    /// Takes another line's text over, with the cursor at its end.
    pub fn set(&mut self, other: &Line) {
        self.text = other.text;
        (self.len, self.cursor) = (other.len, other.len);
    }

    /// Puts a character in at the cursor; `false` if the line is full or the byte is not printable ASCII.
    pub fn insert(&mut self, byte: u8) -> bool {
        if self.len == MAX || !(b' '..=b'~').contains(&byte) {
            return false;
        }
        self.text.copy_within(self.cursor..self.len, self.cursor + 1);
        self.text[self.cursor] = byte;
        self.len += 1;
        self.cursor += 1;
        true
    }

    /// Erases `n` characters left of the cursor, or as many as there are; returns how many.
    pub fn erase_left(&mut self, n: usize) -> usize {
        let n = n.min(self.cursor);
        self.text.copy_within(self.cursor..self.len, self.cursor - n);
        self.len -= n;
        self.cursor -= n;
        n
    }

    /// Erases the character under the cursor; `false` at the end.
    pub fn erase_right(&mut self) -> bool {
        self.move_right() && self.erase_left(1) == 1
    }

    /// Erases everything from the cursor on; returns how many characters that were.
    pub fn cut_tail(&mut self) -> usize {
        let n = self.len - self.cursor;
        self.len = self.cursor;
        n
    }

    /// How far left of the cursor the word begins that ends there, blanks behind it included.
    pub fn word_left(&self) -> usize {
        let head = &self.as_str()[..self.cursor];
        let word = head.trim_end_matches(' ');
        self.cursor - word.rfind(' ').map_or(0, |blank| blank + 1)
    }

    /// Moves the cursor left; `false` at the start.
    pub fn move_left(&mut self) -> bool {
        let can = self.cursor > 0;
        self.cursor -= usize::from(can);
        can
    }

    /// Moves the cursor right; `false` at the end.
    pub fn move_right(&mut self) -> bool {
        let can = self.cursor < self.len;
        self.cursor += usize::from(can);
        can
    }

    /// Moves the cursor to the start; returns by how much.
    pub fn move_home(&mut self) -> usize {
        core::mem::take(&mut self.cursor)
    }

    /// Moves the cursor to the end; returns by how much.
    pub fn move_end(&mut self) -> usize {
        let n = self.len - self.cursor;
        self.cursor = self.len;
        n
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        let mut line = Line::new();
        assert!(text.bytes().all(|byte| line.insert(byte)));
        line
    }

    #[test]
    fn characters_go_in_at_the_cursor() {
        let mut l = line("ac");
        l.move_left();
        assert!(l.insert(b'b'));
        assert_eq!((l.as_str(), l.tail(), l.cursor()), ("abc", "c", 2));
    }

    #[test]
    fn a_full_line_refuses_more() {
        let mut l = line(&"x".repeat(MAX));
        assert!(!l.insert(b'y'));
        l.move_home();
        assert!(!l.insert(b'y'));
        assert_eq!(l.len(), MAX);
    }

    #[test]
    fn only_printable_ascii_is_stored() {
        let mut l = Line::new();
        assert!([0, 0x1b, 0x7f, 0x80, 0xff].iter().all(|&byte| !l.insert(byte)));
        assert!(l.is_empty());
    }

    #[test]
    fn erasing_stops_at_the_ends() {
        let mut l = line("abc");
        assert!(!l.erase_right());
        assert_eq!(l.erase_left(9), 3);
        assert_eq!(l.erase_left(1), 0);
    }

    #[test]
    fn erasing_in_the_middle_keeps_the_rest() {
        let mut l = line("abcd");
        l.move_left();
        l.move_left();
        assert_eq!(l.erase_left(1), 1);
        assert_eq!((l.as_str(), l.cursor()), ("acd", 1));
        assert!(l.erase_right());
        assert_eq!(l.as_str(), "ad");
        assert_eq!((l.cut_tail(), l.cursor()), (1, 1));
        assert_eq!(l.as_str(), "a");
    }

    #[test]
    fn words_end_at_blanks() {
        assert_eq!(line("run sieve  ").word_left(), 7);
        assert_eq!(line("run").word_left(), 3);
        assert_eq!(line("   ").word_left(), 3);
        assert_eq!(line("").word_left(), 0);
    }

    #[test]
    fn home_and_end_say_how_far() {
        let mut l = line("abc");
        assert_eq!((l.move_home(), l.move_home(), l.move_end(), l.move_end()), (3, 0, 3, 0));
        assert!(!l.move_right());
    }
}
