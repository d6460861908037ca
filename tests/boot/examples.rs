//! The examples do what they say.

use gopark_tests::{
    kernel,
    trial::{Trial, trial},
};

pub fn rows() -> Vec<Trial> {
    vec![
        trial(kernel!("example-hello")).expect("hello from goroutine 1"),
        trial(kernel!("example-parallel_sum")).expect("for pi^2/6 add up to 1.644933442"),
        trial(kernel!("example-pipeline")).expect("the squares of the odd numbers up to 20 add up to 1330"),
        trial(kernel!("example-sleep_sort")).expect("1 wakes after 0").expect("11 wakes after 9").expect("all awake"),
        trial(kernel!("example-squares")).expect("the squares up to 10 add up to 385"),
        trial(kernel!("example-survivor"))
            .expect("panic: the account is overdrawn by 20")
            .expect("asked for 90: goroutine ")
            .expect("the account: the goroutine that held the lock died"),
        trial(kernel!("example-worker_pool")).expect("10080 has 72"),
    ]
}
