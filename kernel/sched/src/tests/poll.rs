//! Poll descriptors: what fires before, during and after a wait.

use super::fake::{self, Fake, forget, seize};
use crate::{Cx, PollDesc};

fn desc() -> &'static PollDesc<Fake> {
    fake::desc(false)
}

fn with_core(f: impl FnOnce(&Cx<'_, Fake>)) {
    let s = fake::scheduler(2);
    let p = seize(&s, 0);
    f(&Cx::on(&s, &s.ms[0], &p));
}

#[test]
fn fires_before_the_wait() {
    with_core(|cx| {
        let (s, d) = (cx.sched, desc());
        s.poll.fire(d);
        assert!(s.poll.pending());
        s.check_poll(cx);
        assert!(!s.poll.pending() && cx.p.runq.is_empty());
        let back = s.poll_wait(d, fake::parked(cx)).expect("it need not wait");
        forget(back.into_runnable());
        let parked = fake::parked(cx);
        assert!(s.poll_wait(d, parked).is_none(), "one event ends one wait");
        assert_eq!(s.poll.waiting(), (1, 0));
    });
}

#[test]
fn fires_after_the_wait() {
    with_core(|cx| {
        let (s, d) = (cx.sched, desc());
        assert!(s.poll_wait(d, fake::parked(cx)).is_none());
        s.poll.fire(d);
        s.check_poll(cx);
        assert_eq!(cx.p.runq.take().map(|(g, inherit)| (forget(g), inherit)), Some((1, false)));
        assert!(!d.take_fired(), "the event was used up");
        assert_eq!(s.poll.waiting(), (0, 0));
    });
}

#[test]
fn fires_twice() {
    with_core(|cx| {
        let (s, d) = (cx.sched, desc());
        assert!(s.poll_wait(d, fake::parked(cx)).is_none());
        s.poll.fire(d);
        s.poll.fire(d);
        s.check_poll(cx);
        assert_eq!(cx.p.runq.len(), 1, "it is linked once");
        s.poll.fire(d);
        s.check_poll(cx);
        s.poll.fire(d);
        s.check_poll(cx);
        assert!(d.take_fired());
        assert!(!d.take_fired(), "marks do not add up");
    });
}

/// What the system waits for runs next; what others wait for queues up.
#[test]
fn a_system_goroutine_runs_next() {
    with_core(|cx| {
        let (s, ds) = (cx.sched, [fake::desc(false), fake::desc(true)]);
        assert!(s.poll_wait(ds[0], fake::parked(cx)).is_none());
        assert!(s.poll_wait(ds[1], fake::parked_system(cx)).is_none());
        s.poll.fire(ds[1]);
        s.poll.fire(ds[0]);
        s.check_poll(cx);
        let order: std::vec::Vec<_> = core::iter::from_fn(|| cx.p.runq.take().map(|(g, _)| forget(g))).collect();
        assert_eq!(order, [2, 1]);
    });
}

#[test]
fn several_descriptors() {
    with_core(|cx| {
        let (s, ds) = (cx.sched, [desc(), desc(), desc()]);
        for d in ds {
            assert!(s.poll_wait(d, fake::parked(cx)).is_none());
        }
        assert_eq!(s.poll.waiting(), (3, 0));
        s.poll.fire(ds[2]);
        s.poll.fire(ds[0]);
        s.check_poll(cx);
        assert_eq!((cx.p.runq.len(), s.poll.waiting()), (2, (1, 0)));
    });
}

#[test]
#[should_panic(expected = "two goroutines wait on one poll descriptor")]
fn two_waiters_are_one_too_many() {
    with_core(|cx| {
        let d = desc();
        assert!(cx.sched.poll_wait(d, fake::parked(cx)).is_none());
        if let Some(back) = cx.sched.poll_wait(d, fake::parked(cx)) {
            back.forever();
        }
    });
}

#[test]
fn an_event_wakes_an_idle_core() {
    let s = fake::scheduler(3);
    let _p = seize(&s, 0);
    s.poll.fire(desc());
    s.event_for_idle(&s.ms[0]);
    assert!(s.ms.iter().all(|m| m.wake.take() == 0), "there is no idle core");
    s.idle_ms.insert(2);
    s.event_for_idle(&s.ms[0]);
    assert_ne!(s.ms[2].wake.take(), 0);
    s.become_spinning(&s.ms[1]);
    s.event_for_idle(&s.ms[0]);
    assert_eq!(s.ms[2].wake.take(), 0, "one looks already");
    assert!(s.ms[2].wake.halt());
    s.event_for_idle(&s.ms[2]);
    assert_ne!(s.ms[2].wake.take(), 0, "a handler on a halted core tells that core");
    assert_eq!(s.machine.kicks.load(std::sync::atomic::Ordering::SeqCst), 0, "and need not kick it");
}
