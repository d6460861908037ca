//! The status machine, and rights that get lost.

use super::fake::{self, Gs, new_g, seize};
use crate::{Cx, Status, token::Runnable};

const ALL: [Status; 7] = [
    Status::Idle,
    Status::Runnable,
    Status::Running,
    Status::Syscall,
    Status::Waiting,
    Status::Dead,
    Status::Preempted,
];

/// The message of a transition `from -> to` of a G that is `found`.
fn message(found: Status, from: Status, to: Status) -> std::string::String {
    let panicked = std::panic::catch_unwind(move || {
        let gs = Gs::new(1);
        let g = gs.runnable(1).into_raw();
        if found != Status::Dead {
            g.transition(Status::Dead, found);
        }
        g.transition(from, to);
    });
    panicked.err().and_then(|e| e.downcast_ref::<std::string::String>().cloned()).unwrap_or_default()
}

#[test]
fn illegal_transition_names_both_states() {
    for found in ALL {
        for from in ALL.into_iter().filter(|&from| from != found) {
            let text = message(found, from, Status::Running);
            let expected = std::format!("goroutine 1: {from:?} -> Running, but it is {found:?}");
            assert_eq!(text, expected);
        }
        assert_eq!(message(found, found, Status::Running), "", "a fitting one passes");
    }
}

#[test]
fn status_survives_its_number() {
    for status in ALL {
        let gs = Gs::new(1);
        let g = gs.runnable(1).into_raw();
        if status != Status::Dead {
            g.transition(Status::Dead, status);
        }
        assert_eq!(g.status(), status);
        assert!(!status.text().is_empty());
    }
}

#[test]
#[should_panic(expected = "the Runnable of goroutine 1 was lost")]
fn a_lost_runnable_is_fatal() {
    let s = fake::scheduler(1);
    let p = seize(&s, 0);
    drop(new_g(&Cx::on(&s, &s.ms[0], &p)));
}

#[test]
#[should_panic(expected = "the Parked of goroutine 1 was lost")]
fn a_lost_parked_is_fatal() {
    let s = fake::scheduler(1);
    let p = seize(&s, 0);
    drop(fake::parked(&Cx::on(&s, &s.ms[0], &p)));
}

#[test]
#[should_panic(expected = "a list of 2 runnable goroutines was lost, the first of them 1")]
fn a_lost_list_is_fatal() {
    let gs = Gs::new(2);
    let mut list = crate::globq::GList::new();
    list.push_back(gs.runnable(1));
    list.push_back(gs.runnable(2));
}

#[test]
#[should_panic(expected = "Runnable -> Running, but it is Running")]
fn a_g_that_runs_cannot_start() {
    let gs = Gs::new(1);
    gs.runnable(1).into_raw().transition(Status::Dead, Status::Runnable);
    gs.runnable(1).start(0, 0);
    // A second right over the same G: what ONE-RIGHT forbids, and what the status machine still catches.
    let twin: Runnable<fake::Fake> = gs.runnable(1);
    twin.start(1, 0);
}
