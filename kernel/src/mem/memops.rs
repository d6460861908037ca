//! Copying, filling and comparing memory: what the compiler calls `memcpy`, `memmove`, `memset`, `memcmp` and `bcmp`.
//!
//! `gopark::main!` exports them under these names in the final program: [`copy`] as the first two, [`fill`] as
//! `memset`, [`compare`] as the last two.
//!
//! All is assembly: written in Rust, the loops would be turned into calls of themselves. Up to 64 bytes there is no
//! loop at all: the block is covered by loads from both ends that overlap in the middle, and all loads come before the
//! first store, so that source and target may overlap. Above that, 64 bytes a turn.
//!
//! *Context.* Anywhere. Uses xmm0..7, which every way out of running code saves.
//!
//! *Rejected.* `rep movsb`: virtual machines and instruction counting charge it per byte. AVX: absent by contract.

use core::arch::naked_asm;

/// Copies `len` bytes, which may overlap; returns `to`.
///
/// # Safety
/// `from` may be read and `to` written for `len` bytes.
#[unsafe(naked)]
pub unsafe extern "C" fn copy(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    naked_asm!(
        "mov rax, rdi",
        "cmp rdx, 16",
        "jb 20f",
        "movups xmm0, [rsi]",
        "movups xmm1, [rsi + rdx - 16]",
        "cmp rdx, 32",
        "ja 40f",
        "movups [rdi], xmm0",
        "movups [rdi + rdx - 16], xmm1",
        "ret",
        // 33 bytes and more: both halves of the first and the last 32.
        "40:",
        "movups xmm2, [rsi + 16]",
        "movups xmm3, [rsi + rdx - 32]",
        "cmp rdx, 64",
        "ja 12f",
        "movups [rdi], xmm0",
        "movups [rdi + 16], xmm2",
        "movups [rdi + rdx - 32], xmm3",
        "movups [rdi + rdx - 16], xmm1",
        "ret",
        // More than 64: downwards if the target begins inside the source.
        "12:",
        "mov rcx, rdi",
        "sub rcx, rsi",
        "cmp rcx, rdx",
        "jb {down}",
        "jmp {up}",
        // 15 bytes and fewer.
        "20:",
        "cmp edx, 8",
        "jb 22f",
        "mov rcx, [rsi]",
        "mov r8, [rsi + rdx - 8]",
        "mov [rdi], rcx",
        "mov [rdi + rdx - 8], r8",
        "ret",
        "22:",
        "cmp edx, 4",
        "jb 24f",
        "mov ecx, [rsi]",
        "mov r8d, [rsi + rdx - 4]",
        "mov [rdi], ecx",
        "mov [rdi + rdx - 4], r8d",
        "ret",
        "24:",
        "test edx, edx",
        "jz 26f",
        // 1 to 3: the first, the middle, the last, which may be the same.
        "movzx ecx, byte ptr [rsi]",
        "movzx r8d, byte ptr [rsi + rdx - 1]",
        "mov r9, rdx",
        "shr r9, 1",
        "movzx r10d, byte ptr [rsi + r9]",
        "mov [rdi], cl",
        "mov [rdi + r9], r10b",
        "mov [rdi + rdx - 1], r8b",
        "26:",
        "ret",
        down = sym copy_down,
        up = sym copy_up,
    )
}

/// What `memmove` is exported as: one routine does both, for two instructions more in long copies.
pub use self::copy as copy_overlapping;

/// The part of [`copy`] for more than 64 bytes, from the first to the last. The last 64 bytes are loaded first (xmm3
/// and xmm1 are half of them) and stored last.
#[unsafe(naked)]
unsafe extern "C" fn copy_up() {
    naked_asm!(
        "movups xmm4, [rsi + rdx - 64]",
        "movups xmm5, [rsi + rdx - 48]",
        "movaps xmm6, xmm3",
        "movaps xmm7, xmm1",
        // rcx counts up to 0, where both pointers are 64 bytes before the end.
        "lea rsi, [rsi + rdx - 64]",
        "lea rdi, [rdi + rdx - 64]",
        "mov ecx, 64",
        "sub rcx, rdx",
        "14:",
        "movups xmm0, [rsi + rcx]",
        "movups xmm1, [rsi + rcx + 16]",
        "movups xmm2, [rsi + rcx + 32]",
        "movups xmm3, [rsi + rcx + 48]",
        "movups [rdi + rcx], xmm0",
        "movups [rdi + rcx + 16], xmm1",
        "movups [rdi + rcx + 32], xmm2",
        "movups [rdi + rcx + 48], xmm3",
        "add rcx, 64",
        "jl 14b",
        "movups [rdi], xmm4",
        "movups [rdi + 16], xmm5",
        "movups [rdi + 32], xmm6",
        "movups [rdi + 48], xmm7",
        "ret",
    )
}

