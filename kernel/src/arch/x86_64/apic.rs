//! The local APIC: this core's timer, and interrupts from core to core (Intel SDM vol. 3, chapter 11).
//!
//! Its one job is to hide how the registers are reached: as memory (xAPIC) or, where the processor has it, by MSRs
//! (x2APIC, 11.12). Interrupts from devices come through [`super::ioapic`].
//!
//! *Context.* [`init`] once, on the boot core; [`init_this_core`] on each core; then any function on any core, with
//! interrupts on or off, but on one core from beginning to end (under `PreemptOff`, on g0, in a handler): the
//! registers are the core's own.
//!
//! *Invariants.* MODE-ONCE: the mode is chosen before the second core runs and never changes.
//!
//! *Memory order.* A kick must be seen after what was written before it. Stores to the uncached xAPIC page are
//! ordered behind earlier stores by the processor, and a compiler fence does the rest; the MSRs of x2APIC are not
//! ordered (11.12.3), hence real fences there.

use core::{
    ptr::NonNull,
    sync::atomic::{AtomicBool, AtomicPtr, Ordering, compiler_fence, fence},
};

use x86_64::{instructions::interrupts::without_interrupts, registers::model_specific::Msr};

use super::{acpi::Platform, cpuid, mmio::Registers, vector};

/// IA32_APIC_BASE (11.4.4): enable bits and the address.
const APIC_BASE: u32 = 0x1b;
const BASE_ENABLE: u64 = 1 << 11;
const BASE_X2APIC: u64 = 1 << 10;
/// The first x2APIC MSR; register `offset` of the page is MSR `X2APIC + offset / 16` (table 11-6).
const X2APIC: u32 = 0x800;
const PAGE: usize = 4096;

/// Offsets of the registers (table 11-1).
#[derive(Clone, Copy)]
#[repr(u16)]
pub(super) enum Register {
    Id = 0x020,
    Version = 0x030,
    TaskPriority = 0x080,
    Eoi = 0x0b0,
    SpuriousVector = 0x0f0,
    ErrorStatus = 0x280,
    CommandLow = 0x300,
    CommandHigh = 0x310,
    LvtTimer = 0x320,
    LvtThermal = 0x330,
    LvtCounters = 0x340,
    LvtLint0 = 0x350,
    LvtLint1 = 0x360,
    LvtError = 0x370,
    InitialCount = 0x380,
    CurrentCount = 0x390,
    DivideBy = 0x3e0,
}

/// Local vector table: the entry is masked (figure 11-8).
pub(super) const MASKED: u32 = 1 << 16;
/// Delivery mode NMI, in the vector table and in the command register.
const NMI: u32 = 0b100 << 8;
const INIT: u32 = 0b101 << 8;
const START_UP: u32 = 0b110 << 8;
/// Command register (figure 11-12): level assert, which all but INIT de-assert want.
const ASSERT: u32 = 1 << 14;
const DELIVERY_PENDING: u32 = 1 << 12;
const ALL_BUT_SELF: u32 = 0b11 << 18;
/// Spurious vector register: the APIC is switched on.
const SOFTWARE_ENABLE: u32 = 1 << 8;
/// How often the delivery status is read before the command is sent regardless: a bus takes microseconds.
const DELIVERY_READS: u32 = 100_000;

static REGISTERS: AtomicPtr<u32> = AtomicPtr::new(core::ptr::null_mut());
static BY_MSR: AtomicBool = AtomicBool::new(false);

/// Chooses how the registers are reached, and maps them if they are memory; then as [`init_this_core`].
/// Returns the mode's name, or nothing if the registers cannot be mapped.
pub fn init(platform: &Platform) -> Option<&'static str> {
    if cpuid::has_x2apic() {
        BY_MSR.store(true, Ordering::Relaxed);
    } else {
        // SAFETY: the address is the local APIC's by the MADT, and this module is its driver.
        let registers = unsafe { Registers::map(platform.local_apic, PAGE) }?;
        REGISTERS.store(registers.base().as_ptr(), Ordering::Release);
    }
    init_this_core(platform.nmi_pin);
    Some(mode())
}

/// The mode's name, for the boot screen.
pub fn mode() -> &'static str {
    if by_msr() { "x2APIC" } else { "xAPIC" }
}

#[inline]
fn by_msr() -> bool {
    BY_MSR.load(Ordering::Relaxed)
}

#[inline]
fn registers() -> Option<Registers> {
    let base = NonNull::new(REGISTERS.load(Ordering::Relaxed))?;
    // SAFETY: stored by `init` with this length.
    Some(unsafe { Registers::at(base, PAGE) })
}

#[inline]
pub(super) fn read(register: Register) -> u32 {
    if by_msr() {
        let msr = Msr::new(X2APIC + (register as u32 >> 4));
        // SAFETY: an x2APIC register that can be read; MODE-ONCE.
        return unsafe { msr.read() } as u32;
    }
    registers().map_or(0, |page| page.read(register as usize))
}

