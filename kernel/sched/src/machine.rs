//! The machine under the scheduler: all that the portable half asks of the hardware.
//!
//! A kernel implements [`Machine`] with cores, IPIs and `hlt`; host tests with threads; the simulator with a
//! seed and a loop. Every call is monomorphised: the trait costs nothing at run time.
//!
//! *Context.* All methods are called on g0 or under the machine's preemption guard, unless they say otherwise.

use crate::{cx::Cx, g::G, idle::WakeWord, token::Parked};

/// What the scheduler needs of the machine that it runs on.
pub trait Machine: Sized + 'static {
    /// The machine's part of a G: its stack, its saved registers, what it was started with.
    type Ext;

    /// Nanoseconds since boot; never runs backwards, on any core.
    fn now(&self) -> u64;

    /// Switches to `g`'s stack and runs it until it leaves its core, and says how it left.
    ///
    /// When this returns, `g` is off its stack: every register of it is saved, and another core may run it.
    fn execute(&self, cx: &Cx<'_, Self>, g: &G<Self>) -> Stop<Self>;

    /// A G that exited is off its stack: true if the G and what it has may be used again, false to keep them
    /// untouched for ever (it panicked, and values on its stack may still be linked elsewhere).
    fn retire(&self, cx: &Cx<'_, Self>, g: &G<Self>) -> bool;

    /// Stops this core until `wake` has a bit, or `until` (ns, as [`Machine::now`]) has come, or an interrupt
    /// arrives. Looking at `wake` and stopping must be one step as seen by [`Machine::kick`]
    /// ([`WakeWord::halt`] and [`WakeWord::awake`] bracket it). May return early.
    fn idle(&self, core: usize, until: Option<u64>, wake: &WakeWord);

    /// Makes a core that is in [`Machine::idle`] return from it. May be called by an interrupt handler.
    fn kick(&self, core: usize);

    /// Sees to it that this core's tick comes at `deadline` (ns) or earlier.
    fn arm(&self, core: usize, deadline: u64);

    /// One turn of a busy wait (PAUSE).
    fn relax(&self);

    /// All goroutines are asleep, and nothing is left that could wake one. The report is the machine's.
    fn deadlock(&self, kind: Deadlock);

    /// Whether an idle core should give up: only machines that end (tests, the simulator) ever say true.
    fn shutting_down(&self) -> bool {
        false
    }
}

/// Which kind of deadlock was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadlock {
    /// Nothing can wake any goroutine.
    Everything,
    /// Only a console could: somebody may type, but nobody else can move.
    AllButConsole,
}

/// How a G left its core.
#[derive(Debug)]
pub enum Stop<K: Machine> {
    /// It yielded to everybody: tail of the global queue (Go's `Gosched`).
    Yielded,
    /// It yielded to its own P's others: tail of the local queue (Go's `goyield`).
    YieldedLocal,
    /// Its slice was over: tail of the global queue.
    Preempted,
    /// It waits. The commit runs on g0, when the G is off its stack.
    Parked(WaitReason, Commit<K>),
    /// It is done.
    Exited,
}

/// The second half of a park: what is to be done with the right to wake the G, once there is one.
///
/// Returning the right means "do not wait after all": the G goes on at once. So a waker that came in between
/// is neither lost nor does it find a G that still runs.
pub struct Commit<K: Machine> {
    run: Thunk<K>,
    arg: *mut (),
}

type Thunk<K> = unsafe fn(*mut (), &Cx<'_, K>, Parked<K>) -> Option<Parked<K>>;

impl<K: Machine> Commit<K> {
    /// A commit that calls the closure in `slot`.
    ///
    /// # Safety
    /// `slot` must stay valid and untouched until [`Commit::run`] took the closure out of it. A slot on the
    /// parking G's own stack is fine: the closure is moved to g0 before anything can wake the G.
    pub unsafe fn new<F>(slot: &mut Option<F>) -> Self
    where
        F: FnOnce(&Cx<'_, K>, Parked<K>) -> Option<Parked<K>>,
    {
        unsafe fn thunk<K: Machine, F>(arg: *mut (), cx: &Cx<'_, K>, parked: Parked<K>) -> Option<Parked<K>>
        where
            F: FnOnce(&Cx<'_, K>, Parked<K>) -> Option<Parked<K>>,
        {
            // SAFETY: `arg` is the slot that `new` was given, valid until now by its contract.
            let slot = unsafe { &mut *arg.cast::<Option<F>>() };
            match slot.take() {
                Some(f) => f(cx, parked),
                None => Some(parked),
            }
        }
        Self { run: thunk::<K, F>, arg: core::ptr::from_mut(slot).cast() }
    }

    pub(crate) fn run(self, cx: &Cx<'_, K>, parked: Parked<K>) -> Option<Parked<K>> {
        // SAFETY: `run` and `arg` were made for each other by `new`, and `self` is used up here.
        unsafe { (self.run)(self.arg, cx, parked) }
    }
}

impl<K: Machine> core::fmt::Debug for Commit<K> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Commit")
    }
}

/// Why a G waits, in Go's words: tracebacks and `ps` print them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "each variant is its text")]
pub enum WaitReason {
    None,
    ChanReceive,
    ChanSend,
    ChanReceiveNil,
    ChanSendNil,
    Select,
    SelectNoCases,
    Sleep,
    SyncMutexLock,
    SyncWaitGroupWait,
    IoWait,
    Join,
    SystemGoroutine,
}

impl WaitReason {
    const ALL: [(Self, &'static str); 13] = [
        (Self::None, ""),
        (Self::ChanReceive, "chan receive"),
        (Self::ChanSend, "chan send"),
        (Self::ChanReceiveNil, "chan receive (nil chan)"),
        (Self::ChanSendNil, "chan send (nil chan)"),
        (Self::Select, "select"),
        (Self::SelectNoCases, "select (no cases)"),
        (Self::Sleep, "sleep"),
        (Self::SyncMutexLock, "sync.Mutex.Lock"),
        (Self::SyncWaitGroupWait, "sync.WaitGroup.Wait"),
        (Self::IoWait, "IO wait"),
        (Self::Join, "join"),
        (Self::SystemGoroutine, "system goroutine wait"),
    ];

    /// The text that Go prints, or ours where Go has no such wait.
    pub fn text(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    pub(crate) fn from_u8(v: u8) -> Self {
        Self::ALL.get(v as usize).map_or(Self::None, |entry| entry.0)
    }
}
