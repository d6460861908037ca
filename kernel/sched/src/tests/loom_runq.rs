//! Models of the run queue: an owner against thieves, on a ring of four.

use std::{sync::Arc, vec::Vec};

use super::fake::{self, Gs, forget, model};
use crate::runq::RunQueue;

type Queue = Arc<RunQueue<fake::Fake>>;

fn take_all(q: &RunQueue<fake::Fake>, into: &mut Vec<u64>) {
    while let Some((g, _)) = q.take() {
        into.push(forget(g));
    }
}

fn steal(from: &RunQueue<fake::Fake>) -> Vec<u64> {
    let own = RunQueue::new();
    let mut got = Vec::new();
    if let Some(g) = from.steal_into(&own) {
        got.push(forget(g));
        take_all(&own, &mut got);
    }
    got
}

fn assert_all(mut got: Vec<u64>, n: u64) {
    got.sort_unstable();
    assert!(got.iter().copied().eq(1..=n), "each once: {got:?}");
}

/// One pushes and takes, one steals: each G comes out once.
#[test]
fn push_take_steal() {
    model(|| {
        let (gs, q): (_, Queue) = (Gs::new(3), Arc::default());
        assert!(q.put(gs.runnable(1)).is_none());
        let thief = loom::thread::spawn({
            let q = q.clone();
            move || steal(&q)
        });
        assert!(q.put(gs.runnable(2)).is_none());
        assert!(q.put(gs.runnable(3)).is_none());
        let mut got = Vec::new();
        got.extend(q.take().map(|(g, _)| forget(g)));
        got.extend(thief.join().unwrap());
        take_all(&q, &mut got);
        assert_all(got, 3);
    });
}

/// Two thieves at one queue: no G comes out twice.
#[test]
fn two_thieves() {
    model(|| {
        let (gs, q): (_, Queue) = (Gs::new(3), Arc::default());
        assert!(q.put(gs.runnable(1)).is_none());
        assert!(q.put(gs.runnable(2)).is_none());
        let thieves = [q.clone(), q.clone()].map(|q| loom::thread::spawn(move || steal(&q)));
        assert!(q.put(gs.runnable(3)).is_none());
        let mut got = Vec::new();
        for thief in thieves {
            got.extend(thief.join().unwrap());
        }
        take_all(&q, &mut got);
        assert_all(got, 3);
    });
}

/// A full ring moves half out while a thief steals.
#[test]
fn overflow_against_thief() {
    model(|| {
        let (gs, q): (_, Queue) = (Gs::new(5), Arc::default());
        for i in 1..=4 {
            assert!(q.put(gs.runnable(i)).is_none());
        }
        let thief = loom::thread::spawn({
            let q = q.clone();
            move || steal(&q)
        });
        let mut got = Vec::new();
        if let Some(mut batch) = q.put(gs.runnable(5)) {
            while let Some(g) = batch.pop_front() {
                got.push(forget(g));
            }
        }
        got.extend(thief.join().unwrap());
        take_all(&q, &mut got);
        assert_all(got, 5);
    });
}

/// `runnext` is taken by its owner or by a thief, not by both.
#[test]
fn runnext_once() {
    model(|| {
        let (gs, q): (_, Queue) = (Gs::new(2), Arc::default());
        assert!(q.put_next(gs.runnable(1)).is_none());
        let thief = loom::thread::spawn({
            let q = q.clone();
            move || q.take_next().map(forget)
        });
        assert!(q.put_next(gs.runnable(2)).is_none());
        let mut got = Vec::new();
        take_all(&q, &mut got);
        got.extend(thief.join().unwrap());
        assert_all(got, 2);
    });
}

/// A8: a queue that always has a G is never seen empty, wherever that G moves.
#[test]
fn never_seen_empty() {
    for (first, second) in [(false, false), (false, true), (true, false), (true, true)] {
        model(move || {
            let (gs, q): (_, Queue) = (Gs::new(2), Arc::default());
            put(&q, gs.runnable(1), first);
            let witness = loom::thread::spawn({
                let q = q.clone();
                move || assert!(!q.is_empty(), "it has at least one all the time")
            });
            put(&q, gs.runnable(2), second);
            let taken = q.take().map(|(g, _)| forget(g));
            assert!(taken.is_some());
            witness.join().unwrap();
            take_all(&q, &mut Vec::new());
        });
    }
}

fn put(q: &RunQueue<fake::Fake>, g: crate::Runnable<fake::Fake>, next: bool) {
    let overflow = if next { q.put_next(g) } else { q.put(g) };
    assert!(overflow.is_none());
}
