//! Exceptions: a stack that grows, a stack that cannot, and everything else, which is the end.
//!
//! *Context.* IST stacks, interrupts off. Takes no lock; a fatal report comes from here.
//!
//! *Invariants.* NO-NEST: a page fault while one is handled is fatal: it has already overwritten the first one's stack.

use alloc::{borrow::Cow, format};
use core::{fmt, sync::atomic::Ordering};

use gopark_sched::{Cx, G};
use x86_64::registers::control::{Cr2, Cr3};

use crate::{
    arch::{idt::vector, port::ExitCode},
    backtrace::Backtrace,
    core::{Core, count},
    go::{Death, Place},
    irq::Then,
    machine::{Kernel, current_g},
    mem::kstack,
    panic,
    preempt::Frame,
    println,
    stack::{self, Fault, Need},
};

/// Any vector below 32.
pub(crate) fn exception(core: &Core, frame: &Frame, vector: u8) -> Then {
    match vector {
        vector::PAGE_FAULT => page_fault(core, frame),
        vector::NMI => nmi(frame),
        vector::BREAKPOINT => {
            crate::raw_println!("breakpoint at {:#x}", frame.iret.rip);
            Then::Continue
        }
        _ => fatal(frame),
    }
}

/// Another core is ending the system, or the hardware reports a failure.
fn nmi(frame: &Frame) -> Then {
    if panic::is_ending() {
        panic::halt();
    }
    fatal(frame)
}

/// Bits of a page fault's error code (Intel SDM vol. 3, 5.7): the page was present and something was not allowed; and the
/// processor wanted to execute it. Neither is a stack that grows.
const PROTECTION: u64 = 1;
const FETCH: u64 = 1 << 4;

fn page_fault(core: &Core, frame: &Frame) -> Then {
    let address = Cr2::read_raw();
    if core.in_page_fault.swap(true, Ordering::Relaxed) {
        fatal(frame); // NO-NEST
    }
    let off = core.preempt_off.load(Ordering::Relaxed) != 0;
    let outcome = match frame.iret.error & (PROTECTION | FETCH) {
        0 => stack::fault(address, core, need(off), current_g().map(|g| g.ext.window.get())),
        _ => Fault::NotAStack,
    };
    let then = match outcome {
        Fault::Committed => {
            count(&core.stats.stack_faults);
            if core.reserve.is_short() {
                core.preempt_requested.store(1, Ordering::Relaxed); // to g0 when the last guard drops: it has more
            }
            Then::Continue
        }
        Fault::Borrowed => borrowed(core, frame),
        Fault::ReserveEmpty if !off => Then::Retry,
        Fault::Overflow(_) if !off => overflow(frame),
        Fault::ReserveEmpty | Fault::Overflow(_) | Fault::NotAStack => fatal(frame),
    };
    core.in_page_fault.store(false, Ordering::Relaxed);
    then
}

fn need(off: bool) -> Need {
    match current_g() {
        _ if off => Need::Unstoppable,
        Some(g) if g.panicked() => Need::Dying,
        _ => Need::Usual,
    }
}

/// The G has no stack left, but must not be stopped here: it goes on with what is spared for that, and ends where the last
/// guard drops, or instead of running again (DOOMED, `machine`).
fn borrowed(core: &Core, frame: &Frame) -> Then {
    count(&core.stats.stack_faults);
    if let Some(g) = current_g().filter(|g| !g.panicked() && !panic::is_ending()) {
        end_system_with(&g, frame);
        doom(&g, frame);
        core.preempt_requested.store(1, Ordering::Relaxed);
    }
    Then::Continue
}

/// The G has no stack left: it ends here, and g0 does what is left to do.
fn overflow(frame: &Frame) -> Then {
    let Some(g) = current_g() else { fatal(frame) };
    end_system_with(&g, frame);
    if g.panicked() {
        panic::PANICKING.fetch_sub(1, Ordering::AcqRel); // it does not come to the end of its panic
    }
    g.set_panicked();
    doom(&g, frame);
    Then::Exit
}

fn doom(g: &G<Kernel>, frame: &Frame) {
    g.ext.death.set(Death::StackOverflow(place(frame)));
}

/// Reports the overflow and ends the system, if this G does not end alone.
fn end_system_with(g: &G<Kernel>, frame: &Frame) {
    if panic::ends_the_system(g) {
        let limit = g.ext.window.get().size();
        panic::end(
            ExitCode::MAIN_PANIC,
            format_args!(
                "runtime: goroutine stack exceeds {limit}-byte limit\n{}\nfatal error: stack overflow",
                Bounds { g, rsp: frame.iret.rsp },
            ),
            Backtrace::at(frame.iret.rip, frame.gpr.rbp),
        )
    }
}

