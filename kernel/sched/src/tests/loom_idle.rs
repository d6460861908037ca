//! Models of the spinning protocol and the wake word.
//!
//! The machine of these models is going down from the start: an M that would halt leaves instead, and what it
//! left behind must be enough to wake it: a P in its hand, or a bit in its wake word.

use std::sync::Arc;

use super::fake::{self, Fake, model, new_g, seize};
use crate::{
    Cx, Scheduler,
    idle::WakeWord,
    p::OwnedP,
    sync::{Ordering, fence},
};

type Sched = Arc<Scheduler<Fake>>;

fn going_down(cores: usize) -> Sched {
    let s = fake::scheduler(cores);
    s.machine.shut_down();
    Arc::new(s)
}

/// What an M is after it gave its P back.
#[derive(Debug, PartialEq)]
enum Left {
    WithP,
    Asleep,
}

fn stop(s: &Sched, m: usize, p: OwnedP<Fake>) -> Left {
    match s.stopm(&s.ms[m], p) {
        Some(p) => {
            let _ = p.into_raw();
            Left::WithP
        }
        None => Left::Asleep,
    }
}

fn assert_will_look(s: &Sched, m: usize, left: &Left) {
    fence(Ordering::SeqCst);
    assert!(*left == Left::WithP || s.ms[m].wake.take() != 0, "work is there, and nobody comes");
}

fn submit_while_stopping(spinning: bool) {
    model(move || {
        let s = going_down(2);
        let p0 = seize(&s, 0);
        let p1 = seize(&s, 1);
        if spinning {
            s.become_spinning(&s.ms[1]);
        }
        let stopping = loom::thread::spawn({
            let s = s.clone();
            move || stop(&s, 1, p1)
        });
        let cx = Cx::on(&s, &s.ms[0], &p0);
        s.submit(&cx, new_g(&cx), false);
        let left = stopping.join().unwrap();
        assert_will_look(&s, 1, &left);
        let spinning = s.ms.iter().filter(|m| m.spinning()).count();
        assert_eq!(spinning, s.spinning(), "each spinning M counts once");
    });
}

/// Work is queued while the last spinning M gives up.
#[test]
fn submit_against_last_spinner() {
    submit_while_stopping(true);
}

/// Work is queued while an M that was not allowed to spin gives its P back.
#[test]
fn submit_against_stopm() {
    submit_while_stopping(false);
}

/// A waker that finds no P takes its claim back before anybody can find one (SPIN-CLAIM).
#[test]
fn futile_wakep_against_submit() {
    model(|| {
        let s = going_down(3);
        let (p0, _p1) = (seize(&s, 0), seize(&s, 1));
        s.idle_ms.insert(2);
        let futile = loom::thread::spawn({
            let s = s.clone();
            move || s.wakep()
        });
        let in_and_out = loom::thread::spawn({
            let s = s.clone();
            move || match s.reacquire(&s.ms[2]) {
                Some(p) => stop(&s, 2, p),
                None => Left::Asleep,
            }
        });
        let submitting = loom::thread::spawn({
            let s = s.clone();
            move || {
                let cx = Cx::on(&s, &s.ms[0], &p0);
                s.submit(&cx, new_g(&cx), false);
            }
        });
        futile.join().unwrap();
        submitting.join().unwrap();
        let left = in_and_out.join().unwrap();
        assert_will_look(&s, 2, &left);
    });
}

/// An interrupt leaves an event while its core, or another one, goes idle.
#[test]
fn event_against_idling() {
    for handler_on in [0, 1] {
        model(move || {
            let s = going_down(2);
            let (_p0, p1) = (seize(&s, 0), seize(&s, 1));
            let desc = fake::desc(false);
            let stopping = loom::thread::spawn({
                let s = s.clone();
                move || stop(&s, 1, p1)
            });
            s.poll.fire(desc);
            s.event_for_idle(&s.ms[handler_on]);
            let left = stopping.join().unwrap();
            assert_will_look(&s, 1, &left);
        });
    }
}

/// An interrupt leaves an event while the M that it could wake leaves the idle set by itself.
#[test]
fn event_against_reacquire() {
    model(|| {
        let s = going_down(2);
        let _p0 = seize(&s, 0);
        s.idle_ms.insert(1);
        let desc = fake::desc(false);
        let in_and_out = loom::thread::spawn({
            let s = s.clone();
            move || s.reacquire(&s.ms[1]).map_or(Left::Asleep, |p| stop(&s, 1, p))
        });
        s.poll.fire(desc);
        s.event_for_idle(&s.ms[0]);
        let left = in_and_out.join().unwrap();
        assert_will_look(&s, 1, &left);
    });
}

/// Of two wakers and a core that halts: it does not halt, or one of them kicks it.
#[test]
fn halt_against_two_wakers() {
    model(|| {
        let word = Arc::new(WakeWord::new());
        let wakers = [WakeWord::NOTIFIED, WakeWord::EVENT].map(|bit| {
            let word = word.clone();
            loom::thread::spawn(move || word.set(bit))
        });
        let halted = word.halt();
        let kicks = wakers.map(|w| w.join().unwrap()).into_iter().filter(|&kick| kick).count();
        assert!(!halted || kicks == 1, "halted, and {kicks} kicks");
        assert_eq!(word.take(), WakeWord::NOTIFIED | WakeWord::EVENT);
    });
}

/// The last core looks for a deadlock while an event frees the only goroutine, which then ends.
#[test]
fn deadlock_check_against_event() {
    model(|| {
        let s = Arc::new(fake::scheduler(2));
        let desc = fake::desc(false);
        let p = seize(&s, 1);
        let cx = Cx::on(&s, &s.ms[1], &p);
        assert!(s.poll_wait(desc, fake::parked(&cx)).is_none());
        s.put_idle_p(&mut s.lock(), p);
        s.idle_ms.insert(1);
        let freeing = loom::thread::spawn({
            let s = s.clone();
            move || {
                s.poll.fire(desc);
                let Some(p) = s.reacquire(&s.ms[1]) else { panic!("two Ps are idle") };
                s.check_poll(&Cx::on(&s, &s.ms[1], &p));
                let _ = p.into_raw();
            }
        });
        s.check_dead();
        freeing.join().unwrap();
        assert!(s.machine.reports().is_empty(), "a goroutine could move");
    });
}
