//! The first instructions of every core but the first: from 16-bit real mode to the kernel's own code.
//!
//! Its one job is the way there; who starts whom and what happens then is [`super::smp`]'s. A start-up IPI makes a core
//! run at a page below 1 MiB in real mode (Intel SDM vol. 3, 9.4.4). The code below is copied there. It takes the
//! boot core's control registers from [`Params`] at the page's end and takes the manual's two steps: protected mode (Intel
//! SDM vol. 3, 10.9.1), then PAE, EFER and CR3, and with paging on long mode (10.8.5).
//!
//! *Context.* No stack until [`entry`] has found the core's own. Interrupts are off throughout; an NMI, which stops the
//! cores when the system ends, halts a core for good that is on its way here or was given up.
//!
//! *Invariants.* READ-ONLY: the copy is executed through an identity mapping that is never writable, so nothing here
//! writes to its own page. ANYWHERE: the code works at any page below 1 MiB; addresses that depend on the place are
//! in [`Params`]. NX-FIRST: EFER.NXE is on before CR3 is loaded, so that no-execute bits in the tables are no faults.
//!
//! *Rejected.* Straight from real to long mode, by setting PE and PG at once: it works on every processor tried by
//! anybody, but the manual does not promise it.

use core::{
    arch::global_asm,
    mem::offset_of,
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering},
};

use x86_64::registers::{
    control::{Cr0, Cr0Flags, Cr3, Cr4, Cr4Flags},
    model_specific::{Efer, EferFlags},
};

use super::smp::{ARRIVED, SLOTS, SLOTS_USED, Slot, WAITING, arrive};

/// Where [`Params`] lies in the page.
const AT: usize = 4096 - size_of::<Params>();
/// Selectors of [`GDT`].
const CODE64: u16 = 0x08;
const DATA: u16 = 0x10;
const CODE32: u16 = 0x18;
const EFER: u32 = 0xc000_0080;
const GS_BASE: u32 = 0xc000_0101;

/// What the code needs to know, filled in by the boot core.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug)]
struct Params {
    gdt: Gdt,
    protected: FarPointer,
    long: FarPointer,
    /// LGDT's operand in real mode: limit and a 24-bit base.
    gdt_limit: u16,
    gdt_base: [u16; 2],
    pad: u16,
    cr0: u32,
    cr3: u32,
    cr4: u32,
    efer: u32,
    entry: u64,
}

/// The operand of a far jump through memory.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct FarPointer {
    offset: u32,
    selector: u16,
    pad: u16,
}

#[repr(C, align(16))]
#[derive(Clone, Copy, Debug)]
struct Gdt([u64; 4]);

/// Null, 64-bit code, flat data, flat 32-bit code; accessed bits set, so that the processor never writes to them (Intel SDM vol. 3,
/// 3.4.5).
const GDT: Gdt = Gdt([0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0x00cf_9b00_0000_ffff]);
static KERNEL_GDT: Gdt = GDT;

/// The operand of LGDT and LIDT in long mode.
#[repr(C, packed(2))]
struct TablePointer<T: 'static> {
    limit: u16,
    base: &'static T,
}
static KERNEL_GDT_POINTER: TablePointer<Gdt> = TablePointer { limit: GDT_LIMIT, base: &KERNEL_GDT };
const GDT_LIMIT: u16 = size_of::<Gdt>() as u16 - 1;

/// Interrupt gates up to NMI, two words each; NMI's is filled in by [`write()`].
type Gates = [AtomicU64; 2 * (NMI + 1)];
const NMI: usize = 2;
static GATES: Gates = [const { AtomicU64::new(0) }; 2 * (NMI + 1)];
static GATES_POINTER: TablePointer<Gates> = TablePointer { limit: size_of::<Gates>() as u16 - 1, base: &GATES };
/// A present 64-bit interrupt gate (Intel SDM vol. 3, 7.14.1).
const INTERRUPT_GATE: u64 = 0x8e00 << 32;

/// What cores without a stack of their own use, all of them at once: what an NMI pushes there nobody reads.
static SHARED_STACK: [AtomicU64; 32] = [const { AtomicU64::new(0) }; 32];

/// MXCSR after reset: all exceptions masked, round to nearest (Intel SDM vol. 1, 10.2.3). INIT leaves it alone.
static MXCSR: u32 = 0x1f80;

