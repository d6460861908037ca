//! `find_runnable`: each source alone, and each before the next.

use super::fake::{self, Fake, forget, new_g, seize};
use crate::{Cx, Scheduler, p::OwnedP};

/// The sources, in Go's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Timer,
    EveryTick61,
    RunNext,
    Ring,
    Global,
    Poll,
    OtherTimer,
    OtherRing,
    OtherRunNext,
}
use Source::*;

const ORDER: [Source; 9] = [Timer, EveryTick61, RunNext, Ring, Global, Poll, OtherTimer, OtherRing, OtherRunNext];

struct Bench {
    s: Scheduler<Fake>,
    own: Option<OwnedP<Fake>>,
    other: OwnedP<Fake>,
}

impl Bench {
    fn new() -> Self {
        let s = fake::scheduler(2);
        let (own, other) = (seize(&s, 0), seize(&s, 1));
        s.machine.advance_to(100);
        s.machine.shut_down();
        own.begin_slice(0); // not a multiple of 61
        Self { s, own: Some(own), other }
    }

    fn own(&self) -> &OwnedP<Fake> {
        self.own.as_ref().expect("it is there between two finds")
    }

    fn cx(&self) -> Cx<'_, Fake> {
        Cx::on(&self.s, &self.s.ms[0], self.own())
    }

    /// Puts a new G there, and says its number.
    fn put(&self, source: Source) -> u64 {
        let (cx, s) = (self.cx(), &self.s);
        let others = Cx::on(s, &s.ms[1], &self.other);
        match source {
            Timer | OtherTimer => {
                let cx = if source == Timer { cx } else { others };
                let parked = fake::parked(&cx);
                let id = parked.g().id();
                s.sleep_until(&cx, parked, 50);
                id
            }
            EveryTick61 => {
                while !cx.p.schedtick().is_multiple_of(61) {
                    cx.p.begin_slice(0);
                }
                self.put(Global)
            }
            RunNext | OtherRunNext => {
                let (g, p) = (new_g(&cx), if source == RunNext { cx.p } else { others.p });
                let id = g.g().id();
                assert!(p.runq.put_next(g).is_none());
                id
            }
            Ring | OtherRing => {
                let (g, p) = (new_g(&cx), if source == Ring { cx.p } else { others.p });
                let id = g.g().id();
                assert!(p.runq.put(g).is_none());
                id
            }
            Global => {
                let g = new_g(&cx);
                let id = g.g().id();
                s.globq_put_one(g);
                id
            }
            Poll => {
                let desc = fake::desc(false);
                let parked = fake::parked(&cx);
                let id = parked.g().id();
                assert!(s.poll_wait(desc, parked).is_none());
                s.poll.fire(desc);
                id
            }
        }
    }

    fn find(&mut self) -> Option<(u64, bool)> {
        let p = self.own.take().expect("it is there between two finds");
        let found = self.s.find_runnable(&self.s.ms[0], p, 100)?;
        self.own = Some(found.p);
        if self.s.ms[0].spinning() {
            self.s.reset_spinning(&self.s.ms[0]);
        }
        Some((forget(found.g), found.inherit))
    }
}

#[test]
fn each_source_alone() {
    for source in ORDER {
        let mut b = Bench::new();
        let id = b.put(source);
        assert_eq!(b.find(), Some((id, source == RunNext)), "{source:?}");
        assert_eq!(b.find(), None, "{source:?}: it was one G");
    }
}

#[test]
fn each_source_before_the_next() {
    for (i, &first) in ORDER.iter().enumerate() {
        for &second in &ORDER[i + 1..] {
            // A fired timer's G joins a queue: tests of their own below. And a queue does not precede itself.
            if matches!((first, second), (Timer | OtherTimer, _) | (EveryTick61, Global)) {
                continue;
            }
            let mut b = Bench::new();
            let later = b.put(second);
            let sooner = b.put(first);
            let found = b.find().map(|(id, _)| id);
            assert_eq!(found, Some(sooner), "{first:?} before {second:?} ({later})");
        }
    }
}

/// A due timer is looked at before all else; its G queues up behind the local ring, and before the global queue.
#[test]
fn due_timers_join_the_ring_first() {
    for (other, timer_first) in [(RunNext, false), (Ring, false), (Global, true), (Poll, true), (OtherRing, true)] {
        let mut b = Bench::new();
        let there = b.put(other);
        let timer = b.put(Timer);
        let (first, second) = if timer_first { (timer, there) } else { (there, timer) };
        assert_eq!(b.find().map(|f| f.0), Some(first), "{other:?}");
        assert!(b.own().timers.is_empty(), "{other:?}: it fired at once");
        assert_eq!(b.find().map(|f| f.0), Some(second), "{other:?}");
    }
}

/// A thief takes rings before timers and `runnext`s: these belong to its last pass.
#[test]
fn other_rings_before_other_timers() {
    let mut b = Bench::new();
    let (timer, ring) = (b.put(OtherTimer), b.put(OtherRing));
    assert_eq!(b.find().map(|f| f.0), Some(ring));
    assert_eq!(b.find().map(|f| f.0), Some(timer));
}

/// Two Gs that wake each other for ever do not starve the global queue.
#[test]
fn global_queue_every_61st_slice() {
    let mut b = Bench::new();
    let starving = b.put(Global);
    let mut slices = 0;
    loop {
        b.put(Ring);
        slices += 1;
        let (id, inherit) = b.find().expect("there is always one");
        if id == starving {
            break;
        }
        assert!(!inherit);
        b.own().begin_slice(0);
        assert!(slices <= 61, "61 slices, and its turn never came");
    }
    assert_eq!(slices, 61);
}

/// One takes a fair share of the global queue, and not more than half a ring.
#[test]
fn a_fair_share_of_the_global_queue() {
    for (n, left) in [(1, 0), (2, 0), (10, 4), (1_000, 1_000 - 128)] {
        let mut b = Bench::new();
        for _ in 0..n {
            b.put(Global);
        }
        assert!(b.find().is_some());
        assert_eq!(b.s.globq_len(), left, "of {n}");
        assert_eq!(b.own().runq.len(), n - left - 1);
    }
}

/// At most half as many Ms spin as Ps are busy.
#[test]
fn spinning_is_bounded() {
    let s = fake::scheduler(4);
    s.machine.shut_down();
    let ps: std::vec::Vec<_> = (0..4).map(|m| seize(&s, m)).collect();
    let spinning = s.ms.iter().filter(|m| s.may_spin(m)).count();
    assert_eq!(spinning, 2);
    assert_eq!(s.spinning(), 2);
    assert!(s.may_spin(&s.ms[0]), "who spins may go on");
    drop(ps.into_iter().map(OwnedP::into_raw).collect::<std::vec::Vec<_>>());
}

/// With nothing anywhere the P goes back, and the M is in the idle set, not spinning.
#[test]
fn nothing_anywhere() {
    let mut b = Bench::new();
    assert_eq!(b.find(), None);
    assert_eq!((b.s.idle_ps(), b.s.idle_ms(), b.s.spinning()), (1, 1, 0));
}
