//! The kernel command line: what is understood is done, what is not is named.

use gopark_tests::{
    kernel,
    trial::{Trial, trial},
};

pub fn rows() -> Vec<Trial> {
    let hello = || trial(kernel!("hello")).cores(&[2]);
    vec![
        hello()
            .variant("unknown")
            .append("foo=1")
            .expect("unknown setting \"foo=1\" ignored; known: gomaxprocs=N")
            .expect("hello"),
        hello()
            .variant("malformed")
            .append("gomaxprocs=none schedtrace=-1 panic=maybe")
            .expect("malformed setting \"gomaxprocs=none\" ignored; it takes gomaxprocs=N")
            .expect("malformed setting \"schedtrace=-1\"")
            .expect("it takes panic=goroutine|abort")
            .expect("hello from 2 cores, 2 Ps"),
        hello().variant("gomaxprocs").append("gomaxprocs=1").expect("hello from 2 cores, 1 Ps").forbid("setting"),
        hello()
            .variant("missing_core")
            .append("ghostcore=77")
            .expect("core with APIC id 77 did not start within its time: left out")
            .expect("hello from 2 cores"),
        hello()
            .variant("too_many_procs")
            .append("gomaxprocs=1024")
            .expect("gomaxprocs=1024")
            .expect("hello from 2 cores, 2 Ps"),
    ]
}
