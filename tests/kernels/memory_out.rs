//! A stack that cannot grow for want of memory ends its goroutine with an error; the others go on.
#![no_std]
#![no_main]

use core::hint::black_box;

use gopark::{Builder, chan, go, println};

gopark::main!(main);

fn main() {
    let (question, asked) = chan::bounded(1);
    let (answer, answered) = chan::bounded(1);
    drop(go(move || asked.iter().try_for_each(|n: u32| answer.send(n + 1))));
    let hungry = Builder::new().stack_size(1 << 30).spawn(|| dig(0)).expect("address space is not memory");
    let error = hungry.join().expect_err("a guest with so little memory cannot hold its stack");
    println!("join: {error}");
    // The dead one's stack is kept, so memory stays short; who is there goes on.
    question.send(1).expect("it waits for that");
    println!("the other one answers {:?}", answered.recv());
}

#[inline(never)]
fn dig(depth: usize) -> usize {
    let frame = black_box([depth; 400]);
    if depth == usize::MAX { 0 } else { dig(depth + 1) + black_box(&frame)[7] }
}