global_asm!(
    ".pushsection .rodata.gopark_trampoline, \"a\"",
    ".balign 16",
    ".code16",
    "gopark_trampoline:",
    "cli",
    "cld",
    // Real mode: the code segment is the page.
    "mov ax, cs",
    "mov ds, ax",
    "lgdt [{at} + {gdt_limit}]",
    "xor ebx, ebx",
    "mov bx, cs",
    "shl ebx, 4",
    "mov eax, cr0",
    "or al, 1",
    "mov cr0, eax",
    // JMP m16:32 (66 FF /5, 16-bit displacement), spelled out: assemblers disagree on its name.
    ".byte 0x66, 0xff, 0x2e",
    ".short {at} + {protected}",
    ".code32",
    "gopark_trampoline_protected:",
    // EBX is the page's address from here on.
    "mov ax, {data}",
    "mov ds, ax",
    "mov es, ax",
    "mov ss, ax",
    "mov eax, [ebx + {at} + {cr4}]",
    "mov cr4, eax",
    "mov ecx, {efer_msr}",
    "rdmsr",
    "or eax, [ebx + {at} + {efer}]",
    "wrmsr",
    "mov eax, [ebx + {at} + {cr3}]",
    "mov cr3, eax",
    "mov eax, [ebx + {at} + {cr0}]",
    "mov cr0, eax",
    // JMP m16:32 (FF /5 with EBX and a 32-bit displacement).
    ".byte 0xff, 0xab",
    ".long {at} + {long}",
    ".code64",
    "gopark_trampoline_long:",
    "xor eax, eax",
    "mov fs, ax",
    "mov gs, ax",
    "jmp qword ptr [rbx + {at} + {entry}]",
    "gopark_trampoline_end:",
    ".popsection",
    at = const AT,
    gdt_limit = const offset_of!(Params, gdt_limit),
    cr0 = const offset_of!(Params, cr0),
    cr3 = const offset_of!(Params, cr3),
    cr4 = const offset_of!(Params, cr4),
    efer = const offset_of!(Params, efer),
    efer_msr = const EFER,
    protected = const offset_of!(Params, protected),
    long = const offset_of!(Params, long),
    entry = const offset_of!(Params, entry),
    data = const DATA,
);

unsafe extern "C" {
    static gopark_trampoline: u8;
    static gopark_trampoline_protected: u8;
    static gopark_trampoline_long: u8;
    static gopark_trampoline_end: u8;
}

/// Writes code and parameters for a start at the physical address `page` into `copy`, that page's writable alias.
///
/// # Safety
/// `copy` is a whole page that nobody else uses, and `page` (below 1 MiB) its physical address.
pub(super) unsafe fn write(copy: NonNull<u8>, page: u32) {
    let start = &raw const gopark_trampoline;
    let offset = |symbol: *const u8| symbol as usize - start as usize;
    let len = offset(&raw const gopark_trampoline_end);
    assert!(len <= AT, "the start code runs into its parameters");
    let halt = halt as *const () as u64;
    let low = halt & 0xffff | u64::from(CODE64) << 16 | INTERRUPT_GATE | (halt >> 16 & 0xffff) << 48;
    GATES[2 * NMI].store(low, Ordering::Relaxed);
    GATES[2 * NMI + 1].store(halt >> 32, Ordering::Relaxed);
    // SAFETY: `len` bytes of code lie between the two symbols, and fit before the parameters.
    unsafe { copy.as_ptr().copy_from_nonoverlapping(start, len) };
    let protected = page + offset(&raw const gopark_trampoline_protected) as u32;
    let long = page + offset(&raw const gopark_trampoline_long) as u32;
    let params = Params::new(page, FarPointer::new(CODE32, protected), FarPointer::new(CODE64, long));
    // SAFETY: inside the page, by the definition of `AT`.
    let place = unsafe { copy.add(AT) };
    // SAFETY: the caller's page, and `AT` is aligned as the page is.
    unsafe { place.cast::<Params>().write(params) };
}

impl FarPointer {
    const fn new(selector: u16, offset: u32) -> Self {
        Self { offset, selector, pad: 0 }
    }
}

