//! Threads as cores, many goroutines, random steps: nothing is lost, doubled, or run by two cores.
//!
//! Each test prints its seed when it fails.

use std::{
    boxed::Box,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
    vec::Vec,
};

use super::fake::{self, Clock, Fake, FakeG, Step, with_clock};
use crate::{Cx, Machine, Parked, PollDesc, Scheduler, Status, WaitReason, rng::Rng};

type Sched = Arc<Scheduler<Fake>>;

/// What the goroutines of one run share.
#[derive(Default)]
struct Shared {
    steps: AtomicU64,
    spawned: AtomicU64,
    left_to_spawn: AtomicU64,
    done: AtomicU64,
    /// A G that waits for a partner.
    waiting: Mutex<Option<Parked<Fake>>>,
    devices: [Device; 3],
}

/// What one G at a time may wait for.
struct Device {
    desc: &'static PollDesc<Fake>,
    taken: AtomicBool,
}

impl Default for Device {
    fn default() -> Self {
        Self { desc: fake::desc(false), taken: AtomicBool::new(false) }
    }
}

/// A goroutine that takes `steps` random steps.
fn wanderer(shared: Arc<Shared>, seed: u64, mut steps: u32) -> FakeG {
    let rng = Rng::new(seed);
    let inside = AtomicBool::new(false);
    let mut device = None;
    FakeG::new(move |cx, _| {
        assert!(!inside.swap(true, Ordering::Relaxed), "two cores run one goroutine");
        if let Some(i) = device.take() {
            let device: &Device = &shared.devices[i];
            device.taken.store(false, Ordering::Release);
        }
        shared.steps.fetch_add(1, Ordering::Relaxed);
        steps -= 1;
        let step = if steps == 0 { end(&shared, cx) } else { random_step(&shared, cx, &rng, &mut device) };
        assert!(inside.swap(false, Ordering::Relaxed));
        step
    })
}

fn end(shared: &Shared, cx: &Cx<'_, Fake>) -> Step {
    let partner = shared.waiting.lock().unwrap().take();
    if let Some(partner) = partner {
        cx.sched.ready(cx, partner, true);
    }
    let done = shared.done.fetch_add(1, Ordering::SeqCst) + 1;
    if done == shared.spawned.load(Ordering::SeqCst) {
        cx.sched.machine.shut_down();
    }
    Step::Exit
}

fn random_step(shared: &Arc<Shared>, cx: &Cx<'_, Fake>, rng: &Rng, device: &mut Option<usize>) -> Step {
    match rng.next_u32() % 9 {
        0 => Step::Yield,
        1 => Step::YieldLocal,
        2 => Step::Preempted,
        3 => Step::sleep(cx.sched.machine.now() + u64::from(rng.next_u32() % 30_000)),
        4 => Step::park(|_, parked| Some(parked)),
        5 | 6 => meet(shared.clone(), rng.next_u32().is_multiple_of(2)),
        7 => {
            let i = rng.next_u32() as usize % shared.devices.len();
            let Device { desc, taken } = &shared.devices[i];
            if taken.swap(true, Ordering::Acquire) {
                return Step::Yield;
            }
            *device = Some(i);
            let desc = *desc;
            Step::Park(WaitReason::IoWait, Box::new(move |cx, parked| cx.sched.poll_wait(desc, parked)))
        }
        _ => {
            spawn(shared, cx, rng);
            Step::YieldLocal
        }
    }
}

/// Wakes whoever waits, or waits for the next who comes. Who ends wakes the waiter too; so one may wait as long as
/// some others are far from their end.
fn meet(shared: Arc<Shared>, next: bool) -> Step {
    Step::park(move |cx, parked| {
        let mut waiting = shared.waiting.lock().unwrap();
        let partner = waiting.take();
        if partner.is_none() && cx.sched.num_goroutine() > 16 {
            *waiting = Some(parked);
            return None;
        }
        drop(waiting);
        if let Some(partner) = partner {
            cx.sched.ready(cx, partner, next);
        }
        Some(parked)
    })
}

fn spawn(shared: &Arc<Shared>, cx: &Cx<'_, Fake>, rng: &Rng) {
    let left = shared.left_to_spawn.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
    if left.is_err() {
        return;
    }
    shared.spawned.fetch_add(1, Ordering::SeqCst);
    let ext = wanderer(shared.clone(), u64::from(rng.next_u32()), 1 + rng.next_u32() % 40);
    let g = match cx.sched.take_dead(cx) {
        Some(dead) => {
            dead.g().ext.refill(ext);
            cx.sched.begin(cx, dead, 0, false)
        }
        None => fake::spawn_with(cx, ext),
    };
    cx.sched.start(cx, g, rng.next_u32().is_multiple_of(2));
}

