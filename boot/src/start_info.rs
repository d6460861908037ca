//! What PVH hands over: the start info (Xen public headers, `arch-x86/hvm/start_info.h`).
//!
//! All of it may lie at any address, aligned or not (microvm's module list is not), so its types are packed.
//!
//! *Invariants.* BELOW-4G: all of it lies below 4 GiB, where the loader's map is the identity, and nobody changes it: the
//! loader takes no memory at or above the first of it that lies behind the loader ([`StartInfo::first_behind`]).

use core::slice;

use gopark_boot::regions::{Entry, Range};

use crate::{range_of, stop};

const MAGIC: u32 = 0x336e_c578;
const LIMIT: u64 = 1 << 32;

#[repr(C, packed)]
#[derive(Clone, Copy, Debug)]
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

#[repr(C, packed)]
#[derive(Clone, Copy, Debug)]
struct Module {
    start: u64,
    size: u64,
    cmdline: u64,
    reserved: u64,
}

#[repr(C, packed)]
#[derive(Clone, Copy, Debug)]
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
        if info.is_null() || u64::from(address) + size_of::<Self>() as u64 > LIMIT {
            stop(format_args!("entered without PVH start info (ebx={address:#x})"));
        }
        // SAFETY: BELOW-4G; whether it is one is checked next.
        let info = unsafe { &*info };
        // Copies: references into packed structures may not be made.
        let (magic, version) = (info.magic, info.version);
        if magic != MAGIC || version < 1 {
            stop(format_args!(
                "PVH start info must be of version 1 or later; here: magic {magic:#x}, version {version}"
            ));
        }
        info
    }

    /// The ACPI tables' root, if known.
    pub(crate) fn rsdp(&self) -> Option<u64> {
        (self.rsdp != 0).then_some(self.rsdp)
    }

    /// The machine's memory map.
    pub(crate) fn memory(&self) -> impl Iterator<Item = Entry> + Clone + use<> {
        self.memory_entries()
            .iter()
            .map(|e| Entry { range: Range { start: e.start, end: e.start.saturating_add(e.size) }, kind: e.kind })
    }

    fn memory_entries(&self) -> &'static [MemoryEntry] {
        low(self.memmap, self.memmap_entries as usize, "memory map")
    }

    fn module_list(&self) -> &'static [Module] {
        low(self.modlist, self.modules as usize, "module list")
    }

    /// Where the first of all these things lies, of those that do not lie before `address`.
    pub(crate) fn first_behind(&self, address: u64) -> Option<u64> {
        let fixed = [
            range_of(slice::from_ref(self)),
            range_of(self.memory_entries()),
            range_of(self.module_list()),
            range_of(self.command_line()),
            range_of(self.kernel()),
        ];
        fixed.into_iter().filter(|r| r.end > address && r.start < r.end).map(|r| r.start).min()
    }

    /// The first module: the kernel's file.
    pub(crate) fn kernel(&self) -> &'static [u8] {
        match self.module_list().first() {
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
    if at == 0 || end.is_none_or(|end| end > LIMIT) {
        stop(format_args!("the {what} is not below 4 GiB: {count} entries at {at:#x}"));
    }
    // SAFETY: BELOW-4G, as just checked; only read; what is read is packed or bytes, so any address is aligned.
    unsafe { slice::from_raw_parts(at as *const T, count) }
}
