//! The run queue alone: A6, A7 and A8 of the conformance list, and what happens at its edges.

use std::{
    sync::{Arc, Barrier},
    vec::Vec,
};

use super::fake::{Fake, Gs, forget};
use crate::{
    Runnable,
    globq::GList,
    runq::{CAPACITY, RunQueue},
};

type Queue = RunQueue<Fake>;

const STEP: usize = if cfg!(miri) { 51 } else { 1 };

fn fill(q: &Queue, gs: &Gs, n: u64) {
    for id in 1..=n {
        assert!(q.put(gs.runnable(id)).is_none(), "{n} fit");
    }
}

fn drain(q: &Queue) -> Vec<u64> {
    core::iter::from_fn(|| q.take().map(|(g, _)| forget(g))).collect()
}

fn list(mut batch: GList<Fake>) -> Vec<u64> {
    core::iter::from_fn(|| batch.pop_front().map(forget)).collect()
}

/// A6.
#[test]
fn local_queue() {
    let (gs, q) = (Gs::new(CAPACITY as u64), Queue::new());
    for n in (0..=CAPACITY as u64).step_by(STEP) {
        assert!(q.is_empty());
        fill(&q, &gs, n);
        assert_eq!(q.len() as u64, n);
        assert!(drain(&q).into_iter().eq(1..=n), "first in, first out");
        assert!(q.is_empty() && q.ring_is_empty() && q.take().is_none());
    }
}

/// A7.
#[test]
fn local_queue_steal() {
    let (gs, from, to) = (Gs::new(CAPACITY as u64), Queue::new(), Queue::new());
    for n in (0..=CAPACITY as u64).step_by(STEP) {
        fill(&from, &gs, n);
        let mut stolen: Vec<u64> = from.steal_into(&to).map(forget).into_iter().collect();
        stolen.extend(drain(&to));
        let rest = drain(&from);
        assert!(stolen.len() as u64 == n / 2 || stolen.len() as u64 == n / 2 + 1, "half of {n}: {}", stolen.len());
        let mut all: Vec<u64> = stolen.into_iter().chain(rest).collect();
        all.sort_unstable();
        assert!(all.into_iter().eq(1..=n), "each exactly once");
    }
}

/// A8: while a G passes through the queue, no witness ever finds it empty.
#[test]
fn local_queue_never_seen_empty() {
    let rounds = if cfg!(miri) { 20 } else { 25_000 };
    for (first, second) in [(false, false), (false, true), (true, false), (true, true)] {
        let gs = Gs::new(2);
        let (q, gate) = (Arc::new(Queue::new()), Arc::new(Barrier::new(2)));
        let witness = std::thread::spawn({
            let (q, gate) = (q.clone(), gate.clone());
            move || {
                for round in 0..rounds {
                    gate.wait();
                    assert!(!q.is_empty(), "round {round}: it has at least one all the time");
                    gate.wait();
                }
            }
        });
        for _ in 0..rounds {
            put(&q, gs.runnable(1), first);
            gate.wait();
            put(&q, gs.runnable(2), second);
            assert!(q.take().map(|(g, _)| forget(g)).is_some());
            gate.wait();
            drain(&q);
        }
        witness.join().unwrap();
    }
}

fn put(q: &Queue, g: Runnable<Fake>, next: bool) {
    let overflow = if next { q.put_next(g) } else { q.put(g) };
    assert!(overflow.is_none());
}

#[test]
fn runnext_comes_first_and_inherits() {
    let (gs, q) = (Gs::new(3), Queue::new());
    put(&q, gs.runnable(1), false);
    put(&q, gs.runnable(2), true);
    put(&q, gs.runnable(3), true); // 2 moves to the ring's tail
    let order: Vec<_> = core::iter::from_fn(|| q.take().map(|(g, inherit)| (forget(g), inherit))).collect();
    assert_eq!(order, [(3, true), (1, false), (2, false)]);
}