/// The part of [`copy`] for more than 64 bytes, from the last to the first. The first 64 bytes are loaded first (xmm0
/// and xmm2 are half of them) and stored last.
#[unsafe(naked)]
unsafe extern "C" fn copy_down() {
    naked_asm!(
        "16:",
        "movaps xmm4, xmm0",
        "movaps xmm5, xmm2",
        "movups xmm6, [rsi + 32]",
        "movups xmm7, [rsi + 48]",
        "18:",
        "movups xmm0, [rsi + rdx - 16]",
        "movups xmm1, [rsi + rdx - 32]",
        "movups xmm2, [rsi + rdx - 48]",
        "movups xmm3, [rsi + rdx - 64]",
        "movups [rdi + rdx - 16], xmm0",
        "movups [rdi + rdx - 32], xmm1",
        "movups [rdi + rdx - 48], xmm2",
        "movups [rdi + rdx - 64], xmm3",
        "sub rdx, 64",
        "cmp rdx, 64",
        "ja 18b",
        "movups [rdi], xmm4",
        "movups [rdi + 16], xmm5",
        "movups [rdi + 32], xmm6",
        "movups [rdi + 48], xmm7",
        "ret",
    )
}

/// Sets `len` bytes to the low byte of `value`; returns `to`.
///
/// # Safety
/// `to` may be written for `len` bytes.
#[unsafe(naked)]
pub unsafe extern "C" fn fill(to: *mut u8, value: i32, len: usize) -> *mut u8 {
    naked_asm!(
        "mov rax, rdi",
        "movzx esi, sil",
        "movabs rcx, 0x0101010101010101",
        "imul rcx, rsi",
        "cmp rdx, 16",
        "jb 20f",
        "movq xmm0, rcx",
        "punpcklqdq xmm0, xmm0",
        "movups [rdi], xmm0",
        "movups [rdi + rdx - 16], xmm0",
        "cmp rdx, 32",
        "jbe 12f",
        "movups [rdi + 16], xmm0",
        "movups [rdi + rdx - 32], xmm0",
        "cmp rdx, 64",
        "jbe 12f",
        // The last 64 bytes, then all in front of them.
        "lea r8, [rdi + rdx - 64]",
        "movups [r8], xmm0",
        "movups [r8 + 16], xmm0",
        "40:",
        "movups [rdi], xmm0",
        "movups [rdi + 16], xmm0",
        "movups [rdi + 32], xmm0",
        "movups [rdi + 48], xmm0",
        "add rdi, 64",
        "cmp rdi, r8",
        "jb 40b",
        "12:",
        "ret",
        "20:",
        "cmp edx, 8",
        "jb 22f",
        "mov [rdi], rcx",
        "mov [rdi + rdx - 8], rcx",
        "ret",
        "22:",
        "cmp edx, 4",
        "jb 24f",
        "mov [rdi], ecx",
        "mov [rdi + rdx - 4], ecx",
        "ret",
        "24:",
        "test edx, edx",
        "jz 26f",
        "mov [rdi], cl",
        "mov [rdi + rdx - 1], cl",
        "shr edx, 1",
        "mov [rdi + rdx], cl",
        "26:",
        "ret",
    )
}

/// Compares `len` bytes: negative, 0 or positive, as the first byte of `a` that differs is below, or above that of `b`.
///
/// # Safety
/// `a` and `b` may be read for `len` bytes.
#[unsafe(naked)]
pub unsafe extern "C" fn compare(a: *const u8, b: *const u8, len: usize) -> i32 {
    naked_asm!(
        "cmp rdx, 16",
        "jb {short}",
        // 16 bytes a turn, up to the last 16, which are compared once more in part.
        "lea r8, [rdx - 16]",
        "xor ecx, ecx",
        "40:",
        "movups xmm0, [rdi + rcx]",
        "movups xmm1, [rsi + rcx]",
        "pcmpeqb xmm0, xmm1",
        "pmovmskb eax, xmm0",
        "xor eax, 0xffff",
        "jnz 14f",
        "add rcx, 16",
        "cmp rcx, r8",
        "jb 40b",
        "mov rcx, r8",
        "movups xmm0, [rdi + rcx]",
        "movups xmm1, [rsi + rcx]",
        "pcmpeqb xmm0, xmm1",
        "pmovmskb eax, xmm0",
        "xor eax, 0xffff",
        "jnz 14f",
        "ret",
        "14:",
        "bsf eax, eax",
        "add rcx, rax",
        "movzx eax, byte ptr [rdi + rcx]",
        "movzx ecx, byte ptr [rsi + rcx]",
        "sub eax, ecx",
        "ret",
        short = sym compare_short,
    )
}

