//! Tables for people: goroutines, cores, memory, the machine.
//!
//! *Context.* Any G. They read what other cores write: each figure is true of some moment.
#![forbid(unsafe_code)]

use alloc::vec::Vec;
use core::{fmt, sync::atomic::Ordering};

use gopark_sched::{GRef, Status};

use crate::{
    arch::{apic, clock, timer},
    boot, core as cpu,
    dev::uart,
    machine::{Kernel, sched},
    mem::{frames, heap},
    time::Duration,
};

/// `ps`: all goroutines, by number.
#[derive(Debug)]
pub struct Ps;

impl fmt::Display for Ps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let alive = |g: &GRef<Kernel>| g.status() != Status::Dead || g.panicked();
        let mut all: Vec<_> = sched().all_gs().filter(alive).collect();
        all.sort_unstable_by_key(|g| g.id());
        write!(f, "{:>6}  {:<9} {:<20} {:>10} {:>5}  CREATED BY", "GID", "STATUS", "WAITS FOR", "SINCE", "CORE")?;
        for g in all.iter().take(SHOWN) {
            row(f, *g)?;
        }
        match all.len().checked_sub(SHOWN) {
            Some(more @ 1..) => write!(f, "\n... and {more} more"),
            _ => Ok(()),
        }
    }
}

/// More rows than a person reads are cut.
const SHOWN: usize = 200;

fn row(f: &mut fmt::Formatter<'_>, g: GRef<Kernel>) -> fmt::Result {
    let status = g.status();
    let reason = if status == Status::Waiting { g.wait_reason().text() } else { "" };
    let state = if g.panicked() { "panicked" } else { status.text() };
    let since = Rough(clock::now().saturating_sub(g.since()));
    write!(f, "\n{:>6}  {state:<9} {reason:<20} {since:>10} {:>5}  ", g.id(), g.core())?;
    match g.ext.site.get() {
        Some(_) if g.is_system() => f.write_str("the system"),
        Some(site) if g.parent() != 0 => write!(f, "{} at {}:{}", g.parent(), site.file(), site.line()),
        _ => f.write_str("-"),
    }
}

/// A time in one unit.
struct Rough(u64);

impl fmt::Display for Rough {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (value, unit) = match self.0 {
            ns @ 0..10_000 => (ns, "ns"),
            ns @ 10_000..10_000_000 => (ns / 1_000, "us"),
            ns @ 10_000_000..10_000_000_000 => (ns / 1_000_000, "ms"),
            ns => (ns / 1_000_000_000, "s"),
        };
        f.pad(&alloc::format!("{value} {unit}"))
    }
}

/// `cores`: what each core does and did.
#[derive(Debug)]
pub struct Cores;

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>4} {:<9} {:>4} {:>8} {:>10} {:>8} {:>10} {:>8} {:>8} {:>6}",
            "CORE", "STATE", "P", "G", "SWITCHES", "STEALS", "INTERRUPTS", "TIMER", "PREEMPT", "IDLE"
        )?;
        let sched = sched();
        let uptime = clock::now().max(1);
        for (core, m) in cpu::all().zip(sched.ms()) {
            let p = sched.ps().iter().find(|p| p.m() == Some(m.id));
            let g = m.curg();
            let state = match (g, p) {
                (Some(_), _) => "running",
                (None, Some(_)) if m.spinning() => "spinning",
                (None, Some(_)) => "scheduler",
                (None, None) => "idle",
            };
            // A P's counters stay with the P: shown where it is, or was last.
            let own = sched.ps().get(m.id);
            let (switches, steals) = own
                .map_or((0, 0), |p| (p.stats.switches.load(Ordering::Relaxed), p.stats.steals.load(Ordering::Relaxed)));
            let stats = &core.stats;
            let idle = stats.idle_ns.load(Ordering::Relaxed).saturating_mul(100) / uptime;
            write!(
                f,
                "\n{:>4} {state:<9} {:>4} {:>8} {switches:>10} {steals:>8} {:>10} {:>8} {:>8} {idle:>5}%",
                m.id,
                Or(p.map(|p| p.id as u64)),
                Or(g.map(|g| g.id())),
                stats.interrupts.load(Ordering::Relaxed),
                stats.timer_interrupts.load(Ordering::Relaxed),
                stats.preemptions.load(Ordering::Relaxed),
            )?;
        }
        Ok(())
    }
}

/// A number, or a dash.
struct Or(Option<u64>);

impl fmt::Display for Or {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(n) => fmt::Display::fmt(&n, f),
            None => f.pad("-"),
        }
    }
}

/// `mem`: physical memory.
#[derive(Debug)]
pub struct Mem;

impl fmt::Display for Mem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frames::Stats { total, free } = frames::stats();
        write!(
            f,
            "memory: {} of {} free, {} in use",
            Size(free * 4096),
            Size(total * 4096),
            Size((total - free) * 4096)
        )?;
        let heap = heap::stats();
        write!(
            f,
            "\nheap: {} in small blocks' pages, {} of {} in large blocks",
            Size(heap.slabs),
            Size(heap.large_used),
            Size(heap.large)
        )?;
        let line = uart::counts();
        let [overruns, throttled, storms] =
            [&line.overruns, &line.throttled, &line.storms].map(|n| n.load(Ordering::Relaxed));
        write!(f, "\nserial input: {overruns} times too fast, {throttled} times held back, {storms} storms")?;
        let kept = crate::go::KEPT.load(Ordering::Relaxed);
        write!(f, "\nstacks kept of goroutines that died by a panic: {kept}")
    }
}

/// Bytes, in a unit that a person reads.
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes @ 0..0x80_0000 => write!(f, "{} KiB", bytes / 1024),
            bytes => write!(f, "{} MiB", bytes / (1024 * 1024)),
        }
    }
}

/// What booted: the head of the default program's screen.
#[derive(Debug)]
pub struct Info;

impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = env!("CARGO_PKG_VERSION");
        let mhz = clock::tsc_khz() / 1000;
        writeln!(f, "gopark {version}: goroutines on bare metal")?;
        writeln!(
            f,
            "  cores        {} of {}, gomaxprocs {}",
            sched().ms().len(),
            boot::platform().cores.iter().count(),
            sched().gomaxprocs()
        )?;
        writeln!(f, "  memory       {}", Size(frames::stats().total * 4096))?;
        writeln!(f, "  clock        TSC at {mhz} MHz, by {}", clock::source())?;
        writeln!(f, "  timer        {}, {} interrupt controller", timer::mode(), apic::mode())?;
        writeln!(f, "  command line {:?}", boot::settings().line())?;
        write!(f, "  up           {:?}", Duration::from_nanos(clock::now()))
    }
}
