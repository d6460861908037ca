//! The MADT's entries: which cores and interrupt controllers there are (ACPI 6.5, 5.2.12).
//!
//! Its one job is to sort entries into a [`Platform`]. The `acpi` crate's iterator believes each entry's length, so
//! the entries are walked once before: up to the first that does not fit, the crate may have them.
//!
//! Cores that are not enabled are no cores: firmware lists empty sockets and places for hot-plugged ones as well.

use core::mem::size_of;

use acpi::{
    AcpiHandler, PhysicalMapping,
    madt::{
        InterruptSourceOverrideEntry, IoApicEntry, LocalApicAddressOverrideEntry, LocalApicEntry, LocalApicNmiEntry,
        LocalX2ApicEntry, Madt, MadtEntry, X2ApicNmiEntry,
    },
};

use super::acpi::{IoApic, Override, Platform, Problem, Signal, bytes};

/// The flag of a core that can be started (ACPI 6.5, table 5.23).
const ENABLED: u32 = 1 << 0;

/// Reads all entries of a MADT whose checksum was right into `platform`.
pub(super) fn read<H: AcpiHandler>(table: &PhysicalMapping<H, Madt>, platform: &mut Platform) -> Result<(), Problem> {
    let all = bytes(table);
    if all.len() < size_of::<Madt>() {
        return Err(Problem::BadMadt);
    }
    let madt = table.get();
    platform.local_apic = u64::from(madt.local_apic_address);
    let sound = sound_entries(&all[size_of::<Madt>()..]);
    for entry in madt.entries().take(sound.count) {
        sort(entry, platform);
    }
    if sound.all { Ok(()) } else { Err(Problem::BadMadt) }
}

struct Sound {
    /// How many entries the crate's iterator may be asked for: it passes over reserved types by itself.
    count: usize,
    /// Whether they fill the table.
    all: bool,
}

/// Walks the entries' headers: type, then length.
fn sound_entries(mut rest: &[u8]) -> Sound {
    let mut count = 0;
    while let [kind, length, ..] = *rest {
        let length = usize::from(length);
        if length < shortest(kind) || length > rest.len() {
            return Sound { count, all: false };
        }
        count += usize::from(kind <= LAST_KNOWN);
        rest = &rest[length..];
    }
    Sound { count, all: rest.is_empty() }
}

/// The last entry type that the crate yields.
const LAST_KNOWN: u8 = 0x10;

/// How long an entry of that type must be for us to read it.
fn shortest(kind: u8) -> usize {
    match kind {
        0x0 => size_of::<LocalApicEntry>(),
        0x1 => size_of::<IoApicEntry>(),
        0x2 => size_of::<InterruptSourceOverrideEntry>(),
        0x4 => size_of::<LocalApicNmiEntry>(),
        0x5 => size_of::<LocalApicAddressOverrideEntry>(),
        0x9 => size_of::<LocalX2ApicEntry>(),
        0xa => size_of::<X2ApicNmiEntry>(),
        // Not read: the header is enough to step over it.
        _ => 2,
    }
}

fn sort(entry: MadtEntry<'_>, platform: &mut Platform) {
    match entry {
        MadtEntry::LocalApic(core) => add_core(u32::from(core.apic_id), core.flags, platform),
        MadtEntry::LocalX2Apic(core) => add_core(core.x2apic_id, core.flags, platform),
        MadtEntry::IoApic(found) => {
            let (address, first_gsi) = (found.io_apic_address.into(), found.global_system_interrupt_base);
            // More than the list holds: their lines stay masked, as after reset.
            let _ = platform.io_apics.push(IoApic { address, first_gsi });
        }
        MadtEntry::InterruptSourceOverride(found) if found.bus == 0 => {
            let (isa, gsi, signal) = (found.irq, found.global_system_interrupt, isa_signal(found.flags));
            // There are 16 ISA interrupts; a table with more overrides repeats itself.
            let _ = platform.overrides.push(Override { isa, gsi, signal });
        }
        MadtEntry::LocalApicNmi(found) => platform.nmi_pin = Some(found.nmi_line & 1),
        MadtEntry::X2ApicNmi(found) => platform.nmi_pin = Some(found.nmi_line & 1),
        MadtEntry::LocalApicAddressOverride(found) => platform.local_apic = found.local_apic_address,
        // An interrupt of another bus than ISA, which there is none of.
        MadtEntry::InterruptSourceOverride(_)
        // NMIs that come through an I/O APIC are left masked.
        | MadtEntry::NmiSource(_)
        // Itanium's and ARM's; the multiprocessor mailbox is for guests without SIPI.
        | MadtEntry::IoSapic(_)
        | MadtEntry::LocalSapic(_)
        | MadtEntry::PlatformInterruptSource(_)
        | MadtEntry::Gicc(_)
        | MadtEntry::Gicd(_)
        | MadtEntry::GicMsiFrame(_)
        | MadtEntry::GicRedistributor(_)
        | MadtEntry::GicInterruptTranslationService(_)
        | MadtEntry::MultiprocessorWakeup(_) => {}
    }
}

fn add_core(apic_id: u32, flags: u32, platform: &mut Platform) {
    if flags & ENABLED == 0 || platform.cores.contains(&apic_id) {
        return;
    }
    if !platform.cores.push(apic_id) {
        platform.cores_left_out += 1;
    }
}

/// Polarity in bits 0-1, trigger mode in bits 2-3; 1 and 3 say it, 0 leaves it to the bus, and ISA's interrupts are
/// edges that rise.
fn isa_signal(flags: u16) -> Signal {
    Signal { active_low: flags & 0b11 == 0b11, level: flags >> 2 & 0b11 == 0b11 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walk_stops_at_the_first_bad_entry() {
        let good = [0, 8, 0, 0, 1, 0, 0, 0];
        let sound = sound_entries(&good);
        assert!(sound.all && sound.count == 1);
        for bad in [&[0u8, 0][..], &[0, 7, 0, 0, 0, 0, 0, 0], &[1, 12, 0, 0], &[5]] {
            let mut both = [0u8; 16];
            both[..8].copy_from_slice(&good);
            both[8..8 + bad.len()].copy_from_slice(bad);
            let sound = sound_entries(&both[..8 + bad.len()]);
            assert!(!sound.all && sound.count == 1, "{bad:?}");
        }
    }

    #[test]
    fn reserved_types_are_stepped_over_and_not_counted() {
        let sound = sound_entries(&[0x7f, 4, 0, 0, 0x80, 2, 3, 8, 0, 0, 0, 0, 0, 0]);
        assert!(sound.all && sound.count == 1);
    }

    #[test]
    fn isa_interrupts_are_rising_edges_unless_told_otherwise() {
        assert_eq!(isa_signal(0), Signal::default());
        assert_eq!(isa_signal(0b0101), Signal::default());
        assert_eq!(isa_signal(0b1111), Signal { active_low: true, level: true });
    }
}
