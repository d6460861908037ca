//! The serial port's registers as the `uart_16550` crate is to see them.
//!
//! Its one job is to bend two things to our rules, in the crate's own place for it, a [`Backend`]. Waits end: a
//! transmitter that is busy for longer than [`PATIENCE`] is said to be ready, so that no wait in the crate is without
//! a bound; what is written then is lost. And input that is there
//! already is not thrown away: initialization empties the receiver (typed ahead, or piped in), so those bytes are kept
//! for the reader.
//!
//! Registers: National Semiconductor PC16550D data sheet, section 8.

use core::sync::atomic::{AtomicBool, Ordering};

use uart_16550::{
    backend::{Backend, PioBackend},
    spec::registers::{FCR, LSR, offsets},
};

use crate::arch::clock;

/// How long a transmitter may be busy, in ticks of the time-stamp counter, whose frequency is not known yet when the
/// first line is written: 6 to 30 s. A stuck wire must not stop the system, but somebody who scrolls back in a pager, with
/// the emulator's output waiting behind it, should lose nothing.
const PATIENCE: u64 = 30_000_000_000;
/// After the transmitter was given up once, it gets this long to show that it is back.
const LITTLE_PATIENCE: u64 = 1_000_000;
/// A receiver holds at most this much (16 bytes in the device, and what an emulator passes on at once).
const LEFT_OVER: u32 = 256;

/// The transmitter was given up: what is written is lost until it is ready again.
static STUCK: AtomicBool = AtomicBool::new(false);

/// The first serial port.
#[derive(Debug)]
pub(super) struct Com1 {
    port: PioBackend,
    /// Since when the transmitter is busy.
    busy_since: Option<u64>,
    keep: Option<fn(u8)>,
}

impl Com1 {
    /// The port, for sending and for reading by hand.
    pub(super) const fn new(port: PioBackend) -> Self {
        Self { port, busy_since: None, keep: None }
    }

    /// The port, for initialization: input that would be lost goes to `keep`.
    pub(super) const fn keeping(port: PioBackend, keep: fn(u8)) -> Self {
        Self { port, busy_since: None, keep: Some(keep) }
    }

    fn line_status(&mut self) -> u8 {
        // SAFETY: a register of the port that we drive.
        let status = unsafe { self.port.read(offsets::LSR as u8) };
        // All ones is a floating bus: nobody there, and nothing to wait for.
        if status == u8::MAX {
            return LSR::TRANSMITTER_EMPTY.union(LSR::THR_EMPTY).bits();
        }
        // Initialization waits for the last bit to be sent, everything else for room in the FIFO.
        let awaited = if self.keep.is_some() { LSR::TRANSMITTER_EMPTY } else { LSR::THR_EMPTY };
        if LSR::from_bits_retain(status).contains(awaited) {
            self.busy_since = None;
            STUCK.store(false, Ordering::Relaxed);
            return status;
        }
        let now = clock::tsc();
        let since = *self.busy_since.get_or_insert(now);
        let patience = if STUCK.load(Ordering::Relaxed) { LITTLE_PATIENCE } else { PATIENCE };
        if now.wrapping_sub(since) < patience {
            return status;
        }
        self.busy_since = None;
        STUCK.store(true, Ordering::Relaxed);
        status | LSR::TRANSMITTER_EMPTY.union(LSR::THR_EMPTY).bits()
    }

    /// Saves what the receiver holds, before it is reset.
    fn save_input(&mut self, keep: fn(u8)) {
        for _ in 0..LEFT_OVER {
            let status = LSR::from_bits_retain(self.line_status());
            if !status.contains(LSR::DATA_READY) {
                return;
            }
            // SAFETY: a register of the port that we drive.
            keep(unsafe { self.port.read(offsets::DATA as u8) });
        }
    }
}

impl Backend for Com1 {
    unsafe fn read(&mut self, register_offset: u8) -> u8 {
        if usize::from(register_offset) == offsets::LSR {
            return self.line_status();
        }
        // SAFETY: passed on.
        let value = unsafe { self.port.read(register_offset) };
        if let Some(keep) = self.keep
            && usize::from(register_offset) == offsets::DATA
        {
            keep(value);
        }
        value
    }

    unsafe fn write(&mut self, register_offset: u8, mut value: u8) {
        if let Some(keep) = self.keep
            && usize::from(register_offset) == offsets::FCR
        {
            self.save_input(keep);
            value &= !FCR::RX_FIFO_RESET.bits();
        }
        // SAFETY: passed on.
        unsafe { self.port.write(register_offset, value) }
    }
}
