//! `schedtrace` and `scheddetail`: lines in exactly Go's form.

use gopark_tests::{
    kernel,
    trial::{Trial, trial},
};

pub fn rows() -> Vec<Trial> {
    vec![
        trial(kernel!("sleep_order")).variant("schedtrace").append("schedtrace=50").check(brief),
        // Reports are made by a goroutine that may be preempted anywhere: it must not hold what the scheduler needs.
        trial(kernel!("steal"))
            .variant("detail_preempted")
            .append("schedtrace=1 scheddetail=1 slice=20")
            .expect("done on"),
        trial(kernel!("fair")).variant("asyncpreemptoff").append("asyncpreemptoff=1"),
        trial(kernel!("sleep_order")).variant("scheddetail").append("schedtrace=100 scheddetail=1").check(detailed),
    ]
}

/// The words of a `SCHED` line in front of the lists, in order.
const HEAD: [&str; 7] =
    ["gomaxprocs", "idleprocs", "threads", "spinningthreads", "needspinning", "idlethreads", "runqueue"];

/// `SCHED 103ms: gomaxprocs=4 idleprocs=0 .. runqueue=2 [ 0 0 0 0 ] schedticks=[ 5 5 5 11 ]`
fn brief(console: &str, cores: u32) -> Result<(), String> {
    let lines: Vec<&str> = console.lines().filter(|line| line.starts_with("SCHED ")).collect();
    if !(4..=8).contains(&lines.len()) {
        return Err(format!("{} SCHED lines in 300 ms at one in 50 ms", lines.len()));
    }
    let mut before = None;
    for line in lines {
        let now = brief_line(line, cores).ok_or(format!("not in Go's form: {line:?}"))?;
        if before >= Some(now) {
            return Err(format!("time stands still: {line:?}"));
        }
        before = Some(now);
    }
    Ok(())
}

fn brief_line(line: &str, cores: u32) -> Option<u64> {
    let (ms, rest) = head(line, cores)?;
    let (queues, ticks) = rest.strip_prefix(" [ ")?.split_once(" ] schedticks=[ ")?;
    let list = |text: &str| text.split(' ').filter(|number| number.parse::<u64>().is_ok()).count();
    let n = cores as usize;
    let all = |text: &str| list(text) == n && text.split(' ').count() == n;
    (all(queues) && all(ticks.strip_suffix(" ]")?)).then_some(ms)
}

/// The time, and what follows the words of [`HEAD`].
fn head(line: &str, cores: u32) -> Option<(u64, &str)> {
    let (ms, mut rest) = line.strip_prefix("SCHED ")?.split_once("ms:")?;
    for word in HEAD {
        let behind = rest.strip_prefix(' ')?.strip_prefix(word)?.strip_prefix('=')?;
        let end = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
        let value: u32 = behind[..end].parse().ok()?;
        if word == "gomaxprocs" && value != cores {
            return None;
        }
        rest = &behind[end..];
    }
    Some((ms.parse().ok()?, rest))
}

/// The head, then a line for each P, M and G.
fn detailed(console: &str, cores: u32) -> Result<(), String> {
    const TAIL: &str = " gcwaiting=false nmidlelocked=0 stopwait=0 sysmonwait=false";
    let first = console.lines().find(|line| line.starts_with("SCHED ")).ok_or("no SCHED line")?;
    if head(first, cores).is_none_or(|(_, rest)| rest != TAIL) {
        return Err(format!("not in Go's form: {first:?}"));
    }
    let block: Vec<&str> = console.lines().skip_while(|line| *line != first).skip(1).collect();
    for (letter, first_keys) in [
        ('P', "status schedtick syscalltick m runqsize gfreecnt timerslen"),
        ('M', "p curg mallocing throwing preemptoff locks dying spinning blocked lockedg"),
        ('G', "status m lockedm"),
    ] {
        let ours = |line: &&&str| line.starts_with(&format!("  {letter}"));
        let line = block.iter().find(ours).ok_or(format!("no {letter} in the block"))?;
        if keys(line) != first_keys {
            return Err(format!("not in Go's form: {line:?}"));
        }
    }
    let sleeping = |line: &&str| line.starts_with("  G") && line.contains(": status=4(sleep) m=nil lockedm=nil");
    if block.iter().any(sleeping) { Ok(()) } else { Err("no sleeping G in any block".into()) }
}

/// The names in front of the equals signs.
fn keys(line: &str) -> String {
    let names = line.split(' ').filter_map(|word| Some(word.split_once('=')?.0));
    names.collect::<Vec<_>>().join(" ")
}
