//! Ports of the platform that belong to no device file: the end of the machine, and single bytes.
//!
//! Its one job is to say how the machine ends: each way has one [`ExitCode`], which QEMU's `isa-debug-exit` device
//! turns into the emulator's own exit status `2 * code + 1`.

use x86_64::instructions::port::{Port, PortReadOnly, PortWriteOnly};

/// Where QEMU's `isa-debug-exit` listens, as the runner configures it (`iobase=0xf4,iosize=4`).
const DEBUG_EXIT: u16 = 0xf4;

/// How the machine ended, for whoever started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitCode(u8);

impl ExitCode {
    /// The program ended as it wanted to.
    pub const SUCCESS: Self = Self(0x10);
    /// A panic in the main G.
    pub const MAIN_PANIC: Self = Self(0x11);
    /// All goroutines are asleep.
    pub const DEADLOCK: Self = Self(0x12);
    /// A broken invariant of the runtime: Go's `throw`.
    pub const FATAL: Self = Self(0x13);
    /// A processor exception that no G could be blamed for.
    pub const EXCEPTION: Self = Self(0x14);
    /// Memory ran out where nobody could be told.
    pub const OUT_OF_MEMORY: Self = Self(0x17);

    /// The exit code of a program, as `std::process::exit` takes it: 0 is success. The device has seven bits, so
    /// codes above 63 all arrive as 63.
    pub const fn program(code: u8) -> Self {
        match code {
            0 => Self::SUCCESS,
            1..=62 => Self(0x40 + code),
            63.. => Self(0x40 + 63),
        }
    }

    /// What is written to the device.
    pub const fn value(self) -> u8 {
        self.0
    }
}

/// Ends the machine. Where there is no such device the core stops for ever, which is the nearest thing to it.
pub fn debug_exit(code: ExitCode) -> ! {
    // SAFETY: the port belongs to isa-debug-exit on the machines we start, and to nothing on a PC.
    unsafe { PortWriteOnly::<u32>::new(DEBUG_EXIT).write(u32::from(code.value())) };
    loop {
        x86_64::instructions::interrupts::disable();
        x86_64::instructions::hlt();
    }
}

/// Reads a byte from a port.
///
/// # Safety
/// Reading that port has no side effect that somebody else relies on.
pub(super) unsafe fn read(port: u16) -> u8 {
    // SAFETY: passed on to the caller.
    unsafe { Port::<u8>::new(port).read() }
}

/// Writes a byte to a port.
///
/// # Safety
/// The device behind the port is the caller's, and the value makes it do nothing to memory that it may not.
pub(super) unsafe fn write(port: u16, value: u8) {
    // SAFETY: passed on to the caller.
    unsafe { Port::<u8>::new(port).write(value) }
}

/// Reads a 32-bit port.
///
/// # Safety
/// As [`read`].
pub(super) unsafe fn read_long(port: u16) -> u32 {
    // SAFETY: passed on to the caller.
    unsafe { PortReadOnly::<u32>::new(port).read() }
}

#[cfg(test)]
mod tests {
    use super::ExitCode;

    #[test]
    fn program_codes_stay_apart_from_the_systems() {
        assert_eq!(ExitCode::program(0), ExitCode::SUCCESS);
        assert_eq!(ExitCode::program(1).value(), 0x41);
        assert_eq!(ExitCode::program(63).value(), 0x7f);
        assert_eq!(ExitCode::program(255).value(), 0x7f);
    }
}
