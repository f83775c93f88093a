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

/// What this target lists with `SHMFUZZ_SEED` set to the input.
#[fuzz_test(seeds = ["seed#1", "nothing"])]
fn lists_the_selected_seed(name: &str) {
    let program = std::env::current_exe().expect("the executable has a path");
    let mut command = std::process::Command::new(program);
    let output = command.arg("--list").env("SHMFUZZ_SEED", name).output().expect("it starts");
    let list = String::from_utf8_lossy(&output.stdout).into_owned();
    let expected = match name {
        "seed#1" => "parses/seed#1: test\nlists_the_selected_seed/seed#1: test\n",
        _ => "",
    };
    assert_eq!(list, expected);
}

shmfuzz_runtime::main!();
