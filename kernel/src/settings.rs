//! The kernel command line: settings of the runtime, and the words meant for the program.
//!
//! A word `name=value` is a setting; other words are the program's (the first names the workload of the default
//! program), and so is everything behind a lone `--`. A setting that is unknown or malformed is told to the caller's
//! `complain`, which prints it, and changes nothing; the last of several wins. Whether a value suits the machine (more
//! Ps than cores) is for those who know the machine.
//!
//! A new setting is a field of [`Settings`] and one line of [`TABLE`].
//!
//! *Context.* Pure; needs no heap, so it runs before there is one.

#![forbid(unsafe_code)]

use core::{fmt, iter, str::FromStr};

/// What a panic in a goroutine ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PanicMode {
    /// That goroutine only; `join` tells.
    #[default]
    Goroutine,
    /// The whole system, as in Go.
    Abort,
}

/// Whether somebody sits at the serial line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleMode {
    /// There is: start a console.
    Interactive,
    /// There is not: the program's end is the system's end.
    None,
}

/// The settings, as far as the command line says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings<'a> {
    /// How many Ps; `None` means one per core.
    pub gomaxprocs: Option<usize>,
    /// Milliseconds between two lines of the scheduler's trace.
    pub schedtrace: Option<u32>,
    /// Whether that trace names every G, M and P.
    pub scheddetail: bool,
    /// Whether goroutines are preempted only where they yield by themselves.
    pub asyncpreemptoff: bool,
    /// Microseconds that a goroutine may run before others get their turn; `None` means Go's 10,000.
    pub slice: Option<u32>,
    /// The APIC id of a core that is not there, to be started like the others: shows what becomes of one that does not come.
    pub ghostcore: Option<u32>,
    /// What a panic in a goroutine ends.
    pub panic: PanicMode,
    /// Whether to start a console; `None` when nobody said.
    pub console: Option<ConsoleMode>,
    line: &'a str,
}

/// One known setting.
struct Setting {
    name: &'static str,
    /// Its values, for people.
    values: &'static str,
    /// Takes the value over; `false` if it is malformed.
    take: fn(&mut Settings<'_>, &str) -> bool,
}

const TABLE: &[Setting] = &[
    Setting { name: "gomaxprocs", values: "N", take: |s, v| set(&mut s.gomaxprocs, number(v, 1).map(Some)) },
    Setting { name: "schedtrace", values: "MS", take: |s, v| set(&mut s.schedtrace, number(v, 0).map(above_zero)) },
    Setting { name: "scheddetail", values: "0|1", take: |s, v| set(&mut s.scheddetail, switch(v)) },
    Setting { name: "asyncpreemptoff", values: "0|1", take: |s, v| set(&mut s.asyncpreemptoff, switch(v)) },
    Setting { name: "slice", values: "US", take: |s, v| set(&mut s.slice, number(v, LEAST_SLICE).map(Some)) },
    Setting { name: "ghostcore", values: "APICID", take: |s, v| set(&mut s.ghostcore, apic_id(v).map(Some)) },
    Setting { name: "panic", values: "goroutine|abort", take: |s, v| set(&mut s.panic, panic_mode(v)) },
    Setting {
        name: "console",
        values: "interactive|none",
        take: |s, v| set(&mut s.console, console_mode(v).map(Some)),
    },
];

/// A shorter slice would hardly leave time for the goroutine itself.
const LEAST_SLICE: u32 = 20;

/// Stores a value if there is one.
fn set<T>(field: &mut T, value: Option<T>) -> bool {
    value.map(|value| *field = value).is_some()
}

/// Decimal digits only: what the number parser takes beyond that (`+1`) is more likely a slip.
fn number<T: FromStr + PartialOrd>(text: &str, least: T) -> Option<T> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|value| digits && *value >= least)
}

/// 255 would mean all cores.
fn apic_id(text: &str) -> Option<u32> {
    number(text, 1).filter(|id| *id < 255)
}

