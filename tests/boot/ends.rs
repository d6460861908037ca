//! How a system ends: panics, deadlocks, CPU exceptions, exit codes. Each names what happened, and none hangs.

use gopark_tests::{
    kernel,
    trial::{Trial, trial},
};

pub fn rows() -> Vec<Trial> {
    let mut rows = vec![
        trial(kernel!("panic_goroutine"))
            .expect("panic: number 0 gives up")
            .expect("panic_goroutine.rs:")
            .expect("panic: number 19 gives up")
            .expect("main goes on"),
        trial(kernel!("panic_goroutine"))
            .variant("abort")
            .append("panic=abort")
            .crash("a panic")
            .expect("panic: number 0 gives up")
            .forbid("number 1 gives up")
            .forbid("main goes on"),
        trial(kernel!("panic_main"))
            .crash("a panic in main")
            .expect("panic: main gives up")
            .expect("panic_main.rs:")
            .expect("goroutine 1")
            .expect("give_up"),
        trial(kernel!("crash"))
            .variant("recursive")
            .append("-- recursive")
            .crash("a fatal error")
            .expect("panic: told by ")
            .expect("the message's own panic")
            .expect("fatal error while reporting a fatal error"),
        trial(kernel!("crash"))
            .variant("in_goroutine")
            .append("-- in_goroutine")
            .crash("a panic in main")
            .anywhere("the message's own panic"),
        trial(kernel!("crash"))
            .variant("concurrent")
            .cores(&[1, 2, 4, 8])
            .append("panic=abort -- concurrent")
            .crash("a panic in main")
            .expect("panic: crash number "),
        trial(kernel!("deadlock"))
            .crash("a deadlock")
            .expect("fatal error: all goroutines are asleep - deadlock!")
            .anywhere("goroutine 1 [chan receive]:")
            .anywhere("[sync.WaitGroup.Wait]:")
            .anywhere("[sync.Mutex.Lock]:")
            .expect("created at tests/kernels/deadlock.rs:")
            .expect("in goroutine 1")
            .forbid("[sleep]"),
        trial(kernel!("exit_code")).status(42).expect("leaving with 42"),
    ];
    rows.extend(faults());
    rows
}

/// CPU exceptions, one kind per boot. What must be on the console names the exception and the place.
fn faults() -> Vec<Trial> {
    let fault = |variant, append| {
        trial(kernel!("fault"))
            .variant(variant)
            .append(append)
            .cores(&[1, 2])
            .crash("a CPU exception")
            .forbid("still alive")
    };
    vec![
        fault("undefined", "undefined").expect("exception 6 (invalid opcode)").expect("rip=").expect("undefined"),
        fault("divide", "divide").expect("exception 0 (divide error)"),
        fault("null", "null").expect("exception 14 (page fault)").expect("cr2=0000000000000000"),
        fault("far", "far").expect("exception 13 (general protection)"),
        fault("write_text", "write_text").expect("exception 14 (page fault), error code 0x3"),
        fault("write_rodata", "write_rodata").expect("exception 14 (page fault), error code 0x3"),
        fault("run_heap", "run_heap").expect("exception 14 (page fault), error code 0x11"),
        fault("run_stack", "run_stack").expect("exception 14 (page fault), error code 0x11"),
        fault("bad_stack", "bad_stack").expect("exception"),
    ]
}
