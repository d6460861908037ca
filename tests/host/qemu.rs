//! One boot: starts `run-qemu.sh`, plays a script on the serial console, and never waits longer than it may.
//!
//! How QEMU is called is `run-qemu.sh`'s affair, and so is the meaning of the guest's exit code; here there is only the
//! script's own status: 0 is success, everything else has a name there.
//!
//! *Invariants.* BOUNDED: every wait ends at the deadline, then the whole process group is killed. REAPED: the child is
//! waited for on every path, so no test leaves a machine behind.

use std::{
    io::{Read, Write},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{
        OnceLock,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::script::Script;

/// What to boot, and on which machine.
#[derive(Clone, Debug)]
pub struct Boot {
    /// The kernel's ELF file.
    pub kernel: PathBuf,
    /// Number of virtual CPUs.
    pub cores: u32,
    /// Guest memory, as QEMU writes it (`256M`).
    pub memory: String,
    /// The kernel's command line.
    pub append: String,
    /// Further settings of `run-qemu.sh`, one word each.
    pub settings: Vec<String>,
    /// How long it may run.
    pub limit: Duration,
}

/// How a boot ended.
#[derive(Clone, Debug)]
pub struct Ending {
    /// Everything on the serial console.
    pub console: String,
    /// What `run-qemu.sh` said on standard error.
    pub remarks: String,
    /// Its exit status; `None` when we killed it at the deadline.
    pub status: Option<i32>,
    /// What the script complains of, one line each.
    pub complaints: String,
    /// How long it took.
    pub took: Duration,
}

/// How long standard error may stay open behind the end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The repository's directory.
pub fn repository() -> &'static Path {
    const TESTS: &str = env!("CARGO_MANIFEST_DIR");
    Path::new(TESTS).parent().unwrap_or(Path::new("."))
}

/// Has everything ready that all boots share: QEMU and the loader. Once, before the first boot.
///
/// `run-qemu.sh` would see to both itself, but many times over and in parallel.
pub fn prepare() -> Result<(), String> {
    let script = repository().join("run-qemu.sh");
    let output = Command::new(&script)
        .arg("--loader")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot start {}: {error}", script.display()))?;
    if !output.status.success() {
        return Err(format!("{} --loader failed: {}", script.display(), output.status));
    }
    let loader = String::from_utf8_lossy(&output.stdout).trim().to_string();
    // A second call is told the same.
    LOADER.get_or_init(|| loader);
    Ok(())
}

/// The loader's path, once [`prepare`] knows it.
static LOADER: OnceLock<String> = OnceLock::new();

impl Boot {
    /// The command that boots this; also what a person types to see the same again.
    pub fn words(&self) -> Vec<String> {
        let mut words = vec![repository().join("run-qemu.sh").display().to_string()];
        words.extend(["--cores".into(), self.cores.to_string(), "--memory".into(), self.memory.clone()]);
        // The script's own limit is the longer one: it ends the machine when we cannot.
        words.extend(["--timeout".into(), (self.limit.as_secs() + 15).to_string()]);
        words.extend(self.settings.iter().cloned());
        if !self.append.is_empty() {
            words.extend(["--append".into(), self.append.clone()]);
        }
        words.push(self.kernel.display().to_string());
        words
    }

    /// The same as one line for a shell.
    pub fn command_line(&self) -> String {
        let quote = |word: &String| match word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=,:@".contains(c)) {
            true => word.clone(),
            false => format!("'{}'", word.replace('\'', r"'\''")),
        };
        self.words().iter().map(quote).collect::<Vec<_>>().join(" ")
    }

    /// Boots, plays the script, and tells how it ended.
    pub fn run(&self, mut script: Script) -> Result<Ending, String> {
        let start = Instant::now();
        let words = self.words();
        let mut child = self.start(&words, script.wants_to_type())?;
        let remarks = collect(child.stderr.take());
        let status = play(&mut child, &mut script, start + self.limit);
        Ok(Ending {
            complaints: script.complaints(),
            console: script.console(),
            remarks: remarks.recv_timeout(LAST_WORDS).unwrap_or_default(),
            status: status.map(code),
            took: start.elapsed(),
        })
    }

    fn start(&self, words: &[String], typing: bool) -> Result<Child, String> {
        Command::new(&words[0])
            .args(&words[1..])
            .envs(LOADER.get().map(|loader| ("GOPARK_LOADER", loader)))
            .stdin(if typing { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", words[0]))
    }
}

/// Plays the script to the end of the child, which is the deadline at the latest.
fn play(child: &mut Child, script: &mut Script, deadline: Instant) -> Option<ExitStatus> {
    let (events, inbox) = channel();
    forward(child.stdout.take(), events);
    let in_time = converse(script, &inbox, child.stdin.take(), deadline);
    let status = if in_time { wait_until(child, deadline) } else { None };
    if status.is_none() {
        end(child);
    }
    status
}

/// Plays the script until the console is closed; says whether that was in time.
fn converse(
    script: &mut Script,
    inbox: &Receiver<Vec<u8>>,
    mut keyboard: Option<ChildStdin>,
    deadline: Instant,
) -> bool {
    type_in(&mut keyboard, &script.feed(&[]));
    loop {
        match inbox.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(bytes) => type_in(&mut keyboard, &script.feed(&bytes)),
            Err(RecvTimeoutError::Disconnected) => return true,
            Err(RecvTimeoutError::Timeout) => return false,
        }
        if script.ran_away() {
            return false;
        }
    }
}

/// Types the bytes. A machine that no longer listens is not our trouble: its ending is judged anyway.
fn type_in(keyboard: &mut Option<ChildStdin>, bytes: &[u8]) {
    if let Some(pipe) = keyboard.as_mut().filter(|_| !bytes.is_empty())
        && pipe.write_all(bytes).and_then(|()| pipe.flush()).is_err()
    {
        *keyboard = None;
    }
}

/// Passes what comes from the console on, until it is closed or nobody listens any more.
fn forward(pipe: Option<impl Read + Send + 'static>, events: Sender<Vec<u8>>) {
    thread::spawn(move || {
        let Some(mut pipe) = pipe else { return };
        let mut chunk = [0; 4096];
        while let Ok(n @ 1..) = pipe.read(&mut chunk) {
            if events.send(chunk[..n].to_vec()).is_err() {
                return;
            }
        }
    });
}

/// Reads a pipe to its end, and passes on what it was.
fn collect(pipe: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (done, result) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read before an error is still worth showing.
            let _ = pipe.read_to_end(&mut bytes);
        }
        // Nobody waits any more: then nobody misses it.
        let _ = done.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    result
}

