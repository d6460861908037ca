//! The per-core block, reached through GS.
//!
//! Its one job is to hold what belongs to a core and to nobody else, so that code which stays on its core needs
//! neither lock nor lookup. Who stays is proven by a [`PreemptOff`] guard.
//!
//! *Context.* Valid from the first Rust instruction of every core: the boot core uses [`BOOT_CORE`], the others
//! get their block's address from the start trampoline.
//!
//! *Invariants.* GS-CORE: in kernel code the GS base is the address of this core's [`Core`], and the block's first
//! field is that same address. OWN-CORE: fields that are not atomics are touched by their own core alone, under
//! `PreemptOff` or on g0.

use core::{
    arch::asm,
    cell::UnsafeCell,
    mem::offset_of,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering},
};

use gopark_sched::{G, M};

use crate::{
    machine::Kernel,
    mem::{magazine::Magazines, reserve::Reserve},
    preempt::PreemptOff,
};

/// The most cores that are started; xAPIC ids end at 254.
pub const MAX_CORES: usize = 256;

/// What one core owns. The first fields are read by assembly; offsets are taken with `offset_of!`.
#[repr(C, align(64))]
#[expect(missing_debug_implementations, reason = "a block of cells, printed field by field")]
pub struct Core {
    this: AtomicPtr<Core>,
    /// How many reasons there are not to preempt what runs here now. Changed by single instructions only.
    pub(crate) preempt_off: AtomicU32,
    /// A preemption was asked for while one of those reasons stood.
    pub(crate) preempt_requested: AtomicU32,
    /// The G on this core; null on g0.
    pub(crate) current_g: AtomicPtr<G<Kernel>>,
    /// Where g0 left its registers while a G runs.
    pub(crate) g0_rsp: AtomicU64,
    /// The M that this core carries.
    pub(crate) m: AtomicPtr<M<Kernel>>,
    /// Index in the table of cores; core 0 booted the machine.
    pub(crate) index: AtomicUsize,
    /// The local APIC's id.
    pub(crate) apic_id: AtomicU32,
    /// Where the stack starts that the start trampoline takes, and g0 keeps.
    pub(crate) boot_stack_top: AtomicU64,
    /// When the local APIC's timer will fire (ns); `u64::MAX` when it is off.
    pub(crate) armed: AtomicU64,
    /// What this core adds to its time-stamp counter to agree with the boot core: see [`crate::arch::clock`].
    pub(crate) tsc_offset: AtomicU64,
    /// Lock ranks held here, one bit each: see [`crate::lock`].
    pub(crate) held_ranks: AtomicU32,
    /// Whether this core came up and runs the scheduler.
    pub(crate) online: AtomicBool,
    /// Counters that only this core adds to; anyone may read them.
    pub stats: Stats,
    /// Small free blocks of the heap.
    pub(crate) magazines: Magazines,
    /// Frames kept for stack faults.
    pub(crate) reserve: Reserve,
    /// Where a preempted G's registers go: see [`crate::preempt`].
    pub(crate) spare_frame: AtomicPtr<crate::preempt::Frame>,
    /// Set while a page fault is being handled: a second one is the end.
    pub(crate) in_page_fault: AtomicBool,
    /// This core's descriptor tables; filled at bring-up, then read by the processor.
    pub(crate) tables: UnsafeCell<crate::arch::gdt::Tables>,
}

/// What a core counts.
#[derive(Debug, Default)]
pub struct Stats {
    pub interrupts: AtomicU64,
    pub timer_interrupts: AtomicU64,
    pub kick_interrupts: AtomicU64,
    pub device_interrupts: AtomicU64,
    pub stack_faults: AtomicU64,
    pub preemptions: AtomicU64,
    pub ipi_sent: AtomicU64,
    pub idle_ns: AtomicU64,
}

