//! Tables made by hand, right and wrong, read the way the kernel reads them.

extern crate std;

use std::{boxed::Box, vec, vec::Vec};

use super::*;

/// "Physical" memory is the test's own: addresses are pointers.
#[derive(Clone)]
struct Host;

impl AcpiHandler for Host {
    unsafe fn map_physical_region<T>(&self, physical_address: usize, size: usize) -> PhysicalMapping<Self, T> {
        let at = if is_sane(physical_address, size) {
            NonNull::new(physical_address as *mut u8).expect("not null: sane")
        } else {
            nothing()
        };
        // SAFETY: the tests hand out leaked tables only.
        unsafe { PhysicalMapping::new(physical_address, at.cast(), size, size, self.clone()) }
    }

    fn unmap_physical_region<T>(_region: &PhysicalMapping<Self, T>) {}
}

fn seal(bytes: &mut [u8], checksum_at: usize) {
    bytes[checksum_at] = 0;
    let sum = bytes.iter().fold(0u8, |sum, &byte| sum.wrapping_add(byte));
    bytes[checksum_at] = 0u8.wrapping_sub(sum);
}

fn leak(bytes: Vec<u8>) -> u64 {
    Box::leak(bytes.into_boxed_slice()).as_ptr() as u64
}

fn table(signature: &[u8; 4], revision: u8, body: &[u8]) -> u64 {
    let mut bytes = vec![0u8; 36];
    bytes[..4].copy_from_slice(signature);
    bytes[8] = revision;
    bytes.extend_from_slice(body);
    let length = bytes.len() as u32;
    bytes[4..8].copy_from_slice(&length.to_le_bytes());
    seal(&mut bytes, 9);
    leak(bytes)
}

fn rsdp(xsdt: u64) -> Vec<u8> {
    let mut bytes = vec![0u8; 36];
    bytes[..8].copy_from_slice(b"RSD PTR ");
    bytes[15] = 2;
    bytes[20..24].copy_from_slice(&36u32.to_le_bytes());
    bytes[24..32].copy_from_slice(&xsdt.to_le_bytes());
    seal(&mut bytes, 8);
    bytes
}

fn rooted(tables: &[u64]) -> u64 {
    let body: Vec<u8> = tables.iter().flat_map(|address| address.to_le_bytes()).collect();
    leak(rsdp(table(b"XSDT", 1, &body)))
}

fn madt(entries: &[&[u8]]) -> u64 {
    let mut body = vec![0u8; 8];
    body[..4].copy_from_slice(&0xfee0_1000u32.to_le_bytes());
    body.extend(entries.concat());
    table(b"APIC", 3, &body)
}

fn core(id: u8, flags: u8) -> [u8; 8] {
    [0, 8, id, id, flags, 0, 0, 0]
}

const IO_APIC: [u8; 12] = [1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 24, 0, 0, 0];
const OVERRIDE: [u8; 10] = [2, 10, 0, 9, 20, 0, 0, 0, 0x0f, 0];
const NMI: [u8; 6] = [4, 6, 0xff, 0, 0, 1];

fn read(rsdp: Option<u64>, boot_core: u32) -> Platform {
    Platform::read_through(&Host, rsdp, boot_core)
}

#[test]
fn a_whole_madt_is_understood() {
    let entries: [&[u8]; 7] = [&core(0, 1), &core(1, 0), &core(2, 1), &core(3, 2), &IO_APIC, &OVERRIDE, &NMI];
    let platform = read(Some(rooted(&[madt(&entries)])), 2);
    assert_eq!(platform.problem, None);
    assert_eq!(*platform.cores, [2, 0], "enabled ones only, the boot core first");
    assert_eq!(platform.local_apic, 0xfee0_1000);
    assert_eq!(*platform.io_apics, [IoApic { address: 0xfec0_0000, first_gsi: 24 }]);
    let signal = Signal { active_low: true, level: true };
    assert_eq!(*platform.overrides, [Override { isa: 9, gsi: 20, signal }]);
    assert_eq!(platform.nmi_pin, Some(1));
}

#[test]
fn without_tables_the_boot_core_is_alone() {
    let platform = read(None, 7);
    assert_eq!((&*platform.cores, platform.problem), (&[7][..], Some(Problem::NoRsdp)));
    let platform = read(Some(rooted(&[])), 7);
    assert_eq!((&*platform.cores, platform.problem), (&[7][..], Some(Problem::NoMadt)));
}

#[test]
fn lies_about_lengths_are_survived() {
    let mut bad = rsdp(0);
    bad[20..24].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(read(Some(leak(bad)), 0).problem, Some(Problem::BadRsdp));
    for length in [0u32, 35, u32::MAX] {
        let mut root = vec![0u8; 36];
        root[..4].copy_from_slice(b"XSDT");
        root[4..8].copy_from_slice(&length.to_le_bytes());
        assert_eq!(read(Some(leak(rsdp(leak(root)))), 0).problem, Some(Problem::BadRoot), "{length}");
        let mut inner = vec![0u8; 64];
        inner[..4].copy_from_slice(b"APIC");
        inner[4..8].copy_from_slice(&length.to_le_bytes());
        seal(&mut inner[..36], 9);
        let problem = read(Some(rooted(&[leak(inner)])), 0).problem;
        assert!(matches!(problem, Some(Problem::NoMadt | Problem::BadMadt)), "{length}: {problem:?}");
    }
}

#[test]
fn entries_before_a_bad_one_count() {
    let platform = read(Some(rooted(&[madt(&[&core(0, 1), &core(1, 1), &[0, 0, 0, 0]])])), 0);
    assert_eq!((&*platform.cores, platform.problem), (&[0, 1][..], Some(Problem::BadMadt)));
}

#[test]
fn more_cores_than_room_are_counted() {
    let entries: Vec<Vec<u8>> = (0..300u32)
        .map(|id| [&[9, 16, 0, 0][..], &id.to_le_bytes(), &1u32.to_le_bytes(), &id.to_le_bytes()].concat())
        .collect();
    let entries: Vec<&[u8]> = entries.iter().map(Vec::as_slice).collect();
    let platform = read(Some(rooted(&[madt(&entries)])), 0);
    assert_eq!((platform.cores.len(), platform.cores_left_out), (MAX_CORES, 300 - MAX_CORES));
}

#[test]
fn the_hpet_must_be_in_memory() {
    let mut body = [0u8; 20];
    body[8..16].copy_from_slice(&0xfed0_0000u64.to_le_bytes());
    assert_eq!(read(Some(rooted(&[table(b"HPET", 1, &body)])), 0).hpet, Some(0xfed0_0000));
    body[4] = 1;
    assert_eq!(read(Some(rooted(&[table(b"HPET", 1, &body)])), 0).hpet, None);
}

#[test]
fn the_pm_timer_is_found_by_either_address() {
    let mut body = vec![0u8; 116 - 36];
    body[76 - 36..80 - 36].copy_from_slice(&0x608u32.to_le_bytes());
    body[91 - 36] = 4;
    let narrow = Some(PmTimer { port: 0x608, wide: false });
    assert_eq!(read(Some(rooted(&[table(b"FACP", 1, &body)])), 0).pm_timer, narrow);
    body.resize(244 - 36, 0);
    body[113 - 36] = 1;
    body[208 - 36] = 1;
    body[212 - 36..220 - 36].copy_from_slice(&0xb008u64.to_le_bytes());
    let wide = Some(PmTimer { port: 0xb008, wide: true });
    assert_eq!(read(Some(rooted(&[table(b"FACP", 3, &body)])), 0).pm_timer, wide);
}
