//! Whom a thief visits, in which order, and what it takes there.

use std::{collections::HashSet, sync::atomic::Ordering, vec::Vec};

use super::fake::{self, forget, new_g, seize};
use crate::{Cx, steal::StealOrders};

/// A9.
#[test]
fn steal_order() {
    for procs in 1..=if cfg!(miri) { 9 } else { 64 } {
        let orders = StealOrders::new(procs);
        assert!(procs < 3 || orders.strides() >= 2, "{procs} Ps: more than one way round");
        let mut keys = HashSet::new();
        for seed in 0..(procs * orders.strides()) as u32 {
            let walk = orders.walk(seed);
            assert!(keys.insert(walk.key()) || procs == 1, "{procs} Ps: seed {seed} gives a new walk");
            let mut visited: Vec<_> = walk.collect();
            visited.sort_unstable();
            assert!(visited.into_iter().eq(0..procs), "{procs} Ps: each once");
        }
    }
}

#[test]
fn a_thief_takes_half_and_leaves_runnext() {
    let s = fake::scheduler(2);
    let (p0, p1) = (seize(&s, 0), seize(&s, 1));
    let (cx0, cx1) = (Cx::on(&s, &s.ms[0], &p0), Cx::on(&s, &s.ms[1], &p1));
    for _ in 0..4 {
        assert!(p0.runq.put(new_g(&cx0)).is_none());
    }
    assert!(p0.runq.put_next(new_g(&cx0)).is_none());
    let g = s.steal_work(&cx1).expect("four wait");
    assert_eq!(forget(g), 2);
    assert_eq!((p0.runq.len(), p1.runq.len()), (2, 1));
    assert_eq!(p0.runq.take_next().map(forget), Some(5), "it was left");
    assert_eq!(p1.stats.steals.load(Ordering::Relaxed), 1);
}

#[test]
fn runnext_is_the_last_resort_and_has_a_grace() {
    let s = fake::scheduler(2);
    let (p0, p1) = (seize(&s, 0), seize(&s, 1));
    let (cx0, cx1) = (Cx::on(&s, &s.ms[0], &p0), Cx::on(&s, &s.ms[1], &p1));
    assert!(p0.runq.put_next(new_g(&cx0)).is_none());
    let before = crate::Machine::now(&s.machine);
    assert_eq!(s.steal_work(&cx1).map(forget), Some(1));
    assert!(crate::Machine::now(&s.machine) - before >= 3_000, "the owner had its time");
    // An idle P's runnext needs no grace: nobody is about to run it.
    p0.set_m(None);
    assert!(p0.runq.put_next(new_g(&cx0)).is_none());
    let relaxed = s.machine.relaxed.load(Ordering::SeqCst);
    assert_eq!(s.steal_work(&cx1).map(forget), Some(2));
    assert_eq!(s.machine.relaxed.load(Ordering::SeqCst), relaxed);
}

#[test]
fn nothing_to_steal() {
    let s = fake::scheduler(3);
    let p = seize(&s, 0);
    assert!(s.steal_work(&Cx::on(&s, &s.ms[0], &p)).is_none());
}

#[test]
fn timers_of_an_idle_p_fire_by_stealing() {
    let s = fake::scheduler(2);
    let (p0, p1) = (seize(&s, 0), seize(&s, 1));
    let cx1 = Cx::on(&s, &s.ms[1], &p1);
    s.sleep_until(&cx1, fake::parked(&cx1), 50);
    s.put_idle_p(&mut s.lock(), p1);
    let cx0 = Cx::on(&s, &s.ms[0], &p0);
    assert!(s.steal_work(&cx0).is_none(), "not due yet");
    s.machine.advance_to(50);
    assert_eq!(s.steal_work(&cx0).map(forget), Some(1));
}
