//! Timer heaps against a sorted model, and who watches them.

use std::vec::Vec;

use super::fake::{self, Fake, forget, seize};
use crate::{Cx, GRef, Machine, p::OwnedP, rng::Rng};

fn sleeper(cx: &Cx<'_, Fake>, when: u64) -> u64 {
    let parked = fake::parked(cx);
    let id = parked.g().id();
    cx.sched.sleep_until(cx, parked, when);
    id
}

fn fired(p: &OwnedP<Fake>, now: u64) -> Vec<u64> {
    let mut due = p.timers.take_due(now);
    core::iter::from_fn(|| due.pop_front().map(forget)).collect()
}

/// Random adds and fires: the heap gives what a sorted list gives, in the order of time.
#[test]
fn heap_against_sorted_list() {
    let rounds = if cfg!(miri) { 200 } else { 20_000 };
    for seed in 0..if cfg!(miri) { 1 } else { 8 } {
        let s = fake::scheduler(1);
        let p = seize(&s, 0);
        let cx = Cx::on(&s, &s.ms[0], &p);
        let (rng, mut model, mut now) = (Rng::new(seed), Vec::new(), 0);
        for _ in 0..rounds {
            if rng.next_u32() % 3 != 0 {
                let when = now + u64::from(rng.next_u32() % 1_000);
                model.push((when, sleeper(&cx, when)));
            } else {
                now += u64::from(rng.next_u32() % 300);
                model.sort_unstable();
                let due = model.partition_point(|e| e.0 <= now);
                let mut expected: Vec<_> = model.drain(..due).collect();
                let whens = |id: &u64| expected.iter().find(|e| e.1 == *id).map(|e| e.0);
                let mut got = fired(&p, now);
                assert!(got.iter().map(whens).is_sorted(), "seed {seed}: earliest first");
                got.sort_unstable();
                expected.sort_unstable_by_key(|e| e.1);
                assert!(got.into_iter().eq(expected.into_iter().map(|e| e.1)), "seed {seed}: what is due, no more");
            }
            let min = model.iter().map(|e| e.0).min().unwrap_or(u64::MAX);
            assert_eq!((p.timers.min(), p.timers.len(), p.timers.user_len()), (min, model.len(), model.len()));
        }
    }
}

#[test]
fn a_system_sleeper_does_not_count() {
    let s = fake::scheduler(1);
    let p = seize(&s, 0);
    let cx = Cx::on(&s, &s.ms[0], &p);
    let parked = fake::parked_system(&cx);
    let g = parked.g();
    s.sleep_until(&cx, parked, 10);
    assert_eq!((p.timers.len(), p.timers.user_len(), s.num_goroutine(), s.num_system()), (1, 0, 0, 1));
    assert_eq!(fired(&p, 10), [g.id()]);
    assert_eq!((p.timers.len(), p.timers.user_len()), (0, 0));
}

/// Without a keeper the adder's own tick watches; with one, the keeper is told of what is earlier, and of nothing else.
#[test]
fn an_adder_tells_whoever_watches() {
    let s = fake::scheduler(2);
    let p = seize(&s, 0);
    let cx = Cx::on(&s, &s.ms[0], &p);
    sleeper(&cx, 1_000);
    assert_eq!(s.machine.armed(0), 1_000);
    s.idle_ms.insert(1);
    assert_eq!(s.watch_timers(&s.ms[1]), Some(1_000));
    sleeper(&cx, 2_000);
    assert_eq!((s.ms[1].wake.take(), s.machine.armed(0)), (0, 1_000), "later than what is watched");
    sleeper(&cx, 500);
    assert_ne!(s.ms[1].wake.take(), 0, "the keeper looks again");
    assert_eq!(s.watch_timers(&s.ms[1]), Some(500));
}

#[test]
fn one_keeper_at_a_time() {
    let s = fake::scheduler(3);
    let p = seize(&s, 0);
    let cx = Cx::on(&s, &s.ms[0], &p);
    assert_eq!(s.watch_timers(&s.ms[1]), None, "nothing to watch: no timer interrupt at all");
    sleeper(&cx, 1_000);
    assert_eq!(s.watch_timers(&s.ms[1]), Some(1_000));
    assert_eq!(s.watch_timers(&s.ms[2]), None, "one watches already");
    assert!(s.leave_keeper(&s.ms[1]));
    assert!(!s.leave_keeper(&s.ms[1]));
    assert_eq!(s.watch_timers(&s.ms[2]), Some(1_000), "the next one takes over");
    assert_eq!(s.watch_timers(&s.ms[1]), None);
}

/// While nobody keeps watch, each running core's tick comes for the earliest timer of all Ps.
#[test]
fn ticks_watch_without_a_keeper() {
    let s = fake::scheduler(2);
    let (p0, p1) = (seize(&s, 0), seize(&s, 1));
    let (cx0, cx1) = (Cx::on(&s, &s.ms[0], &p0), Cx::on(&s, &s.ms[1], &p1));
    p0.begin_slice(10_000);
    assert_eq!(s.tick_deadline(&cx0, 1), 10_000);
    sleeper(&cx1, 700);
    sleeper(&cx0, 900);
    assert_eq!(s.tick_deadline(&cx0, 1), 700);
    assert_eq!(s.tick_deadline(&cx0, 800), 10_000, "due already: it waits for whoever comes by");
    s.put_idle_p(&mut s.lock(), p1);
    s.watch_timers(&s.ms[1]);
    assert_eq!(s.tick_deadline(&cx0, 1), 900, "the keeper has the other one");
}

