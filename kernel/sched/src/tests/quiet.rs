//! The deadlock check: both kinds, and all that prevents them.

use std::vec::Vec;

use super::fake::{self, Fake, seize};
use crate::{Cx, Deadlock, PollDesc, Scheduler};

/// What is reported when all cores sleep after `f` was done.
fn reports(f: impl FnOnce(&Cx<'_, Fake>)) -> Vec<Deadlock> {
    let s = fake::scheduler(2);
    let p = seize(&s, 0);
    f(&Cx::on(&s, &s.ms[0], &p));
    s.check_dead();
    assert!(s.machine.reports().is_empty(), "a P is busy");
    sleep_all(&s, p);
    s.check_dead();
    s.check_dead();
    s.machine.reports()
}

fn sleep_all(s: &Scheduler<Fake>, p: crate::p::OwnedP<Fake>) {
    s.put_idle_p(&mut s.lock(), p);
    s.idle_ms.insert(0);
    s.idle_ms.insert(1);
}

fn wait_on_device(cx: &Cx<'_, Fake>, console: bool) -> &'static PollDesc<Fake> {
    let desc = fake::desc(console);
    let parked = if console { fake::parked_system(cx) } else { fake::parked(cx) };
    assert!(cx.sched.poll_wait(desc, parked).is_none());
    desc
}

fn wait_for_ever(cx: &Cx<'_, Fake>) {
    fake::parked(cx).forever();
}

#[test]
fn everything_sleeps() {
    assert_eq!(reports(wait_for_ever), [Deadlock::Everything], "told once");
}

#[test]
fn nobody_is_there() {
    assert_eq!(reports(|_| ()), []);
}

#[test]
fn a_timer_will_come() {
    assert_eq!(reports(|cx| cx.sched.sleep_until(cx, fake::parked(cx), 1_000)), []);
}

#[test]
fn a_device_may_fire() {
    let both = |cx: &Cx<'_, Fake>| {
        wait_on_device(cx, false);
        wait_for_ever(cx);
    };
    assert_eq!(reports(both), []);
}

#[test]
fn a_descriptor_has_fired() {
    let f = |cx: &Cx<'_, Fake>| {
        wait_for_ever(cx);
        cx.sched.poll.fire(fake::desc(false));
    };
    assert_eq!(reports(f), []);
}

#[test]
fn work_is_queued() {
    let f = |cx: &Cx<'_, Fake>| {
        wait_for_ever(cx);
        cx.sched.globq_put_one(fake::new_g(cx));
    };
    assert_eq!(reports(f), []);
}

#[test]
fn only_a_console_could_help() {
    let f = |cx: &Cx<'_, Fake>| {
        wait_on_device(cx, true);
        wait_for_ever(cx);
        wait_for_ever(cx);
    };
    assert_eq!(reports(f), [Deadlock::AllButConsole]);
}

#[test]
fn a_console_alone() {
    assert_eq!(reports(|cx| _ = wait_on_device(cx, true)), []);
}

#[test]
fn a_console_and_its_main_are_no_deadlock() {
    let f = |cx: &Cx<'_, Fake>| {
        wait_on_device(cx, true);
        wait_for_ever(cx);
    };
    assert_eq!(reports(f), []);
}

#[test]
fn system_goroutines_are_no_reason_to_live() {
    let f = |cx: &Cx<'_, Fake>| {
        cx.sched.sleep_until(cx, fake::parked_system(cx), 1_000);
        wait_for_ever(cx);
    };
    assert_eq!(reports(f), [Deadlock::Everything]);
}

#[test]
fn a_new_deadlock_is_news() {
    let s = fake::scheduler(1);
    let p = seize(&s, 0);
    wait_for_ever(&Cx::on(&s, &s.ms[0], &p));
    sleep_all(&s, p);
    s.check_dead();
    s.forget_deadlock();
    s.check_dead();
    assert_eq!(s.machine.reports().len(), 2);
}
