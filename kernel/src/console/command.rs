//! The console's commands: from a line of text to a [`Command`], or to an error that says what was wrong and what exists.
//!
//! What a command does is not here: it runs on a goroutine, in `exec`. A new command is a variant and a line of [`TABLE`].

#![forbid(unsafe_code)]

use core::{fmt, ops::RangeInclusive, str::SplitAsciiWhitespace};

/// Something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Nothing: an empty line.
    Nothing,
    /// List the commands.
    Help,
    /// List all goroutines.
    Ps,
    /// Show what each core does.
    Cores,
    /// Show memory in use.
    Mem,
    /// Show the version, the machine and the command line.
    Info,
    /// Print a line of scheduler trace every so many milliseconds; `None` stops it.
    Schedtrace(Option<u32>),
    /// Print one detailed block of the scheduler's state.
    Scheddetail,
    /// Find this many primes with a chain of goroutines.
    Sieve(u32),
    /// Start this many goroutines that compute without ever calling anything.
    Hog(u32),
    /// Start this many goroutines that do little and end.
    Spawn(u32),
    /// Start a goroutine that panics.
    KillMe,
    /// Start two goroutines that wait for each other.
    Deadlock,
    /// Clear the terminal.
    Clear,
    /// End the system.
    Poweroff,
}

/// One known command.
#[derive(Debug)]
pub struct Spec {
    /// Its words.
    name: &'static str,
    /// Its argument, for people.
    argument: &'static str,
    /// What it does, for `help`.
    about: &'static str,
    kind: Kind,
}

/// What a command takes.
#[derive(Debug)]
enum Kind {
    /// Nothing.
    Plain(Command),
    /// A number in this range.
    Number(RangeInclusive<u32>, fn(u32) -> Command),
    /// A number in this range, or `off`.
    NumberOrOff(RangeInclusive<u32>, fn(Option<u32>) -> Command),
}

/// All commands, in the order of `help`.
pub const TABLE: &[Spec] = &[
    plain("help", "list the commands", Command::Help),
    plain("info", "show the machine and the settings", Command::Info),
    plain("ps", "list all goroutines: state, what they wait for and how long, core, creator", Command::Ps),
    plain("cores", "show each core: state, goroutine, switches, steals, interrupts, idle share", Command::Cores),
    plain("mem", "show memory in use", Command::Mem),
    Spec {
        name: "schedtrace",
        argument: " MS|off",
        about: "print a line of scheduler trace every MS milliseconds",
        kind: Kind::NumberOrOff(1..=3_600_000, Command::Schedtrace),
    },
    plain("scheddetail", "print the state of every G, M and P once", Command::Scheddetail),
    number("run sieve", "find the first N primes, one goroutine for each", 1..=10_000, Command::Sieve),
    number("run hog", "start N goroutines that compute without a call", 1..=1_000, Command::Hog),
    number("spawn", "start N goroutines and wait for them", 1..=100_000, Command::Spawn),
    plain("kill-me", "start a goroutine that panics", Command::KillMe),
    plain("deadlock", "start two goroutines that wait for each other for ever", Command::Deadlock),
    plain("clear", "clear the terminal", Command::Clear),
    plain("poweroff", "end the system", Command::Poweroff),
];

const fn plain(name: &'static str, about: &'static str, command: Command) -> Spec {
    Spec { name, argument: "", about, kind: Kind::Plain(command) }
}

const fn number(
    name: &'static str,
    about: &'static str,
    range: RangeInclusive<u32>,
    command: fn(u32) -> Command,
) -> Spec {
    Spec { name, argument: " N", about, kind: Kind::Number(range, command) }
}

