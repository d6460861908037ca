//! The machine of this kernel: what the scheduler's trait means on x86-64, and the gate through which a G leaves.
//!
//! *Context.* [`park`], [`yield_now`], [`exit`]: a G, preemption on (or off once, by the guard that is handed over). The
//! trait's methods: g0.
//!
//! *Invariants.* GATE: a G leaves its core only through [`leave`] or by an interrupt that found `preempt_off` at 0; so it never
//! holds a kernel lock or a per-core reference across a switch. Checked in release builds too. DOOMED: a G that is out of stack
//! where it cannot be stopped (SPARE, `stack`) has its `death` set already; it ends when its last guard drops, or, if it left its
//! core before, instead of being entered again.

use core::{
    alloc::Layout,
    arch::asm,
    cell::Cell,
    mem::ManuallyDrop,
    ptr::null_mut,
    sync::atomic::{AtomicPtr, Ordering},
};

use alloc::boxed::Box;

use gopark_sched::{Commit, Cx, Deadlock, G, GRef, Machine, Parked, Scheduler, Stop, WaitReason, idle::WakeWord};

use crate::{
    arch::{apic, clock, context, port::ExitCode, timer, vector},
    backtrace::Backtrace,
    core::{self as cpu, Core, count},
    fault,
    go::Death,
    irq,
    mem::{reserve, windows::Window},
    panic,
    preempt::{Frame, PreemptOff},
    stack::Stack,
};

/// The machine under the scheduler.
#[derive(Debug)]
pub struct Kernel;

/// What a G has on this machine.
#[repr(C)]
pub struct Ext {
    /// Where its registers lie, when it left by itself.
    pub(crate) rsp: Cell<u64>,
    /// Where they are, when it was preempted.
    pub(crate) frame: Cell<*mut Frame>,
    /// Its stack; none while it is dead, if that had an unusual size.
    pub(crate) stack: Cell<Option<Stack>>,
    /// Where that is, or was.
    pub(crate) window: Cell<Window>,
    /// Whom to tell how it ended.
    pub(crate) on_death: Cell<Option<crate::go::OnDeath>>,
    /// How it ended, if not by returning.
    pub(crate) death: Cell<crate::go::Death>,
    /// The file and line that started it.
    pub(crate) site: Cell<Option<&'static core::panic::Location<'static>>>,
}

impl core::fmt::Debug for Ext {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Ext").field("window", &self.window.get()).finish_non_exhaustive()
    }
}

impl Ext {
    /// A machine part around a stack.
    pub(crate) fn new(stack: Stack) -> Self {
        Self {
            rsp: Cell::new(0),
            frame: Cell::new(null_mut()),
            window: Cell::new(stack.window()),
            stack: Cell::new(Some(stack)),
            on_death: Cell::new(None),
            death: Cell::new(crate::go::Death::Returned),
            site: Cell::new(None),
        }
    }
}

impl Ext {
    /// Gives a dead G another stack.
    pub(crate) fn set_stack(&self, stack: Stack) {
        self.window.set(stack.window());
        self.stack.set(Some(stack));
    }

    /// DOOMED, or dead of it.
    fn is_doomed(&self) -> bool {
        matches!(self.death.get(), Death::StackOverflow(_))
    }

    /// Where a preempted G stopped: its instruction and its frame pointer.
    pub(crate) fn saved_frame(&self) -> Option<(u64, u64)> {
        // SAFETY: frames are freed only after they left their G; a report reads what may change, and prints it.
        let frame = unsafe { self.frame.get().as_ref() }?;
        Some((frame.iret.rip, frame.gpr.rbp))
    }

    /// Where a G that left by itself stopped: in its call of the gate.
    pub(crate) fn saved_call(&self) -> (u64, u64) {
        let rsp = self.rsp.get();
        let window = self.window.get();
        if rsp < window.limit() || rsp + size_of::<context::Initial>() as u64 > window.top() {
            return (0, 0);
        }
        // SAFETY: on the G's stack, whose pages above `rsp` are present; `leave` and `place` put an `Initial` there.
        let frame = unsafe { &*(rsp as *const context::Initial) };
        (frame.rip, frame.rbp)
    }
}

static SCHED: AtomicPtr<Scheduler<Kernel>> = AtomicPtr::new(null_mut());

/// The scheduler of this system.
///
/// # Panics
/// Before bring-up made it.
#[inline(always)]
pub fn sched() -> &'static Scheduler<Kernel> {
    match try_sched() {
        Some(sched) => sched,
        None => panic!("there is no scheduler yet"),
    }
}

/// The scheduler, if bring-up came that far.
#[inline(always)]
pub fn try_sched() -> Option<&'static Scheduler<Kernel>> {
    // SAFETY: only `install` stores, a leaked box.
    unsafe { SCHED.load(Ordering::Acquire).as_ref() }
}

