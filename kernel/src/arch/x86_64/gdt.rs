//! Segments and the task state: per core, and the stacks that interrupts arrive on.
//!
//! Long mode needs little: one code and one data segment, and a TSS, which exists for its seven interrupt stacks.
//!
//! *Invariants.* IST-SLOTS: every vector uses an IST stack, and vectors that may nest have different ones. So a fault in an
//! interrupt handler, an NMI in a fault handler, and any of them on a broken stack find a good stack. Each has a guard page.

use x86_64::{
    VirtAddr,
    instructions::{
        segmentation::{CS, DS, ES, SS, Segment},
        tables::load_tss,
    },
    structures::{
        gdt::{Descriptor, GlobalDescriptorTable},
        tss::TaskStateSegment,
    },
};

use crate::{core::Core, mem::kstack};

/// Which interrupt stack a vector uses: the index into the TSS, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Ist {
    /// #DF: the last resort.
    DoubleFault = 0,
    /// NMI.
    Nmi = 1,
    /// #MC.
    MachineCheck = 2,
    /// #PF: stacks grow here.
    PageFault = 3,
    /// Timer, IPIs, devices. Interrupts stay off, so they do not nest.
    Interrupt = 4,
    /// All other exceptions, #DB and #BP among them.
    Exception = 5,
}

const STACKS: usize = 6;
const STACK_SIZE: usize = 24 * 1024;

/// One core's tables.
#[derive(Debug)]
pub struct Tables {
    gdt: GlobalDescriptorTable,
    tss: TaskStateSegment,
}

impl Tables {
    /// Empty tables.
    pub const fn new() -> Self {
        Self { gdt: GlobalDescriptorTable::new(), tss: TaskStateSegment::new() }
    }
}

impl Default for Tables {
    fn default() -> Self {
        Self::new()
    }
}

/// Fills this core's tables and loads them.
///
/// # Panics
/// If there is no memory for the interrupt stacks.
pub fn init(core: &'static Core) {
    // SAFETY: OWN-CORE: bring-up of this very core, once, before anything reads the tables.
    let tables = unsafe { &mut *core.tables.get() };
    for slot in 0..STACKS {
        tables.tss.interrupt_stack_table[slot] = VirtAddr::new(kstack::alloc(STACK_SIZE));
    }
    let code = tables.gdt.append(Descriptor::kernel_code_segment());
    let data = tables.gdt.append(Descriptor::kernel_data_segment());
    // SAFETY: the tables lie in a Core, which lives for ever, and are not written again.
    let tables = unsafe { &mut *core.tables.get() };
    let tss = tables.gdt.append(Descriptor::tss_segment(&tables.tss));
    tables.gdt.load();
    // SAFETY: the selectors were made for these tables a few lines above. FS and GS are left alone: a load would clear
    // the GS base (GS-CORE).
    unsafe { load_segments(code, data, tss) };
}

/// # Safety
/// The selectors belong to the table that is loaded.
unsafe fn load_segments(
    code: x86_64::structures::gdt::SegmentSelector,
    data: x86_64::structures::gdt::SegmentSelector,
    tss: x86_64::structures::gdt::SegmentSelector,
) {
    // SAFETY: by contract.
    unsafe { CS::set_reg(code) };
    for load in [SS::set_reg, DS::set_reg, ES::set_reg] {
        // SAFETY: by contract.
        unsafe { load(data) };
    }
    // SAFETY: by contract.
    unsafe { load_tss(tss) };
}