/// One run: `cores` threads, the first of which brings `first` goroutines into the world.
fn run(seed: u64, cores: usize, gomaxprocs: usize, first: u64, more: u64) {
    let s: Sched = Arc::new(with_clock(cores, gomaxprocs, Clock::Real));
    let shared = Arc::new(Shared::default());
    shared.left_to_spawn.store(more, Ordering::SeqCst);
    shared.spawned.store(first, Ordering::SeqCst);
    let threads: Vec<_> = (0..cores).map(|m| core(&s, &shared, m, seed, first)).collect();
    wait_for(&s, &shared, seed, threads);
    assert_eq!(shared.done.load(Ordering::SeqCst), shared.spawned.load(Ordering::SeqCst), "seed {seed}");
    assert_eq!((s.num_goroutine(), s.globq_len()), (0, 0), "seed {seed}");
    // A wake-up may have met its M on the way out.
    let given: Vec<_> = s.ms.iter().filter_map(|m| m.take_nextp()).collect();
    assert_eq!(s.idle_ps() + given.len(), gomaxprocs, "seed {seed}: all Ps came back");
    assert_eq!(s.spinning(), given.len(), "seed {seed}: each spinning M counts once");
    assert!(s.ms.iter().filter(|m| m.spinning()).count() == given.len(), "seed {seed}");
    assert!(s.ps.iter().all(|p| p.runq.is_empty() && p.timers.is_empty()), "seed {seed}");
    assert!(s.all_gs().all(|g| g.status() == Status::Dead), "seed {seed}");
    assert!(s.machine.reports().is_empty(), "seed {seed}: a deadlock that is none");
}

fn core(s: &Sched, shared: &Arc<Shared>, m: usize, seed: u64, first: u64) -> thread::JoinHandle<()> {
    let (s, shared) = (s.clone(), shared.clone());
    thread::spawn(move || {
        if m != 0 {
            return s.run(&s.ms[m]);
        }
        s.run_first(&s.ms[0], |cx| {
            for i in 0..first {
                let ext = wanderer(shared.clone(), seed * 1_000_003 + i, 40);
                s.start(cx, fake::spawn_with(cx, ext), false);
            }
        });
    })
}

/// Plays the devices until all is done, within a bound.
fn wait_for(s: &Sched, shared: &Shared, seed: u64, threads: Vec<thread::JoinHandle<()>>) {
    let (start, rng) = (Instant::now(), Rng::new(seed));
    let limit = Duration::from_secs(if cfg!(miri) { 600 } else { 60 });
    while threads.iter().any(|t| !t.is_finished()) {
        assert!(
            start.elapsed() < limit,
            "seed {seed}: stuck: {} done of {}, {} wait\n{}",
            shared.done.load(Ordering::SeqCst),
            shared.spawned.load(Ordering::SeqCst),
            u32::from(shared.waiting.lock().unwrap().is_some()),
            s.schedtrace(0, true),
        );
        s.poll.fire(shared.devices[rng.next_u32() as usize % shared.devices.len()].desc);
        let on = rng.next_u32() as usize % s.ms.len();
        s.machine.interrupt(on, || s.event_for_idle(&s.ms[on]));
        thread::sleep(Duration::from_micros(u64::from(rng.next_u32() % 200)));
    }
    for thread in threads {
        thread.join().unwrap();
    }
}

/// How many runs, goroutines at the start, and spawned later.
const SIZE: (u64, u64, u64) = if cfg!(miri) { (1, 20, 4) } else { (30, 200, 2_000) };

#[test]
fn four_cores() {
    for seed in 1..=SIZE.0 {
        run(seed, 4, 4, SIZE.1, SIZE.2);
    }
}

#[test]
fn two_cores() {
    for seed in 101..=100 + SIZE.0 {
        run(seed, 2, 2, SIZE.1, SIZE.2);
    }
}

#[test]
fn one_core() {
    for seed in 201..=200 + SIZE.0 {
        run(seed, 1, 1, SIZE.1, SIZE.2);
    }
}

/// The largest machine: most of it idles, spins and steals.
#[test]
#[cfg_attr(miri, ignore = "Miri runs one thread at a time: the others test as much")]
fn sixty_four_cores() {
    for seed in 401..=400 + SIZE.0.div_ceil(5) {
        run(seed, 64, 64, SIZE.1, SIZE.2);
    }
}

#[test]
fn more_cores_than_ps() {
    for seed in 301..=300 + SIZE.0 {
        run(seed, 4, 2, SIZE.1, SIZE.2);
    }
}