impl Params {
    fn new(page: u32, protected: FarPointer, long: FarPointer) -> Self {
        let gdt = page + (AT + offset_of!(Self, gdt)) as u32;
        // PCIDs may only be switched on in long mode, and we do not use them.
        let cr4 = Cr4::read() - Cr4Flags::PCID;
        // Caching on, which INIT switched off, and write protection for the kernel too.
        let cr0 = (Cr0::read() - Cr0Flags::CACHE_DISABLE - Cr0Flags::NOT_WRITE_THROUGH) | Cr0Flags::WRITE_PROTECT;
        let efer =
            (Efer::read() - EferFlags::LONG_MODE_ACTIVE) | EferFlags::LONG_MODE_ENABLE | EferFlags::NO_EXECUTE_ENABLE;
        Self {
            gdt: GDT,
            protected,
            long,
            gdt_limit: GDT_LIMIT,
            gdt_base: [gdt as u16, (gdt >> 16) as u16],
            pad: 0,
            cr0: cr0.bits() as u32,
            // Page tables are all below 4 GiB, as the loader promises.
            cr3: Cr3::read().0.start_address().as_u64() as u32,
            cr4: cr4.bits() as u32,
            efer: efer.bits() as u32,
            entry: entry as *const () as u64,
        }
    }
}

/// The first instructions in the kernel's image: finds this core's [`Slot`] by its APIC id. Whoever has none halts.
#[unsafe(naked)]
unsafe extern "C" fn entry() -> ! {
    core::arch::naked_asm!(
        // The page we come from will go away: no table may lie there.
        "lgdt [rip + {gdt}]",
        // Until it has tables of its own an NMI, which stops all cores at the system's end, just halts it.
        "lidt [rip + {gates}]",
        "lea rsp, [rip + {shared} + {shared_size}]",
        // The APIC id: leaf 0x0b if there is one with something in it, else leaf 1 (see `cpuid::apic_id`).
        "xor eax, eax",
        "cpuid",
        "cmp eax, 0x0b",
        "jb 2f",
        "mov eax, 0x0b",
        "xor ecx, ecx",
        "cpuid",
        "test ebx, ebx",
        "jz 2f",
        "mov r8d, edx",
        "jmp 3f",
        "2:",
        "mov eax, 1",
        "cpuid",
        "shr ebx, 24",
        "mov r8d, ebx",
        "3:",
        "lea rdi, [rip + {slots}]",
        "mov ecx, [rip + {used}]",
        "4:",
        "test ecx, ecx",
        "jz {halt}",
        "cmp [rdi + {apic_id}], r8d",
        "je {take}",
        "add rdi, {slot_size}",
        "dec ecx",
        "jmp 4b",
        gdt = sym KERNEL_GDT_POINTER,
        gates = sym GATES_POINTER,
        shared = sym SHARED_STACK,
        shared_size = const size_of_val(&SHARED_STACK),
        slots = sym SLOTS,
        used = sym SLOTS_USED,
        apic_id = const offset_of!(Slot, apic_id),
        slot_size = const size_of::<Slot>(),
        take = sym take,
        halt = sym halt,
    )
}

/// The end of a core that nobody waits for.
#[unsafe(naked)]
unsafe extern "C" fn halt() -> ! {
    core::arch::naked_asm!("2:", "cli", "hlt", "jmp 2b")
}

/// Takes the slot in RDI if the boot core still waits for it, and goes on in Rust on the core's own stack; halts if it
/// came too late.
#[unsafe(naked)]
unsafe extern "C" fn take() -> ! {
    core::arch::naked_asm!(
        "mov eax, {waiting}",
        "mov ecx, {arrived}",
        "lock cmpxchg [rdi + {state}], ecx",
        "jne {halt}",
        "mov rsp, [rdi + {stack}]",
        // GS-CORE from the first Rust instruction on.
        "mov rax, [rdi + {core}]",
        "mov rdx, rax",
        "shr rdx, 32",
        "mov ecx, {gs_base}",
        "wrmsr",
        "fninit",
        "ldmxcsr [rip + {mxcsr}]",
        "xor ebp, ebp",
        "call {arrive}",
        "ud2",
        state = const offset_of!(Slot, state),
        stack = const offset_of!(Slot, stack),
        core = const offset_of!(Slot, core),
        waiting = const WAITING,
        arrived = const ARRIVED,
        gs_base = const GS_BASE,
        mxcsr = sym MXCSR,
        arrive = sym arrive,
        halt = sym halt,
    )
}
