//! A panic in `main` ends the system and says where.
#![no_std]
#![no_main]

gopark::main!(main);

fn main() {
    give_up();
}

#[inline(never)]
fn give_up() {
    panic!("main gives up");
}
