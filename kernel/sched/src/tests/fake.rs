//! A machine made of nothing: threads are cores, closures are goroutines, and the clock does as it is told.
//!
//! A G is a closure that is called once for each time it runs, and says by its [`Step`] how it leaves. It lies in
//! a cell that nobody guards: that only one core at a time may run a G is what the scheduler promises, and Miri
//! and loom watch whether it keeps it.
//!
//! A core sleeps on a condition variable. It is as strict as hardware: a kick reaches a core that is halted, and
//! is lost on any other.

use std::{
    boxed::Box,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    time::Instant,
    vec::Vec,
};

pub use super::make::*;

#[cfg(loom)]
use loom::sync::{Condvar, Mutex};
#[cfg(not(loom))]
use std::sync::{Condvar, Mutex};

use crate::{Commit, Cx, Deadlock, G, Machine, Parked, Stop, WaitReason, idle::WakeWord};

/// What a G does with the right to wake it, once it is off its stack.
pub type Then = Box<dyn FnOnce(&Cx<'_, Fake>, Parked<Fake>) -> Option<Parked<Fake>>>;

/// How a fake G leaves its core.
pub enum Step {
    Yield,
    YieldLocal,
    Preempted,
    Park(WaitReason, Then),
    Exit,
}

impl Step {
    /// Waits; `then` gets the right to end that.
    pub fn park(then: impl FnOnce(&Cx<'_, Fake>, Parked<Fake>) -> Option<Parked<Fake>> + 'static) -> Self {
        Self::Park(WaitReason::SyncMutexLock, Box::new(then))
    }

    /// Sleeps until `when`.
    pub fn sleep(when: u64) -> Self {
        let then = move |cx: &Cx<'_, Fake>, parked| {
            cx.sched.sleep_until(cx, parked, when);
            None
        };
        Self::Park(WaitReason::Sleep, Box::new(then))
    }
}

type Body = Box<dyn FnMut(&Cx<'_, Fake>, &G<Fake>) -> Step>;

/// What a fake G consists of.
pub struct FakeG(Cell<Inside>);

struct Inside {
    body: Body,
    then: Option<Then>,
}

impl FakeG {
    pub fn new(body: impl FnMut(&Cx<'_, Fake>, &G<Fake>) -> Step + 'static) -> Self {
        Self(Cell::new(Inside { body: Box::new(body), then: None }))
    }

    /// A G that does nothing.
    pub fn idle() -> Self {
        Self::new(|_, _| Step::Exit)
    }

    /// Gives a dead G the body of another one.
    pub fn refill(&self, from: Self) {
        let nothing = Inside { body: Box::new(|_, _| Step::Exit), then: None };
        let fresh = from.0.with(|inside| core::mem::replace(inside, nothing));
        self.0.with(|inside| *inside = fresh);
    }
}

impl core::fmt::Debug for FakeG {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("FakeG")
    }
}

#[cfg(loom)]
struct Cell<T>(loom::cell::UnsafeCell<T>);
#[cfg(not(loom))]
struct Cell<T>(core::cell::UnsafeCell<T>);

impl<T> Cell<T> {
    #[cfg(loom)]
    fn new(value: T) -> Self {
        Self(loom::cell::UnsafeCell::new(value))
    }
    #[cfg(not(loom))]
    fn new(value: T) -> Self {
        Self(core::cell::UnsafeCell::new(value))
    }

    /// Called by the core that runs the G, or by the holder of its right: ONE-RIGHT is what is tested.
    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        #[cfg(loom)]
        // SAFETY: as the method says; loom reports two at a time.
        return self.0.with_mut(|p| f(unsafe { &mut *p }));
        #[cfg(not(loom))]
        // SAFETY: as the method says; Miri reports two at a time.
        return f(unsafe { &mut *self.0.get() });
    }
}

// SAFETY: the cell is reached by one core at a time (see `with`), and the closures in it own what they need or
// share it by atomics.
unsafe impl<T> Sync for Cell<T> {}
// SAFETY: as above.
unsafe impl<T> Send for Cell<T> {}

/// The time of a fake machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Moves when a test says so, and by a little in every busy wait.
    Manual,
    /// Moves by itself.
    Real,
}

#[derive(Debug, Default)]
struct Seat {
    state: Mutex<SeatState>,
    bell: Condvar,
    armed: AtomicU64,
}

#[derive(Debug, Default)]
struct SeatState {
    halted: bool,
    kicked: bool,
    down: bool,
}

/// The fake machine.
#[derive(Debug)]
pub struct Fake {
    seats: Box<[Seat]>,
    clock: Clock,
    time: AtomicU64,
    boot: Instant,
    down: AtomicBool,
    /// What `retire` answers.
    pub reuse: AtomicBool,
    pub retired: AtomicUsize,
    pub kicks: AtomicUsize,
    pub relaxed: AtomicUsize,
    pub deadlocks: std::sync::Mutex<Vec<Deadlock>>,
    /// A timer that fires as soon as it is armed.
    pub at_arm: Hook,
}

