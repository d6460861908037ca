//! The interrupt descriptor table: one for all cores.
//!
//! *Invariants.* IST-SLOTS (`gdt`).

use spin::Once;
use x86_64::{
    VirtAddr,
    registers::control::{Cr4, Cr4Flags},
    structures::DescriptorTablePointer,
};

use crate::arch::{entry, gdt::Ist};

/// A gate descriptor (Intel SDM vol. 3, 7.14.1).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Gate {
    low: u16,
    selector: u16,
    ist: u8,
    kind: u8,
    middle: u16,
    high: u32,
    reserved: u32,
}

/// Present, privilege level 0, 64-bit interrupt gate: interrupts are off in the handler.
const INTERRUPT_GATE: u8 = 0x8e;
/// The first descriptor that [`gdt::init`](super::gdt::init) makes.
const CODE_SELECTOR: u16 = 8;

impl Gate {
    fn new(vector: u8) -> Self {
        let at = entry::stub(vector);
        Self {
            low: at as u16,
            selector: CODE_SELECTOR,
            ist: ist(vector) as u8 + 1,
            kind: INTERRUPT_GATE,
            middle: (at >> 16) as u16,
            high: (at >> 32) as u32,
            reserved: 0,
        }
    }
}

/// Vectors of exceptions (Intel SDM vol. 3, table 7-1).
pub mod vector {
    pub const NMI: u8 = 2;
    pub const BREAKPOINT: u8 = 3;
    pub const DOUBLE_FAULT: u8 = 8;
    pub const PAGE_FAULT: u8 = 14;
    pub const MACHINE_CHECK: u8 = 18;
    pub const LAST_EXCEPTION: u8 = 31;
}

fn ist(vector: u8) -> Ist {
    match vector {
        vector::NMI => Ist::Nmi,
        vector::DOUBLE_FAULT => Ist::DoubleFault,
        vector::PAGE_FAULT => Ist::PageFault,
        vector::MACHINE_CHECK => Ist::MachineCheck,
        0..=vector::LAST_EXCEPTION => Ist::Exception,
        _ => Ist::Interrupt,
    }
}

static IDT: Once<[Gate; 256]> = Once::new();

/// Loads the table on this core, and lets it raise machine checks.
pub fn load() {
    let idt = IDT.call_once(|| core::array::from_fn(|v| Gate::new(v as u8)));
    let pointer = DescriptorTablePointer { limit: (size_of_val(idt) - 1) as u16, base: VirtAddr::from_ptr(idt) };
    // SAFETY: the table is a static that is never written again, and each gate leads to its stub.
    unsafe { x86_64::instructions::tables::lidt(&pointer) };
    let machine_checks = CPUID_MCE & core::arch::x86_64::__cpuid(1).edx != 0;
    if machine_checks {
        // SAFETY: there is a handler now; without this bit a machine check would reset the machine without a word.
        unsafe { Cr4::update(|cr4| *cr4 |= Cr4Flags::MACHINE_CHECK_EXCEPTION) };
    }
}

/// CPUID.01H:EDX: the processor can raise #MC (Intel SDM vol. 2, "CPUID").
const CPUID_MCE: u32 = 1 << 7;
