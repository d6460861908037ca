//! Maps as machines give them, and as they should not.

use super::*;
use MemoryRegionKind::{Bootloader, UnknownBios, Usable};

fn range(start: u64, end: u64) -> Range {
    Range { start, end }
}

fn entry(start: u64, end: u64, kind: u32) -> Entry {
    Entry { range: range(start, end), kind }
}

fn build_in(room: usize, machine: &[Entry], kept: &[Range]) -> Result<Vec<(u64, u64, MemoryRegionKind)>, TooMany> {
    let mut out = vec![MemoryRegion { start: 0, end: 0, kind: Usable }; room];
    let count = build(machine.iter().copied(), kept, &mut out)?;
    Ok(out[..count].iter().map(|r| (r.start, r.end, r.kind)).collect())
}

fn map(machine: &[Entry], kept: &[Range]) -> Vec<(u64, u64, MemoryRegionKind)> {
    build_in(64, machine, kept).unwrap()
}

#[test]
fn nothing_makes_nothing() {
    assert_eq!(map(&[], &[]), []);
    assert_eq!(map(&[], &[range(5, 10)]), [], "what is kept is only so where there is memory");
    assert_eq!(map(&[entry(7, 7, RAM), entry(9, 8, RAM), entry(3, 3, 2)], &[range(4, 4)]), []);
}

#[test]
fn other_kinds_are_passed_on() {
    assert_eq!(
        map(&[entry(0, 10, RAM), entry(10, 20, 3), entry(30, 40, 2)], &[]),
        [(0, 10, Usable), (10, 20, UnknownBios(3)), (30, 40, UnknownBios(2)),]
    );
}

#[test]
fn kept_ranges_are_cut_out() {
    let ram = [entry(0, 100, RAM)];
    assert_eq!(map(&ram, &[range(40, 60)]), [(0, 40, Usable), (40, 60, Bootloader), (60, 100, Usable)]);
    assert_eq!(map(&ram, &[range(0, 10)]), [(0, 10, Bootloader), (10, 100, Usable)]);
    assert_eq!(map(&ram, &[range(90, 200)]), [(0, 90, Usable), (90, 100, Bootloader)]);
    assert_eq!(map(&ram, &[range(0, 100)]), [(0, 100, Bootloader)]);
    assert_eq!(
        map(&ram, &[range(70, 80), range(10, 20)]),
        [(0, 10, Usable), (10, 20, Bootloader), (20, 70, Usable), (70, 80, Bootloader), (80, 100, Usable),]
    );
}

#[test]
fn kept_ranges_may_touch_overlap_and_hold_each_other() {
    let ram = [entry(0, 100, RAM)];
    let expected = [(0, 10, Usable), (10, 50, Bootloader), (50, 100, Usable)];
    for kept in [[range(10, 30), range(30, 50)], [range(10, 40), range(20, 50)], [range(10, 50), range(20, 30)]] {
        assert_eq!(map(&ram, &kept), expected);
    }
}

#[test]
fn a_kept_range_may_cross_entries() {
    let machine = [entry(0, 50, RAM), entry(50, 60, 2), entry(60, 100, RAM), entry(120, 130, RAM)];
    assert_eq!(
        map(&machine, &[range(40, 125)]),
        [
            (0, 40, Usable),
            (40, 50, Bootloader),
            (50, 60, UnknownBios(2)),
            (60, 100, Bootloader),
            (120, 125, Bootloader),
            (125, 130, Usable),
        ]
    );
}

#[test]
fn what_anybody_reserves_is_not_memory() {
    let (ram, reserved) = (entry(0, 100, RAM), entry(40, 60, 2));
    let expected = [(0, 40, Usable), (40, 60, UnknownBios(2)), (60, 100, Usable)];
    assert_eq!(map(&[ram, reserved], &[]), expected);
    assert_eq!(map(&[reserved, ram], &[]), expected);
    assert_eq!(map(&[ram, reserved], &[range(45, 50)]), expected, "not even the loader's");
}

#[test]
fn order_and_repetition_do_not_matter() {
    let machine = [entry(50, 100, RAM), entry(0, 60, RAM), entry(0, 60, RAM)];
    assert_eq!(map(&machine, &[]), [(0, 100, Usable)]);
}

#[test]
fn the_end_of_the_address_space_is_an_end() {
    assert_eq!(
        map(&[entry(1, u64::MAX, RAM)], &[range(u64::MAX - 1, u64::MAX)]),
        [(1, u64::MAX - 1, Usable), (u64::MAX - 1, u64::MAX, Bootloader),]
    );
}

#[test]
fn too_many_for_the_table() {
    let ram = [entry(0, 100, RAM)];
    let kept = [range(10, 20)];
    assert_eq!(build_in(2, &ram, &kept), Err(TooMany));
    assert_eq!(build_in(3, &ram, &kept).map(|r| r.len()), Ok(3));
    assert_eq!(build_in(0, &ram, &[]), Err(TooMany));
}

#[test]
fn always_sorted_and_apart() {
    // Every way to lay three short ranges of changing kinds.
    let edges = || (0..5u64).flat_map(|start| (0..5u64).map(move |end| (start, end)));
    for ((a, b), (c, d)) in edges().flat_map(|x| edges().map(move |y| (x, y))) {
        let regions = map(&[entry(a, b, RAM), entry(c, d, 2), entry(1, 4, RAM)], &[range(d, b), range(2, 3)]);
        assert!(regions.iter().all(|r| r.0 < r.1), "{regions:?}");
        assert!(regions.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{regions:?}");
    }
}
