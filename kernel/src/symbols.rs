//! Names for addresses: the kernel's own ELF file, which the loader leaves in memory.
//!
//! *Context.* Anywhere, fatal paths too: takes no lock, allocates nothing.

use core::fmt;

use elf::{ElfBytes, endian::LittleEndian};
use spin::Once;

use crate::mem::layout::PHYS_MAP;

static IMAGE: Once<&'static [u8]> = Once::new();

/// Remembers where the file is. Called once at bring-up, with its physical address and length in bytes.
pub(crate) fn init(phys: u64, len: u64) {
    // SAFETY: the loader keeps the module whole and reports its place; PHYS_MAP maps all of memory; nobody writes there.
    IMAGE.call_once(|| unsafe { core::slice::from_raw_parts((PHYS_MAP + phys) as *const u8, len as usize) });
}

/// The function that contains an address, and how far into it the address is.
#[derive(Clone, Copy, Debug)]
pub struct Symbol {
    name: &'static str,
    offset: u64,
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}+{:#x}", rustc_demangle::demangle(self.name), self.offset)
    }
}

/// Looks an address up. Linear in the number of symbols: for reports.
pub fn resolve(address: u64) -> Option<Symbol> {
    let elf = ElfBytes::<LittleEndian>::minimal_parse(IMAGE.get()?).ok()?;
    let (symbols, names) = elf.symbol_table().ok()??;
    let function = symbols
        .iter()
        .filter(|s| s.st_symtype() == elf::abi::STT_FUNC || s.st_symtype() == elf::abi::STT_NOTYPE)
        .filter(|s| s.st_value <= address && address < s.st_value + s.st_size.max(1))
        .max_by_key(|s| s.st_value)?;
    let name = names.get(function.st_name as usize).ok()?;
    Some(Symbol { name, offset: address - function.st_value })
}