#[test]
fn overflow_moves_half_out() {
    let n = CAPACITY as u64;
    let (gs, q) = (Gs::new(n + 1), Queue::new());
    fill(&q, &gs, n);
    let batch = list(q.put(gs.runnable(n + 1)).expect("it is full"));
    assert!(batch.into_iter().eq((1..=n / 2).chain([n + 1])), "the older half, and the one that found no room");
    assert!(drain(&q).into_iter().eq(n / 2 + 1..=n));
}

#[test]
fn runnext_overflows_into_the_ring() {
    let n = CAPACITY as u64;
    let (gs, q) = (Gs::new(n + 2), Queue::new());
    fill(&q, &gs, n);
    assert!(q.put_next(gs.runnable(n + 1)).is_none(), "the slot was free");
    let batch = list(q.put_next(gs.runnable(n + 2)).expect("the ring is full"));
    assert_eq!(batch.len() as u64, n / 2 + 1);
    assert_eq!(batch.last(), Some(&(n + 1)), "the one that left the slot found no room");
    assert_eq!(drain(&q).first(), Some(&(n + 2)));
}

#[test]
fn a_batch_fills_the_room_there_is() {
    let n = CAPACITY as u64;
    let (gs, q) = (Gs::new(n + 8), Queue::new());
    fill(&q, &gs, 3);
    let mut batch = GList::new();
    for id in 4..=n + 8 {
        batch.push_back(gs.runnable(id));
    }
    q.put_batch(&mut batch);
    assert!(drain(&q).into_iter().eq(1..=n));
    assert!(list(batch).into_iter().eq(n + 1..=n + 8), "the rest stays in the list, in order");
}

#[test]
fn indices_wrap() {
    let (gs, q, to) = (Gs::new(8), Queue::new(), Queue::new());
    q.start_at(u32::MAX - 2);
    to.start_at(u32::MAX - 1);
    for _ in 0..4 {
        fill(&q, &gs, 8);
        let last = q.steal_into(&to).map(forget);
        assert_eq!((last, drain(&to).len(), drain(&q).len()), (Some(4), 3, 4));
    }
}

#[test]
fn lists_keep_their_order() {
    let gs = Gs::new(6);
    let list_of = |ids: core::ops::RangeInclusive<u64>| {
        let mut l = GList::new();
        ids.for_each(|id| l.push_back(gs.runnable(id)));
        l
    };
    let (mut a, mut b, mut none) = (list_of(1..=3), list_of(4..=6), GList::new());
    a.append(&mut none);
    none.append(&mut a);
    none.append(&mut b);
    assert!(a.is_empty() && b.is_empty() && none.len() == 6);
    let front = none.split_front(2);
    assert!(none.iter().map(|g| g.id()).eq(3..=6));
    assert_eq!(list(front), [1, 2]);
    assert_eq!(list(none.split_front(9)), [3, 4, 5, 6]);
    assert!(none.is_empty());
}

/// Random operations of an owner and thieves, each G counted at the end.
#[test]
fn owner_and_thieves() {
    let n: u64 = if cfg!(miri) { 300 } else { 200_000 };
    let (gs, q) = (Gs::new(n), Arc::new(Queue::new()));
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let thieves: Vec<_> = (0..3)
        .map(|_| {
            let (q, done) = (q.clone(), done.clone());
            std::thread::spawn(move || {
                let (own, mut got) = (Queue::new(), Vec::new());
                while !done.load(std::sync::atomic::Ordering::Acquire) || !q.is_empty() {
                    got.extend(q.steal_into(&own).or_else(|| q.take_next()).map(forget));
                    got.extend(drain(&own));
                }
                got
            })
        })
        .collect();
    let mut got = Vec::new();
    for id in 1..=n {
        let overflow = if id % 3 == 0 { q.put_next(gs.runnable(id)) } else { q.put(gs.runnable(id)) };
        got.extend(overflow.into_iter().flat_map(list));
        if id % 4 == 0 {
            got.extend(q.take().map(|(g, _)| forget(g)));
        }
    }
    done.store(true, std::sync::atomic::Ordering::Release);
    for thief in thieves {
        got.extend(thief.join().unwrap());
    }
    got.sort_unstable();
    assert!(got.into_iter().eq(1..=n), "each exactly once");
}
