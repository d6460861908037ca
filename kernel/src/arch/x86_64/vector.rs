//! Interrupt vectors: who owns which.
//!
//! The one list, so that no two devices meet on a vector. The rest of the numbers below 0x30 belong to
//! exceptions (Intel SDM vol. 3, 6.3.1) and to the legacy PICs, which are masked for good but may still raise a
//! spurious IRQ 7 or 15: their sixteen vectors stay reserved for that.
//!
//! The local APIC ranks interrupts by the upper four bits of the vector (Intel SDM vol. 3, 11.8.3): timer and
//! kick share a class, above nothing that could starve them.

#![forbid(unsafe_code)]

/// Where the master PIC's eight lines were moved: right above the exceptions.
pub const PIC_MASTER: u8 = 0x20;
/// Where the slave PIC's eight lines were moved.
pub const PIC_SLAVE: u8 = 0x28;
/// The master PIC's spurious interrupt, IRQ 7: to be returned from without any acknowledgement.
pub const PIC_MASTER_SPURIOUS: u8 = PIC_MASTER + 7;
/// The slave PIC's spurious interrupt, IRQ 15.
pub const PIC_SLAVE_SPURIOUS: u8 = PIC_SLAVE + 7;
/// The local APIC's one-shot timer.
pub const TIMER: u8 = 0x40;
/// The wake-up from one core to another; it carries nothing, the reason is in memory.
pub const KICK: u8 = 0x41;
/// Bytes arrived at the first serial port.
pub const UART: u8 = 0x42;
/// The local APIC found an error: see `apic::error_status`.
pub const APIC_ERROR: u8 = 0xfe;
/// The local APIC's spurious interrupt (Intel SDM vol. 3, 11.9): never acknowledged. Its low four bits must be
/// ones on the oldest processors.
pub const SPURIOUS: u8 = 0xff;