#[derive(Default)]
pub struct Hook(pub std::sync::OnceLock<Box<dyn Fn(usize) + Send + Sync>>);

impl core::fmt::Debug for Hook {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Hook")
    }
}

impl Fake {
    pub fn new(cores: usize, clock: Clock) -> Self {
        Self {
            seats: (0..cores).map(|_| Seat::default()).collect(),
            clock,
            time: AtomicU64::new(1),
            boot: Instant::now(),
            down: AtomicBool::new(false),
            reuse: AtomicBool::new(true),
            retired: AtomicUsize::new(0),
            kicks: AtomicUsize::new(0),
            relaxed: AtomicUsize::new(0),
            deadlocks: std::sync::Mutex::new(Vec::new()),
            at_arm: Hook::default(),
        }
    }

    /// Moves a manual clock forward; cores that slept until then wake up.
    pub fn advance_to(&self, time: u64) {
        self.time.fetch_max(time, Ordering::SeqCst);
        for seat in &self.seats {
            drop(seat.state.lock().unwrap());
            seat.bell.notify_all();
        }
    }

    /// No core sleeps from now on: all loops end as soon as they find nothing.
    pub fn shut_down(&self) {
        self.down.store(true, Ordering::SeqCst);
        for seat in &self.seats {
            seat.state.lock().unwrap().down = true;
            seat.bell.notify_all();
        }
    }

    /// Runs a handler as `core`'s: an interrupt ends a halt.
    pub fn interrupt(&self, core: usize, handler: impl FnOnce()) {
        handler();
        let mut state = self.seats[core].state.lock().unwrap();
        state.kicked = state.halted;
        self.seats[core].bell.notify_all();
    }

    /// The time for which this core's tick was asked last; 0 if never.
    pub fn armed(&self, core: usize) -> u64 {
        self.seats[core].armed.load(Ordering::SeqCst)
    }

    /// What was reported so far.
    pub fn reports(&self) -> Vec<Deadlock> {
        self.deadlocks.lock().unwrap().clone()
    }
}

impl Machine for Fake {
    type Ext = FakeG;

    fn now(&self) -> u64 {
        match self.clock {
            Clock::Manual => self.time.load(Ordering::SeqCst),
            Clock::Real => self.boot.elapsed().as_nanos() as u64,
        }
    }

    fn execute(&self, cx: &Cx<'_, Self>, g: &G<Self>) -> Stop<Self> {
        g.ext.0.with(|inside| match (inside.body)(cx, g) {
            Step::Yield => Stop::Yielded,
            Step::YieldLocal => Stop::YieldedLocal,
            Step::Preempted => Stop::Preempted,
            Step::Exit => Stop::Exited,
            Step::Park(reason, then) => {
                inside.then = Some(then);
                // SAFETY: the slot lies in the G, which lives as long as the scheduler, and is used again only
                // after the commit ran.
                Stop::Parked(reason, unsafe { Commit::new(&mut inside.then) })
            }
        })
    }

    fn retire(&self, _: &Cx<'_, Self>, _: &G<Self>) -> bool {
        self.retired.fetch_add(1, Ordering::SeqCst);
        self.reuse.load(Ordering::SeqCst)
    }

    fn idle(&self, core: usize, until: Option<u64>, wake: &WakeWord) {
        let seat = &self.seats[core];
        let mut state = seat.state.lock().unwrap();
        if state.down || !wake.halt() {
            return;
        }
        state.halted = true;
        while !state.kicked && !state.down && until.is_none_or(|until| self.now() < until) {
            state = match (until, self.clock) {
                #[cfg(not(loom))]
                (Some(until), Clock::Real) => {
                    let left = until.saturating_sub(self.now()).min(1_000_000_000);
                    seat.bell.wait_timeout(state, core::time::Duration::from_nanos(left)).unwrap().0
                }
                _ => seat.bell.wait(state).unwrap(),
            };
        }
        state.halted = false;
        state.kicked = false;
        wake.awake();
    }

    fn kick(&self, core: usize) {
        self.kicks.fetch_add(1, Ordering::SeqCst);
        let seat = &self.seats[core];
        let mut state = seat.state.lock().unwrap();
        if state.halted {
            state.kicked = true;
            seat.bell.notify_all();
        }
    }

    fn arm(&self, core: usize, deadline: u64) {
        self.seats[core].armed.store(deadline, Ordering::SeqCst);
        if let Some(hook) = self.at_arm.0.get() {
            hook(core);
        }
    }

    fn relax(&self) {
        self.relaxed.fetch_add(1, Ordering::SeqCst);
        self.time.fetch_add(500, Ordering::SeqCst);
        #[cfg(loom)]
        loom::thread::yield_now();
        #[cfg(not(loom))]
        std::thread::yield_now();
    }

    fn deadlock(&self, kind: Deadlock) {
        self.deadlocks.lock().unwrap().push(kind);
    }

    fn shutting_down(&self) -> bool {
        self.down.load(Ordering::SeqCst)
    }
}
