//! Models of the keeper: whoever adds a timer and whoever is to wake up for it meet, whatever the order.

use std::{sync::Arc, vec::Vec};

use super::fake::{self, Fake, model, seize};
use crate::{
    Cx, Machine, Scheduler,
    p::OwnedP,
    sync::{Ordering, fence},
};

type Sched = Arc<Scheduler<Fake>>;

/// A running core 0, and core 1 idle. The timers are on core 0's P.
fn one_runs(timers: &[u64]) -> (Sched, OwnedP<Fake>) {
    let s = Arc::new(fake::scheduler(2));
    let p = seize(&s, 0);
    s.idle_ms.insert(1);
    for &when in timers {
        add(&s, &p, when);
    }
    (s, p)
}

fn add(s: &Sched, p: &OwnedP<Fake>, when: u64) {
    let cx = Cx::on(s, &s.ms[0], p);
    s.sleep_until(&cx, fake::parked(&cx), when);
}

fn fire(s: &Sched, p: &OwnedP<Fake>, now: u64) {
    s.machine.advance_to(now);
    let mut due = p.timers.take_due(now);
    let fired: Vec<_> = core::iter::from_fn(|| due.pop_front().map(fake::forget)).collect();
    assert!(!fired.is_empty());
}

/// Core 1 asks until when it may sleep, while core 0 does `f`, which adds a timer at 500.
fn keeper_against(timers: &'static [u64], before: fn(&Sched, &OwnedP<Fake>), f: fn(&Sched, &OwnedP<Fake>)) {
    model(move || {
        let (s, p) = one_runs(timers);
        before(&s, &p);
        s.machine.arm(0, u64::MAX);
        let keeper = loom::thread::spawn({
            let s = s.clone();
            move || s.watch_timers(&s.ms[1])
        });
        f(&s, &p);
        let until = keeper.join().unwrap();
        fence(Ordering::SeqCst);
        let told = s.ms[1].wake.take() != 0;
        let (asleep, armed) = (until.unwrap_or(u64::MAX), s.machine.armed(0));
        assert!(told || asleep <= 500 || armed <= 500, "keeper until {asleep}, tick at {armed}");
        let _ = p.into_raw();
    });
}

/// The first timer is added while the last core goes to sleep.
#[test]
fn keeper_against_first_timer() {
    keeper_against(&[], |_, _| {}, |s, p| add(s, p, 500));
}

/// An earlier timer is added while a core becomes the keeper of a later one.
#[test]
fn keeper_against_earlier_timer() {
    keeper_against(&[1_000], |_, _| {}, |s, p| add(s, p, 500));
}

/// The timer that the keeper announced fires elsewhere, and a later one is added (KEEPER-WORD).
#[test]
fn keeper_against_fired_timer() {
    keeper_against(
        &[100, 1_000],
        |_, _| {},
        |s, p| {
            fire(s, p, 100);
            add(s, p, 500);
        },
    );
}

/// The keeper gets a P and a G while a timer is added that its word covered: its tick comes for it.
#[test]
fn keeper_gets_busy_against_timer() {
    model(|| {
        let (s, p) = one_runs(&[100]);
        assert_eq!(s.watch_timers(&s.ms[1]), Some(100));
        fire(&s, &p, 100);
        s.machine.arm(0, u64::MAX);
        let keeper = loom::thread::spawn({
            let s = s.clone();
            move || {
                let p = seize(&s, 1);
                p.begin_slice(u64::MAX);
                s.leave_keeper(&s.ms[1]);
                let tick = s.tick_deadline(&Cx::on(&s, &s.ms[1], &p), 100);
                let _ = p.into_raw();
                tick
            }
        });
        add(&s, &p, 500);
        let tick = keeper.join().unwrap();
        let armed = s.machine.armed(0);
        assert!(tick <= 500 || armed <= 500, "ticks at {armed} and {tick}");
        let _ = p.into_raw();
    });
}

/// The keeper finds nothing left to watch and leaves, while a timer is added.
#[test]
fn keeper_leaves_against_timer() {
    let watch_and_fire = |s: &Sched, p: &OwnedP<Fake>| {
        assert_eq!(s.watch_timers(&s.ms[1]), Some(100));
        fire(s, p, 100);
    };
    keeper_against(&[100], watch_and_fire, |s, p| add(s, p, 500));
}
