//! Reports on cores and goroutines, in Go's form.
//!
//! *Context.* Anywhere, fatal paths too: takes no lock, allocates nothing. Reads what other cores write: each figure is true of
//! some moment, all of them together of none.
#![forbid(unsafe_code)]

use core::fmt;

use gopark_sched::{GRef, Status};

use crate::{
    arch::clock,
    backtrace::Backtrace,
    core as cpu,
    machine::{Kernel, current_g, try_sched},
};

/// Where we are: core, M, P, G.
#[derive(Debug)]
pub struct Here;

impl fmt::Display for Here {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let core = cpu::here();
        write!(f, "core {} (APIC id {})", core.index(), core.apic_id())?;
        if let Some(sched) = try_sched()
            && let Some(m) = sched.ms().get(core.index())
        {
            write!(f, ", M{}", m.id)?;
            match sched.ps().iter().find(|p| p.m() == Some(m.id)) {
                Some(p) => write!(f, ", P{}", p.id)?,
                None => f.write_str(", no P")?,
            }
        }
        match current_g() {
            Some(g) => write!(f, ", goroutine {}", g.id()),
            None => f.write_str(", on g0"),
        }
    }
}

/// One goroutine's header and backtrace.
#[derive(Debug)]
pub struct Goroutine(pub GRef<Kernel>);

impl fmt::Display for Goroutine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let g = self.0;
        writeln!(f, "goroutine {} [{}{}]:", g.id(), State(g), Minutes(g))?;
        match g.status() {
            Status::Running => writeln!(f, "  running on core {}; its registers are there", g.core())?,
            Status::Runnable | Status::Waiting | Status::Preempted => trace(g).fmt(f)?,
            Status::Idle | Status::Syscall | Status::Dead => {}
        }
        match g.ext.site.get() {
            Some(site) if g.parent() != 0 => {
                writeln!(f, "created at {site} in goroutine {}", g.parent())
            }
            _ => Ok(()),
        }
    }
}

/// A parked or preempted G's stack, from where it stopped.
fn trace(g: GRef<Kernel>) -> Backtrace {
    match g.ext.saved_frame() {
        Some((rip, rbp)) => Backtrace::at(rip, rbp),
        None => {
            let (rip, rbp) = g.ext.saved_call();
            Backtrace::at(rip, rbp)
        }
    }
}

/// The word in the brackets: why it waits, or its status.
#[derive(Debug)]
pub struct State(pub GRef<Kernel>);

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let g = self.0;
        match g.status() {
            Status::Waiting => f.write_str(g.wait_reason().text()),
            Status::Dead if g.panicked() => f.write_str("dead, panicked"),
            other @ (Status::Idle
            | Status::Runnable
            | Status::Running
            | Status::Syscall
            | Status::Dead
            | Status::Preempted) => f.write_str(other.text()),
        }
    }
}

/// For how long it waits, if that is a minute or more, as Go prints it.
struct Minutes(GRef<Kernel>);

impl fmt::Display for Minutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = clock::now().saturating_sub(self.0.since()) / 60_000_000_000;
        match (self.0.status(), minutes) {
            (Status::Waiting, 1..) => write!(f, ", {minutes} minutes"),
            _ => Ok(()),
        }
    }
}

/// All goroutines of the program that are alive, and those that panicked.
#[derive(Debug)]
pub struct AllGoroutines {
    /// Leave out the one that asks.
    pub but_running_here: bool,
}

impl fmt::Display for AllGoroutines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(sched) = try_sched() else { return Ok(()) };
        let here = current_g();
        let shown = |g: &GRef<Kernel>| {
            let alive = g.status() != Status::Dead || g.panicked();
            alive && !g.is_system() && !(self.but_running_here && here == Some(*g))
        };
        for (n, g) in sched.all_gs().filter(shown).enumerate() {
            if n == MOST {
                return writeln!(f, "... and more goroutines, not shown");
            }
            writeln!(f, "{}", Goroutine(g))?;
        }
        Ok(())
    }
}

/// More would take longer to print than anybody reads.
const MOST: usize = 100;
