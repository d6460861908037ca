//! `go`: starting goroutines, and learning how they ended.
//!
//! A goroutine's closure is moved to the top of its own stack, and its result into a packet that it shares with the
//! [`JoinHandle`]: one allocation for each spawn, none for the goroutine itself once there are dead ones to use again.
//!
//! *Context.* [`go`] and [`JoinHandle::join`]: any G. [`retire`]: g0.
//!
//! *Invariants.* KEPT-STACK: a G that did not end by returning is never used again and its stack never freed or unmapped:
//! its destructors did not run, so values pinned or borrowed on it may still be linked elsewhere. ONE-END: a packet is completed
//! exactly once: by the wrapper when the closure returned, else by the panic handler or by g0.

use alloc::{borrow::Cow, boxed::Box, sync::Arc};
use core::{
    fmt,
    panic::Location,
    sync::atomic::{AtomicU64, Ordering},
};

use gopark_sched::{Cx, G, spawn::DeadG};

use crate::{
    arch::context::Initial,
    join::Packet,
    machine::{self, Ext, Kernel, sched, with_cx},
    stack::{self, Stack, StackError},
};

/// The stack that a goroutine gets unless [`Builder::stack_size`] says otherwise, in bytes of address space.
pub const DEFAULT_STACK: usize = 64 * 1024;

/// Closures larger than this, or aligned to more, are boxed: the page of stack that is present at the start holds what is smaller.
const LARGE_CLOSURE: usize = 2048;

/// How a G's life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Death {
    /// Its closure returned.
    Returned,
    /// It panicked; the handler has told its packet.
    Panicked,
    /// It ran out of stack here.
    StackOverflow(Place),
    /// Its stack could not grow any more: no memory was left.
    OutOfMemory(Place),
}

/// Where a G was stopped for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub rsp: u64,
    pub rip: u64,
    pub rbp: u64,
}

/// Whom to tell that a G ended without a result.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OnDeath {
    tell: unsafe fn(*const (), &Cx<'_, Kernel>, JoinError),
    packet: *const (),
}

impl OnDeath {
    /// Completes the packet with an error.
    pub(crate) fn tell(self, cx: &Cx<'_, Kernel>, error: JoinError) {
        // SAFETY: `packet` is kept alive by the `Arc` in the dead G's task, which is never dropped (KEPT-STACK), and
        // `tell` was made for its type.
        unsafe { (self.tell)(self.packet, cx, error) }
    }
}

/// Why a goroutine has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinError {
    pub(crate) id: u64,
    pub(crate) message: Cow<'static, str>,
}

impl JoinError {
    /// The panic's message, or what else ended the goroutine.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The goroutine's number.
    pub fn id(&self) -> u64 {
        self.id
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "goroutine {} panicked: {}", self.id, self.message)
    }
}

impl core::error::Error for JoinError {}

/// Waits for a goroutine's result. Dropping it lets the goroutine run on alone.
#[derive(Debug)]
#[must_use = "a dropped handle detaches the goroutine; say so with `drop`"]
pub struct JoinHandle<T> {
    packet: Arc<Packet<T>>,
    id: u64,
}

impl<T> JoinHandle<T> {
    /// Waits until the goroutine ended, and returns what it returned.
    ///
    /// # Errors
    /// If it panicked or overflowed its stack: with the message.
    pub fn join(self) -> Result<T, JoinError> {
        self.packet.wait()
    }

    /// Whether it ended.
    pub fn is_finished(&self) -> bool {
        self.packet.is_done()
    }

    /// The goroutine's number.
    pub fn id(&self) -> u64 {
        self.id
    }
}

/// Starts a goroutine: `f` runs concurrently, on whichever core comes first.
///
/// May be called by any goroutine. The new one runs next on this core, when the caller blocks or yields, or at once on an
/// idle core.
///
/// # Panics
/// If there is no memory for its stack; [`Builder::spawn`] returns an error instead.
#[track_caller]
pub fn go<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    match Builder::new().spawn(f) {
        Ok(handle) => handle,
        Err(error) => panic!("go: {error}"),
    }
}

/// A goroutine with other than the usual settings.
#[derive(Clone, Debug)]
#[must_use = "a builder starts nothing before `spawn`"]
pub struct Builder {
    stack_size: usize,
    system: bool,
}

impl Builder {
    /// The usual settings.
    pub fn new() -> Self {
        Self { stack_size: DEFAULT_STACK, system: false }
    }

