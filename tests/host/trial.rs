//! One row of the table of boot tests: a kernel, the machines it runs on, and what must happen.
//!
//! A row is a value that the topic files in `tests/boot/` build; [`Trial::on`] turns it into one boot per number of
//! cores. Success is the rule (the kernel returned from `main`), each other ending must be asked for.

use std::{env, fmt::Write as _, time::Duration};

use crate::{
    qemu::{Boot, Ending},
    script::{Script, Step},
};

/// A test kernel: made by [`kernel!`](crate::kernel!).
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    /// The binary's name.
    pub name: &'static str,
    /// Where cargo put it.
    pub path: &'static str,
}

/// The guest ended by itself as it should, or was right to fail: `run-qemu.sh`'s exit status.
pub mod status {
    /// The kernel reported success.
    pub const SUCCESS: i32 = 0;
    /// A deadlock, a panic in `main`, a fatal error or a CPU exception.
    pub const CRASH: i32 = 2;
    /// The loader refused the kernel.
    pub const LOADER: i32 = 3;
}

/// A closer look at the console than a list of texts, for this number of cores: says what is wrong.
pub type Check = fn(&str, u32) -> Result<(), String>;

/// One row of the table.
#[derive(Clone, Debug)]
#[must_use]
pub struct Trial {
    kernel: Kernel,
    variant: &'static str,
    cores: Vec<u32>,
    memory: &'static str,
    append: &'static str,
    settings: Vec<String>,
    steps: Vec<Step>,
    anywhere: Vec<String>,
    forbidden: Vec<String>,
    status: i32,
    remark: &'static str,
    limit: Duration,
    check: Option<Check>,
}

/// A row of its own for this kernel: 1, 2 and 4 cores, success, one minute.
pub fn trial(kernel: Kernel) -> Trial {
    Trial {
        kernel,
        variant: "",
        cores: vec![1, 2, 4],
        memory: "256M",
        append: "",
        settings: Vec::new(),
        steps: Vec::new(),
        anywhere: Vec::new(),
        forbidden: Vec::new(),
        status: status::SUCCESS,
        remark: "",
        limit: Duration::from_secs(60),
        check: None,
    }
}

impl Trial {
    /// Tells this row from others with the same kernel.
    pub fn variant(self, variant: &'static str) -> Self {
        Self { variant, ..self }
    }

    /// The numbers of cores to boot with, one boot each.
    pub fn cores(self, cores: &[u32]) -> Self {
        Self { cores: cores.to_vec(), ..self }
    }

    /// Guest memory, as QEMU writes it.
    pub fn memory(self, memory: &'static str) -> Self {
        Self { memory, ..self }
    }

    /// The kernel's command line.
    pub fn append(self, append: &'static str) -> Self {
        Self { append, ..self }
    }

    /// A setting of `run-qemu.sh`, given as its words.
    pub fn setting(mut self, words: &[&str]) -> Self {
        self.settings.extend(words.iter().map(|word| (*word).to_string()));
        self
    }

    /// This text must come next.
    pub fn expect(mut self, text: &str) -> Self {
        self.steps.push(Step::Expect(text.into()));
        self
    }

    /// These keys are typed then.
    pub fn send(mut self, keys: &str) -> Self {
        self.steps.push(Step::Send(keys.as_bytes().to_vec()));
        self
    }

    /// This text must be there in the end, before or behind others.
    pub fn anywhere(mut self, text: &str) -> Self {
        self.anywhere.push(text.into());
        self
    }

    /// This text must never appear.
    pub fn forbid(mut self, text: &str) -> Self {
        self.forbidden.push(text.into());
        self
    }

    /// `run-qemu.sh` must end with this status: see [`status`].
    pub fn status(self, status: i32) -> Self {
        Self { status, ..self }
    }

    /// The guest must crash, and `run-qemu.sh` name the cause in these words.
    pub fn crash(self, remark: &'static str) -> Self {
        Self { status: status::CRASH, remark, ..self }
    }

    /// The time limit in seconds.
    pub fn limit(self, seconds: u64) -> Self {
        Self { limit: Duration::from_secs(seconds), ..self }
    }

    /// A further look at the whole console.
    pub fn check(self, check: Check) -> Self {
        Self { check: Some(check), ..self }
    }

    /// The numbers of cores it boots with.
    pub fn core_counts(&self) -> &[u32] {
        &self.cores
    }

    /// The test's name with this number of cores: `steal@4`, `console/help@1`.
    pub fn name(&self, cores: u32) -> String {
        let slash = if self.variant.is_empty() { "" } else { "/" };
        format!("{}{slash}{}@{cores}", self.kernel.name, self.variant)
    }