#[inline]
pub(super) fn write(register: Register, value: u32) {
    if by_msr() {
        let mut msr = Msr::new(X2APIC + (register as u32 >> 4));
        // SAFETY: an x2APIC register that can be written; its effect is what the caller of this driver asked for.
        unsafe { msr.write(u64::from(value)) };
    } else if let Some(page) = registers() {
        page.write(register as usize, value);
    }
}

/// Switches this core's APIC on: all local lines masked but NMI and errors, the timer stopped.
pub fn init_this_core(nmi_pin: Option<u8>) {
    switch_on();
    write(Register::TaskPriority, 0);
    write(Register::SpuriousVector, SOFTWARE_ENABLE | u32::from(vector::SPURIOUS));
    let pin = |number| if nmi_pin == Some(number) { NMI } else { MASKED };
    write(Register::LvtLint0, pin(0));
    write(Register::LvtLint1, pin(1));
    let last_entry = read(Register::Version) >> 16 & 0xff;
    if last_entry >= 4 {
        write(Register::LvtCounters, MASKED);
    }
    if last_entry >= 5 {
        write(Register::LvtThermal, MASKED);
    }
    write(Register::LvtError, u32::from(vector::APIC_ERROR));
    // Whatever firmware left behind: errors are cleared by writing twice, a pending interrupt by acknowledging it.
    write(Register::ErrorStatus, 0);
    write(Register::ErrorStatus, 0);
    eoi();
    super::timer::init_this_core();
}

fn switch_on() {
    let mut msr = Msr::new(APIC_BASE);
    // SAFETY: every processor with a local APIC has this MSR.
    let base = unsafe { msr.read() };
    // The way to x2APIC leads through xAPIC (11.12.1).
    let mode = if by_msr() { BASE_ENABLE | BASE_X2APIC } else { BASE_ENABLE };
    for bits in [BASE_ENABLE, mode] {
        // SAFETY: only enable bits change, in the order that the manual allows; MODE-ONCE.
        unsafe { msr.write(base | bits) };
    }
}

/// This core's APIC id, as the APIC has it.
pub fn id() -> u32 {
    let raw = read(Register::Id);
    if by_msr() { raw } else { raw >> 24 }
}

/// Tells the APIC that the interrupt in service is done.
#[inline]
pub fn eoi() {
    write(Register::Eoi, 0);
}

/// Sends the interrupt `vector` to the core with that APIC id.
pub fn send_ipi(apic_id: u32, vector: u8) {
    command(apic_id, ASSERT | u32::from(vector));
}

/// Sends an NMI to one core.
pub fn send_nmi(apic_id: u32) {
    command(apic_id, ASSERT | NMI);
}

/// Resets all other cores, which then wait for [`send_start_up`].
pub(super) fn send_init_all_but_self() {
    command(0, ALL_BUT_SELF | ASSERT | INIT);
}

/// Starts a core that was reset at the physical page number `page` (below 256).
pub(super) fn send_start_up(apic_id: u32, page: u8) {
    command(apic_id, ASSERT | START_UP | u32::from(page));
}

fn command(destination: u32, low: u32) {
    if by_msr() {
        fence_before_msr();
        let mut command = Msr::new(X2APIC + (Register::CommandLow as u32 >> 4));
        // SAFETY: the 64-bit command register of x2APIC (11.12.9): an interrupt that the caller wants sent.
        unsafe { command.write(u64::from(destination) << 32 | u64::from(low)) };
        return;
    }
    // A volatile store keeps its place among volatile ones only: what the other core is to see must be written before.
    compiler_fence(Ordering::SeqCst);
    // The two halves belong together: an interrupt handler that sends one too must not come between them.
    without_interrupts(|| {
        await_delivery();
        write(Register::CommandHigh, destination << 24);
        write(Register::CommandLow, low);
    });
}

/// Waits until the last command left the APIC. A command that never leaves is given up: the error interrupt tells.
fn await_delivery() {
    for _ in 0..DELIVERY_READS {
        if read(Register::CommandLow) & DELIVERY_PENDING == 0 {
            return;
        }
        core::hint::spin_loop();
    }
}

/// Makes earlier stores visible before a following write to an x2APIC or TSC-deadline MSR (11.12.3).
#[inline]
pub(super) fn fence_before_msr() {
    fence(Ordering::SeqCst);
    // SAFETY: SSE2, which every 64-bit processor has. The fence above became MFENCE, and the pair is what the manual
    // asks for.
    unsafe { core::arch::x86_64::_mm_lfence() };
}

/// The errors since the last call, one bit each (11.5.3). 0 is none.
pub fn error_status() -> u32 {
    // A write makes the register show what was gathered; x2APIC allows zero only.
    write(Register::ErrorStatus, 0);
    read(Register::ErrorStatus)
}
