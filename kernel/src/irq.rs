//! What interrupts do: the one function behind all vectors.
//!
//! ```text
//! entry -> dispatch -> exception: stack growth, or the end (fault)
//!                   -> timer:     tick: maybe preempt
//!                   -> kick:      nothing: it has ended a halt
//!                   -> device:    take the data, fire its poll descriptor
//! ```
//! *Context.* IST stacks, interrupts off. A handler takes no lock, allocates nothing, readies nobody: it records, requests,
//! and kicks an idle core.
//!
//! *Invariants.* The answer null means "back to what was interrupted"; anything else is a `Stop` for g0, and then the G's
//! registers are in its own frame and `preempt_off` is 1.

use core::{
    ptr::null,
    sync::atomic::{AtomicBool, Ordering},
};

use gopark_sched::{Cx, PollDesc, Stop};

use crate::{
    arch::{apic, clock, idt, vector},
    core::{self as cpu, Core, count},
    dev::uart,
    fault,
    machine::{self, Kernel, sched, set_timer},
    preempt::Frame,
};

/// Stops that interrupts make. A G's own stops lie on its stack.
struct StaticStop(Stop<Kernel>);
// SAFETY: never written, and the variants used here hold no pointer.
unsafe impl Sync for StaticStop {}

static PREEMPTED: StaticStop = StaticStop(Stop::Preempted);
static RETRY: StaticStop = StaticStop(Stop::YieldedLocal);
static EXITED: StaticStop = StaticStop(Stop::Exited);

/// Whether a stop was made because g0 had to do something before the G could go on.
pub(crate) fn is_retry(stop: &Stop<Kernel>) -> bool {
    matches!(stop, Stop::YieldedLocal)
}

/// How an interrupted G goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Where it was.
    Continue,
    /// Later: others first.
    Preempt,
    /// As soon as g0 has done what the handler could not.
    Retry,
    /// Never: it ends here.
    Exit,
}

/// Console input: fired by the UART's interrupt.
pub static CONSOLE_INPUT: PollDesc<Kernel> = PollDesc::new(true);

/// `asyncpreemptoff=1`: requests are noted, and honoured where a guard drops.
pub static ASYNC_PREEMPT_OFF: AtomicBool = AtomicBool::new(false);

/// The common handler. `frame` is all that the interrupted code had in registers.
pub(crate) extern "sysv64" fn dispatch(frame: &mut Frame) -> *const () {
    let core = cpu::here();
    count(&core.stats.interrupts);
    let then = match frame.iret.vector as u8 {
        exception @ 0..=idt::vector::LAST_EXCEPTION => fault::exception(core, frame, exception),
        vector::TIMER => timer(core),
        vector::KICK => kick(core),
        vector::UART => uart_input(core),
        // Never acknowledged: nothing is in service.
        vector::SPURIOUS | vector::PIC_MASTER_SPURIOUS | vector::PIC_SLAVE_SPURIOUS => Then::Continue,
        vector::APIC_ERROR => apic_error(),
        other => unexpected(other),
    };
    let stop = match then {
        Then::Continue => return null(),
        Then::Preempt => &PREEMPTED,
        Then::Retry => &RETRY,
        Then::Exit => {
            core.preempt_off.store(1, Ordering::Relaxed);
            return (&raw const EXITED.0).cast();
        }
    };
    if save(core, frame) {
        return (&raw const stop.0).cast();
    }
    if then == Then::Retry {
        // Nothing to save its registers in, and it cannot go on.
        fault::end_without_memory(frame);
    }
    null()
}

/// Moves the G's registers out of this stack into the core's spare frame, and the frame into the G.
fn save(core: &Core, frame: &Frame) -> bool {
    let Some(g) = machine::current_g() else { return false };
    let spare = core.spare_frame.swap(core::ptr::null_mut(), Ordering::Relaxed);
    if spare.is_null() {
        core.preempt_requested.store(1, Ordering::Relaxed);
        return false;
    }
    // SAFETY: the spare belongs to this core and the swap took it; both frames are whole and apart.
    unsafe { core::ptr::copy_nonoverlapping(frame, spare, 1) };
    g.ext.frame.set(spare);
    core.preempt_off.store(1, Ordering::Relaxed);
    count(&core.stats.preemptions);
    true
}

fn timer(core: &Core) -> Then {
    apic::eoi();
    count(&core.stats.timer_interrupts);
    core.armed.store(u64::MAX, Ordering::Relaxed);
    // SAFETY: set at bring-up, lives for ever.
    let Some(m) = (unsafe { core.m.load(Ordering::Relaxed).as_ref() }) else { return Then::Continue };
    // Also on g0 when it is just about to enter a G: the P is lent before the timer is armed (TICK-WITH-P), and a tick
    // that found no P would leave that G without another one.
    // SAFETY: PINNED: an interrupt handler stays on its core.
    let cx = unsafe { Cx::of(sched(), m) };
    let Some(tick) = sched().tick(m, cx.as_ref(), clock::now()) else { return Then::Continue };
    set_timer(core, Some(tick.next));
    if !tick.preempt {
        return Then::Continue;
    }
    let now = core.preempt_off.load(Ordering::Relaxed) == 0 && !ASYNC_PREEMPT_OFF.load(Ordering::Relaxed);
    if now {
        return Then::Preempt;
    }
    core.preempt_requested.store(1, Ordering::Relaxed);
    Then::Continue
}

fn kick(core: &Core) -> Then {
    apic::eoi();
    count(&core.stats.kick_interrupts);
    Then::Continue
}

fn uart_input(core: &Core) -> Then {
    count(&core.stats.device_interrupts);
    if uart::on_interrupt() {
        sched().poll.fire(&CONSOLE_INPUT);
        // SAFETY: set at bring-up, lives for ever.
        if let Some(m) = unsafe { core.m.load(Ordering::Relaxed).as_ref() } {
            sched().event_for_idle(m);
        }
    }
    apic::eoi();
    Then::Continue
}

fn apic_error() -> Then {
    let status = apic::error_status();
    apic::eoi();
    crate::raw_println!("gopark: local APIC error, ESR {status:#x}");
    Then::Continue
}

/// Nobody asked for this vector.
fn unexpected(vector: u8) -> Then {
    apic::eoi();
    crate::raw_println!("gopark: unexpected interrupt, vector {vector:#x}");
    Then::Continue
}
