//! The loader's thinking, apart from its doing: what an ELF file must look like, and what the memory map becomes.
//!
//! Pure, and tested on the host; the doing is in the binary.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod config;
pub mod image;
pub mod regions;
