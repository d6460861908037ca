//! What the console of one boot must show, in which order, and what is typed in answer.
//!
//! A pure state machine: console bytes go in, bytes to type come out. It knows no process and no clock, which it
//! leaves to [`crate::qemu`].
//!
//! *Invariants.* IN-ORDER: a text counts only where it stands behind the previous step's text, so a list of texts
//! describes one run of events. ONCE: what is to be typed is handed out once, when the step before it is done.

use std::{collections::VecDeque, fmt::Write as _};

/// One step of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Wait until this text appears.
    Expect(String),
    /// Type these bytes.
    Send(Vec<u8>),
}

/// The script of one boot, and how far it got.
#[derive(Clone, Debug)]
pub struct Script {
    todo: VecDeque<Step>,
    anywhere: Vec<String>,
    forbidden: Vec<String>,
    console: Vec<u8>,
    /// The end of the last text that was matched.
    cursor: usize,
    /// Up to where the text that is waited for was already looked for in vain.
    scanned: usize,
}

/// A console that says more than this has run away.
pub const MOST_CONSOLE_BYTES: usize = 8 << 20;

impl Script {
    /// A script that goes through `steps`.
    pub fn new(steps: &[Step]) -> Self {
        Self {
            todo: steps.iter().cloned().collect(),
            anywhere: Vec::new(),
            forbidden: Vec::new(),
            console: Vec::new(),
            cursor: 0,
            scanned: 0,
        }
    }

    /// Texts that must be there in the end, in whatever order.
    pub fn anywhere(self, texts: &[String]) -> Self {
        Self { anywhere: texts.to_vec(), ..self }
    }

    /// Texts that must never be there.
    pub fn forbid(self, texts: &[String]) -> Self {
        Self { forbidden: texts.to_vec(), ..self }
    }

    /// Takes what the console printed and returns what to type now.
    ///
    /// Carriage returns are dropped first: they move the cursor of a terminal and say nothing.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.console.extend(bytes.iter().filter(|&&byte| byte != b'\r'));
        let mut typed = Vec::new();
        while let Some(step) = self.todo.front() {
            match step {
                Step::Send(text) => typed.extend_from_slice(text),
                Step::Expect(text) => match find_from(&self.console, self.scanned, text.as_bytes()) {
                    Some(at) => {
                        self.cursor = at + text.len();
                        self.scanned = self.cursor;
                    }
                    None => {
                        // The text may have begun in what is here already.
                        self.scanned = self.cursor.max((self.console.len() + 1).saturating_sub(text.len()));
                        break;
                    }
                },
            }
            self.todo.pop_front();
        }
        typed
    }

    /// Whether the console printed more than any test has to say.
    pub fn ran_away(&self) -> bool {
        self.console.len() > MOST_CONSOLE_BYTES
    }

    /// Whether something will still be typed.
    pub fn wants_to_type(&self) -> bool {
        self.todo.iter().any(|step| matches!(step, Step::Send(_)))
    }

    /// Everything that was printed, as text.
    pub fn console(&self) -> String {
        String::from_utf8_lossy(&self.console).into_owned()
    }

    /// What is wrong with the console as it is now: nothing, or one line for each complaint.
    pub fn complaints(&self) -> String {
        let mut out = String::new();
        let missing = self.todo.iter().find_map(|step| match step {
            Step::Expect(text) => Some(text),
            Step::Send(_) => None,
        });
        if let Some(text) = missing {
            let elsewhere = match find_from(&self.console, 0, text.as_bytes()) {
                Some(_) => " (it is there, but before a text that it must follow)",
                None => "",
            };
            let _ = writeln!(out, "missing on the console: {text:?}{elsewhere}");
        }
        let has = |text: &&String| find_from(&self.console, 0, text.as_bytes()).is_some();
        for text in self.anywhere.iter().filter(|text| !has(text)) {
            let _ = writeln!(out, "missing on the console: {text:?}");
        }
        for text in self.forbidden.iter().filter(has) {
            let _ = writeln!(out, "must not be on the console: {text:?}");
        }
        out
    }
}

