//! The loop of every core: find a G, execute it, file it by the way it stopped.
//!
//! Every switch goes through g0, so this reads from top to bottom. What a G asked for when it left (wait, end, yield) is done
//! here, when the G is off its stack: no waker can run it while its registers are not saved yet.
#![forbid(unsafe_code)]

use crate::{
    cx::Cx,
    find::Found,
    g::Status,
    m::M,
    machine::{Machine, Stop, WaitReason},
    p::{OwnedP, bump},
    sched::Scheduler,
    sync::Ordering,
    token::{Parked, Runnable},
};

impl<K: Machine> Scheduler<K> {
    /// The boot core's way in: `first` makes the first goroutines, then the core schedules.
    pub fn run_first(&self, m: &M<K>, first: impl FnOnce(&Cx<'_, K>)) {
        let Some(p) = self.start_boot(m) else { panic!("the boot core found no idle P") };
        p.set_m(Some(m.id));
        // The first G may stand in `runnext`, and inherits this slice.
        p.renew_slice(self.machine.now() + self.config.slice);
        first(&Cx::on(self, m, &p));
        self.schedule(m, p);
    }

    /// Every other core's way in. Returns only when the machine shuts down.
    pub fn run(&self, m: &M<K>) {
        let Some(p) = self.startm_first(m) else { return };
        p.set_m(Some(m.id));
        p.renew_slice(self.machine.now() + self.config.slice);
        self.schedule(m, p);
    }

    fn schedule(&self, m: &M<K>, mut p: OwnedP<K>) {
        let mut now = self.machine.now();
        while let Some(found) = self.find_runnable(m, p, now) {
            if m.spinning() {
                self.reset_spinning(m);
            }
            (p, now) = self.execute(m, found);
        }
    }

    /// Runs one G until it leaves, and files it. Returns the P and the time.
    #[inline]
    pub(crate) fn execute(&self, m: &M<K>, found: Found<K>) -> (OwnedP<K>, u64) {
        let Found { mut p, g, mut inherit, mut now } = found;
        let mut next = Some(g);
        while let Some(runnable) = next {
            if !inherit {
                p.begin_slice(now + self.config.slice);
            }
            (p, now, next) = self.execute_once(m, p, runnable, now);
            inherit = true; // a park that was taken back goes on in its slice
        }
        (p, now)
    }

    #[inline]
    fn execute_once(
        &self,
        m: &M<K>,
        p: OwnedP<K>,
        runnable: Runnable<K>,
        now: u64,
    ) -> (OwnedP<K>, u64, Option<Runnable<K>>) {
        bump(&p.stats.switches);
        let g = runnable.start(m.id as u32, now);
        m.set_curg(Some(g));
        m.lend_p(p);
        let Some(lent) = m.p() else { unreachable!("the P was lent a line above") };
        let cx = Cx::on(self, m, lent);
        // With the P lent (TICK-WITH-P): a tick that comes between here and the G finds it and programs the next one. Armed
        // sooner, it would be used up for nothing, and the G would run without a tick.
        let deadline = if m.take_rearm() { self.tick_deadline(&cx, now) } else { lent.slice_end() };
        self.machine.arm(m.id, deadline);
        let stop = self.machine.execute(&cx, &g);
        m.set_curg(None);
        let Some(p) = m.take_p() else { panic!("goroutine {} came back without a P", g.id()) };
        let now = self.machine.now();
        let again = self.file(&Cx::on(self, m, &p), Left { g, stop, now });
        (p, now, again)
    }

    /// What becomes of a G that left its core. `Some`: it goes on at once.
    #[inline]
    fn file(&self, cx: &Cx<'_, K>, left: Left<K>) -> Option<Runnable<K>> {
        let Left { g, stop, now } = left;
        g.set_since(now);
        match stop {
            Stop::Yielded | Stop::Preempted => {
                self.globq_put_one(Runnable::after_run(g));
                self.wakep();
                None
            }
            Stop::YieldedLocal => {
                self.submit(cx, Runnable::after_run(g), false);
                None
            }
            Stop::Parked(reason, commit) => {
                g.set_wait_reason(reason);
                if cfg!(feature = "bug_commit_first") {
                    let back = commit.run(cx, Runnable::parked(g));
                    g.transition(Status::Running, Status::Waiting);
                    return back.map(Parked::into_runnable);
                }
                g.transition(Status::Running, Status::Waiting);
                let back = commit.run(cx, Runnable::parked(g))?;
                Some(back.into_runnable())
            }
            Stop::Exited => {
                g.set_wait_reason(WaitReason::None);
                self.bury(cx, g);
                None
            }
        }
    }
}

struct Left<K: Machine> {
    g: crate::g::GRef<K>,
    stop: Stop<K>,
    now: u64,
}

impl<K: Machine> Scheduler<K> {
    /// The G is dead: its memory is used again, unless the machine must keep it.
    fn bury(&self, cx: &Cx<'_, K>, g: crate::g::GRef<K>) {
        g.transition(Status::Running, Status::Dead);
        match g.is_system() {
            true => _ = self.system_gs.fetch_sub(1, Ordering::Relaxed),
            false => bump(&cx.p.stats.exited),
        }
        if self.machine.retire(cx, &g) {
            self.put_dead(cx, g);
        }
    }
}
