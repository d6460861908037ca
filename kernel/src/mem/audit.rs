//! The audit: do the page tables keep their promises?
//!
//! Walks everything that is mapped and reports each page that is writable and executable, open to user mode, or page 0;
//! and each executable page whose frame can be written through the map of physical memory. Called by tests, on each
//! core.
//!
//! *Context.* Any G, g0. Other cores may map pages meanwhile; those may be missed.

use core::fmt;

use x86_64::structures::paging::PageTableFlags;

use super::{
    layout::{PAGE_SIZE, PHYS_MAP},
    paging,
    tables::{Tables, address, flags, present},
};

/// What is wrong with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Writable and executable.
    WriteAndExecute(u64),
    /// Executable here, writable through the map of physical memory.
    WritableAlias(u64),
    /// Open to user mode.
    UserAccessible(u64),
    /// The null page is mapped.
    NullPage,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WriteAndExecute(at) => write!(f, "page {at:#x} is writable and executable"),
            Self::WritableAlias(at) => write!(f, "code page {at:#x} can be written through the physical map"),
            Self::UserAccessible(at) => write!(f, "page {at:#x} is open to user mode"),
            Self::NullPage => write!(f, "page 0 is mapped"),
        }
    }
}

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Pages and huge pages looked at.
    pub pages: usize,
    /// Those that are executable.
    pub executable: usize,
    /// Broken promises.
    pub violations: usize,
}

/// The rights that all levels above an entry leave it.
#[derive(Clone, Copy)]
struct Rights {
    writable: bool,
    user: bool,
    executable: bool,
}

impl Rights {
    const ALL: Self = Self { writable: true, user: true, executable: true };

    /// Every level must allow it (Intel SDM vol. 3, 5.6.1).
    const fn and(self, raw: u64) -> Self {
        let here = flags(raw);
        Self {
            writable: self.writable && here.contains(PageTableFlags::WRITABLE),
            user: self.user && here.contains(PageTableFlags::USER_ACCESSIBLE),
            executable: self.executable && !here.contains(PageTableFlags::NO_EXECUTE),
        }
    }
}

struct Audit<'a> {
    tables: Tables,
    alias: u64,
    summary: Summary,
    report: &'a mut dyn FnMut(Violation),
}

impl Audit<'_> {
    fn table(&mut self, table: u64, level: u8, start: u64, above: Rights) {
        let span = PAGE_SIZE << (9 * u64::from(level - 1));
        for index in 0..512 {
            let raw = self.tables.entry_of(table, index).load();
            if !present(raw) {
                continue;
            }
            let addr = canonical(start + index as u64 * span);
            let rights = above.and(raw);
            if level > 1 && !flags(raw).contains(PageTableFlags::HUGE_PAGE) {
                self.table(address(raw), level - 1, addr, rights);
            } else {
                self.page(addr, address(raw) & !(span - 1), rights);
            }
        }
    }

    fn page(&mut self, addr: u64, physical: u64, rights: Rights) {
        self.summary.pages += 1;
        if addr == 0 {
            self.violation(Violation::NullPage);
        }
        if rights.user {
            self.violation(Violation::UserAccessible(addr));
        }
        if !rights.executable {
            return;
        }
        self.summary.executable += 1;
        if rights.writable {
            self.violation(Violation::WriteAndExecute(addr));
        }
        if self.writable(self.alias + physical) {
            self.violation(Violation::WritableAlias(addr));
        }
    }

    fn violation(&mut self, violation: Violation) {
        self.summary.violations += 1;
        (self.report)(violation);
    }

    /// Whether the last entry for `addr` allows writing.
    fn writable(&self, addr: u64) -> bool {
        let raw = self.tables.find(addr).map_or(0, |(entry, _)| entry.load());
        present(raw) && flags(raw).contains(PageTableFlags::WRITABLE)
    }
}

/// Bits 63..48 are copies of bit 47.
const fn canonical(addr: u64) -> u64 {
    ((addr << 16).cast_signed() >> 16).cast_unsigned()
}

/// Checks all of this core's tables, and reports what breaks the rules.
pub fn run(report: &mut dyn FnMut(Violation)) -> Summary {
    over(paging::tables(), PHYS_MAP, report)
}

fn over(tables: Tables, alias: u64, report: &mut dyn FnMut(Violation)) -> Summary {
    let mut audit = Audit { tables, alias, summary: Summary::default(), report };
    audit.table(tables.root(), 4, 0, Rights::ALL);
    audit.summary
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{vec, vec::Vec};

    use super::{
        super::tables::tests::{Source, empty},
        *,
    };

    const ALIAS: u64 = 0xffff_8000_0000_0000;

    fn audit(pages: &[(u64, u64)]) -> (Summary, Vec<Violation>) {
        let (tables, source) = (empty(), Source::of(100));
        for &(page, raw) in pages {
            tables.reach(page, &source).unwrap().store(raw);
        }
        let mut found = vec![];
        let summary = over(tables, ALIAS, &mut |v| found.push(v));
        (summary, found)
    }

    #[test]
    fn accepts_code_data_and_a_read_only_alias() {
        let (summary, found) = audit(&[
            (0xffff_ffff_8000_0000, 0x5000 | paging::CODE.bits()),
            (ALIAS + 0x5000, 0x5000 | paging::CONSTANTS.bits()),
            (ALIAS + 0x6000, 0x6000 | paging::DATA.bits()),
        ]);
        assert_eq!(found, []);
        assert_eq!(summary, Summary { pages: 3, executable: 1, violations: 0 });
    }

    #[test]
    fn names_each_broken_promise() {
        let code = 0xffff_ffff_8000_0000;
        let writable = PageTableFlags::WRITABLE.bits();
        let (_, found) = audit(&[(code, 0x5000 | paging::CODE.bits() | writable)]);
        assert_eq!(found, [Violation::WriteAndExecute(code)]);
        let (_, found) = audit(&[(code, 0x5000 | paging::CODE.bits()), (ALIAS + 0x5000, 0x5000 | paging::DATA.bits())]);
        assert_eq!(found, [Violation::WritableAlias(code)]);
        assert_eq!(audit(&[(0, paging::DATA.bits())]).1, [Violation::NullPage]);
        let user = paging::DATA.bits() | PageTableFlags::USER_ACCESSIBLE.bits();
        assert_eq!(audit(&[(0x1000, user)]).1, [], "the levels above do not let user mode in");
    }
}
