//! A parallel sum: each part is a goroutine that returns its result through its handle.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::{sync::Arc, vec::Vec};

use gopark::{JoinError, go, println};

gopark::main!(main);

const PARTS: usize = 16;

fn main() -> Result<(), JoinError> {
    let terms: Arc<[f64]> = (1..=1_600_000).map(|k| 1.0 / (f64::from(k) * f64::from(k))).collect();
    let size = terms.len() / PARTS;
    let parts: Vec<_> = (0..PARTS)
        .map(|part| {
            let terms = terms.clone();
            go(move || terms[part * size..(part + 1) * size].iter().sum::<f64>())
        })
        .collect();
    // Joined in the order of the parts, so that the rounding is the same each time.
    let mut sum = 0.0;
    for part in parts {
        sum += part.join()?;
    }
    println!("the first {} terms of the series for pi^2/6 add up to {sum:.9}", terms.len());
    Ok(())
}
