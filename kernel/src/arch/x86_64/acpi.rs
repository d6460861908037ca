//! The platform as the ACPI tables describe it: cores, interrupt controllers, clocks.
//!
//! Its one job is to turn tables, which may be missing or wrong, into a [`Platform`] of plain numbers that nobody
//! has to doubt again. Finding and validating tables is left to the `acpi` crate, walking the MADT's
//! entries to `madt`, using what was found to `apic`, `ioapic`, `clock` and `smp`.
//!
//! *Context.* Once, on the boot core, before the heap is needed: nothing is allocated.
//!
//! *Invariants.* SANE-TABLES: the crate trusts a table's length and panics or runs on for ever if it lies. So every
//! request of more than `LONGEST` bytes, or of an address that cannot be, is answered with a page of zeros, which
//! fails the crate's signature check; and lengths that are too short are refused here before the crate sees them.

use core::{fmt, mem::size_of, ptr::NonNull};

use acpi::{
    AcpiHandler, AcpiTable, AcpiTables, HpetInfo, PhysicalMapping, address::AddressSpace, fadt::Fadt, hpet::HpetTable,
    madt::Madt, rsdp::Rsdp, sdt::SdtHeader,
};

use super::{cpuid, list::List, madt};
use crate::core::MAX_CORES;

/// No table that we read comes near this; whatever claims more is broken.
const LONGEST: usize = 1 << 20;
/// Physical addresses have at most 52 bits (Intel SDM vol. 3, 4.1.4).
const PHYSICAL_END: usize = 1 << 52;
/// The local APIC's address after reset (Intel SDM vol. 3, 11.4.1).
const DEFAULT_LOCAL_APIC: u64 = 0xfee0_0000;

/// An I/O APIC and where its lines begin among the global system interrupts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IoApic {
    /// Physical address of its registers.
    pub address: u64,
    /// The global system interrupt of its line 0.
    pub first_gsi: u32,
}

/// How a line signals (ACPI 6.5, 5.2.12.5, "MPS INTI flags").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signal {
    /// Active low; else active high.
    pub active_low: bool,
    /// Level-triggered; else edge-triggered.
    pub level: bool,
}

/// An ISA interrupt that is not connected as it always was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Override {
    /// The ISA interrupt's number.
    pub isa: u8,
    /// Where it really arrives.
    pub gsi: u32,
    /// How it signals there.
    pub signal: Signal,
}

/// The power management timer: 3.579545 MHz, read through a port (ACPI 6.5, 4.8.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PmTimer {
    /// The 32-bit port.
    pub port: u16,
    /// 32 bits wide; else 24.
    pub wide: bool,
}

/// What there is on this machine.
#[derive(Clone, Debug)]
pub struct Platform {
    /// APIC ids of the cores that can be started; the one that booted comes first.
    pub cores: List<u32, MAX_CORES>,
    /// How many more cores there are than we have room for.
    pub cores_left_out: usize,
    /// Physical address of the local APICs.
    pub local_apic: u64,
    /// Which of the local APICs' two pins carries NMIs, if the tables say so.
    pub nmi_pin: Option<u8>,
    /// All I/O APICs.
    pub io_apics: List<IoApic, 16>,
    /// ISA interrupts that are connected differently.
    pub overrides: List<Override, 16>,
    /// Physical address of the HPET's registers.
    pub hpet: Option<u64>,
    /// The power management timer.
    pub pm_timer: Option<PmTimer>,
    /// Why less is known than should be; to be shown in one line.
    pub problem: Option<Problem>,
}

/// Why the tables could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The loader did not hand over an RSDP.
    NoRsdp,
    /// The RSDP is none, or its checksum is wrong.
    BadRsdp,
    /// The RSDT or XSDT is wrong.
    BadRoot,
    /// There is no valid MADT.
    NoMadt,
    /// The MADT's entries do not fit together.
    BadMadt,
    /// The MADT does not list the core that we run on.
    BootCoreMissing,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, consequence) = match self {
            Self::NoRsdp => ("the loader gave no RSDP", ONE_CORE),
            Self::BadRsdp => ("the RSDP is invalid", ONE_CORE),
            Self::BadRoot => ("the root table (RSDT or XSDT) is invalid", ONE_CORE),
            Self::NoMadt => ("there is no valid MADT", ONE_CORE),
            Self::BadMadt => ("the MADT's entries are malformed", "using those before the first bad one"),
            Self::BootCoreMissing => ("the MADT does not list the boot core", "adding it"),
        };
        write!(f, "acpi: {what}: {consequence}")
    }
}

const ONE_CORE: &str = "going on with one core and without device interrupts";

impl Platform {
    /// Reads the tables that `rsdp` (a physical address) leads to. Never fails: what is missing is left out and
    /// named in [`Platform::problem`].
    pub fn read(rsdp: Option<u64>) -> Self {
        Self::read_through(&Firmware, rsdp, cpuid::apic_id())
    }

    fn read_through<H: AcpiHandler>(handler: &H, rsdp: Option<u64>, boot_core: u32) -> Self {
        let mut platform = Self::bare();
        if let Err(problem) = platform.fill(handler, rsdp) {
            platform.problem = Some(problem);
        }
        platform.boot_core_first(boot_core);
        platform
    }

    fn bare() -> Self {
        Self {
            cores: List::new(),
            cores_left_out: 0,
            local_apic: DEFAULT_LOCAL_APIC,
            nmi_pin: None,
            io_apics: List::new(),
            overrides: List::new(),
            hpet: None,
            pm_timer: None,
            problem: None,
        }
    }

