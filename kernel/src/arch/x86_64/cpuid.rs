//! What the processor says about itself, as far as clock and interrupts need it.
//!
//! Its one job is to turn CPUID leaves into named answers; deciding what to do with them is left to the callers.
//! Leaves are described in Intel SDM vol. 2, CPUID; those of hypervisors in "CPUID usage for interaction between
//! hypervisors and Linux" (leaf 0x4000_0010, first defined by VMware).

#![forbid(unsafe_code)]

use core::arch::x86_64::{__cpuid, __cpuid_count, CpuidResult};

use super::calibrate::Source;

const TOPOLOGY: u32 = 0x0b;
const TSC_AND_CRYSTAL: u32 = 0x15;
const FREQUENCIES: u32 = 0x16;
const HYPERVISOR: u32 = 0x4000_0000;
const HYPERVISOR_TIMING: u32 = 0x4000_0010;

fn leaf(number: u32) -> Option<CpuidResult> {
    (__cpuid(0).eax >= number).then(|| __cpuid_count(number, 0))
}

/// This core's APIC id: all 32 bits where the processor gives them, else the initial 8 bits.
pub fn apic_id() -> u32 {
    leaf(TOPOLOGY).filter(|found| found.ebx != 0).map_or_else(|| __cpuid(1).ebx >> 24, |found| found.edx)
}

/// Whether the local APIC can be driven by MSRs.
pub fn has_x2apic() -> bool {
    __cpuid(1).ecx & 1 << 21 != 0
}

/// Whether the local APIC's timer can wait for a value of the TSC.
pub fn has_tsc_deadline() -> bool {
    __cpuid(1).ecx & 1 << 24 != 0
}

/// Frequencies that the processor or the hypervisor states, in Hz.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stated {
    /// The time-stamp counter's.
    pub tsc_hz: u64,
    /// The local APIC timer's, undivided, if that is stated too.
    pub apic_hz: Option<u64>,
    /// Who says so.
    pub source: Source,
}

/// The frequencies as stated by CPUID, if they are.
pub fn stated_frequencies() -> Option<Stated> {
    processor_frequencies().or_else(hypervisor_frequencies)
}

fn processor_frequencies() -> Option<Stated> {
    let ratio = leaf(TSC_AND_CRYSTAL)?;
    from_ratio(ratio, leaf(FREQUENCIES).map_or(0, |found| found.eax & 0xffff))
}

/// Intel SDM vol. 3, 18.7.3: TSC = crystal * EBX / EAX. Some processors leave the crystal out; then the TSC runs at
/// the base frequency, and the crystal follows from that. Where the leaf is there the APIC timer counts the crystal.
fn from_ratio(ratio: CpuidResult, base_mhz: u32) -> Option<Stated> {
    if ratio.eax == 0 || ratio.ebx == 0 {
        return None;
    }
    let (denominator, numerator) = (u64::from(ratio.eax), u64::from(ratio.ebx));
    let base = u64::from(base_mhz) * 1_000_000;
    let (tsc_hz, crystal, source) = match (u64::from(ratio.ecx), base) {
        (0, 0) => return None,
        (0, base) => (base, base * denominator / numerator, Source::Base),
        (crystal, _) => (crystal * numerator / denominator, crystal, Source::Crystal),
    };
    Some(Stated { tsc_hz, apic_hz: Some(crystal), source })
}

fn hypervisor_frequencies() -> Option<Stated> {
    let is_guest = __cpuid(1).ecx & 1 << 31 != 0;
    if !is_guest || __cpuid(HYPERVISOR).eax < HYPERVISOR_TIMING {
        return None;
    }
    let khz = __cpuid(HYPERVISOR_TIMING);
    let apic_hz = Some(u64::from(khz.ebx) * 1000).filter(|&hz| hz != 0);
    (khz.eax != 0).then(|| Stated { tsc_hz: u64::from(khz.eax) * 1000, apic_hz, source: Source::Hypervisor })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(eax: u32, ebx: u32, ecx: u32) -> CpuidResult {
        CpuidResult { eax, ebx, ecx, edx: 0 }
    }

    #[test]
    fn a_stated_crystal_is_scaled() {
        let stated = from_ratio(ratio(2, 250, 24_000_000), 0).expect("all three are there");
        assert_eq!((stated.tsc_hz, stated.apic_hz), (3_000_000_000, Some(24_000_000)));
    }

    #[test]
    fn a_missing_crystal_comes_from_the_base_frequency() {
        let stated = from_ratio(ratio(2, 250, 0), 3000).expect("the base frequency helps out");
        assert_eq!((stated.tsc_hz, stated.apic_hz), (3_000_000_000, Some(24_000_000)));
    }

    #[test]
    fn half_a_statement_is_none() {
        assert_eq!(from_ratio(ratio(0, 250, 24_000_000), 3000), None);
        assert_eq!(from_ratio(ratio(2, 250, 0), 0), None);
    }
}
