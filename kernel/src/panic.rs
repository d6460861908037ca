//! Panics and fatal errors: who dies of what.
//!
//! A panic in a goroutine other than `main` ends that goroutine only: its handle gets the message, the locks it held become
//! abandoned, its stack is kept. Everything else ends the system: a panic in `main`, on g0, with preemption off (a runtime lock
//! is held), in an interrupt handler, or with `panic=abort`.
//!
//! *Context.* Anywhere. The fatal path takes no lock, allocates nothing, and stops the other cores by NMI first.
//!
//! *Invariants.* ONCE: the first core that comes to [`fatal`] reports; others halt; a second fatal error while reporting ends the
//! system at once, so no report can hang it.

use alloc::{borrow::Cow, format, string::String};
use core::{
    fmt,
    mem::ManuallyDrop,
    panic::PanicInfo,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use gopark_sched::{G, GRef};

use crate::{
    arch::{apic, port::ExitCode},
    backtrace::Backtrace,
    core as cpu,
    go::{Death, JoinError},
    machine::{self, Kernel, current_g, with_cx},
    preempt::{self, PreemptOff},
    println, raw_println, report, shutdown,
    sync::sema,
};

/// `panic=abort`: any goroutine's panic ends the system, as in Go.
pub static ABORT: AtomicBool = AtomicBool::new(false);

/// Goroutines that are printing their panic: the end of `main` waits for them.
pub(crate) static PANICKING: AtomicUsize = AtomicUsize::new(0);

/// The number of `main`.
const MAIN: u64 = 1;

/// What `gopark::main!` makes the panic handler of a program.
pub fn handle(info: &PanicInfo<'_>) -> ! {
    match dying_goroutine() {
        Some(g) => die(g, info),
        None => fatal_panic(info),
    }
}

/// The goroutine that may die alone.
fn dying_goroutine() -> Option<GRef<Kernel>> {
    let g = current_g()?;
    let alone = stoppable() && !ends_the_system(&g) && !g.panicked();
    alone.then_some(g)
}

/// Whether what panics is the G's own code: an interrupt handler may have come upon a G that has preemption on.
fn stoppable() -> bool {
    x86_64::instructions::interrupts::are_enabled() && !preempt::is_off()
}

/// Whether the end of this G by other means than returning is the end of all.
pub(crate) fn ends_the_system(g: &G<Kernel>) -> bool {
    g.id() == MAIN || ABORT.load(Ordering::Relaxed)
}

/// Ends this goroutine: tells everybody who waits for it, and leaves for good.
fn die(g: GRef<Kernel>, info: &PanicInfo<'_>) -> ! {
    PANICKING.fetch_add(1, Ordering::AcqRel);
    g.set_panicked();
    let message = message(info);
    println!("panic: {message}\n\ngoroutine {} [running]:\nat {}\n{}", g.id(), place(info), Backtrace::here());
    g.ext.death.set(Death::Panicked);
    with_cx(|cx| bury(cx, g, message.into()));
    PANICKING.fetch_sub(1, Ordering::AcqRel);
    machine::exit()
}

/// Tells the handle and the waiters of locks that `g` is dead.
pub(crate) fn bury(cx: &gopark_sched::Cx<'_, Kernel>, g: GRef<Kernel>, message: Cow<'static, str>) {
    sema::abandon(cx, g.as_ptr() as usize);
    if let Some(on_death) = g.ext.on_death.take() {
        on_death.tell(cx, JoinError { id: g.id(), message });
    }
}

fn message(info: &PanicInfo<'_>) -> String {
    format!("{}", info.message())
}

fn place<'a>(info: &'a PanicInfo<'_>) -> impl fmt::Display + 'a {
    core::fmt::from_fn(move |f| match info.location() {
        Some(location) => fmt::Display::fmt(location, f),
        None => f.write_str("an unknown place"),
    })
}

fn fatal_panic(info: &PanicInfo<'_>) -> ! {
    let on_g = current_g().is_some() && stoppable();
    let code = if on_g { ExitCode::MAIN_PANIC } else { ExitCode::FATAL };
    let kind = if on_g { "panic" } else { "fatal error" };
    end(code, format_args!("{kind}: {}\n\nat {}", info.message(), place(info)), Backtrace::here())
}

/// A broken invariant, or something nobody can go on from: Go's `throw`.
pub fn fatal(what: fmt::Arguments<'_>) -> ! {
    end(ExitCode::FATAL, format_args!("fatal error: {what}"), Backtrace::here())
}

static REPORTER: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Whether the system is ending by a fatal error.
pub(crate) fn is_ending() -> bool {
    REPORTER.load(Ordering::Acquire) != usize::MAX
}

/// Reports and ends the system (ONCE).
pub(crate) fn end(code: ExitCode, what: fmt::Arguments<'_>, trace: Backtrace) -> ! {
    x86_64::instructions::interrupts::disable();
    // For ever: the report may use SPARE (`stack`), and the frames that are kept for code that cannot be stopped.
    let _off = ManuallyDrop::new(PreemptOff::new());
    let me = cpu::here().index();
    match REPORTER.compare_exchange(usize::MAX, me, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => {}
        Err(reporter) if reporter == me => {
            raw_println!("\n{what}\nfatal error while reporting a fatal error");
            shutdown::now(code)
        }
        Err(_) => halt(),
    }
    freeze_others(me);
    raw_println!("{what}\n");
    raw_println!("{}\n{trace}", report::Here);
    crate::print::raw(format_args!("{}", report::AllGoroutines { but_running_here: true }));
    shutdown::now(code)
}

/// Stops all other cores, wherever they are. One that is still starting has no handler for the NMI, and nothing to say.
fn freeze_others(me: usize) {
    for core in cpu::all().filter(|core| core.index() != me && core.online.load(Ordering::Acquire)) {
        apic::send_nmi(core.apic_id());
    }
}

/// Stops this core for good.
pub(crate) fn halt() -> ! {
    loop {
        x86_64::instructions::interrupts::disable();
        x86_64::instructions::hlt();
    }
}