fn above_zero(value: u32) -> Option<u32> {
    (value > 0).then_some(value)
}

fn switch(text: &str) -> Option<bool> {
    match text {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

fn panic_mode(text: &str) -> Option<PanicMode> {
    match text {
        "goroutine" => Some(PanicMode::Goroutine),
        "abort" => Some(PanicMode::Abort),
        _ => None,
    }
}

fn console_mode(text: &str) -> Option<ConsoleMode> {
    match text {
        "interactive" => Some(ConsoleMode::Interactive),
        "none" => Some(ConsoleMode::None),
        _ => None,
    }
}

/// What is wrong with the command line, as one line to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Complaint<'a> {
    /// No setting has this name.
    Unknown(&'a str),
    /// The setting exists, but not with this value.
    Malformed {
        /// The word as it stands on the command line.
        word: &'a str,
        /// What the setting takes.
        values: &'static str,
    },
    /// From this byte on the command line is not UTF-8.
    NotText(usize),
}

impl fmt::Display for Complaint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Complaint::Unknown(word) => {
                write!(f, "unknown setting {word:?} ignored; known:")?;
                TABLE.iter().try_for_each(|known| write!(f, " {}={}", known.name, known.values))
            }
            Complaint::Malformed { word, values } => {
                let name = word.split('=').next().unwrap_or_default();
                write!(f, "malformed setting {word:?} ignored; it takes {name}={values}")
            }
            Complaint::NotText(at) => {
                write!(f, "command line is not UTF-8 from byte {at} on; the rest is ignored")
            }
        }
    }
}

impl<'a> Settings<'a> {
    /// Reads a command line, and hands each thing wrong with it to `complain`.
    pub fn parse(bytes: &'a [u8], mut complain: impl FnMut(Complaint<'_>)) -> Self {
        let line = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        if line.len() < bytes.len() {
            complain(Complaint::NotText(line.len()));
        }
        let mut settings = Settings { line, ..Settings::default() };
        for word in words(line).0.filter(|word| word.contains('=')) {
            if let Err(complaint) = settings.take(word) {
                complain(complaint);
            }
        }
        settings
    }

    fn take<'w>(&mut self, word: &'w str) -> Result<(), Complaint<'w>> {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let known = TABLE.iter().find(|known| known.name == name).ok_or(Complaint::Unknown(word))?;
        let taken = (known.take)(self, value);
        taken.then_some(()).ok_or(Complaint::Malformed { word, values: known.values })
    }

    /// The command line as it was given, as far as it is text.
    pub fn line(&self) -> &'a str {
        self.line
    }

    /// The words that are no settings, then everything behind a lone `--`.
    pub fn words(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let (settings, own) = words(self.line);
        settings.filter(|word| !word.contains('=')).chain(own.split_ascii_whitespace())
    }
}