#[test]
fn the_tick_ends_slices_and_calls_idle_cores() {
    let s = fake::scheduler(2);
    let p = seize(&s, 0);
    let cx = Cx::on(&s, &s.ms[0], &p);
    s.idle_ms.insert(1);
    p.begin_slice(10_000);
    let tick = s.tick(&s.ms[0], Some(&cx), 5_000).expect("it holds a P");
    assert_eq!((tick.preempt, tick.next, s.ms[1].wake.take()), (false, 10_000, 0));
    sleeper(&cx, 6_000);
    let tick = s.tick(&s.ms[0], Some(&cx), 6_000).expect("it holds a P");
    assert!(!tick.preempt && tick.next > 6_000);
    assert_ne!(s.ms[1].wake.take(), 0, "an idle core shall fire it");
    assert!(s.tick(&s.ms[0], Some(&cx), 10_000).is_some_and(|t| t.preempt));
}

/// A core that gets a P on the final re-check sets its tick anew: the P's timers may be others.
#[test]
fn a_new_p_rearms_the_tick() {
    let s = fake::scheduler(2);
    let p = seize(&s, 0);
    let cx = Cx::on(&s, &s.ms[0], &p);
    sleeper(&cx, 0); // due: the final re-check sees it
    s.ms[0].take_rearm();
    let p = s.stopm(&s.ms[0], p).expect("there is something to do");
    assert!(s.ms[0].take_rearm());
    let _ = p.into_raw();
}

/// A tick that comes as soon as it is armed finds the P, and programs the next one (TICK-WITH-P).
#[test]
fn an_early_tick_is_not_the_last() {
    let s = std::sync::Arc::new(fake::scheduler(1));
    let p = seize(&s, 0);
    let g = fake::new_g(&Cx::on(&s, &s.ms[0], &p));
    let ticks = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let hook = {
        let (s, ticks) = (std::sync::Arc::downgrade(&s), ticks.clone());
        move |core: usize| {
            let s = s.upgrade().expect("it arms");
            let m = &s.ms[core];
            // SAFETY: PINNED: this is that core's thread.
            let cx = unsafe { Cx::of(&s, m) };
            let next = s.tick(m, cx.as_ref(), s.machine.now());
            assert!(next.is_some_and(|tick| tick.next > s.machine.now()), "the G would run without a tick");
            ticks.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    };
    assert!(s.machine.at_arm.0.set(std::boxed::Box::new(hook)).is_ok());
    let found = crate::find::Found { p, g, inherit: false, now: 1 };
    let _ = s.execute(&s.ms[0], found).0.into_raw();
    assert_eq!(ticks.load(std::sync::atomic::Ordering::Relaxed), 1);
}

/// What an idle core wakes up for has a whole slice before it, also if it comes by `runnext`: the one from before the
/// idle time is long over.
#[test]
fn a_fresh_slice_after_idling() {
    let s = std::sync::Arc::new(fake::scheduler(1));
    let p = seize(&s, 0);
    let cx = Cx::on(&s, &s.ms[0], &p);
    let mut slept = false;
    let body = move |cx: &Cx<'_, Fake>, _: &crate::G<Fake>| {
        if !core::mem::replace(&mut slept, true) {
            return fake::Step::sleep(1_000_000_000);
        }
        assert!(cx.p.slice_end() > cx.sched.machine.now(), "over before it began");
        cx.sched.machine.shut_down();
        fake::Step::Exit
    };
    s.globq_put_one(s.begin(&cx, s.new_dead(fake::FakeG::new(body)).expect("memory"), 0, true));
    s.put_idle_p(&mut s.lock(), p);
    let core = std::thread::spawn({
        let s = s.clone();
        move || s.run(&s.ms[0])
    });
    while s.ps[0].timers.is_empty() || s.idle_ps() == 0 {
        std::thread::yield_now();
    }
    s.machine.advance_to(1_000_000_000);
    core.join().unwrap();
}

/// Sleepers on a real loop: nobody is early, all come, in the order of their deadlines.
#[test]
fn sleepers_wake_in_order() {
    let s = std::sync::Arc::new(fake::scheduler(1));
    let order = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    for when in [500, 100, 300, 200, 400] {
        let p = seize(&s, 0);
        let order = order.clone();
        let mut slept = false;
        let body = move |cx: &Cx<'_, Fake>, _: &crate::G<Fake>| {
            if !core::mem::replace(&mut slept, true) {
                return fake::Step::sleep(when);
            }
            assert!(cx.sched.machine.now() >= when, "not early");
            order.lock().unwrap().push(when);
            if cx.sched.num_goroutine() == 1 {
                cx.sched.machine.shut_down();
            }
            fake::Step::Exit
        };
        s.globq_put_one(fake::spawn_with(&Cx::on(&s, &s.ms[0], &p), fake::FakeG::new(body)));
        s.put_idle_p(&mut s.lock(), p);
    }
    let core = std::thread::spawn({
        let s = s.clone();
        move || s.run(&s.ms[0])
    });
    while s.ps[0].timers.len() < 5 {
        std::thread::yield_now();
    }
    while !core.is_finished() {
        s.machine.advance_to(s.machine.now() + 50);
        std::thread::yield_now();
    }
    core.join().unwrap();
    assert_eq!(*order.lock().unwrap(), [100, 200, 300, 400, 500]);
    assert!(s.all_gs().all(|g: GRef<Fake>| g.status() == crate::Status::Dead));
}
