//! Files made byte by byte, each wrong in one way.

use super::*;

const TEXT: u64 = KERNEL_SPACE;
const RX: u32 = abi::PF_R | abi::PF_X;
const RW: u32 = abi::PF_R | abi::PF_W;

/// A program header that is written out field by field.
#[derive(Clone, Copy)]
struct Part {
    kind: u32,
    flags: u32,
    offset: u64,
    at: u64,
    file_size: u64,
    size: u64,
}

/// A segment of `size` bytes, all of them in the file from its begin on.
fn load(at: u64, size: u64, flags: u32) -> Part {
    Part { kind: abi::PT_LOAD, flags, offset: 0, at, file_size: size.min(64), size }
}

/// An ELF file's header, then its program headers.
struct File {
    class: u8,
    endian: u8,
    kind: u16,
    machine: u16,
    entry: u64,
    parts: Vec<Part>,
}

/// A good one: text, and data with more memory than bytes.
fn good() -> File {
    let parts = vec![load(TEXT, 0x1800, RX), load(TEXT + 0x2000, 0x3001, RW)];
    File {
        class: abi::ELFCLASS64,
        endian: abi::ELFDATA2LSB,
        kind: abi::ET_EXEC,
        machine: abi::EM_X86_64,
        entry: TEXT + 0x10,
        parts,
    }
}

fn with(parts: &[Part]) -> File {
    File { parts: parts.to_vec(), ..good() }
}

impl File {
    fn bytes(&self) -> Vec<u8> {
        let mut out = abi::ELFMAGIC.to_vec();
        out.extend([self.class, self.endian, abi::EV_CURRENT, 0]);
        out.resize(16, 0);
        out.extend(self.kind.to_le_bytes());
        out.extend(self.machine.to_le_bytes());
        out.extend(1u32.to_le_bytes());
        for word in [self.entry, if self.parts.is_empty() { 0 } else { 64 }, 0] {
            out.extend(word.to_le_bytes());
        }
        out.extend(0u32.to_le_bytes());
        for half in [64, 56, self.parts.len() as u16, 64, 0, 0] {
            out.extend(half.to_le_bytes());
        }
        for p in &self.parts {
            out.extend(p.kind.to_le_bytes());
            out.extend(p.flags.to_le_bytes());
            for word in [p.offset, p.at, p.at, p.file_size, p.size, 0x1000] {
                out.extend(word.to_le_bytes());
            }
        }
        out
    }

    fn check(&self) -> Result<Image, BadImage> {
        check(&self.bytes())
    }

    fn error(&self) -> BadImage {
        self.check().unwrap_err()
    }
}

#[test]
fn a_kernel_is_taken_as_it_is() {
    let image = good().check().unwrap();
    assert_eq!(image.entry, TEXT + 0x10);
    let [text, data] = image.segments() else { panic!("{image:?}") };
    assert_eq!((text.start, text.size, text.write, text.execute), (TEXT, 0x1800, false, true));
    assert_eq!((data.start, data.file_size, data.write, data.execute), (TEXT + 0x2000, 64, true, false));
    assert_eq!((data.first_page(), data.end_page()), (TEXT + 0x2000, TEXT + 0x6000));
    assert_eq!(image.size(), 0x2000 + 0x4000);
}

#[test]
fn segments_come_sorted_and_empty_ones_not_at_all() {
    let other = Part { kind: abi::PT_NOTE, ..load(1, 1, 7) };
    let image = with(&[load(TEXT + 0x5000, 8, RW), other, load(5, 0, 7), load(TEXT, 0x20, RX)]).check().unwrap();
    let starts: Vec<u64> = image.segments().iter().map(|s| s.start).collect();
    assert_eq!(starts, [TEXT, TEXT + 0x5000]);
}

#[test]
fn segments_may_begin_inside_a_page() {
    let image = with(&[load(TEXT, 0x20, RX), load(TEXT + 0x1ff8, 16, RW)]).check().unwrap();
    assert_eq!(image.segments()[1].first_page(), TEXT + 0x1000);
    assert_eq!(image.segments()[1].end_page(), TEXT + 0x3000);
}

#[test]
fn no_elf() {
    for bytes in [&b""[..], b"\x7fEL", b"#!/bin/sh\n", &[0; 4096]] {
        assert_eq!(check(bytes).unwrap_err(), BadImage::NotElf);
    }
}

#[test]
fn cut_off_anywhere_it_is_refused() {
    let bytes = good().bytes();
    for len in 4..bytes.len() {
        let error = check(&bytes[..len]).unwrap_err();
        assert!(matches!(error, BadImage::Headers | BadImage::SegmentCount(0)), "{len} bytes: {error:?}");
    }
}

