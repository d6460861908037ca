//! Every option, asked for once.

use super::*;

fn with(change: impl FnOnce(&mut BootloaderConfig)) -> Result<Layout, Refused> {
    let mut config = BootloaderConfig::new_default();
    change(&mut config);
    // Through the section, as a kernel's wishes come.
    layout(&read(Some(&config.serialize()))?)
}

const HERE: u64 = 0xffff_9000_0040_0000;

#[test]
fn a_kernel_without_wishes_gets_our_places() {
    let expected = Layout {
        boot_info: BOOT_INFO,
        command_line: COMMAND_LINE,
        stack: STACK,
        stack_size: 80 * 1024,
        physical_memory: None,
    };
    assert_eq!(with(|_| {}), Ok(expected));
}

#[test]
fn a_kernel_without_a_section_is_none() {
    assert!(read(None).unwrap_err().contains("there is none"));
}

#[test]
fn places_are_honoured() {
    let at = Mapping::FixedAddress(HERE);
    assert_eq!(with(|c| c.mappings.boot_info = at).unwrap().boot_info, HERE);
    assert_eq!(with(|c| c.mappings.kernel_stack = at).unwrap().stack, HERE);
    assert_eq!(with(|c| c.mappings.ramdisk_memory = at).unwrap().command_line, HERE);
    assert_eq!(with(|c| c.mappings.physical_memory = Some(at)).unwrap().physical_memory, Some(HERE));
    let anywhere = with(|c| c.mappings.physical_memory = Some(Mapping::Dynamic)).unwrap();
    assert_eq!(anywhere.physical_memory, Some(PHYSICAL_MEMORY));
}

#[test]
fn places_must_be_pages_of_the_upper_half() {
    for at in [0, 0x1000, 0x7fff_ffff_f000, 0x8000_0000_0000_0000, HERE + 1, HERE + 0x800, u64::MAX, u64::MAX - 0xfff] {
        let refused = Err("FixedAddress: whole pages of the upper half only, and not its last 32 MiB");
        let at = Mapping::FixedAddress(at);
        assert_eq!(with(|c| c.mappings.boot_info = at), refused);
        assert_eq!(with(|c| c.mappings.kernel_stack = at), refused);
        assert_eq!(with(|c| c.mappings.ramdisk_memory = at), refused);
        assert_eq!(with(|c| c.mappings.physical_memory = Some(at)), refused);
    }
}

#[test]
fn physical_memory_is_mapped_in_large_pages() {
    let odd = Some(Mapping::FixedAddress(HERE + 0x1000));
    assert_eq!(with(|c| c.mappings.physical_memory = odd), Err("physical_memory: multiples of 2 MiB only"));
}

#[test]
fn stacks_have_bounds() {
    assert_eq!(with(|c| c.kernel_stack_size = 16 * 1024).unwrap().stack_size, 16 * 1024);
    assert_eq!(with(|c| c.kernel_stack_size = 20_001).unwrap().stack_size, 5 * 4096, "whole pages");
    for size in [0, 16 * 1024 - 1, (16 << 20) + 1, u64::MAX] {
        assert_eq!(with(|c| c.kernel_stack_size = size), Err("kernel_stack_size: 16 KiB to 16 MiB can be had"));
    }
}

#[test]
fn what_is_not_offered_is_refused_by_name() {
    let at = Mapping::FixedAddress(HERE);
    let named = |name: &str, refused: Result<Layout, Refused>| {
        assert!(refused.is_err_and(|why| why.starts_with(name)), "{name}: {refused:?}");
    };
    named("kernel_base:", with(|c| c.mappings.kernel_base = at));
    named("page_table_recursive:", with(|c| c.mappings.page_table_recursive = Some(Mapping::Dynamic)));
    named("page_table_recursive:", with(|c| c.mappings.page_table_recursive = Some(at)));
    named("aslr:", with(|c| c.mappings.aslr = true));
    named("dynamic_range_start:", with(|c| c.mappings.dynamic_range_start = Some(HERE)));
    named("dynamic_range_end:", with(|c| c.mappings.dynamic_range_end = Some(HERE)));
    named("framebuffer:", with(|c| c.mappings.framebuffer = at));
}

#[test]
#[expect(deprecated, reason = "kernels that still ask this way are to be told")]
fn a_framebuffer_of_some_size_is_refused() {
    assert_eq!(with(|c| c.frame_buffer.minimum_framebuffer_width = Some(600)), Err("frame_buffer: there is none"));
    assert_eq!(with(|c| c.frame_buffer.minimum_framebuffer_height = Some(600)), Err("frame_buffer: there is none"));
}

#[test]
fn garbage_is_refused() {
    let good = BootloaderConfig::new_default().serialize();
    assert!(read(Some(&[])).is_err());
    assert!(read(Some(&good[1..])).is_err());
    assert!(read(Some(&[0xaa; BootloaderConfig::SERIALIZED_LEN])).is_err());
    for at in 0..VERSION.end {
        let mut bytes = good;
        bytes[at] ^= 0x40;
        assert!(read(Some(&bytes)).is_err(), "byte {at}");
    }
    // Every byte may be anything: an answer, and no panic.
    for at in 0..good.len() {
        for value in 0..=u8::MAX {
            let mut bytes = good;
            bytes[at] = value;
            let _ = read(Some(&bytes)).and_then(|config| layout(&config));
        }
    }
}
