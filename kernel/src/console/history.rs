//! The lines that were typed before, to walk through with up and down.
//!
//! A ring of [`KEPT`] lines. While somebody walks, the unfinished line is kept aside and comes back at the new end.
//!
//! *Invariants.* NO-ECHOES: neither empty lines nor the same line twice in a row are kept.

#![forbid(unsafe_code)]

use super::line::Line;

/// How many lines are kept.
pub const KEPT: usize = 16;

/// Earlier lines, and where in them somebody stands.
#[derive(Debug)]
pub struct History {
    ring: [Line; KEPT],
    /// How many lines were ever put in; the newest is at `count - 1`, modulo the ring.
    count: usize,
    /// How many steps back somebody went; 0 is the line being typed.
    back: usize,
    draft: Line,
}

impl Default for History {
    fn default() -> Self {
        Self::new()
    }
}

impl History {
    /// No lines yet.
    pub const fn new() -> Self {
        Self { ring: [const { Line::new() }; KEPT], count: 0, back: 0, draft: Line::new() }
    }

    /// Takes a finished line in, and ends the walk.
    pub fn push(&mut self, line: &Line) {
        self.back = 0;
        let again = self.count > 0 && self.ring[(self.count - 1) % KEPT].as_str() == line.as_str();
        if !line.is_empty() && !again {
            self.ring[self.count % KEPT].set(line);
            self.count += 1;
        }
    }

    /// Ends the walk without a new line.
    pub fn leave(&mut self) {
        self.back = 0;
    }

    /// Puts the line before this one into `line`; `false` if there is none.
    pub fn older(&mut self, line: &mut Line) -> bool {
        if self.back == self.count.min(KEPT) {
            return false;
        }
        if self.back == 0 {
            self.draft.set(line);
        }
        self.back += 1;
        line.set(&self.ring[(self.count - self.back) % KEPT]);
        true
    }

    /// Puts the line behind this one into `line`, at last the unfinished one; `false` if that is shown already.
    pub fn newer(&mut self, line: &mut Line) -> bool {
        if self.back == 0 {
            return false;
        }
        self.back -= 1;
        match self.back {
            0 => line.set(&self.draft),
            back => line.set(&self.ring[(self.count - back) % KEPT]),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{format, string::ToString};

    fn line(text: &str) -> Line {
        let mut line = Line::new();
        assert!(text.bytes().all(|byte| line.insert(byte)));
        line
    }

    fn history(lines: &[&str]) -> History {
        let mut history = History::new();
        lines.iter().for_each(|text| history.push(&line(text)));
        history
    }

    #[test]
    fn nothing_is_before_the_first() {
        let (mut h, mut l) = (History::new(), line("x"));
        assert!(!h.older(&mut l) && !h.newer(&mut l));
        assert_eq!(l.as_str(), "x");
    }

    #[test]
    fn up_and_down_come_back_to_the_draft() {
        let (mut h, mut l) = (history(&["a", "b"]), line("draft"));
        assert!(h.older(&mut l));
        assert_eq!(l.as_str(), "b");
        assert!(h.older(&mut l));
        assert_eq!((l.as_str(), l.cursor()), ("a", 1));
        assert!(!h.older(&mut l));
        assert!(h.newer(&mut l) && h.newer(&mut l));
        assert_eq!(l.as_str(), "draft");
        assert!(!h.newer(&mut l));
    }

    #[test]
    fn empty_lines_and_repeats_are_not_kept() {
        let (mut h, mut l) = (history(&["a", "", "a", "b", "a"]), Line::new());
        let mut seen = std::vec::Vec::new();
        while h.older(&mut l) {
            seen.push(l.as_str().to_string());
        }
        assert_eq!(seen, ["a", "b", "a"]);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut h = History::new();
        (0..KEPT + 5).for_each(|n| h.push(&line(&format!("{n}"))));
        let mut l = Line::new();
        while h.older(&mut l) {}
        assert_eq!(l.as_str(), "5");
    }

    #[test]
    fn a_new_line_ends_the_walk() {
        let (mut h, mut l) = (history(&["a", "b"]), Line::new());
        assert!(h.older(&mut l) && h.older(&mut l));
        h.push(&line("c"));
        assert!(h.older(&mut l));
        assert_eq!(l.as_str(), "c");
        h.leave();
        assert!(!h.newer(&mut l));
    }
}