impl Stats {
    const fn new() -> Self {
        Self {
            interrupts: AtomicU64::new(0),
            timer_interrupts: AtomicU64::new(0),
            kick_interrupts: AtomicU64::new(0),
            device_interrupts: AtomicU64::new(0),
            stack_faults: AtomicU64::new(0),
            preemptions: AtomicU64::new(0),
            ipi_sent: AtomicU64::new(0),
            idle_ns: AtomicU64::new(0),
        }
    }
}

/// Adds one to a counter that only this core writes: no bus lock needed.
pub fn count(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

// SAFETY: atomics aside, OWN-CORE: each cell is used by its own core only.
unsafe impl Sync for Core {}

/// The block of the core that booted the machine.
pub static BOOT_CORE: Core = Core::new();

impl Core {
    /// A block on which preemption is off, as it is on g0.
    pub const fn new() -> Self {
        Self {
            this: AtomicPtr::new(core::ptr::null_mut()),
            preempt_off: AtomicU32::new(1),
            preempt_requested: AtomicU32::new(0),
            current_g: AtomicPtr::new(core::ptr::null_mut()),
            g0_rsp: AtomicU64::new(0),
            m: AtomicPtr::new(core::ptr::null_mut()),
            index: AtomicUsize::new(0),
            apic_id: AtomicU32::new(0),
            boot_stack_top: AtomicU64::new(0),
            armed: AtomicU64::new(u64::MAX),
            tsc_offset: AtomicU64::new(0),
            held_ranks: AtomicU32::new(0),
            online: AtomicBool::new(false),
            stats: Stats::new(),
            magazines: Magazines::new(),
            reserve: Reserve::new(),
            spare_frame: AtomicPtr::new(core::ptr::null_mut()),
            in_page_fault: AtomicBool::new(false),
            tables: UnsafeCell::new(crate::arch::gdt::Tables::new()),
        }
    }

    /// Writes the block's own address into it, which GS-relative code reads.
    pub fn set_this(&'static self) {
        self.this.store(core::ptr::from_ref(self).cast_mut(), Ordering::Release);
    }

    /// Index in the table of cores.
    pub fn index(&self) -> usize {
        self.index.load(Ordering::Relaxed)
    }

    /// The local APIC's id.
    pub fn apic_id(&self) -> u32 {
        self.apic_id.load(Ordering::Relaxed)
    }
}

impl Default for Core {
    fn default() -> Self {
        Self::new()
    }
}

/// This core's block, for as long as the guard keeps us on it.
#[inline(always)]
pub fn this(_off: &PreemptOff) -> &'static Core {
    here()
}

/// This core's block, for code that cannot move: g0, interrupt handlers, bring-up.
#[inline(always)]
pub(crate) fn here() -> &'static Core {
    let core: *const Core;
    // SAFETY: GS-CORE; the load has no side effect.
    unsafe {
        asm!("mov {}, gs:[{}]", out(reg) core, const offset_of!(Core, this),
             options(nostack, preserves_flags, readonly));
    }
    // SAFETY: GS-CORE: the address of a block that is never freed.
    unsafe { &*core }
}

/// Points GS at `core` on the calling core. To be called before anything that reads GS.
///
/// # Safety
/// `core` is the calling core's block and no other core's.
pub(crate) unsafe fn install(core: &'static Core) {
    core.set_this();
    let base = x86_64::VirtAddr::from_ptr(core);
    x86_64::registers::model_specific::GsBase::write(base);
}

static CORES: [AtomicPtr<Core>; MAX_CORES] = [const { AtomicPtr::new(core::ptr::null_mut()) }; MAX_CORES];

/// Enters `core` into the table, at its index.
pub(crate) fn register(core: &'static Core) {
    CORES[core.index()].store(core::ptr::from_ref(core).cast_mut(), Ordering::Release);
}

/// The core with that index, if it was registered.
pub fn by_index(index: usize) -> Option<&'static Core> {
    let core = CORES.get(index)?.load(Ordering::Acquire);
    // SAFETY: only addresses of blocks that live for ever are stored by `register`.
    unsafe { core.as_ref() }
}

/// All registered cores, by index.
pub fn all() -> impl Iterator<Item = &'static Core> {
    (0..MAX_CORES).map_while(by_index)
}
