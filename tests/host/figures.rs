//! Measurements as text: `name value unit` lines from a kernel's console, and a saved baseline to compare with.
//!
//! Every figure here is a cost, so smaller is better. Pure; the files are read by `tests/bench/`.

use std::fmt;

/// One measurement.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The row's name.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// What it counts.
    pub unit: String,
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.name, self.value, self.unit)
    }
}

/// How a figure stands against the baseline.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// Within the allowance.
    Same,
    /// Cheaper by more than the allowance: the baseline is worth saving anew.
    Better,
    /// Dearer by more than the allowance.
    Worse,
    /// The baseline has no such row.
    New,
}

/// The figures among the lines of a console: those with exactly a name, a number and a unit.
pub fn figures(text: &str) -> Vec<Figure> {
    text.lines().filter_map(figure).collect()
}

fn figure(line: &str) -> Option<Figure> {
    let mut words = line.split_whitespace();
    let (name, value, unit) = (words.next()?, words.next()?.parse::<f64>().ok()?, words.next()?);
    let plain = |word: &str| word.chars().all(|c| c.is_ascii_alphanumeric() || "_/-.".contains(c));
    let fits = words.next().is_none() && value.is_finite() && value >= 0.0 && plain(name) && plain(unit);
    fits.then(|| Figure { name: name.into(), value, unit: unit.into() })
}

/// The baseline's file: a comment line, then one row per figure.
pub fn to_tsv(figures: &[Figure]) -> String {
    let rows = figures.iter().map(|f| format!("{}\t{}\t{}\n", f.name, f.value, f.unit));
    std::iter::once("# name\tvalue\tunit\n".to_string()).chain(rows).collect()
}

/// Reads a baseline; an error names the line.
pub fn from_tsv(text: &str) -> Result<Vec<Figure>, String> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(at, line)| figure(line).ok_or(format!("line {}: not `name value unit`: {line:?}", at + 1)))
        .collect()
}

/// Compares one figure with the baseline; `allowance` is a share, 0.03 for three in a hundred.
pub fn compare(figure: &Figure, baseline: &[Figure], allowance: f64) -> Verdict {
    let Some(old) = baseline.iter().find(|old| old.name == figure.name) else {
        return Verdict::New;
    };
    if figure.value > old.value * (1.0 + allowance) {
        Verdict::Worse
    } else if figure.value < old.value * (1.0 - allowance) {
        Verdict::Better
    } else {
        Verdict::Same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, value: f64) -> Figure {
        Figure { name: name.into(), value, unit: "instructions".into() }
    }

    #[test]
    fn figures_are_found_among_other_lines() {
        let text = "gopark: 1 core\nyield_2 151 instructions\npingpong 533.5 instructions\nso 1 long line\n2 x\n";
        assert_eq!(figures(text), [one("yield_2", 151.0), one("pingpong", 533.5)]);
    }

    #[test]
    fn numbers_that_are_none_are_left_out() {
        assert_eq!(figures("a NaN u\nb inf u\nc -1 u\nd 1 u! \n"), []);
    }

    #[test]
    fn a_baseline_survives_its_file() {
        let all = [one("a", 1.0), one("b", 2.25)];
        assert_eq!(from_tsv(&to_tsv(&all)).unwrap(), all);
    }

    #[test]
    fn a_broken_baseline_is_named_by_line() {
        assert!(from_tsv("# x\na\t1\tu\nb two u\n").unwrap_err().starts_with("line 3:"));
    }

    #[test]
    fn three_in_a_hundred_are_let_pass() {
        let baseline = [one("a", 100.0)];
        let verdict = |value| compare(&one("a", value), &baseline, 0.03);
        assert_eq!([verdict(103.0), verdict(97.0), verdict(100.0)], [Verdict::Same; 3]);
        assert_eq!(verdict(103.1), Verdict::Worse);
        assert_eq!(verdict(96.9), Verdict::Better);
        assert_eq!(compare(&one("b", 1.0), &baseline, 0.03), Verdict::New);
    }
}
