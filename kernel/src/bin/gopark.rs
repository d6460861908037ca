//! The default program.
#![no_std]
#![no_main]

use gopark::{go, println, runtime, time::{self, Duration}};

gopark::main!(main);

fn main() {
    println!("hello from goroutine {} on {} cores", runtime::goid(), runtime::num_cpu());
    let handles: [_; 4] = core::array::from_fn(|i| go(move || { time::sleep(Duration::from_millis(10)); println!("g {} on core {}", runtime::goid(), runtime::core_id()); i * 2 }));
    for h in handles { println!("{:?}", h.join()); }
}