    fn fill<H: AcpiHandler>(&mut self, handler: &H, rsdp: Option<u64>) -> Result<(), Problem> {
        let rsdp = rsdp.ok_or(Problem::NoRsdp)?;
        let tables = open(handler, usize::try_from(rsdp).map_err(|_| Problem::BadRsdp)?)?;
        self.hpet = hpet(&tables);
        self.pm_timer = pm_timer(&tables);
        let found = tables.find_table::<Madt>().map_err(|_| Problem::NoMadt)?;
        madt::read(&found, self)
    }

    fn boot_core_first(&mut self, boot_core: u32) {
        if let Some(at) = self.cores.iter().position(|&id| id == boot_core) {
            self.cores.swap(0, at);
            return;
        }
        if !self.cores.is_empty() {
            self.problem = self.problem.or(Some(Problem::BootCoreMissing));
        }
        let last = self.cores.len();
        if self.cores.push(boot_core) {
            self.cores.swap(0, last);
        }
    }
}

/// Checks the RSDP and the root table's length, and opens the tables: those of ACPI 2.0 if they are there.
fn open<H: AcpiHandler>(handler: &H, rsdp: usize) -> Result<AcpiTables<H>, Problem> {
    // SAFETY: reading is all that happens, and the handler answers for any address (SANE-TABLES).
    let found = unsafe { handler.map_physical_region::<Rsdp>(rsdp, size_of::<Rsdp>()) };
    let whole = if found.revision() > 0 { found.length() as usize } else { size_of::<Rsdp>() };
    // The checksum covers `length` bytes: more than the structure has are not ours to read.
    if whole > size_of::<Rsdp>() || found.validate().is_err() {
        return Err(Problem::BadRsdp);
    }
    let (revision, root) = match (found.revision(), found.rsdt_address() as usize) {
        (0, rsdt) => (0, rsdt),
        (revision, rsdt) => match found.xsdt_address() as usize {
            0 => (0, rsdt),
            xsdt => (revision, xsdt),
        },
    };
    // SAFETY: as above.
    let header = unsafe { handler.map_physical_region::<SdtHeader>(root, size_of::<SdtHeader>()) };
    if !(size_of::<SdtHeader>()..=LONGEST).contains(&(header.length as usize)) {
        return Err(Problem::BadRoot);
    }
    // SAFETY: the root table's length is sane, and the crate checks signature and checksum.
    unsafe { AcpiTables::from_rsdt(handler.clone(), revision, root) }.map_err(|_| Problem::BadRoot)
}

/// The bytes of a validated table.
pub(super) fn bytes<H: AcpiHandler, T: AcpiTable>(table: &PhysicalMapping<H, T>) -> &[u8] {
    // SAFETY: the crate mapped `region_length` bytes, and nobody writes tables.
    unsafe { core::slice::from_raw_parts(table.virtual_start().as_ptr().cast::<u8>(), table.region_length()) }
}

fn hpet<H: AcpiHandler>(tables: &AcpiTables<H>) -> Option<u64> {
    /// Where the table keeps the address space of the registers (IA-PC HPET 1.0a, 3.2.4); 0 is memory.
    const ADDRESS_SPACE: usize = 40;
    let table = tables.find_table::<HpetTable>().ok()?;
    if table.region_length() < size_of::<HpetTable>() || bytes(&table)[ADDRESS_SPACE] != 0 {
        return None;
    }
    HpetInfo::new(tables).ok().map(|info| info.base_address as u64).filter(|&address| address != 0)
}

fn pm_timer<H: AcpiHandler>(tables: &AcpiTables<H>) -> Option<PmTimer> {
    /// ACPI 1.0 ended with the flags; the extended addresses came with revision 2.
    const SHORT: usize = 116;
    let fadt = tables.find_table::<Fadt>().ok()?;
    let needed = if fadt.header().revision >= 2 { size_of::<Fadt>() - size_of::<u64>() - 24 } else { SHORT };
    if fadt.region_length() < needed {
        return None;
    }
    let block = fadt.pm_timer_block().ok()??;
    let port = u16::try_from(block.address).ok()?;
    let flags = fadt.flags;
    (block.address_space == AddressSpace::SystemIo).then_some(PmTimer { port, wide: flags.pm_timer_is_32_bit() })
}

/// A page that is no table.
#[repr(align(4096))]
struct Zeros([u8; 4096]);
static NO_TABLE: Zeros = Zeros([0; 4096]);

fn is_sane(address: usize, size: usize) -> bool {
    address != 0 && size <= LONGEST && address < PHYSICAL_END
}

fn nothing() -> NonNull<u8> {
    NonNull::from(&NO_TABLE.0).cast()
}

/// Reads tables where the firmware put them.
#[derive(Clone)]
struct Firmware;

impl AcpiHandler for Firmware {
    unsafe fn map_physical_region<T>(&self, physical_address: usize, size: usize) -> PhysicalMapping<Self, T> {
        let at = if is_sane(physical_address, size) { reach(physical_address, size) } else { nothing() };
        // SAFETY: `size` bytes are mapped there, or a page of zeros that fails every check before its end.
        unsafe { PhysicalMapping::new(physical_address, at.cast(), size, size, self.clone()) }
    }

    fn unmap_physical_region<T>(_region: &PhysicalMapping<Self, T>) {}
}

/// Where a physical address can be read: in the physical map, or else mapped for the purpose.
fn reach(physical: usize, size: usize) -> NonNull<u8> {
    super::mmio::reach(physical as u64, size).unwrap_or_else(nothing)
}

#[cfg(test)]
mod tests;
