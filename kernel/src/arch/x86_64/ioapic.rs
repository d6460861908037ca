//! The I/O APICs: which device interrupt goes to which core, at which vector (Intel 82093AA data sheet).
//!
//! Its one job is the redirection tables. Which vector belongs to whom is decided in [`super::vector`], acknowledging
//! an interrupt is the local APIC's part.
//!
//! *Context.* A G or g0; never an interrupt handler, since the index register needs a lock.
//!
//! *Locks.* [`Rank::Devices`] over all I/O APICs: index and data register belong together.

use super::{
    acpi::{IoApic, Platform, Signal},
    list::List,
    mmio::Registers,
};
use crate::lock::{Lock, Rank};

/// Byte offsets of the two registers that are memory (3.1): all others are reached through them.
const INDEX: usize = 0x00;
const WINDOW: usize = 0x10;
const LEN: usize = 0x20;
/// Indirect registers (3.2).
const VERSION: u32 = 0x01;
const REDIRECTION: u32 = 0x10;
/// Bits of a redirection entry's low half (3.2.4).
const ACTIVE_LOW: u32 = 1 << 13;
const LEVEL: u32 = 1 << 15;
const MASKED: u32 = 1 << 16;
/// There are 16 ISA interrupts.
const ISA_LINES: u8 = 16;

/// Names a line where a device's interrupt arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// An ISA interrupt, 0 to 15: overrides of the ACPI tables apply.
    Isa(u8),
}

/// Why an interrupt cannot be routed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteError {
    /// No I/O APIC has that line.
    NoSuchLine,
    /// The core's APIC id has more than the eight bits that an entry holds.
    FarCore,
}

impl core::fmt::Display for RouteError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NoSuchLine => "no I/O APIC has that interrupt line",
            Self::FarCore => "an I/O APIC cannot address that core",
        })
    }
}

#[derive(Clone, Copy, Debug)]
struct Chip {
    registers: Registers,
    first_gsi: u32,
    lines: u32,
}

struct State {
    chips: List<Option<Chip>, 16>,
    isa: [(u32, Signal); ISA_LINES as usize],
}

static STATE: Lock<Option<State>> = Lock::new(Rank::Devices, None);

/// Maps all I/O APICs and masks all their lines. Once, on the boot core.
pub fn init(platform: &Platform) {
    let mut isa = [(0, Signal::default()); ISA_LINES as usize];
    for (number, line) in (0u32..).zip(&mut isa) {
        line.0 = number;
    }
    for other in platform.overrides.iter() {
        if let Some(line) = isa.get_mut(usize::from(other.isa)) {
            *line = (other.gsi, other.signal);
        }
    }
    let mut chips = List::new();
    for chip in platform.io_apics.iter().filter_map(Chip::open) {
        (0..chip.lines).for_each(|line| chip.set(line, MASKED, 0));
        // As many as the platform's own list holds.
        let _ = chips.push(Some(chip));
    }
    *STATE.lock() = Some(State { chips, isa });
}

/// Delivers a line's interrupts to the core with that APIC id, as `vector`, from now on.
pub fn route(line: Line, vector: u8, apic_id: u32) -> Result<(), RouteError> {
    let destination = u8::try_from(apic_id).map_err(|_| RouteError::FarCore)?;
    with_line(line, |chip, at, signal| {
        let low =
            u32::from(vector) | if signal.active_low { ACTIVE_LOW } else { 0 } | if signal.level { LEVEL } else { 0 };
        chip.set(at, low, u32::from(destination) << 24);
    })
}

fn with_line(line: Line, f: impl FnOnce(&Chip, u32, Signal)) -> Result<(), RouteError> {
    let state = STATE.lock();
    let state = state.as_ref().ok_or(RouteError::NoSuchLine)?;
    let Line::Isa(number) = line;
    let (gsi, signal) = *state.isa.get(usize::from(number)).ok_or(RouteError::NoSuchLine)?;
    let chip = state.chips.iter().flatten().find(|chip| chip.has(gsi)).ok_or(RouteError::NoSuchLine)?;
    f(chip, gsi - chip.first_gsi, signal);
    Ok(())
}

impl Chip {
    fn open(found: &IoApic) -> Option<Self> {
        // SAFETY: the address is an I/O APIC's by the MADT, and this module is their driver.
        let registers = unsafe { Registers::map(found.address, LEN) }?;
        let mut chip = Self { registers, first_gsi: found.first_gsi, lines: 0 };
        chip.lines = (chip.read(VERSION) >> 16 & 0xff) + 1;
        Some(chip)
    }

    const fn has(&self, gsi: u32) -> bool {
        gsi >= self.first_gsi && gsi - self.first_gsi < self.lines
    }

    /// Writes an entry: masked first, so that no half-written one is ever live.
    fn set(&self, line: u32, low: u32, high: u32) {
        let entry = REDIRECTION + 2 * line;
        self.write(entry, MASKED);
        self.write(entry + 1, high);
        self.write(entry, low);
    }

    fn read(&self, index: u32) -> u32 {
        self.registers.write(INDEX, index);
        self.registers.read(WINDOW)
    }

    fn write(&self, index: u32, value: u32) {
        self.registers.write(INDEX, index);
        self.registers.write(WINDOW, value);
    }
}