/// Waits for the child's end, but not beyond the deadline.
fn wait_until(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Kills the child with everything it started, and reaps it.
fn end(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // It may just have ended by itself, which is as good.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}

/// The exit status as a shell would tell it.
fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Step;

    fn boot(append: &str) -> Boot {
        Boot {
            kernel: "/k".into(),
            cores: 2,
            memory: "64M".into(),
            append: append.into(),
            settings: Vec::new(),
            limit: Duration::from_secs(1),
        }
    }

    /// Runs a shell in place of a machine, under the same machinery.
    fn shell(text: &str, steps: &[Step], limit: Duration) -> (Option<ExitStatus>, Script) {
        let words = ["sh".to_string(), "-c".into(), text.into()];
        let mut script = Script::new(steps);
        let mut child = boot("").start(&words, script.wants_to_type()).unwrap();
        let status = play(&mut child, &mut script, Instant::now() + limit);
        let _ = child.wait();
        (status, script)
    }

    #[test]
    fn the_command_line_can_be_typed_into_a_shell() {
        let line = boot("panic=abort it's").command_line();
        assert!(line.contains(r"--append 'panic=abort it'\''s' /k"), "{line}");
    }

    #[test]
    fn a_conversation_takes_place() {
        let steps = [Step::Expect("name?".into()), Step::Send(b"gopark\n".to_vec()), Step::Expect("hi gopark".into())];
        let (status, script) = shell("echo 'name?'; read x; echo hi $x; exit 3", &steps, Duration::from_secs(20));
        assert_eq!(status.map(code), Some(3));
        assert_eq!(script.complaints(), "");
    }

    #[test]
    fn the_deadline_ends_the_child_and_its_children() {
        let start = Instant::now();
        let (status, _) = shell("sleep 60 & sleep 60", &[], Duration::from_millis(300));
        assert_eq!(status, None);
        assert!(start.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_console_that_runs_away_is_cut_off() {
        let (status, script) = shell("exec yes", &[], Duration::from_secs(60));
        assert_eq!(status, None);
        assert!(script.ran_away());
    }

    #[test]
    fn a_signal_reads_as_in_a_shell() {
        let (status, _) = shell("kill -9 $$", &[], Duration::from_secs(20));
        assert_eq!(status.map(code), Some(137));
    }
}
