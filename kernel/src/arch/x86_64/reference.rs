//! Counters of known frequency, to measure others by: HPET, ACPI's power management timer, the old PIT.
//!
//! Its one job is to make the three look alike: a counter that runs up and wraps, and how long a tick is. Choosing
//! and measuring is left to [`super::calibrate`].
//!
//! *Context.* Once, on the boot core.

use super::{
    acpi::{Platform, PmTimer},
    mmio::Registers,
    port,
};

/// A counter that runs up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reference {
    kind: Kind,
    /// The length of a tick in femtoseconds.
    pub(super) tick_fs: u64,
    /// Its width, as a mask.
    pub(super) mask: u64,
}

/// Which device counts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Hpet(Registers),
    PmTimer(u16),
    Pit,
}

/// HPET registers (IA-PC HPET 1.0a, 2.3.1), offsets in bytes.
const HPET_LEN: usize = 1024;
const HPET_PERIOD: usize = 0x004;
const HPET_CONFIGURATION: usize = 0x010;
const HPET_COUNTER: usize = 0x0f0;
/// The counter runs.
const HPET_ENABLE: u32 = 1 << 0;
/// The longest period that the specification allows, 100 ns.
const HPET_LONGEST_FS: u64 = 100_000_000;

/// 3.579545 MHz (ACPI 6.5, 4.8.3.3).
const PM_TICK_FS: u64 = 279_365_115;
/// 105/88 MHz, 1.193182 MHz.
const PIT_TICK_FS: u64 = 838_095_238;

/// The PIT's channel 2 and its control port (Intel 8254 data sheet); the gate is in port 0x61.
const PIT_CHANNEL_2: u16 = 0x42;
const PIT_CONTROL: u16 = 0x43;
const GATE: u16 = 0x61;
/// Channel 2, both bytes, mode 0: count down once, which wraps and goes on.
const PIT_COUNT_DOWN: u8 = 0b1011_0000;
/// Channel 2, hold the count for reading.
const PIT_LATCH_2: u8 = 0b1000_0000;
/// Gate open, loudspeaker off.
const GATE_OPEN: u8 = 1 << 0;
const SPEAKER: u8 = 1 << 1;

impl Reference {
    /// The counters that this machine has or may have, the best first, each made to run.
    pub(super) fn all(platform: &Platform) -> impl Iterator<Item = Self> {
        let hpet = platform.hpet.and_then(hpet);
        let pm = platform.pm_timer.map(pm_timer);
        hpet.into_iter().chain(pm).chain(core::iter::once_with(pit))
    }

    /// Which device this is.
    pub(super) const fn kind(&self) -> Kind {
        self.kind
    }

    /// The counter now.
    #[inline]
    pub(super) fn read(&self) -> u64 {
        match self.kind {
            Kind::Hpet(registers) => u64::from(registers.read(HPET_COUNTER)),
            // SAFETY: the FADT's port; reading it is all one can do.
            Kind::PmTimer(port) => u64::from(unsafe { port::read_long(port) }) & self.mask,
            Kind::Pit => u64::from(u16::MAX - read_pit()),
        }
    }
}

fn hpet(address: u64) -> Option<Reference> {
    // SAFETY: the address is the HPET's by its ACPI table, and nobody else drives it.
    let registers = unsafe { Registers::map(address, HPET_LEN) }?;
    let tick_fs = u64::from(registers.read(HPET_PERIOD));
    if tick_fs == 0 || tick_fs > HPET_LONGEST_FS {
        return None;
    }
    registers.write(HPET_CONFIGURATION, registers.read(HPET_CONFIGURATION) | HPET_ENABLE);
    // The low half is enough: it wraps after 40 s at the earliest, and one access reads it.
    Some(Reference { kind: Kind::Hpet(registers), tick_fs, mask: u64::from(u32::MAX) })
}

fn pm_timer(timer: PmTimer) -> Reference {
    let mask = if timer.wide { u64::from(u32::MAX) } else { (1 << 24) - 1 };
    Reference { kind: Kind::PmTimer(timer.port), tick_fs: PM_TICK_FS, mask }
}

fn pit() -> Reference {
    // SAFETY: port 0x61 is the PC's, and its other bits stay as they are.
    let gate = unsafe { port::read(GATE) };
    let start = [
        (GATE, gate & !SPEAKER | GATE_OPEN),
        (PIT_CONTROL, PIT_COUNT_DOWN),
        (PIT_CHANNEL_2, 0xff),
        (PIT_CHANNEL_2, 0xff),
    ];
    for (at, value) in start {
        // SAFETY: channel 2 drives the loudspeaker, which is off; no interrupt hangs on it.
        unsafe { port::write(at, value) };
    }
    Reference { kind: Kind::Pit, tick_fs: PIT_TICK_FS, mask: u64::from(u16::MAX) }
}

fn read_pit() -> u16 {
    // SAFETY: holds the count of channel 2 for the two reads that follow.
    unsafe { port::write(PIT_CONTROL, PIT_LATCH_2) };
    // SAFETY: the latched count's low byte.
    let low = unsafe { port::read(PIT_CHANNEL_2) };
    // SAFETY: the latched count's high byte.
    let high = unsafe { port::read(PIT_CHANNEL_2) };
    u16::from_le_bytes([low, high])
}
