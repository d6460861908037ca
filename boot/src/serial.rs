//! The serial port, for the one line that says why the loader cannot go on; and the way out.

use core::{arch::asm, fmt};

/// COM1's registers (16550): data, and line status.
pub(crate) const DATA: u16 = 0x3f8;
pub(crate) const LINE_STATUS: u16 = DATA + 5;
/// Line status bit 5: the transmitter takes another byte.
pub(crate) const READY: u8 = 1 << 5;
/// How often the status is read before the byte is sent anyway: a port that is not there must not hang us.
pub(crate) const PATIENCE: u32 = 100_000;
/// QEMU's isa-debug-exit.
pub(crate) const DEBUG_EXIT: u16 = 0xf4;
/// "The loader could not start the kernel."
pub(crate) const LOADER_ERROR: u32 = 0x15;

pub(crate) struct Serial;

impl fmt::Write for Serial {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if byte == b'\n' {
                send(b'\r');
            }
            send(byte);
        }
        Ok(())
    }
}

fn send(byte: u8) {
    let mut left = PATIENCE;
    while status() & READY == 0 && left > 0 {
        left -= 1;
        core::hint::spin_loop();
    }
    // SAFETY: COM1 is a PC's serial port, or nothing.
    unsafe { asm!("out dx, al", in("dx") DATA, in("al") byte, options(nostack, preserves_flags)) };
}

fn status() -> u8 {
    let status;
    // SAFETY: reading the status changes nothing that anybody relies on.
    unsafe { asm!("in al, dx", in("dx") LINE_STATUS, out("al") status, options(nostack, preserves_flags)) };
    status
}

/// Ends the machine with a failing code; stops the processor if it has no way to end.
pub(crate) fn exit() -> ! {
    // SAFETY: isa-debug-exit, or nothing.
    unsafe { asm!("out dx, eax", in("dx") DEBUG_EXIT, in("eax") LOADER_ERROR, options(nostack, preserves_flags)) };
    loop {
        // SAFETY: stops until the next interrupt, and there are none.
        unsafe { asm!("cli", "hlt", options(nostack)) };
    }
}
