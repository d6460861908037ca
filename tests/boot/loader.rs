//! What the loader refuses, booted for real: one line on the serial port that names the fault, and its own exit status.
//!
//! The files are made here, most of them of a few hundred bytes, and none of them is ever run. All its errors are tried on the host
//! (`boot/src/image/tests.rs`); this is about the line arriving.

use std::{fs, path::Path};

use gopark_tests::{
    kernel,
    trial::{Kernel, Trial, status, trial},
};

/// The kernel's place, and the size of what is in the file.
const TEXT: u64 = 0xffff_ffff_8000_0000;
const BYTES: u64 = 64;
/// Segment flags: executable, writable, readable.
const RX: u32 = 5;
const RW: u32 = 6;

/// A segment: its address, its size in memory, its flags.
type Segment = (u64, u64, u32);

pub fn rows() -> Vec<Trial> {
    let good: &[Segment] = &[(TEXT, BYTES, RX)];
    let elf = |segments: &[Segment]| file(segments, None);
    let cut = elf(good).len() - 1;
    vec![
        refused("missing", None, "no kernel: give one as the first module"),
        refused("empty", Some(vec![]), "no kernel: give one as the first module"),
        refused("no_elf", Some(b"#!/bin/sh\n".to_vec()), "the module is no ELF file"),
        refused("truncated_header", Some(elf(good)[..80].to_vec()), "the ELF file is cut off"),
        refused("truncated_segment", Some(elf(good)[..cut].to_vec()), "the file ends before the segment at"),
        refused("outside", Some(elf(&[(1 << 20, BYTES, RX)])), "the segment at 0x100000 is not in the top 2 GiB"),
        refused("overlap", Some(elf(&[(TEXT, BYTES, RX), (TEXT + 0x800, BYTES, RW)])), "shares a page with another"),
        refused("write_execute", Some(elf(&[(TEXT, BYTES, RX | RW)])), "is both writable and executable"),
        refused("too_large", Some(grown(kernel!("hello"))), "too little memory"),
        refused("no_config", Some(elf(good)), ".bootloader-config: there is none"),
        refused("garbage_config", Some(file(good, Some(&[0xaa; 133]))), ".bootloader-config: invalid UUID"),
        refused("short_config", Some(file(good, Some(&[1, 2, 3]))), ".bootloader-config: invalid len"),
    ]
}

/// The loader alone, or with this file as the kernel: it must say so.
fn refused(variant: &'static str, bytes: Option<Vec<u8>>, line: &str) -> Trial {
    let path = bytes.map_or(String::new(), |bytes| save(variant, &bytes));
    let kernel = Kernel { name: "loader", path: path.leak() };
    trial(kernel).variant(variant).cores(&[1]).status(status::LOADER).expect("gopark-boot: ").expect(line)
}

fn save(variant: &str, bytes: &[u8]) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("loader-{variant}"));
    // Not again and again: a run beside this one may be booting it.
    if fs::read(&path).ok().as_deref() != Some(bytes) {
        fs::write(&path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    path.display().to_string()
}

/// A real kernel, whose data wants a GiB.
fn grown(kernel: Kernel) -> Vec<u8> {
    let mut bytes = fs::read(kernel.path).unwrap_or_else(|error| panic!("{}: {error}", kernel.path));
    let headers = (64..64 + 56 * usize::from(bytes[56])).step_by(56);
    // Type 1 and flags in the first 8 bytes, the size in memory in those from 40 on.
    let data = headers.into_iter().find(|&at| bytes[at] == 1 && u32::from(bytes[at + 4]) == RW);
    let data = data.expect("a kernel has a writable segment") + 40;
    bytes[data..data + 8].copy_from_slice(&(1u64 << 30).to_le_bytes());
    bytes
}

/// An ELF file: header, program headers, section headers, names, the configuration, the segments' bytes.
fn file(segments: &[Segment], config: Option<&[u8]>) -> Vec<u8> {
    const NAMES: &[u8] = b"\0.bootloader-config\0";
    let sections = if config.is_some() { 3 } else { 0 };
    let config = config.unwrap_or_default();
    let section_headers = 64 + 56 * segments.len() as u64;
    let names = section_headers + 64 * sections;
    let bytes = names + (NAMES.len() + config.len()) as u64;

    let mut out = b"\x7fELF\x02\x01\x01".to_vec();
    out.resize(16, 0);
    // An x86-64 program (types 2 and 62) of version 1.
    out.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    words(&mut out, &[TEXT, 64, if sections > 0 { section_headers } else { 0 }]);
    out.extend([0; 4]);
    for half in [64, 56, segments.len() as u16, 64, sections as u16, if sections > 0 { 1 } else { 0 }] {
        out.extend(half.to_le_bytes());
    }
    for &(at, size, flags) in segments {
        out.extend([1, 0, 0, 0]);
        out.extend(flags.to_le_bytes());
        words(&mut out, &[bytes, at, at, BYTES, size, 4096]);
    }
    if sections > 0 {
        out.extend([0; 64]);
        section(&mut out, 0, 3, names, NAMES.len());
        section(&mut out, 1, 1, names + NAMES.len() as u64, config.len());
    }
    out.extend(NAMES);
    out.extend(config);
    assert_eq!(out.len() as u64, bytes);
    out.resize(out.len() + BYTES as usize, 0xf4);
    out
}

/// A section header: its name's place, its type, its place in the file.
fn section(out: &mut Vec<u8>, name: u32, kind: u32, offset: u64, size: usize) {
    out.extend(name.to_le_bytes());
    out.extend(kind.to_le_bytes());
    words(out, &[0, 0, offset, size as u64, 0, 1, 0]);
}

fn words(out: &mut Vec<u8>, words: &[u64]) {
    out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
}