/// The words before a lone `--`, and the text behind it.
fn words(line: &str) -> (impl Iterator<Item = &str>, &str) {
    let own = iter::successors(Some(line.trim_ascii_start()), |rest| {
        let (_, behind) = rest.split_once(|c: char| c.is_ascii_whitespace())?;
        Some(behind.trim_ascii_start())
    })
    .find_map(|rest| {
        rest.strip_prefix("--").filter(|own| own.is_empty() || own.starts_with(|c: char| c.is_ascii_whitespace()))
    });
    (line.split_ascii_whitespace().take_while(|word| *word != "--"), own.unwrap_or(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{format, string::String, vec::Vec};

    fn parse(line: &str) -> (Settings<'_>, Vec<String>) {
        let mut complaints = Vec::new();
        let settings = Settings::parse(line.as_bytes(), |complaint| complaints.push(format!("{complaint}")));
        (settings, complaints)
    }

    fn words_of(line: &str) -> Vec<&str> {
        parse(line).0.words().collect()
    }

    #[test]
    fn an_empty_line_leaves_the_defaults() {
        let (settings, complaints) = parse("  \t ");
        assert_eq!(settings, Settings { line: "  \t ", ..Settings::default() });
        assert_eq!(settings.panic, PanicMode::Goroutine);
        assert!(complaints.is_empty());
    }

    #[test]
    fn every_setting_is_taken() {
        let (s, complaints) =
            parse("gomaxprocs=3 schedtrace=100 scheddetail=1 asyncpreemptoff=1 panic=abort console=interactive");
        assert_eq!((s.gomaxprocs, s.schedtrace), (Some(3), Some(100)));
        assert!(s.scheddetail && s.asyncpreemptoff);
        assert_eq!((s.panic, s.console), (PanicMode::Abort, Some(ConsoleMode::Interactive)));
        assert!(complaints.is_empty(), "{complaints:?}");
    }

    #[test]
    fn the_last_of_several_wins() {
        let (s, _) = parse("console=interactive scheddetail=1 console=none scheddetail=0 schedtrace=5 schedtrace=0");
        assert_eq!((s.console, s.scheddetail, s.schedtrace), (Some(ConsoleMode::None), false, None));
    }

    #[test]
    fn unknown_settings_are_named_with_what_exists() {
        let (s, complaints) = parse("foo=1 gomaxprocs=2");
        assert_eq!(s.gomaxprocs, Some(2));
        assert_eq!(complaints.len(), 1);
        assert!(complaints[0].starts_with("unknown setting \"foo=1\" ignored; known: gomaxprocs=N schedtrace=MS"));
    }

    #[test]
    fn malformed_values_change_nothing() {
        for word in
            ["gomaxprocs=0", "gomaxprocs=", "gomaxprocs=+1", "gomaxprocs=99999999999999999999999", "gomaxprocs=2x"]
        {
            let (s, complaints) = parse(word);
            assert_eq!(s.gomaxprocs, None, "{word}");
            assert_eq!(complaints, [format!("malformed setting {word:?} ignored; it takes gomaxprocs=N")]);
        }
        for word in
            ["scheddetail=yes", "panic=", "console=maybe", "schedtrace=-1", "asyncpreemptoff=01", "panic=abort=1"]
        {
            assert_eq!(parse(word).1.len(), 1, "{word}");
        }
    }

    #[test]
    fn a_malformed_value_does_not_undo_a_good_one() {
        assert_eq!(parse("gomaxprocs=2 gomaxprocs=x").0.gomaxprocs, Some(2));
    }

    #[test]
    fn other_words_are_the_programs() {
        assert_eq!(words_of("gomaxprocs=2 sieve schedtrace=1 1000"), ["sieve", "1000"]);
        assert_eq!(words_of(""), [""; 0]);
    }

    #[test]
    fn everything_behind_two_dashes_is_the_programs() {
        let (s, complaints) = parse("sieve -- gomaxprocs=2  x=y -- z");
        assert_eq!(s.gomaxprocs, None);
        assert!(complaints.is_empty());
        assert_eq!(s.words().collect::<Vec<_>>(), ["sieve", "gomaxprocs=2", "x=y", "--", "z"]);
        assert_eq!(words_of("--"), [""; 0]);
        assert_eq!(words_of("a --b c"), ["a", "--b", "c"]);
    }

    #[test]
    fn what_is_no_text_is_cut_off_and_named() {
        let mut complaints = Vec::new();
        let s = Settings::parse(b"gomaxprocs=2 a\xff schedtrace=1", |c| complaints.push(format!("{c}")));
        assert_eq!((s.gomaxprocs, s.schedtrace, s.line()), (Some(2), None, "gomaxprocs=2 a"));
        assert_eq!(complaints, ["command line is not UTF-8 from byte 14 on; the rest is ignored"]);
    }

    #[test]
    fn control_characters_do_not_reach_the_console() {
        assert!(parse("\u{1b}[2J=1").1[0].contains("\\u{1b}[2J=1"));
    }
}