/// What is wrong with a line.
#[derive(Debug)]
pub enum Error<'a> {
    /// No command has this name; all of them are listed.
    Unknown(&'a str),
    /// A command of several words, and its second word is missing or not known.
    Incomplete {
        /// The first word.
        first: &'a str,
        /// The second, if there is one.
        second: Option<&'a str>,
    },
    /// The argument is missing.
    Missing(&'static Spec),
    /// The argument is not what the command takes.
    Malformed(&'static Spec, &'a str),
    /// There is more on the line than the command takes.
    Surplus(&'static Spec, &'a str),
}

/// Reads one line.
pub fn parse(line: &str) -> Result<Command, Error<'_>> {
    let mut words = line.split_ascii_whitespace();
    let Some(first) = words.next() else {
        return Ok(Command::Nothing);
    };
    let spec = find(first, &mut words)?;
    let command = spec.read(words.next())?;
    match words.next() {
        Some(word) => Err(Error::Surplus(spec, word)),
        None => Ok(command),
    }
}

/// The command of this name; takes a second word from the line where the name has two.
fn find<'a>(first: &'a str, words: &mut SplitAsciiWhitespace<'a>) -> Result<&'static Spec, Error<'a>> {
    if let Some(spec) = TABLE.iter().find(|spec| spec.name == first) {
        return Ok(spec);
    }
    let seconds = || TABLE.iter().filter_map(|spec| Some((spec, spec.name.strip_prefix(first)?.strip_prefix(' ')?)));
    if seconds().next().is_none() {
        return Err(Error::Unknown(first));
    }
    let second = words.next();
    let found = seconds().find(|(_, name)| Some(*name) == second);
    found.map(|(spec, _)| spec).ok_or(Error::Incomplete { first, second })
}

/// How to write it.
impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, self.argument)
    }
}

impl Spec {
    fn read<'a>(&'static self, word: Option<&'a str>) -> Result<Command, Error<'a>> {
        let number = |range: &RangeInclusive<u32>, word: &'a str| {
            let digits = word.bytes().all(|byte| byte.is_ascii_digit());
            let number = word.parse().ok().filter(|number| digits && range.contains(number));
            number.ok_or(Error::Malformed(self, word))
        };
        match (&self.kind, word) {
            (Kind::Plain(command), None) => Ok(*command),
            (Kind::Plain(_), Some(word)) => Err(Error::Surplus(self, word)),
            (Kind::Number(..) | Kind::NumberOrOff(..), None) => Err(Error::Missing(self)),
            (Kind::NumberOrOff(_, make), Some("off")) => Ok(make(None)),
            (Kind::NumberOrOff(range, make), Some(word)) => number(range, word).map(|n| make(Some(n))),
            (Kind::Number(range, make), Some(word)) => number(range, word).map(make),
        }
    }

    /// What the argument must be.
    fn wants(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Plain(_) => f.write_str("it takes nothing"),
            Kind::Number(range, _) => write!(f, "N is a number from {} to {}", range.start(), range.end()),
            Kind::NumberOrOff(range, _) => write!(f, "MS is a number from {} to {}", range.start(), range.end()),
        }
    }
}

/// A line for each command: what `help` prints.
#[derive(Debug)]
pub struct Help;

impl fmt::Display for Help {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        TABLE.iter().try_for_each(|spec| {
            let pad = 20 - spec.name.len() - spec.argument.len();
            writeln!(f, "  {spec}{:pad$}{}", "", spec.about)
        })
    }
}

impl fmt::Display for Error<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Unknown(word) => {
                write!(f, "unknown command {word:?}; there are:")?;
                list(f, TABLE.iter())
            }
            Error::Incomplete { first, second } => {
                match second {
                    Some(word) => write!(f, "unknown: {first} {word:?}; there are:")?,
                    None => write!(f, "{first} what? There are:")?,
                }
                list(f, TABLE.iter().filter(|spec| spec.name.split(' ').next() == Some(first)))
            }
            Error::Missing(spec) => {
                write!(f, "usage: {spec}; ")?;
                spec.wants(f)
            }
            Error::Malformed(spec, word) => {
                write!(f, "usage: {spec}, not {word:?}; ")?;
                spec.wants(f)
            }
            Error::Surplus(spec, word) => write!(f, "usage: {spec}, and no {word:?} behind it"),
        }
    }
}

