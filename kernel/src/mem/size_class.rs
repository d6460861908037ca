#![forbid(unsafe_code)]
//! Size classes: which block sizes the heap has for small requests.
//!
//! The sizes are what 4096 bytes divide into without much rest, at most a sixth apart for larger blocks, all multiples
//! of 16. Each power of two is among them: a block of 2^k bytes is aligned to 2^k, since slabs are pages and blocks lie
//! side by side.

/// Requests above this are for the heap of large blocks.
pub const LARGEST: usize = 2048;
/// Blocks are aligned to this at least.
pub const ALIGN: usize = 16;
/// A slab, which is cut into blocks of one class.
pub const SLAB: usize = 4096;

const SIZES: [u16; 24] = [
    16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 192, 224, 256, 288, 336, 400, 448, 512, 576, 672, 816, 1024, 1360, 2048,
];
/// How many classes there are.
pub const CLASSES: usize = SIZES.len();

/// The class for each number of 16-byte units.
const CLASS_OF: [u8; LARGEST / ALIGN + 1] = {
    let mut table = [0; LARGEST / ALIGN + 1];
    let mut class = 0;
    let mut units = 0;
    while units < table.len() {
        if units * ALIGN > SIZES[class] as usize {
            class += 1;
        }
        table[units] = class as u8;
        units += 1;
    }
    table
};

/// The class that serves `size` bytes at `align`, or `None` if the request is a large one.
#[inline(always)]
pub fn class_of(size: usize, align: usize) -> Option<usize> {
    // Powers of two are aligned to themselves.
    let size = if align > ALIGN { aligned(size, align) } else { size };
    if size > LARGEST {
        return None;
    }
    Some(usize::from(CLASS_OF[size.div_ceil(ALIGN)]))
}

#[cold]
fn aligned(size: usize, align: usize) -> usize {
    size.max(align).checked_next_power_of_two().unwrap_or(usize::MAX)
}

/// Bytes in a block of `class`.
#[inline]
pub const fn size_of(class: usize) -> usize {
    SIZES[class] as usize
}

/// How many blocks move between a core and the central list at a time: at most 2 KiB, and at most 32.
pub const fn batch(class: usize) -> u32 {
    let blocks = 2048 / size_of(class);
    if blocks < 2 {
        2
    } else if blocks > 32 {
        32
    } else {
        blocks as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_small_request_gets_the_smallest_class_that_fits() {
        for size in 0..=LARGEST {
            let class = class_of(size, 8).unwrap();
            assert!(size_of(class) >= size);
            assert!(class == 0 || size_of(class - 1) < size, "{size}");
        }
        assert_eq!(class_of(LARGEST + 1, 1), None);
        assert_eq!(class_of(isize::MAX as usize, 1), None);
    }

    #[test]
    fn alignment_is_kept() {
        for align in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048] {
            for size in 1..=LARGEST {
                let class = class_of(size, align).unwrap();
                assert!(size_of(class) >= size && size_of(class).is_multiple_of(align.min(size_of(class))));
                assert!(align <= ALIGN || size_of(class).is_multiple_of(align), "{size} at {align}");
            }
        }
        assert_eq!(class_of(1, 4096), None);
        assert_eq!(class_of(1, 1 << 62), None);
    }

    #[test]
    fn slabs_are_used_well() {
        for class in 0..CLASSES {
            assert!(size_of(class).is_multiple_of(ALIGN));
            assert!(SLAB % size_of(class) <= SLAB / 40, "class {class}");
            assert!((2..=32).contains(&batch(class)));
        }
    }
}
