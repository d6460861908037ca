//! Making goroutines: numbers, counts, and dead Gs that live again.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
    vec::Vec,
};

use super::fake::{self, Fake, FakeG, seize};
use crate::{Cx, Status, find::Found, p::OwnedP};

/// Spawns and runs a G that exits at once; from the free list, if there is one.
fn live_and_die(s: &crate::Scheduler<Fake>, m: usize, p: OwnedP<Fake>, system: bool) -> (OwnedP<Fake>, bool) {
    let cx = Cx::on(s, &s.ms[m], &p);
    let (dead, again) = match s.take_dead(&cx) {
        Some(dead) => (dead, true),
        None => (s.new_dead(FakeG::idle()).expect("memory"), false),
    };
    dead.g().ext.refill(FakeG::idle());
    let g = s.begin(&cx, dead, 7, system);
    assert_eq!((g.g().status(), g.g().parent(), g.g().is_system()), (Status::Runnable, 7, system));
    assert_eq!((s.num_goroutine(), s.num_system()), (u64::from(!system), u64::from(system)));
    (s.execute(&s.ms[m], Found { p, g, inherit: false, now: 1 }).0, again)
}

#[test]
fn a_dead_g_lives_again() {
    let s = fake::scheduler(1);
    let mut p = seize(&s, 0);
    for life in 0..10 {
        let again;
        (p, again) = live_and_die(&s, 0, p, life % 2 == 1);
        assert_eq!(again, life > 0);
        assert_eq!((s.num_goroutine(), s.num_system()), (0, 0));
    }
    assert_eq!(s.all_gs().count(), 1);
    assert_eq!(s.all_gs().map(|g| g.id()).max(), Some(10));
}

#[test]
fn what_the_machine_keeps_is_not_used_again() {
    let s = fake::scheduler(1);
    s.machine.reuse.store(false, Ordering::SeqCst);
    let mut p = seize(&s, 0);
    for _ in 0..3 {
        let again;
        (p, again) = live_and_die(&s, 0, p, false);
        assert!(!again);
    }
    assert_eq!(s.all_gs().filter(|g| g.status() == Status::Dead).count(), 3);
    let _ = p.into_raw();
}

#[test]
fn free_lists_drain_and_refill() {
    let s = fake::scheduler(2);
    let (p0, p1) = (seize(&s, 0), seize(&s, 1));
    let (cx0, cx1) = (Cx::on(&s, &s.ms[0], &p0), Cx::on(&s, &s.ms[1], &p1));
    for _ in 0..64 {
        let g = s.new_dead(FakeG::idle()).expect("memory").g();
        s.put_dead(&cx0, g);
    }
    assert_eq!((p0.free.lock().len(), s.lock().free.len()), (32, 32), "a long list is shared");
    assert!(s.take_dead(&cx1).is_some());
    assert_eq!((p1.free.lock().len(), s.lock().free.len()), (31, 0), "an empty one takes a batch");
    let all: Vec<_> = core::iter::from_fn(|| s.take_dead(&cx0).or_else(|| s.take_dead(&cx1))).collect();
    assert_eq!(all.len(), 63);
}

/// Goroutine numbers are unique, whoever gives them out.
#[test]
fn numbers_are_unique() {
    let each = if cfg!(miri) { 40 } else { 5_000 };
    let s = Arc::new(fake::scheduler(4));
    let threads: Vec<_> = (0..4)
        .map(|m| {
            let s = s.clone();
            std::thread::spawn(move || {
                let p = seize(&s, m);
                let cx = Cx::on(&s, &s.ms[m], &p);
                (0..each).map(|_| fake::forget(fake::new_g(&cx))).collect::<Vec<_>>()
            })
        })
        .collect();
    let ids: Vec<u64> = threads.into_iter().flat_map(|t| t.join().unwrap()).collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 4 * each);
    assert!(ids.iter().all(|&id| id > 0));
    assert_eq!(s.num_goroutine(), 4 * each as u64);
    assert_eq!(s.all_gs().count(), 4 * each);
}

/// The boot core has nothing to do yet, and must not wait for it: it makes the first G itself.
#[test]
fn the_boot_core_starts() {
    let s = fake::scheduler(2);
    let mut preempted = None;
    s.run_first(&s.ms[0], |cx| {
        let first = FakeG::new(|cx, _| {
            cx.sched.machine.shut_down();
            fake::Step::Exit
        });
        s.start(cx, fake::spawn_with(cx, first), true);
        preempted = s.tick(cx.m, Some(cx), crate::Machine::now(&s.machine)).map(|t| t.preempt);
    });
    assert_eq!(s.machine.retired.load(Ordering::SeqCst), 1);
    assert_eq!(preempted, Some(false), "the first G has a whole slice");
    assert_eq!((s.idle_ps(), s.idle_ms(), s.spinning()), (2, 1, 0));
}

/// A G that takes its park back goes on at once, in its slice.
#[test]
fn a_park_taken_back() {
    let s = fake::scheduler(1);
    let p = seize(&s, 0);
    let mut runs = 0;
    let body = move |_: &Cx<'_, Fake>, _: &_| {
        runs += 1;
        if runs < 3 { fake::Step::park(|_, parked| Some(parked)) } else { fake::Step::Exit }
    };
    let g = fake::spawn_with(&Cx::on(&s, &s.ms[0], &p), FakeG::new(body));
    let (p, _) = s.execute(&s.ms[0], Found { p, g, inherit: false, now: 1 });
    assert_eq!((s.num_goroutine(), p.schedtick(), p.stats.switches.load(Ordering::Relaxed)), (0, 1, 3));
    let _ = p.into_raw();
}

/// Who comes from `runnext` goes on with the slice of the G before it; all others begin one.
#[test]
fn runnext_inherits_the_slice() {
    let s = fake::scheduler(1);
    let mut p = seize(&s, 0);
    for (inherit, ends) in [(false, 10_000_001), (true, 10_000_001), (false, 10_000_500)] {
        s.machine.advance_to(500);
        let g = fake::spawn_with(&Cx::on(&s, &s.ms[0], &p), FakeG::idle());
        let now = if ends == 10_000_500 { 500 } else { 1 };
        (p, _) = s.execute(&s.ms[0], Found { p, g, inherit, now });
        assert_eq!(p.slice_end(), ends);
    }
    assert_eq!(p.schedtick(), 2);
    let _ = p.into_raw();
}
