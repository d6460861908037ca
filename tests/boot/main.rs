//! Boots every test kernel on machines of several sizes: `cargo test --test boot -- steal` boots those named so.
//!
//! Each topic's file is a table of rows; a row with three numbers of cores is three tests. Settings in the environment:
//! `GOPARK_REPEAT=300` boots each chosen test that many times in a row and stops at the first failure.

use std::{collections::HashSet, process::ExitCode};

use gopark_tests::{qemu, trial::Trial};
use libtest_mimic::{Arguments, Trial as Test};

mod console;
mod ends;
mod examples;
mod goroutines;
mod loader;
mod rights;
mod settings;
mod stacks;
mod time;
mod trace;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let tests: Vec<Test> = rows().into_iter().flat_map(tests).collect();
    if let Some(name) = doubled(&tests) {
        eprintln!("two tests are called {name}: give one of the rows a variant");
        return ExitCode::FAILURE;
    }
    if !arguments.list
        && let Err(why) = qemu::prepare()
    {
        eprintln!("{why}");
        return ExitCode::FAILURE;
    }
    libtest_mimic::run(&arguments, tests).exit_code()
}

fn rows() -> Vec<Trial> {
    let tables = [
        goroutines::rows(),
        time::rows(),
        stacks::rows(),
        ends::rows(),
        rights::rows(),
        settings::rows(),
        loader::rows(),
        trace::rows(),
        console::rows(),
        examples::rows(),
    ];
    tables.into_iter().flatten().collect()
}

fn tests(row: Trial) -> Vec<Test> {
    let counts = row.core_counts().to_vec();
    let one = |cores| {
        let row = row.clone();
        Test::test(row.name(cores), move || Ok(row.on(cores)?))
    };
    counts.into_iter().map(one).collect()
}

fn doubled(tests: &[Test]) -> Option<String> {
    let mut seen = HashSet::new();
    tests.iter().map(Test::name).find(|name| !seen.insert(*name)).map(String::from)
}
