//! `cargo bench`: boots the bench kernel once for each row, counts guest instructions, and prints `name value unit`.
//!
//! Every row has a machine of its own, so its value does not depend on which others were asked for. What may follow
//! `cargo bench --bench bench --`: names of rows; `--check FILE` fails if a row is dearer than the saved baseline by more
//! than three in a hundred; `--save FILE` saves one.

use std::{env, fs, process::ExitCode, time::Duration};

use gopark_tests::{
    figures::{self, Figure, Verdict},
    kernel,
    qemu::{self, Boot, repository},
    script::Script,
};

/// How much dearer a row may become: what another compiler version may make of the same source.
const ALLOWANCE: f64 = 0.03;

/// A row and the machine it is measured on.
struct Row {
    name: &'static str,
    cores: u32,
    machine: &'static str,
}

const fn on_one_core(name: &'static str) -> Row {
    Row { name, cores: 1, machine: "pc" }
}

const ROWS: &[Row] = &[
    on_one_core("yield_2"),
    on_one_core("yield_1000"),
    on_one_core("pingpong"),
    on_one_core("ring_1000"),
    on_one_core("spawn"),
    on_one_core("sleep1ms_over_p50"),
    on_one_core("preempt_p50"),
    Row { name: "boot", cores: 4, machine: "microvm" },
];

/// What to do, from the command line.
#[derive(Default)]
struct Task {
    names: Vec<String>,
    check: Option<String>,
    save: Option<String>,
}

fn main() -> ExitCode {
    match task(env::args().skip(1)).and_then(run) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("bench: {why}");
            ExitCode::FAILURE
        }
    }
}

fn task(mut words: impl Iterator<Item = String>) -> Result<Task, String> {
    let mut task = Task::default();
    while let Some(word) = words.next() {
        let mut file = |what: &str| words.next().ok_or(format!("{what} needs a file"));
        match word.as_str() {
            // What cargo itself passes on.
            "--bench" => {}
            "--check" => task.check = Some(file("--check")?),
            "--save" => task.save = Some(file("--save")?),
            name if ROWS.iter().any(|row| row.name == name) => task.names.push(word),
            other => {
                return Err(format!(
                    "unknown: {other:?}; there are --check FILE, --save FILE and the rows {}",
                    names()
                ));
            }
        }
    }
    Ok(task)
}

fn names() -> String {
    ROWS.iter().map(|row| row.name).collect::<Vec<_>>().join(", ")
}

/// Measures, prints, compares, saves; false if something became dearer.
fn run(task: Task) -> Result<bool, String> {
    let path = |file: &String| repository().join(file);
    let baseline = match &task.check {
        Some(file) => Some(read(&path(file))?),
        None => None,
    };
    qemu::prepare()?;
    let chosen = ROWS.iter().filter(|row| task.names.is_empty() || task.names.iter().any(|name| name == row.name));
    let mut all = Vec::new();
    let mut good = true;
    for row in chosen {
        let figure = measure(row)?;
        println!("{figure}");
        good &= baseline.as_ref().is_none_or(|baseline| stands(&figure, baseline));
        all.push(figure);
    }
    if let Some(file) = &task.save {
        fs::write(path(file), figures::to_tsv(&all)).map_err(|error| format!("{file}: {error}"))?;
    }
    Ok(good)
}

fn read(path: &std::path::Path) -> Result<Vec<Figure>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    figures::from_tsv(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Compares with the baseline, and says so where there is something to say.
fn stands(figure: &Figure, baseline: &[Figure]) -> bool {
    let verdict = figures::compare(figure, baseline, ALLOWANCE);
    match verdict {
        Verdict::Same => {}
        Verdict::Better => eprintln!("{}: cheaper than the baseline; save a new one", figure.name),
        Verdict::New => eprintln!("{}: not in the baseline; save a new one", figure.name),
        Verdict::Worse => {
            eprintln!("{}: dearer than the baseline by more than {:.0} %", figure.name, ALLOWANCE * 100.0)
        }
    }
    matches!(verdict, Verdict::Same | Verdict::Better)
}

fn measure(row: &Row) -> Result<Figure, String> {
    let boot = Boot {
        kernel: kernel!("bench-kernel").path.into(),
        cores: row.cores,
        memory: "256M".into(),
        append: format!("-- {}", row.name),
        settings: ["--icount", "shift=0,sleep=off", "--machine", row.machine].map(String::from).to_vec(),
        limit: Duration::from_secs(180),
    };
    let ending = boot.run(Script::new(&[]))?;
    let found = figures::figures(&ending.console).into_iter().find(|figure| figure.name == row.name);
    match found {
        Some(figure) if ending.status == Some(0) => Ok(figure),
        _ => Err(format!("{}: no figure\n{}{}\n{}", row.name, ending.remarks, ending.console, boot.command_line())),
    }
}