#[test]
fn no_byte_makes_it_panic() {
    let bytes = good().bytes();
    for at in 0..bytes.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] = value;
            if let Ok(image) = check(&changed) {
                assert!(image.size() > 0);
            }
        }
    }
}

#[test]
fn other_machines_and_kinds() {
    for file in [
        File { machine: abi::EM_AARCH64, ..good() },
        File { kind: abi::ET_DYN, ..good() },
        File { kind: abi::ET_REL, ..good() },
    ] {
        assert_eq!(file.error(), BadImage::NotX86Program);
    }
    assert_eq!(File { endian: abi::ELFDATA2MSB, ..good() }.error(), BadImage::Headers);
    assert!(matches!(File { class: abi::ELFCLASS32, ..good() }.error(), BadImage::Headers | BadImage::NotX86Program));
}

#[test]
fn too_few_segments_and_too_many() {
    assert_eq!(with(&[]).error(), BadImage::SegmentCount(0));
    assert_eq!(with(&[load(TEXT, 0, RX)]).error(), BadImage::SegmentCount(0));
    let row = |n: u64| (0..n).map(|i| load(TEXT + i * 0x1000, 0x1000, RX)).collect::<Vec<_>>();
    assert_eq!(with(&row(MAX_SEGMENTS as u64)).check().unwrap().segments().len(), MAX_SEGMENTS);
    assert_eq!(with(&row(MAX_SEGMENTS as u64 + 1)).error(), BadImage::SegmentCount(MAX_SEGMENTS + 1));
}

#[test]
fn bytes_that_are_not_in_the_file() {
    let text = load(TEXT, 0x1000, RX);
    for part in [
        Part { file_size: 0x1000, ..text },
        Part { offset: 1 << 40, ..text },
        Part { offset: u64::MAX, ..text },
        Part { file_size: u64::MAX, offset: 2, ..text },
        // More bytes than memory for them.
        Part { file_size: 64, size: 63, ..text },
    ] {
        assert_eq!(with(&[part]).error(), BadImage::Truncated(TEXT));
    }
}

#[test]
fn outside_the_kernels_space() {
    for (at, size) in
        [(0x10_0000, 0x1000), (TEXT - 1, 0x1000), (TEXT, u64::MAX), (TEXT, 0x8000_0000), (u64::MAX - 0xfff, 0x1000)]
    {
        assert_eq!(with(&[load(at, size, RX)]).error(), BadImage::OutOfPlace(at), "{at:#x}, {size:#x}");
    }
}

#[test]
fn two_segments_in_one_page() {
    let at = TEXT + 0x1000;
    assert_eq!(with(&[load(TEXT, 0x1001, RX), load(at, 8, RW)]).error(), BadImage::Overlap(at));
    // Bytes apart, but one page cannot have two kinds of rights.
    assert_eq!(with(&[load(TEXT, 0x10, RX), load(TEXT + 0x800, 8, RW)]).error(), BadImage::Overlap(TEXT + 0x800));
    assert_eq!(with(&[load(TEXT, 0x10, RX), load(TEXT, 0x10, RX)]).error(), BadImage::Overlap(TEXT));
}

#[test]
fn writable_and_executable() {
    assert_eq!(with(&[load(TEXT, 0x1000, RX | RW)]).error(), BadImage::WriteExecute(TEXT));
}

#[test]
fn entries_that_lead_nowhere() {
    for entry in [0, TEXT - 1, TEXT + 0x1800, TEXT + 0x2000, u64::MAX] {
        assert_eq!(File { entry, ..good() }.error(), BadImage::Entry(entry));
    }
}

#[test]
fn thread_local_storage() {
    let tls = Part { kind: abi::PT_TLS, ..load(TEXT, 8, abi::PF_R) };
    assert_eq!(with(&[load(TEXT, 0x1000, RX), tls]).error(), BadImage::Tls);
}

#[test]
fn each_error_is_one_line_of_its_own() {
    let at = TEXT;
    let all = [
        BadImage::NotElf,
        BadImage::Headers,
        BadImage::NotX86Program,
        BadImage::SegmentCount(17),
        BadImage::Truncated(at),
        BadImage::OutOfPlace(at),
        BadImage::Overlap(at),
        BadImage::WriteExecute(at),
        BadImage::Entry(at),
        BadImage::Tls,
    ];
    let lines: std::collections::BTreeSet<String> = all.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), all.len());
    assert!(lines.iter().all(|line| !line.contains('\n')));
}