    /// At least so many bytes of stack (address space; memory comes page by page as it is touched), up to 1 GiB.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = bytes;
        self
    }

    /// A goroutine of the system: not counted, and no reason for the program to stay alive.
    pub(crate) fn system(mut self) -> Self {
        self.system = true;
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// If there is no memory for the stack, or no stack can be that large.
    #[track_caller]
    pub fn spawn<T: Send + 'static>(self, f: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>, StackError> {
        if size_of_val(&f).max(align_of_val(&f)) <= LARGE_CLOSURE {
            return self.start(f, Location::caller());
        }
        let boxed: Box<dyn FnOnce() -> T + Send> = Box::new(f);
        self.start(boxed, Location::caller())
    }

    fn start<T: Send + 'static>(
        self,
        f: impl FnOnce() -> T + Send + 'static,
        site: &'static Location<'static>,
    ) -> Result<JoinHandle<T>, StackError> {
        let packet = Arc::new(Packet::new());
        let parent = machine::current_g().map_or(0, |g| g.id());
        // Preemption is on except in the two moments that need our P: an allocation or a `Drop` of the closure that fails is
        // this goroutine's own matter.
        let dead = with_cx(|cx| dead_g(cx, self.stack_size))?;
        prepare(&dead, Task { f, packet: packet.clone() }, site);
        let id = with_cx(|cx| self.begin(cx, dead, parent));
        Ok(JoinHandle { packet, id })
    }

    /// Starts the first goroutine, from g0 at bring-up.
    pub(crate) fn spawn_first(self, cx: &Cx<'_, Kernel>, f: impl FnOnce() + Send + 'static) -> Result<(), StackError> {
        let dead = dead_g(cx, self.stack_size)?;
        prepare(&dead, Task { f, packet: Arc::new(Packet::new()) }, Location::caller());
        self.begin(cx, dead, 0);
        Ok(())
    }

    /// Gives it a number and queues it.
    fn begin(&self, cx: &Cx<'_, Kernel>, g: DeadG<Kernel>, parent: u64) -> u64 {
        let g = sched().begin(cx, g, parent, self.system);
        let id = g.g().id();
        sched().start(cx, g, true);
        id
    }
}

/// Makes `task` what a dead G will do.
fn prepare<F, T>(dead: &DeadG<Kernel>, task: Task<F, T>, site: &'static Location<'static>)
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let ext = &dead.g().ext;
    let packet = Arc::as_ptr(&task.packet);
    ext.on_death.set(Some(OnDeath { tell: Packet::<T>::tell, packet: packet.cast() }));
    ext.death.set(Death::Returned);
    ext.site.set(Some(site));
    // SAFETY: the G is dead and ours (`DeadG`): nobody uses its stack, whose top page is present and writable.
    ext.rsp.set(unsafe { place(ext.window.get().top(), task) });
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

/// A dead G with a stack of that size: a used one, if the size is the usual one.
fn dead_g(cx: &Cx<'_, Kernel>, size: usize) -> Result<DeadG<Kernel>, StackError> {
    let size = size.max(DEFAULT_STACK);
    let Some(dead) = sched().take_dead(cx) else {
        return sched().new_dead(Ext::new(stack::alloc(size)?)).map_err(|ext| {
            ext.stack.take().into_iter().for_each(release);
            StackError::OutOfMemory
        });
    };
    let ext = &dead.g().ext;
    match ext.stack.take() {
        Some(stack) if stack.size() >= size as u64 => ext.stack.set(Some(stack)),
        other => match stack::alloc(size) {
            Ok(stack) => {
                other.into_iter().for_each(release);
                ext.set_stack(stack);
            }
            Err(error) => {
                ext.stack.set(other);
                sched().give_back(cx, dead);
                return Err(error);
            }
        },
    }
    Ok(dead)
}

/// Frees the stack of a G that ended by returning.
fn release(stack: Stack) {
    // SAFETY: its G is dead and off it, and dropped all that it had (it returned): nothing points into it.
    unsafe { stack::free(stack) };
}

/// What a new G finds on its stack.
struct Task<F, T> {
    f: F,
    packet: Arc<Packet<T>>,
}

/// Puts `task` and the first frame below `top`; returns the `rsp` to start from.
///
/// # Safety
/// The memory below `top` is an unused stack, large enough.
unsafe fn place<F, T>(top: u64, task: Task<F, T>) -> u64
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let align = align_of::<Task<F, T>>().max(16) as u64;
    let at = (top - size_of::<Task<F, T>>() as u64) & !(align - 1);
    let task_place = at as *mut Task<F, T>;
    // SAFETY: by contract; aligned above.
    unsafe { task_place.write(task) };
    // `first` runs with rsp at `Initial::end`, which is 16-byte aligned as a caller's rsp must be.
    let rsp = (at & !15) - size_of::<Initial>() as u64;
    let frame = rsp as *mut Initial;
    // SAFETY: by contract; below the task.
    unsafe { frame.write(Initial::new(entry::<F, T>, task_place.cast())) };
    rsp
}

/// The bottom of every goroutine.
unsafe extern "C" fn entry<F, T>(task: *mut ()) -> !
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    // SAFETY: `place` wrote it for this call, which happens once.
    let Task { f, packet } = unsafe { task.cast::<Task<F, T>>().read() };
    packet.complete(f());
    drop(packet);
    machine::exit()
}

/// How many G's stacks are kept because they did not end by returning.
pub(crate) static KEPT: AtomicU64 = AtomicU64::new(0);
/// At so many the system gives up: a program that loses memory for ever shall say so.
const KEPT_MAX: u64 = 10_000;

/// A G that exited is off its stack (g0): whether it may be used again.
pub(crate) fn retire(cx: &Cx<'_, Kernel>, g: &G<Kernel>) -> bool {
    match g.ext.death.get() {
        Death::Returned => {
            // Stacks of the usual size stay with their G, warm; others go back to their kind.
            if g.ext.window.get().size() != DEFAULT_STACK as u64 {
                g.ext.stack.take().into_iter().for_each(release);
            }
            return true;
        }
        Death::Panicked => {}
        Death::StackOverflow(_) | Death::OutOfMemory(_) => crate::fault::bury_stopped(cx, g),
    }
    let kept = KEPT.fetch_add(1, Ordering::Relaxed) + 1;
    if kept >= KEPT_MAX {
        crate::panic::fatal(format_args!("{kept} goroutines died without returning; their stacks are lost"));
    }
    false
}
