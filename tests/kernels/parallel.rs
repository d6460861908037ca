//! A1: as many goroutines as Ps really run at the same time. Each waits for its turn without yielding, so nobody gets
//! on unless all of them run.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;
use core::{
    hint::spin_loop,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
};

use gopark::{go, runtime};

gopark::main!(main);

static TURN: AtomicUsize = AtomicUsize::new(0);

fn main() {
    let procs = runtime::gomaxprocs();
    for _ in 0..10 {
        TURN.store(0, SeqCst);
        let all: Vec<_> = (0..procs).map(|me| go(move || take_turns(me, procs))).collect();
        for handle in all {
            handle.join().expect("it takes its turns");
        }
    }
}

fn take_turns(me: usize, procs: usize) {
    for round in 0..3 {
        let mine = procs * round + me;
        while TURN.load(SeqCst) != mine {
            spin_loop();
        }
        TURN.store(mine + 1, SeqCst);
    }
}
