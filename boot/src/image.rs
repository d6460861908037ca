//! The kernel's ELF file: which parts go where, or why it cannot be loaded.

use core::fmt;

use elf::{ElfBytes, abi, endian::LittleEndian};

/// Where kernels are linked: the top 2 GiB of the address space.
pub const KERNEL_SPACE: u64 = 0xffff_ffff_8000_0000;
/// More segments than any linker makes.
pub const MAX_SEGMENTS: usize = 16;
const PAGE: u64 = 4096;

/// One part of the file that becomes memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// Its address.
    pub start: u64,
    /// Its size in memory.
    pub size: u64,
    /// Where its bytes begin in the file.
    pub offset: usize,
    /// How many of them there are; the rest is zero.
    pub file_size: usize,
    /// May be written.
    pub write: bool,
    /// May be executed.
    pub execute: bool,
}

impl Segment {
    /// The first page it touches.
    pub fn first_page(&self) -> u64 {
        self.start & !(PAGE - 1)
    }

    /// The end of the last page it touches.
    pub fn end_page(&self) -> u64 {
        (self.start + self.size).next_multiple_of(PAGE)
    }
}

/// What is to be loaded.
#[derive(Clone, Copy, Debug)]
pub struct Image {
    segments: [Segment; MAX_SEGMENTS],
    count: usize,
    /// Where it starts.
    pub entry: u64,
}

impl Image {
    /// Its segments, by address.
    pub fn segments(&self) -> &[Segment] {
        &self.segments[..self.count]
    }

    /// How many bytes of pages they take, one after the other.
    pub fn size(&self) -> u64 {
        self.segments().iter().map(|s| s.end_page() - s.first_page()).sum()
    }
}

/// Why a file is no kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadImage {
    /// Not an ELF file.
    NotElf,
    /// An ELF file whose headers make no sense, or that ends before they do.
    Headers,
    /// Not a 64-bit x86 program at fixed addresses.
    NotX86Program,
    /// No segment, or too many.
    SegmentCount(usize),
    /// A segment's bytes are not in the file.
    Truncated(u64),
    /// A segment lies outside the kernel's space.
    OutOfPlace(u64),
    /// Two segments share a page.
    Overlap(u64),
    /// A segment is both writable and executable.
    WriteExecute(u64),
    /// The entry point is in no executable segment.
    Entry(u64),
    /// It wants thread-local storage.
    Tls,
}

impl fmt::Display for BadImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotElf => f.write_str("the module is no ELF file"),
            Self::Headers => f.write_str("the ELF file is cut off, or its headers make no sense"),
            Self::NotX86Program => f.write_str("the module is no x86-64 program linked at fixed addresses"),
            Self::SegmentCount(n) => write!(f, "the kernel has {n} segments to load; 1 to {MAX_SEGMENTS} can be"),
            Self::Truncated(at) => write!(f, "the file ends before the segment at {at:#x} does"),
            Self::OutOfPlace(at) => write!(f, "the segment at {at:#x} is not in the top 2 GiB of the address space"),
            Self::Overlap(at) => write!(f, "the segment at {at:#x} shares a page with another one"),
            Self::WriteExecute(at) => write!(f, "the segment at {at:#x} is both writable and executable"),
            Self::Entry(at) => write!(f, "the entry point {at:#x} is in no executable segment"),
            Self::Tls => f.write_str("the kernel wants thread-local storage, which this loader does not set up"),
        }
    }
}

/// Checks a file and says what to load.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn check(file: &[u8]) -> Result<Image, BadImage> {
    if !file.starts_with(&abi::ELFMAGIC) {
        return Err(BadImage::NotElf);
    }
    let elf = ElfBytes::<LittleEndian>::minimal_parse(file).map_err(|_| BadImage::Headers)?;
    let program = elf.ehdr.e_machine == abi::EM_X86_64 && elf.ehdr.e_type == abi::ET_EXEC;
    if !program || elf.ehdr.class != elf::file::Class::ELF64 {
        return Err(BadImage::NotX86Program);
    }
    let mut image = Image { segments: [Segment::default(); MAX_SEGMENTS], count: 0, entry: elf.ehdr.e_entry };
    for header in elf.segments().ok_or(BadImage::SegmentCount(0))? {
        match header.p_type {
            abi::PT_TLS => return Err(BadImage::Tls),
            abi::PT_LOAD if header.p_memsz > 0 => add(&mut image, segment(&header, file.len())?)?,
            _ => {}
        }
    }
    finish(image)
}

fn segment(header: &elf::segment::ProgramHeader, file_len: usize) -> Result<Segment, BadImage> {
    let at = header.p_vaddr;
    let end = header.p_offset.checked_add(header.p_filesz).ok_or(BadImage::Truncated(at))?;
    if end > file_len as u64 || header.p_filesz > header.p_memsz {
        return Err(BadImage::Truncated(at));
    }
    // The last page of all stays free, so that ends can be computed.
    let fits = at.checked_add(header.p_memsz).is_some_and(|end| end <= u64::MAX - PAGE);
    if at < KERNEL_SPACE || !fits {
        return Err(BadImage::OutOfPlace(at));
    }
    let (write, execute) = (header.p_flags & abi::PF_W != 0, header.p_flags & abi::PF_X != 0);
    if write && execute {
        return Err(BadImage::WriteExecute(at));
    }
    Ok(Segment {
        start: at,
        size: header.p_memsz,
        offset: header.p_offset as usize,
        file_size: header.p_filesz as usize,
        write,
        execute,
    })
}

fn add(image: &mut Image, segment: Segment) -> Result<(), BadImage> {
    let Some(place) = image.segments.get_mut(image.count) else {
        return Err(BadImage::SegmentCount(image.count + 1));
    };
    *place = segment;
    image.count += 1;
    Ok(())
}

fn finish(mut image: Image) -> Result<Image, BadImage> {
    if image.count == 0 {
        return Err(BadImage::SegmentCount(0));
    }
    image.segments[..image.count].sort_unstable_by_key(|s| s.start);
    for pair in image.segments().windows(2) {
        if pair[0].end_page() > pair[1].first_page() {
            return Err(BadImage::Overlap(pair[1].start));
        }
    }
    let entry = image.entry;
    let holds = |s: &Segment| s.execute && s.start <= entry && entry < s.start + s.size;
    if !image.segments().iter().any(holds) {
        return Err(BadImage::Entry(entry));
    }
    Ok(image)
}

#[cfg(test)]
mod tests;
