//! The first instructions: from 32-bit protected mode, where PVH leaves us, to Rust in long mode.
//!
//! PVH (Xen's "x86/HVM direct boot ABI"): the ELF note of type 18 names the entry; it is entered with flat 32-bit segments, paging
//! off, interrupts off, and `ebx` at the start info.
//!
//! *Invariants.* W^X: the map that is made here has the loader's text executable and read-only, everything else below 4 GiB
//! writable and not executable (page 0 too: QEMU's start info lies there; the kernel drops this map); CR0.WP and EFER.NXE are on before paging is. SSE is on before any Rust.

use core::arch::global_asm;

use crate::tables::{BOOT_PDPT, BOOT_PDS, BOOT_PML4, BOOT_PT};

/// Bytes of the loader's own stack.
const STACK_SIZE: usize = 32 * 1024;

#[repr(C, align(4096))]
pub(crate) struct Stack(core::cell::UnsafeCell<[u8; STACK_SIZE]>);
// SAFETY: used by the one processor that runs the loader, as its stack.
unsafe impl Sync for Stack {}
static STACK: Stack = Stack(core::cell::UnsafeCell::new([0; STACK_SIZE]));

// Page table bits (Intel SDM vol. 3, 4.5): present 1, write 2, large 0x80, no-execute bit 63 (bit 31 of the upper half).
// CR0 (2.5): PE 0, MP 1, EM 2, WP 16, PG 31. CR4: PAE 5, OSFXSR 9, OSXMMEXCPT 10. EFER (2.2.1): LME 8, NXE 11.
global_asm!(
    ".pushsection .note.Xen, \"a\", @note",
    ".balign 4",
    ".long 4, 8, 18",
    ".asciz \"Xen\"",
    ".quad pvh_entry",
    ".popsection",
    ".pushsection .text.pvh, \"ax\", @progbits",
    ".code32",
    ".global pvh_entry",
    "pvh_entry:",
    "cld",
    "cli",
    "mov esp, offset {stack} + {stack_size}",
    "mov ebp, ebx",
    // The first 2 MiB, page by page: ours.
    "mov edi, offset {pt}",
    "xor eax, eax",
    "2:",
    "mov ecx, eax",
    "cmp eax, offset __loader_start",
    "jb 3f",
    "cmp eax, offset __loader_text_end",
    "jae 3f",
    "or ecx, 1",
    "mov dword ptr [edi + 4], 0",
    "jmp 4f",
    "3:",
    "or ecx, 3",
    "mov dword ptr [edi + 4], 0x80000000",
    "4:",
    "mov dword ptr [edi], ecx",
    "add edi, 8",
    "add eax, 0x1000",
    "cmp eax, 0x200000",
    "jb 2b",
    // The rest of the first 4 GiB, 2 MiB each.
    "mov edi, offset {pds} + 8",
    "mov eax, 0x200083",
    "mov ecx, 2047",
    "5:",
    "mov dword ptr [edi], eax",
    "mov dword ptr [edi + 4], 0x80000000",
    "add edi, 8",
    "add eax, 0x200000",
    "dec ecx",
    "jnz 5b",
    "mov eax, offset {pt}",
    "or eax, 3",
    "mov dword ptr [{pds}], eax",
    "mov eax, offset {pds}",
    "or eax, 3",
    "mov dword ptr [{pdpt}], eax",
    "add eax, 0x1000",
    "mov dword ptr [{pdpt} + 8], eax",
    "add eax, 0x1000",
    "mov dword ptr [{pdpt} + 16], eax",
    "add eax, 0x1000",
    "mov dword ptr [{pdpt} + 24], eax",
    "mov eax, offset {pdpt}",
    "or eax, 3",
    "mov dword ptr [{pml4}], eax",
    "mov eax, cr4",
    "or eax, 0x620",
    "mov cr4, eax",
    "mov ecx, 0xc0000080",
    "rdmsr",
    "or eax, 0x900",
    "wrmsr",
    "mov eax, offset {pml4}",
    "mov cr3, eax",
    "mov eax, cr0",
    "and eax, 0xfffffffb",
    "or eax, 0x80010003",
    "mov cr0, eax",
    "lgdt [gopark_boot_gdtr]",
    "ljmp 8, offset gopark_boot_long",
    ".code64",
    "gopark_boot_long:",
    "mov eax, 16",
    "mov ds, eax",
    "mov es, eax",
    "mov ss, eax",
    "xor eax, eax",
    "mov fs, eax",
    "mov gs, eax",
    "mov edi, ebp",
    "xor ebp, ebp",
    "call {main}",
    "ud2",
    ".balign 8",
    "gopark_boot_gdt:",
    ".quad 0",
    ".quad 0x00af9b000000ffff",
    ".quad 0x00cf93000000ffff",
    "gopark_boot_gdtr:",
    ".word 23",
    ".long gopark_boot_gdt",
    ".popsection",
    stack = sym STACK,
    stack_size = const STACK_SIZE,
    pt = sym BOOT_PT,
    pds = sym BOOT_PDS,
    pdpt = sym BOOT_PDPT,
    pml4 = sym BOOT_PML4,
    main = sym crate::main,
);
