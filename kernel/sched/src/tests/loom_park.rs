//! Models of parking: the right to wake a G comes into the world while a waker is already looking for it.

use std::{boxed::Box, sync::Arc};

use loom::sync::Mutex;

use super::fake::{self, Fake, FakeG, Step, model, seize, spawn_with};
use crate::{
    Cx, Parked, Scheduler,
    find::Found,
    p::OwnedP,
    sync::{AtomicUsize, Ordering},
};

/// A semaphore as a scheduler's user would build it: permits, or one waiter.
#[derive(Default)]
struct Sema(Mutex<(usize, Option<Parked<Fake>>)>);

impl Sema {
    /// The commit: takes a permit, or leaves the right for the releaser.
    fn wait(&self, parked: Parked<Fake>) -> Option<Parked<Fake>> {
        let mut state = self.0.lock().unwrap();
        if state.0 > 0 {
            state.0 -= 1;
            return Some(parked);
        }
        state.1 = Some(parked);
        None
    }

    fn release(&self) -> Option<Parked<Fake>> {
        let mut state = self.0.lock().unwrap();
        let waiter = state.1.take();
        state.0 += usize::from(waiter.is_none());
        waiter
    }
}

fn run_one(s: &Scheduler<Fake>, m: usize, p: OwnedP<Fake>) -> OwnedP<Fake> {
    match p.runq.take() {
        Some((g, inherit)) => s.execute(&s.ms[m], Found { p, g, inherit, now: 1 }).0,
        None => p,
    }
}

/// A G parks on one core while another one wakes it and runs it on: it runs on once, and nowhere twice.
#[test]
fn park_against_ready() {
    model(|| {
        let s = Arc::new(fake::scheduler(2));
        let (p0, p1) = (seize(&s, 0), seize(&s, 1));
        let (sema, runs) = (Arc::new(Sema::default()), Arc::new(AtomicUsize::new(0)));
        let body = {
            let (sema, runs) = (sema.clone(), runs.clone());
            move |_: &Cx<'_, Fake>, _: &_| {
                if runs.fetch_add(1, Ordering::Relaxed) != 0 {
                    return Step::Exit;
                }
                let sema = sema.clone();
                Step::Park(crate::WaitReason::SyncMutexLock, Box::new(move |_, parked| sema.wait(parked)))
            }
        };
        let cx = Cx::on(&s, &s.ms[0], &p0);
        assert!(p0.runq.put(spawn_with(&cx, FakeG::new(body))).is_none());
        let waker = loom::thread::spawn({
            let (s, sema) = (s.clone(), sema.clone());
            move || {
                if let Some(parked) = sema.release() {
                    s.ready(&Cx::on(&s, &s.ms[1], &p1), parked, true);
                }
                let _ = run_one(&s, 1, p1).into_raw();
            }
        });
        let _ = run_one(&s, 0, p0).into_raw();
        waker.join().unwrap();
        assert_eq!(runs.load(Ordering::Relaxed), 2, "before and after the wait");
        assert_eq!(s.num_goroutine(), 0);
    });
}

/// A G yields to everybody while another core takes it from the global queue: its cell passes from one to the other.
#[test]
fn yield_against_take() {
    model(|| {
        let s = Arc::new(fake::scheduler(2));
        let (p0, p1) = (seize(&s, 0), seize(&s, 1));
        let mut first = true;
        let body = move |_: &Cx<'_, Fake>, _: &_| match core::mem::take(&mut first) {
            true => Step::Yield,
            false => Step::Exit,
        };
        let cx = Cx::on(&s, &s.ms[0], &p0);
        assert!(p0.runq.put(spawn_with(&cx, FakeG::new(body))).is_none());
        let other = loom::thread::spawn({
            let s = s.clone();
            move || {
                if let Some(g) = s.globq_get(|len| len).pop_front() {
                    let _ = s.execute(&s.ms[1], Found { p: p1, g, inherit: false, now: 1 }).0.into_raw();
                }
            }
        });
        let _ = run_one(&s, 0, p0).into_raw();
        other.join().unwrap();
        assert_eq!(s.num_goroutine() as usize, s.globq_len());
    });
}
