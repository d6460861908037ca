//! The serial port's registers as the `uart_16550` crate is to see them.
//!
//! Its one job is to bend two things to our rules, in the crate's own place for it, a [`Backend`]. Waits end: after
//! [`PATIENCE`] looks at a transmitter that never gets ready it is said to be ready, so that no wait in the
//! crate is without a bound. And input that is there already is not thrown away: initialization empties the receiver
//! (typed ahead, or piped in), so those bytes are kept for the reader.
//!
//! Registers: National Semiconductor PC16550D data sheet, section 8.

use core::sync::atomic::{AtomicBool, Ordering};

use uart_16550::{
    backend::{Backend, PioBackend},
    spec::registers::{FCR, LSR, offsets},
};

/// How often the line status is read in vain: more than a second on anything there is, since a port access takes a
/// microsecond or longer, except where time stands still while the guest runs (a debugger).
const PATIENCE: u32 = 2_000_000;
/// After the transmitter was given up once, it gets this long to show that it is back.
const LITTLE_PATIENCE: u32 = 64;
/// A receiver holds at most this much (16 bytes in the device, and what an emulator passes on at once).
const LEFT_OVER: u32 = 256;

/// The transmitter was given up: what is written is lost until it is ready again.
static STUCK: AtomicBool = AtomicBool::new(false);

/// The first serial port.
#[derive(Debug)]
pub(super) struct Com1 {
    port: PioBackend,
    in_vain: u32,
    keep: Option<fn(u8)>,
}

impl Com1 {
    /// The port, for sending and for reading by hand.
    pub(super) const fn new(port: PioBackend) -> Self {
        Self { port, in_vain: 0, keep: None }
    }

    /// The port, for initialization: input that would be lost goes to `keep`.
    pub(super) const fn keeping(port: PioBackend, keep: fn(u8)) -> Self {
        Self { port, in_vain: 0, keep: Some(keep) }
    }

    fn line_status(&mut self) -> u8 {
        // SAFETY: a register of the port that we drive.
        let status = unsafe { self.port.read(offsets::LSR as u8) };
        // All ones is a floating bus: nobody there, and nothing to wait for.
        if status == u8::MAX {
            return LSR::TRANSMITTER_EMPTY.union(LSR::THR_EMPTY).bits();
        }
        if LSR::from_bits_retain(status).contains(LSR::THR_EMPTY) {
            self.in_vain = 0;
            STUCK.store(false, Ordering::Relaxed);
            return status;
        }
        self.in_vain += 1;
        let patience = if STUCK.load(Ordering::Relaxed) { LITTLE_PATIENCE } else { PATIENCE };
        if self.in_vain < patience {
            return status;
        }
        self.in_vain = 0;
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