struct Bounds<'a> {
    g: &'a G<Kernel>,
    rsp: u64,
}

impl fmt::Display for Bounds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stack = self.g.ext.window.get();
        write!(f, "runtime: sp={:#x} stack=[{:#x}, {:#x}]", self.rsp, stack.limit(), stack.top())
    }
}

pub(crate) fn place(frame: &Frame) -> Place {
    Place { rsp: frame.iret.rsp, rip: frame.iret.rip, rbp: frame.gpr.rbp }
}

/// On g0, after the machine stopped `g` for good: reports, and tells the handle and the waiters.
pub(crate) fn bury_stopped(cx: &Cx<'_, Kernel>, g: &G<Kernel>) {
    let limit = g.ext.window.get().size();
    let (place, message) = match g.ext.death.get() {
        Death::StackOverflow(place) => {
            println!("runtime: goroutine stack exceeds {limit}-byte limit\n{}", Bounds { g, rsp: place.rsp });
            (place, Cow::Owned(format!("stack overflow: goroutine stack exceeds {limit}-byte limit")))
        }
        Death::OutOfMemory(place) => (place, Cow::Borrowed("out of memory: its stack could not grow")),
        Death::Returned | Death::Panicked => return,
    };
    println!("{message}\n\ngoroutine {} [running]:\n{}", g.id(), Backtrace::at(place.rip, place.rbp));
    // SAFETY: the G is one of our scheduler's.
    let g = unsafe { gopark_sched::GRef::from_raw(core::ptr::NonNull::from(g)) };
    panic::bury(cx, g, message);
}

/// A stack must grow, and there is memory neither for that nor for putting its goroutine aside.
pub(crate) fn end_without_memory(frame: &Frame) -> ! {
    let trace = Backtrace::at(frame.iret.rip, frame.gpr.rbp);
    panic::end(ExitCode::OUT_OF_MEMORY, format_args!("fatal error: out of memory: a stack could not grow"), trace)
}

/// The end, with everything that the processor knows.
fn fatal(frame: &Frame) -> ! {
    let trace = Backtrace::at(frame.iret.rip, frame.gpr.rbp);
    panic::end(ExitCode::EXCEPTION, format_args!("{}", Registers(frame)), trace)
}

struct Registers<'a>(&'a Frame);

impl fmt::Display for Registers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Frame { gpr: r, iret: i, .. } = self.0;
        let name = NAMES.get(i.vector as usize).copied().unwrap_or("reserved");
        writeln!(f, "fatal error: exception {} ({name}), error code {:#x}", i.vector, i.error)?;
        writeln!(f, "rip={:016x} rflags={:08x} cs={:x} ss={:x}", i.rip, i.rflags, i.cs, i.ss)?;
        writeln!(f, "rax={:016x} rbx={:016x} rcx={:016x} rdx={:016x}", r.rax, r.rbx, r.rcx, r.rdx)?;
        writeln!(f, "rsi={:016x} rdi={:016x} rbp={:016x} rsp={:016x}", r.rsi, r.rdi, r.rbp, i.rsp)?;
        writeln!(f, "r8 ={:016x} r9 ={:016x} r10={:016x} r11={:016x}", r.r8, r.r9, r.r10, r.r11)?;
        writeln!(f, "r12={:016x} r13={:016x} r14={:016x} r15={:016x}", r.r12, r.r13, r.r14, r.r15)?;
        let cr3 = Cr3::read_raw().0.start_address().as_u64();
        write!(f, "cr2={:016x} cr3={cr3:016x}", Cr2::read_raw())?;
        match kstack::guard_at(Cr2::read_raw()) {
            Some(_) if matches!(i.vector as u8, vector::PAGE_FAULT | vector::DOUBLE_FAULT) => {
                f.write_str("\na kernel stack overflowed: cr2 is in the guard page below it")
            }
            _ => Ok(()),
        }
    }
}

/// Names of the exceptions (Intel SDM vol. 3, table 7-1).
const NAMES: [&str; 32] = [
    "divide error",
    "debug",
    "NMI",
    "breakpoint",
    "overflow",
    "BOUND range exceeded",
    "invalid opcode",
    "device not available",
    "double fault",
    "coprocessor segment overrun",
    "invalid TSS",
    "segment not present",
    "stack-segment fault",
    "general protection",
    "page fault",
    "reserved",
    "x87 floating-point error",
    "alignment check",
    "machine check",
    "SIMD floating-point error",
    "virtualization",
    "control protection",
    "reserved",
    "reserved",
    "reserved",
    "reserved",
    "reserved",
    "reserved",
    "hypervisor injection",
    "VMM communication",
    "security",
    "reserved",
];
