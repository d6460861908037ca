//! The legacy interrupt controllers: moved out of the way and masked for good.
//!
//! All interrupts come through the I/O APICs. The two 8259s start with their vectors on top of the exceptions, and
//! even a masked one may raise a spurious IRQ 7 or 15 when a line drops at the wrong moment; so they are first
//! moved to [`vector::PIC_MASTER`] and up, and then masked. On a machine without them the writes reach nobody.
//!
//! *Context.* Once, on the boot core, before interrupts are switched on.

use super::{port, vector};

const MASTER_COMMAND: u16 = 0x20;
const MASTER_DATA: u16 = 0x21;
const SLAVE_COMMAND: u16 = 0xa0;
const SLAVE_DATA: u16 = 0xa1;

/// The initialization command words in their order (Intel 8259A data sheet, "Initialization Command Words"):
/// ICW1 edge-triggered, cascaded, ICW4 follows; ICW2 the vectors; ICW3 the line of the cascade; ICW4 8086 mode;
/// then all lines masked (OCW1).
const SEQUENCE: [(u16, u8); 10] = [
    (MASTER_COMMAND, 0x11),
    (SLAVE_COMMAND, 0x11),
    (MASTER_DATA, vector::PIC_MASTER),
    (SLAVE_DATA, vector::PIC_SLAVE),
    (MASTER_DATA, 1 << 2),
    (SLAVE_DATA, 2),
    (MASTER_DATA, 0x01),
    (SLAVE_DATA, 0x01),
    (MASTER_DATA, 0xff),
    (SLAVE_DATA, 0xff),
];

/// Moves both PICs' vectors out of the exceptions' range and masks all their lines.
pub fn disable() {
    for (at, value) in SEQUENCE {
        // SAFETY: the ports are the PICs' on every PC; nobody else in the kernel uses them.
        unsafe { port::write(at, value) };
        settle();
    }
}

/// An old 8259 wants a moment between two words: a write to the POST port takes about a microsecond and means
/// nothing to anybody.
fn settle() {
    // SAFETY: port 0x80 shows a number on a diagnosis card, if there is one.
    unsafe { port::write(0x80, 0) };
}
