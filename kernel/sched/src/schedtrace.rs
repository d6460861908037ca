//! `schedtrace` and `scheddetail`: the scheduler's state in the words and the order in which Go prints them.
//!
//! Reads the live words without stopping anybody, as Go does: the figures of one line may be of slightly different moments.
#![forbid(unsafe_code)]

use core::fmt;

use crate::{machine::Machine, sched::Scheduler};

/// One report; `Display` prints it without a newline at the end.
#[derive(Debug)]
pub struct SchedTrace<'a, K: Machine> {
    sched: &'a Scheduler<K>,
    ms: u64,
    detail: bool,
}

impl<K: Machine> Scheduler<K> {
    /// The state now, for a system that booted `uptime_ns` ago.
    pub fn schedtrace(&self, uptime_ns: u64, detail: bool) -> SchedTrace<'_, K> {
        SchedTrace { sched: self, ms: uptime_ns / 1_000_000, detail }
    }
}

impl<K: Machine> fmt::Display for SchedTrace<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = self.sched;
        write!(
            f,
            "SCHED {}ms: gomaxprocs={} idleprocs={} threads={} spinningthreads={} needspinning={} idlethreads={} runqueue={}",
            self.ms,
            s.ps.len(),
            s.idle_ps(),
            s.ms.len(),
            s.spinning(),
            u32::from(s.need_spinning()),
            s.idle_ms.len(),
            s.globq_len(),
        )?;
        if self.detail { self.detailed(f) } else { self.brief(f) }
    }
}

impl<K: Machine> SchedTrace<'_, K> {
    fn brief(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" [ ")?;
        for p in self.sched.ps.iter() {
            write!(f, "{} ", p.runq.len())?;
        }
        f.write_str("] schedticks=[ ")?;
        for p in self.sched.ps.iter() {
            write!(f, "{} ", p.schedtick())?;
        }
        f.write_str("]")
    }

    fn detailed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, " gcwaiting=false nmidlelocked=0 stopwait=0 sysmonwait=false")?;
        for p in self.sched.ps.iter() {
            let status = u32::from(p.m().is_some());
            let (id, tick, len) = (p.id, p.schedtick(), p.runq.len());
            let free = p.free_len();
            write!(f, "  P{id}: status={status} schedtick={tick} syscalltick=0 m=")?;
            number_or_nil(f, p.m().map(|m| m as u64))?;
            writeln!(f, " runqsize={len} gfreecnt={free} timerslen={}", p.timers.len())?;
        }
        for m in &self.sched.ms {
            write!(f, "  M{}: p=", m.id)?;
            number_or_nil(f, m.p().map(|p| p.id as u64))?;
            f.write_str(" curg=")?;
            number_or_nil(f, m.curg().map(|g| g.id()))?;
            let (spinning, blocked) = (m.spinning(), self.sched.idle_ms.contains(m.id));
            write!(f, " mallocing=0 throwing=0 preemptoff= locks=0 dying=0 spinning={spinning} blocked={blocked} ")?;
            writeln!(f, "lockedg=nil")?;
        }
        self.goroutines(f)
    }

    fn goroutines(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for g in self.sched.all_gs() {
            if !first {
                f.write_str("\n")?;
            }
            first = false;
            write!(f, "  G{}: status={}({}) m=", g.id(), g.status() as u32, g.wait_reason().text())?;
            let running = self.sched.ms.iter().find(|m| m.curg() == Some(g));
            number_or_nil(f, running.map(|m| m.id as u64))?;
            f.write_str(" lockedm=nil")?;
        }
        Ok(())
    }
}

fn number_or_nil(f: &mut fmt::Formatter<'_>, n: Option<u64>) -> fmt::Result {
    match n {
        Some(n) => write!(f, "{n}"),
        None => f.write_str("nil"),
    }
}
