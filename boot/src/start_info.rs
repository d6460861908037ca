//! What PVH hands over: the start info (Xen public headers, `arch-x86/hvm/start_info.h`).
//!
//! *Invariants.* BELOW-4G: all of it lies below 4 GiB, where the loader's map is the identity, and nobody changes it.

use core::slice;

use gopark_boot::regions::{Entry, Range};

use crate::stop;

const MAGIC: u32 = 0x336e_c578;
const LIMIT: u64 = 1 << 32;

#[repr(C)]
#[derive(Debug)]
pub(crate) struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    modules: u32,
    modlist: u64,
    cmdline: u64,
    rsdp: u64,
    memmap: u64,
    memmap_entries: u32,
    reserved: u32,
}

#[repr(C)]
struct Module {
    start: u64,
    size: u64,
    cmdline: u64,
    reserved: u64,
}

#[repr(C)]
struct MemoryEntry {
    start: u64,
    size: u64,
    kind: u32,
    reserved: u32,
}

impl StartInfo {
    /// Looks at what `ebx` pointed to.
    pub(crate) fn at(address: u32) -> &'static Self {
        let info = address as *const Self;
        if info.is_null() || !info.is_aligned() {
            stop(format_args!("entered without PVH start info (ebx={address:#x})"));
        }
        // SAFETY: BELOW-4G; whether it is one is checked next.
        let info = unsafe { &*info };
        if info.magic != MAGIC || info.version < 1 {
            stop(format_args!("PVH start info with magic {:#x}, version {}", info.magic, info.version));
        }
        info
    }

    /// The ACPI tables' root, if known.
    pub(crate) fn rsdp(&self) -> Option<u64> {
        (self.rsdp != 0).then_some(self.rsdp)
    }

    /// The machine's memory map.
    pub(crate) fn memory(&self) -> impl Iterator<Item = Entry> + use<> {
        let entries = low::<MemoryEntry>(self.memmap, self.memmap_entries as usize, "memory map");
        entries.iter().map(|e| Entry {
            range: Range { start: e.start, end: e.start.saturating_add(e.size) },
            kind: e.kind,
        })
    }

    /// The first module: the kernel's file.
    pub(crate) fn kernel(&self) -> &'static [u8] {
        let modules = low::<Module>(self.modlist, self.modules as usize, "module list");
        match modules.first() {
            Some(kernel) if kernel.size > 0 => low::<u8>(kernel.start, kernel.size as usize, "kernel"),
            _ => stop(format_args!("no kernel: give one as the first module (-initrd)")),
        }
    }

    /// The command line, without its NUL.
    pub(crate) fn command_line(&self) -> &'static [u8] {
        if self.cmdline == 0 || self.cmdline >= LIMIT {
            return &[];
        }
        let room = (LIMIT - self.cmdline).min(LONGEST) as usize;
        let text = low::<u8>(self.cmdline, room, "command line");
        text.split(|&b| b == 0).next().unwrap_or(&[])
    }
}

/// A longer command line is cut here.
const LONGEST: u64 = 64 * 1024;

fn low<T>(at: u64, count: usize, what: &str) -> &'static [T] {
    let end = (count as u64).checked_mul(size_of::<T>() as u64).and_then(|size| at.checked_add(size));
    if count == 0 {
        return &[];
    }
    if at == 0 || end.is_none_or(|end| end > LIMIT) || !(at as *const T).is_aligned() {
        stop(format_args!("the {what} is not below 4 GiB: {count} entries at {at:#x}"));
    }
    // SAFETY: BELOW-4G, as just checked; only read.
    unsafe { slice::from_raw_parts(at as *const T, count) }
}