pub(crate) fn install(sched: Scheduler<Kernel>) {
    SCHED.store(Box::into_raw(Box::new(sched)), Ordering::Release);
}

/// The G that runs on this core; `None` on g0, in bring-up, and under an interrupt that came there.
#[inline(always)]
pub fn current_g() -> Option<GRef<Kernel>> {
    let g: *mut G<Kernel>;
    // SAFETY: GS-CORE. One instruction: the G may move before and after, and still be the same G.
    unsafe {
        asm!("mov {}, gs:[{}]", out(reg) g, const core::mem::offset_of!(Core, current_g),
             options(nostack, preserves_flags, readonly));
    }
    // SAFETY: the field holds null or a G of our scheduler, which lives for ever.
    core::ptr::NonNull::new(g).map(|g| unsafe { GRef::from_raw(g) })
}

/// Calls `f` with this core's view of the scheduler; the G stays here meanwhile.
///
/// # Panics
/// If this core holds no P.
#[inline(always)]
pub fn with_cx<R>(f: impl FnOnce(&Cx<'_, Kernel>) -> R) -> R {
    let off = PreemptOff::new();
    // SAFETY: the core's M is set at bring-up and lives for ever.
    let m = unsafe { cpu::this(&off).m.load(Ordering::Relaxed).as_ref() };
    // SAFETY: PINNED by `off`.
    match m.and_then(|m| unsafe { Cx::of(sched(), m) }) {
        Some(cx) => f(&cx),
        None => panic!("scheduler call on a core without a P"),
    }
}

/// Waits: `commit` gets the right to wake this G when it is off its stack, and keeps it where a waker finds it, or gives
/// it back to go on at once.
///
/// `off` is the caller's guard, which ends here; a lock that must be held until the G is off its stack moves into `commit`.
pub fn park<F>(off: PreemptOff, reason: WaitReason, commit: F)
where
    F: FnOnce(&Cx<'_, Kernel>, Parked<Kernel>) -> Option<Parked<Kernel>>,
{
    let mut slot = Some(commit);
    // SAFETY: `slot` outlives `leave`, which returns after the commit ran.
    let commit = unsafe { Commit::new(&mut slot) };
    leave(off, Stop::Parked(reason, commit));
}

/// Lets others run first: goes to the tail of the global queue. Any G, no lock held.
#[doc(alias = "Gosched")]
pub fn yield_now() {
    leave(PreemptOff::new(), Stop::Yielded);
}

/// Ends this G. Its destructors do not run: whoever calls this has dropped all, or keeps the stack.
pub(crate) fn exit() -> ! {
    leave(PreemptOff::new(), Stop::Exited);
    unreachable!("a dead goroutine ran on")
}

/// A request to preempt came while preemption was off; the last guard has just dropped.
///
/// Not with interrupts off: that is a handler's guard, on a stack that is nobody's to leave, or a few instructions that must not
/// be torn apart. The request stays for the next guard.
#[cold]
pub(crate) fn honour_preemption() {
    if !x86_64::instructions::interrupts::are_enabled() {
        return;
    }
    if let Some(g) = current_g() {
        let doomed = g.ext.is_doomed() && !g.panicked();
        if doomed {
            g.set_panicked();
        }
        leave(PreemptOff::new(), if doomed { Stop::Exited } else { Stop::Preempted });
    }
}

/// The gate.
fn leave(off: PreemptOff, stop: Stop<Kernel>) {
    let _off = ManuallyDrop::new(off);
    let depth = cpu::here().preempt_off.load(Ordering::Relaxed);
    let Some(g) = current_g() else { panic!("{stop:?} on g0") };
    assert!(depth == 1, "goroutine {} leaves its core with a lock held ({depth} guards)", g.id());
    let stop = ManuallyDrop::new(stop);
    // SAFETY: GATE: a G, `preempt_off` is 1; g0 reads `stop` before anything can run this G again, and its `rsp` is ours
    // to write until then.
    unsafe { context::leave((&raw const *stop).cast(), g.ext.rsp.as_ptr()) };
}

impl Machine for Kernel {
    type Ext = Ext;

    fn now(&self) -> u64 {
        clock::now()
    }

    fn execute(&self, _cx: &Cx<'_, Self>, g: &G<Self>) -> Stop<Self> {
        let core = cpu::here();
        if g.ext.is_doomed() {
            g.set_panicked();
            return Stop::Exited;
        }
        core.current_g.store(core::ptr::from_ref(g).cast_mut(), Ordering::Relaxed);
        let frame = g.ext.frame.replace(null_mut());
        let stop = if frame.is_null() {
            // SAFETY: g0; `rsp` was set by `leave` or at spawn, and the Runnable that was used up is the right to run it.
            unsafe { context::enter(g.ext.rsp.get()) }
        } else {
            drop_spare(core);
            // SAFETY: g0; the frame was filled when the G was preempted, and taken out of the G above.
            unsafe { context::resume(frame) }
        };
        core.current_g.store(null_mut(), Ordering::Relaxed);
        core.preempt_requested.store(0, Ordering::Relaxed);
        // SAFETY: `leave`'s stop on the G's stack, or a static one; read once, before the G can run again.
        let stop = unsafe { stop.cast::<Stop<Self>>().read() };
        if core.reserve.is_low() && !reserve::refill(core) && core.reserve.is_short() && irq::is_retry(&stop) {
            return out_of_memory(core, g);
        }
        if matches!(stop, Stop::Preempted | Stop::YieldedLocal) {
            provide_spare(core);
        }
        stop
    }

    fn retire(&self, cx: &Cx<'_, Self>, g: &G<Self>) -> bool {
        crate::go::retire(cx, g)
    }

    fn idle(&self, core: usize, until: Option<u64>, wake: &WakeWord) {
        let here = cpu::here();
        debug_assert_eq!(here.index(), core);
        x86_64::instructions::interrupts::disable();
        if !wake.halt() {
            x86_64::instructions::interrupts::enable();
            return;
        }
        set_timer(here, until);
        let start = clock::now();
        // SAFETY: STI takes effect after the next instruction, so no interrupt comes between the look at `wake` and HLT
        // (Intel SDM vol. 2, "STI"). Clobbers memory: what woke us is read after.
        unsafe { asm!("sti", "hlt", options(nostack)) };
        wake.awake();
        let idle = here.stats.idle_ns.load(Ordering::Relaxed) + (clock::now() - start);
        here.stats.idle_ns.store(idle, Ordering::Relaxed);
    }

    fn kick(&self, core: usize) {
        if cpu::here().index() == core {
            return; // we are an interrupt handler on a halted core, and have ended its halt
        }
        if let Some(core) = cpu::by_index(core) {
            count(&cpu::here().stats.ipi_sent);
            apic::send_ipi(core.apic_id(), vector::KICK);
        }
    }

    #[inline]
    fn arm(&self, _core: usize, deadline: u64) {
        let here = cpu::here();
        if deadline < here.armed.load(Ordering::Relaxed) {
            x86_64::instructions::interrupts::without_interrupts(|| set_timer(here, Some(deadline)));
        }
    }

    fn relax(&self) {
        core::hint::spin_loop();
    }

    fn deadlock(&self, kind: Deadlock) {
        crate::deadlock::report(kind);
    }
}

/// A stack had to grow, and there is no memory: the G that wanted it ends here, and nobody else.
#[cold]
fn out_of_memory(core: &Core, g: &G<Kernel>) -> Stop<Kernel> {
    // The frame is this core's spare again: nothing is to be allocated now.
    let frame = g.ext.frame.replace(null_mut());
    core.spare_frame.store(frame, Ordering::Relaxed);
    // SAFETY: the frame was filled when the G was stopped, and taken out of the G above; interrupts use it only to preempt.
    let place = fault::place(unsafe { &*frame });
    if panic::ends_the_system(g) {
        panic::end(
            ExitCode::OUT_OF_MEMORY,
            format_args!("fatal error: out of memory: the stack of goroutine {} could not grow", g.id()),
            Backtrace::at(place.rip, place.rbp),
        );
    }
    g.set_panicked();
    g.ext.death.set(Death::OutOfMemory(place));
    Stop::Exited
}

/// Programs this core's timer; interrupts are off, so that the word and the device agree.
pub(crate) fn set_timer(here: &Core, deadline: Option<u64>) {
    let armed = deadline.unwrap_or(u64::MAX);
    if here.armed.swap(armed, Ordering::Relaxed) != armed {
        timer::arm(deadline);
    }
}

/// The core keeps one spare frame: the resumed G's own is about to become it.
fn drop_spare(core: &Core) {
    let spare = core.spare_frame.swap(null_mut(), Ordering::Relaxed);
    if !spare.is_null() {
        // SAFETY: OWN-CORE: spares come from `provide_spare`'s box, and the swap made this one ours. No interrupt can
        // want it: preemption is off on g0.
        drop(unsafe { Box::from_raw(spare) });
    }
}

/// Sees to it that the core has a spare. Without memory it has none, and preempts nobody by force until it has.
pub(crate) fn provide_spare(core: &Core) {
    if core.spare_frame.load(Ordering::Relaxed).is_null() {
        // SAFETY: a frame has a size. Its bytes mean nothing before `irq` has filled it.
        let frame = unsafe { alloc::alloc::alloc(Layout::new::<Frame>()) };
        core.spare_frame.store(frame.cast(), Ordering::Relaxed);
    }
}