fn list<'s>(f: &mut fmt::Formatter<'_>, mut specs: impl Iterator<Item = &'s Spec>) -> fmt::Result {
    let mut comma = "";
    specs.try_for_each(|spec| write!(f, "{} {spec}", core::mem::replace(&mut comma, ",")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{format, string::String};

    fn error(line: &str) -> String {
        format!("{}", parse(line).expect_err(line))
    }

    #[test]
    fn every_command_is_understood() {
        let lines = [
            ("", Command::Nothing),
            ("  \t", Command::Nothing),
            ("help", Command::Help),
            ("info", Command::Info),
            ("ps", Command::Ps),
            (" cores ", Command::Cores),
            ("mem", Command::Mem),
            ("schedtrace 100", Command::Schedtrace(Some(100))),
            ("schedtrace off", Command::Schedtrace(None)),
            ("scheddetail", Command::Scheddetail),
            ("run sieve 100", Command::Sieve(100)),
            ("run  hog  8", Command::Hog(8)),
            ("spawn 100000", Command::Spawn(100_000)),
            ("kill-me", Command::KillMe),
            ("deadlock", Command::Deadlock),
            ("clear", Command::Clear),
            ("poweroff", Command::Poweroff),
        ];
        for (line, command) in lines {
            assert_eq!(parse(line).ok(), Some(command), "{line:?}");
        }
    }

    #[test]
    fn unknown_commands_are_named_and_all_others_listed() {
        let text = error("hlep me");
        assert!(text.starts_with("unknown command \"hlep\"; there are: help, info, ps,"), "{text}");
        assert!(text.contains("schedtrace MS|off") && text.contains("run hog N"), "{text}");
        assert!(TABLE.iter().all(|spec| text.contains(spec.name)));
    }

    #[test]
    fn a_missing_or_unknown_second_word() {
        assert_eq!(error("run"), "run what? There are: run sieve N, run hog N");
        assert_eq!(error("run away 3"), "unknown: run \"away\"; there are: run sieve N, run hog N");
    }

    #[test]
    fn a_first_word_is_not_matched_by_its_beginning() {
        assert!(error("ru sieve 1").starts_with("unknown command \"ru\""));
        assert!(error("sched").starts_with("unknown command"));
        assert!(error("HELP").starts_with("unknown command"));
    }

    #[test]
    fn arguments_are_checked() {
        assert_eq!(error("spawn"), "usage: spawn N; N is a number from 1 to 100000");
        assert_eq!(error("spawn x"), "usage: spawn N, not \"x\"; N is a number from 1 to 100000");
        for line in ["spawn 0", "spawn 100001", "spawn -1", "spawn +1", "spawn 99999999999999999999", "spawn off"] {
            assert!(error(line).starts_with("usage: spawn N, not"), "{line}");
        }
        assert_eq!(error("schedtrace on"), "usage: schedtrace MS|off, not \"on\"; MS is a number from 1 to 3600000");
    }

    #[test]
    fn surplus_words_are_refused() {
        assert_eq!(error("poweroff now"), "usage: poweroff, and no \"now\" behind it");
        assert_eq!(error("spawn 3 4"), "usage: spawn N, and no \"4\" behind it");
    }

    #[test]
    fn help_names_every_command_on_a_line_of_its_own() {
        let text = format!("{Help}");
        assert_eq!(text.lines().count(), TABLE.len());
        assert!(text.lines().zip(TABLE).all(|(line, spec)| line.trim().starts_with(spec.name)));
        assert!(text.lines().all(|line| line.len() <= 100));
    }

    #[test]
    fn any_words_are_survived() {
        let words = ["run", "sieve", "hog", "spawn", "off", "1", "0", "é", "schedtrace", "ps", "\u{1b}[A", "-"];
        for a in words {
            for b in words {
                for c in words {
                    let line = format!("{a} {b} {c}");
                    if let Err(error) = parse(&line) {
                        let text = format!("{error}");
                        assert!(!text.is_empty() && !text.contains('\u{1b}'), "{text}");
                    }
                }
            }
        }
    }
}