    /// Boots it with this number of cores and judges; `GOPARK_REPEAT` says how many times in a row.
    pub fn on(&self, cores: u32) -> Result<(), String> {
        for round in 1..=repeat(env::var("GOPARK_REPEAT").ok().as_deref())? {
            let boot = self.boot(cores);
            let ending = boot.run(Script::new(&self.steps).anywhere(&self.anywhere).forbid(&self.forbidden))?;
            self.judge(&ending, cores).map_err(|why| self.report(&why, round, cores, &boot, &ending))?;
        }
        Ok(())
    }

    fn boot(&self, cores: u32) -> Boot {
        Boot {
            kernel: self.kernel.path.into(),
            cores,
            memory: self.memory.into(),
            append: self.append.into(),
            settings: self.settings.clone(),
            limit: self.limit,
        }
    }

    fn judge(&self, ending: &Ending, cores: u32) -> Result<(), String> {
        let mut why = ending.complaints.clone();
        match ending.status {
            Some(status) if status == self.status => {}
            Some(status) => _ = writeln!(why, "exit status {status} instead of {}", self.status),
            None => {
                _ = writeln!(why, "ended by us: not done within {} s, or a console that ran away", self.limit.as_secs())
            }
        }
        if !ending.remarks.contains(self.remark) {
            let _ = writeln!(why, "run-qemu.sh does not say {:?}", self.remark);
        }
        if let Some(Err(error)) = self.check.map(|check| check(&ending.console, cores)) {
            let _ = writeln!(why, "{error}");
        }
        if why.is_empty() { Ok(()) } else { Err(why) }
    }

    fn report(&self, why: &str, round: u32, cores: u32, boot: &Boot, ending: &Ending) -> String {
        format!(
            "{} (boot {round}, {:.1} s)\n{why}--- run-qemu.sh ---\n{}--- console ---\n{}\n--- again ---\n\
             cargo test -p gopark-tests --test boot -- --exact {}\n{}\n",
            self.name(cores),
            ending.took.as_secs_f64(),
            ending.remarks,
            ending.console,
            self.name(cores),
            boot.command_line(),
        )
    }
}

/// How many boots in a row the environment asks for.
fn repeat(setting: Option<&str>) -> Result<u32, String> {
    match setting.map(str::parse) {
        None => Ok(1),
        Some(Ok(times @ 1..)) => Ok(times),
        Some(_) => Err("GOPARK_REPEAT must be a number of at least 1".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KERNEL: Kernel = Kernel { name: "steal", path: "/k" };

    fn ending(status: Option<i32>, complaints: &str, console: &str) -> Ending {
        Ending {
            console: console.into(),
            remarks: String::new(),
            status,
            complaints: complaints.into(),
            took: Duration::ZERO,
        }
    }

    #[test]
    fn names_tell_rows_and_machines_apart() {
        assert_eq!(trial(KERNEL).name(4), "steal@4");
        assert_eq!(trial(KERNEL).variant("log").name(1), "steal/log@1");
    }

    #[test]
    fn success_is_the_rule() {
        let row = trial(KERNEL);
        assert_eq!(row.judge(&ending(Some(0), "", ""), 1), Ok(()));
        assert!(row.judge(&ending(Some(2), "", ""), 1).unwrap_err().contains("exit status 2 instead of 0"));
        assert!(row.judge(&ending(None, "", ""), 1).unwrap_err().contains("not done within 60 s"));
        assert!(row.judge(&ending(Some(0), "missing\n", ""), 1).is_err());
    }

    #[test]
    fn a_crash_that_was_asked_for_is_right() {
        let row = trial(KERNEL).crash("a deadlock");
        let deadlock = Ending { remarks: "the guest failed: a deadlock".into(), ..ending(Some(2), "", "") };
        assert_eq!(row.judge(&deadlock, 1), Ok(()));
        assert!(row.judge(&ending(Some(2), "", ""), 1).unwrap_err().contains("does not say \"a deadlock\""));
        assert!(row.judge(&ending(Some(0), "", ""), 1).is_err());
    }

    #[test]
    fn checks_see_the_whole_console() {
        let row = trial(KERNEL).check(|console, _| match console.len() {
            3 => Ok(()),
            n => Err(format!("{n} bytes")),
        });
        assert_eq!(row.judge(&ending(Some(0), "", "abc"), 1), Ok(()));
        assert_eq!(row.judge(&ending(Some(0), "", "ab"), 1), Err("2 bytes\n".into()));
    }

    #[test]
    fn a_report_shows_the_console_and_how_to_repeat_it() {
        let row = trial(KERNEL).append("a b");
        let boot = row.boot(2);
        let text = row.report("why\n", 7, 2, &boot, &ending(Some(2), "", "last words"));
        for part in ["steal@2 (boot 7", "why", "last words", "--exact steal@2", "--append 'a b' /k"] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
    }

    #[test]
    fn repeats_are_numbers() {
        assert_eq!(repeat(None), Ok(1));
        assert_eq!(repeat(Some("300")), Ok(300));
        assert!(repeat(Some("0")).is_err());
        assert!(repeat(Some("x")).is_err());
    }
}
