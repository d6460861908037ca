//! Models of poll descriptors: handlers fire, cores unlink and mark, goroutines wait.
//!
//! `data` stands for a device's ring: written before the fire, looked at after each wait.

use std::sync::Arc;

use super::fake::{self, Fake, model, seize};
use crate::{
    Cx, PollDesc, Scheduler,
    sync::{AtomicUsize, Ordering},
};

type Desc = &'static PollDesc<Fake>;

fn desc() -> Desc {
    fake::desc(false)
}

fn check_poll(s: &Scheduler<Fake>, m: usize) {
    let p = seize(s, m);
    s.check_poll(&Cx::on(s, &s.ms[m], &p));
    s.put_idle_p(&mut s.lock(), p);
}

/// A descriptor fires while its G begins to wait: the G goes on at once, or is readied.
#[test]
fn fire_against_wait() {
    model(|| {
        let (s, desc) = (Arc::new(fake::scheduler(2)), desc());
        let p = seize(&s, 0);
        let cx = Cx::on(&s, &s.ms[0], &p);
        let parked = fake::parked(&cx);
        let handler = loom::thread::spawn({
            let s = s.clone();
            move || {
                s.poll.fire(desc);
                check_poll(&s, 1);
            }
        });
        match s.poll_wait(desc, parked) {
            Some(back) => _ = fake::forget(back.into_runnable()),
            None => {
                handler.join().unwrap();
                assert_eq!(s.ps.iter().map(|p| p.runq.len()).sum::<usize>(), 1, "it was readied");
            }
        }
    });
}

/// An event that finds the mark of an older one: who takes that mark sees the newer event's data too (MARK-RMW).
#[test]
fn second_event_merges() {
    for by_wait in [false, true] {
        model(move || {
            let (s, desc) = (Arc::new(fake::scheduler(2)), desc());
            let p = seize(&s, 0);
            s.poll.fire(desc);
            s.check_poll(&Cx::on(&s, &s.ms[0], &p));
            let parked = fake::parked(&Cx::on(&s, &s.ms[0], &p));
            let data = Arc::new(AtomicUsize::new(1));
            let handler = loom::thread::spawn({
                let (s, data) = (s.clone(), data.clone());
                move || {
                    data.store(2, Ordering::Relaxed);
                    s.poll.fire(desc);
                    check_poll(&s, 1);
                }
            });
            if by_wait {
                let back = s.poll_wait(desc, parked).expect("it has fired");
                fake::forget(back.into_runnable());
            } else {
                assert!(desc.take_fired());
                parked.forever();
            }
            let seen = data.load(Ordering::Relaxed);
            handler.join().unwrap();
            assert!(seen == 2 || desc.take_fired(), "new data, and nobody would look");
        });
    }
}

/// An event comes while an older one is being unlinked: it is marked with it, or linked again (QUEUED-ONCE).
#[test]
fn fire_against_unlink() {
    model(|| {
        let (s, desc) = (Arc::new(fake::scheduler(2)), desc());
        let data = Arc::new(AtomicUsize::new(1));
        s.poll.fire(desc);
        let unlinker = loom::thread::spawn({
            let s = s.clone();
            move || check_poll(&s, 1)
        });
        let handler = loom::thread::spawn({
            let (s, data) = (s.clone(), data.clone());
            move || {
                data.store(2, Ordering::Relaxed);
                s.poll.fire(desc);
            }
        });
        let took = desc.take_fired();
        let seen = data.load(Ordering::Relaxed);
        unlinker.join().unwrap();
        handler.join().unwrap();
        check_poll(&s, 1);
        assert!(took && seen == 2 || desc.take_fired(), "new data, and nobody would look");
    });
}

/// Two handlers fire two descriptors while a core unlinks: no event is lost from the list.
#[test]
fn two_handlers() {
    model(|| {
        let (s, descs) = (Arc::new(fake::scheduler(2)), [desc(), desc()]);
        let handlers = descs.map(|d| {
            let s = s.clone();
            loom::thread::spawn(move || s.poll.fire(d))
        });
        check_poll(&s, 0);
        for handler in handlers {
            handler.join().unwrap();
        }
        check_poll(&s, 0);
        assert!(descs.iter().all(|d| d.take_fired()));
    });
}