/// The part of [`compare`] for up to 15 bytes: big-endian words compare like their bytes.
#[unsafe(naked)]
unsafe extern "C" fn compare_short() {
    naked_asm!(
        "cmp edx, 8",
        "jb 22f",
        "mov rax, [rdi]",
        "mov rcx, [rsi]",
        "cmp rax, rcx",
        "jne 28f",
        "mov rax, [rdi + rdx - 8]",
        "mov rcx, [rsi + rdx - 8]",
        "jmp 28f",
        "22:",
        "cmp edx, 4",
        "jb 24f",
        "mov eax, [rdi]",
        "mov ecx, [rsi]",
        "cmp eax, ecx",
        "jne 28f",
        "mov eax, [rdi + rdx - 4]",
        "mov ecx, [rsi + rdx - 4]",
        "28:",
        "bswap rax",
        "bswap rcx",
        "cmp rax, rcx",
        "seta al",
        "setb cl",
        "movzx eax, al",
        "movzx ecx, cl",
        "sub eax, ecx",
        "ret",
        "24:",
        "xor eax, eax",
        "test edx, edx",
        "jz 30f",
        "26:",
        "movzx eax, byte ptr [rdi]",
        "movzx ecx, byte ptr [rsi]",
        "sub eax, ecx",
        "jnz 30f",
        "inc rdi",
        "inc rsi",
        "dec edx",
        "jnz 26b",
        "30:",
        "ret",
    )
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{vec, vec::Vec};

    use super::*;

    const LONGEST: usize = 300;

    fn pattern(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 7 + i / 256 + 1) as u8).collect()
    }

    #[test]
    fn copies_every_length_at_every_alignment() {
        let source = pattern(LONGEST + 32);
        for len in 0..=LONGEST {
            for (a, b) in (0..16).flat_map(|a| (0..16).map(move |b| (a, b))) {
                let mut target = vec![0u8; LONGEST + 48];
                let to = target[b..].as_mut_ptr();
                // SAFETY: both are longer than `len` at these offsets.
                assert_eq!(unsafe { copy(to, source[a..].as_ptr(), len) }, to);
                assert_eq!(target[b..b + len], source[a..a + len]);
                assert!(target[..b].iter().chain(&target[b + len..]).all(|&x| x == 0), "{len} {a} {b}");
            }
        }
    }

    #[test]
    fn copies_overlapping_blocks_both_ways() {
        for len in 0..=LONGEST {
            for distance in (0..=130).chain([len.saturating_sub(1), len, len + 1]) {
                for (from, to) in [(0, distance), (distance, 0)] {
                    let mut memory = pattern(2 * LONGEST + 140);
                    let mut expected = memory.clone();
                    expected.copy_within(from..from + len, to);
                    let base = memory.as_mut_ptr();
                    let (from, to) = (base.wrapping_add(from), base.wrapping_add(to));
                    // SAFETY: both ranges are inside `memory`.
                    unsafe { copy(to, from, len) };
                    assert_eq!(memory, expected, "{len} {distance}");
                }
            }
        }
    }

    #[test]
    fn fills_exactly() {
        for len in 0..=LONGEST {
            for at in 0..16 {
                let mut memory = vec![0x55u8; LONGEST + 32];
                let to = memory[at..].as_mut_ptr();
                // SAFETY: inside `memory`.
                assert_eq!(unsafe { fill(to, 0x1ab, len) }, to);
                assert!(memory[at..at + len].iter().all(|&x| x == 0xab));
                assert!(memory[..at].iter().chain(&memory[at + len..]).all(|&x| x == 0x55), "{len} {at}");
            }
        }
    }

    #[test]
    fn compares_as_unsigned_bytes_at_the_first_difference() {
        for len in 0..=LONGEST {
            let a = pattern(len + 16);
            for at in [0, 1, 7] {
                let mut b = vec![0; at];
                b.extend_from_slice(&a);
                // SAFETY: inside both.
                assert_eq!(unsafe { compare(a.as_ptr(), b[at..].as_ptr(), len) }, 0);
                for i in 0..len {
                    let old = core::mem::replace(&mut b[at + i], a[i] ^ 0x80);
                    // A later difference the other way must not count.
                    let last = core::mem::replace(&mut b[at + len], a[len] ^ 0x80);
                    // SAFETY: inside both.
                    let order = unsafe { compare(a.as_ptr(), b[at..].as_ptr(), len) };
                    assert_eq!(order.signum(), a[..len].cmp(&b[at..at + len]) as i32, "{len} {i}");
                    (b[at + i], b[at + len]) = (old, last);
                }
            }
        }
    }

    #[test]
    fn copies_long_blocks() {
        let source = pattern(100_000);
        for len in [4096, 65_536, 99_999] {
            let mut target = vec![0; len];
            // SAFETY: both are that long.
            unsafe { copy(target.as_mut_ptr(), source.as_ptr(), len) };
            assert_eq!(target, source[..len]);
        }
    }
}
