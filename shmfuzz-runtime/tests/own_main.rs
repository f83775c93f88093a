//! A target with `harness = false`: each seed is a test of its own, and all pass.
#![forbid(unsafe_code)]

use shmfuzz_runtime::{Reject, fuzz_test};

#[fuzz_test(seeds = ["1", "2"])]
fn parses(text: &str) -> Result<(), std::num::ParseIntError> {
    text.parse::<u8>().map(drop)
}

#[fuzz_test]
fn has_no_seeds(_: Vec<u8>) -> Reject {
    Reject
}

#[fuzz_test(seeds = ["x"])]
#[ignore = "to see that it is"]
fn is_ignored(_: &[u8]) {
    panic!("an ignored fuzz test ran");
}

shmfuzz_runtime::main!();