/// Where `needle` first stands in `hay` at or behind `from`.
fn find_from(hay: &[u8], from: usize, needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(from);
    }
    let found = hay.get(from..)?.windows(needle.len()).position(|window| window == needle)?;
    Some(from + found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expect(text: &str) -> Step {
        Step::Expect(text.into())
    }

    fn send(text: &str) -> Step {
        Step::Send(text.as_bytes().to_vec())
    }

    fn script(steps: &[Step]) -> Script {
        Script::new(steps)
    }

    #[test]
    fn an_empty_script_is_content_with_anything() {
        let mut s = script(&[]);
        assert!(s.feed(b"whatever").is_empty());
        assert_eq!(s.complaints(), "");
    }

    #[test]
    fn texts_are_found_across_chunks() {
        let mut s = script(&[expect("hello, world")]);
        for byte in b"say hello, world!" {
            s.feed(&[*byte]);
        }
        assert_eq!(s.complaints(), "");
    }

    #[test]
    fn a_false_start_does_not_hide_the_text() {
        let mut s = script(&[expect("aab")]);
        for chunk in ["a", "a", "a", "b"] {
            s.feed(chunk.as_bytes());
        }
        assert_eq!(s.complaints(), "");
    }

    #[test]
    fn order_matters_and_the_complaint_says_so() {
        let mut s = script(&[expect("b"), expect("a")]);
        s.feed(b"ab");
        assert!(s.complaints().contains("it is there, but before"), "{}", s.complaints());
    }

    #[test]
    fn one_text_does_not_serve_two_steps() {
        let mut s = script(&[expect("tick"), expect("tick")]);
        s.feed(b"tick");
        assert!(s.complaints().contains("missing"));
        s.feed(b" tick");
        assert_eq!(s.complaints(), "");
    }

    #[test]
    fn input_waits_for_its_cue_and_comes_once() {
        let mut s = script(&[expect("> "), send("help\r"), expect("> "), send("poweroff\r")]);
        assert!(s.wants_to_type());
        assert_eq!(s.feed(b"boot..."), b"");
        assert_eq!(s.feed(b"\n> "), b"help\r");
        assert_eq!(s.feed(b"help\r\nno more\n"), b"");
        assert_eq!(s.feed(b"> "), b"poweroff\r");
        assert!(!s.wants_to_type());
    }

    #[test]
    fn input_without_a_cue_is_typed_at_the_first_byte() {
        let mut s = script(&[send("a"), send("b"), expect("x")]);
        assert_eq!(s.feed(b""), b"ab");
        assert_eq!(s.feed(b"x"), b"");
    }

    #[test]
    fn carriage_returns_do_not_matter() {
        let mut s = script(&[expect("one\ntwo")]);
        s.feed(b"one\r\ntwo\r\n");
        assert_eq!(s.complaints(), "");
        assert_eq!(s.console(), "one\ntwo\n");
    }

    #[test]
    fn forbidden_texts_are_named() {
        let mut s = script(&[expect("done")]).forbid(&["panic".into()]);
        s.feed(b"done, after a panic");
        assert_eq!(s.complaints(), "must not be on the console: \"panic\"\n");
    }

    #[test]
    fn texts_without_an_order_are_looked_for_everywhere() {
        let mut s = script(&[expect("end")]).anywhere(&["b".into(), "a".into(), "x".into()]);
        s.feed(b"a b end");
        assert_eq!(s.complaints(), "missing on the console: \"x\"\n");
    }

    #[test]
    fn bytes_that_are_no_text_are_kept_apart() {
        let mut s = script(&[expect("é"), expect("end")]);
        s.feed(b"\xff\xc3");
        s.feed(b"\xa9 end");
        assert_eq!(s.complaints(), "");
        assert!(s.console().starts_with('\u{fffd}'));
    }
}
