//! Seeds under the default harness: what a failing run says. The fuzz tests that fail are ignored,
//! and started by the tests one at a time, as a user would.
#![forbid(unsafe_code)]

use std::process::{Command, Output};

use shmfuzz_runtime::fuzz_test;

#[fuzz_test(seeds = ["bad", "good", "worse"])]
#[ignore = "fails"]
fn fails_on_some(text: &str) -> Result<(), String> {
    match text {
        "bad" => Err("not good".to_owned()),
        "worse" => panic!("two\nlines"),
        _ => Ok(()),
    }
}

/// Its seeds are the files in this package's `testdata/fuzz/seeds.reads_files/`.
#[fuzz_test]
#[ignore = "fails"]
fn reads_files(text: String) {
    match text.as_str() {
        "exit" => std::process::exit(0),
        "hang" => loop {
            std::thread::park();
        },
        _ => {}
    }
}

#[fuzz_test]
#[ignore = "fails"]
fn has_bad_limits(_: &[u8]) {}

fn run(path: &str, environment: &[(&str, &str)]) -> (Output, String) {
    run_with(&["--exact", path], environment)
}

fn run_with(arguments: &[&str], environment: &[(&str, &str)]) -> (Output, String) {
    let program = std::env::current_exe().expect("the executable has a path");
    let mut command = Command::new(program);
    command.args(arguments).arg("--include-ignored").env_remove("RUST_BACKTRACE");
    let output = command.envs(environment.iter().copied()).output().expect("it starts");
    let text = [&output.stdout[..], &output.stderr].concat();
    (output, String::from_utf8_lossy(&text).into_owned())
}

/// The list of failing seeds, one a line.
fn failures(text: &str) -> Vec<&str> {
    let list = text.lines().skip_while(|line| !line.ends_with(" failed:")).skip(1);
    list.map_while(|line| line.strip_prefix("  ")).collect()
}

#[test]
fn every_seed_runs_and_each_failure_has_a_line() {
    let (output, text) = run("fails_on_some", &[]);
    assert_eq!(output.status.code(), Some(101));
    assert!(text.contains("2 of 3 seeds of fails_on_some failed:"), "{text}");
    let lines = failures(&text);
    assert_eq!(lines[0], "seed#0: returned Err: \"not good\"");
    assert!(lines[1].starts_with("seed#2: panicked at "), "{text}");
    assert!(lines[1].ends_with(": two; lines"), "{text}");
    assert_eq!(lines.len(), 2, "{text}");
}

#[test]
fn one_seed_can_be_selected() {
    let (output, text) = run("fails_on_some", &[("SHMFUZZ_SEED", "seed#1")]);
    assert!(output.status.success(), "{text}");
    let (_, text) = run("fails_on_some", &[("SHMFUZZ_SEED", "seed#2")]);
    assert_eq!(failures(&text).len(), 1, "{text}");
    let (output, text) = run("fails_on_some", &[("SHMFUZZ_SEED", "nothing")]);
    assert_eq!(output.status.code(), Some(101));
    let words = "no such seed of fails_on_some; there are: seed#0, seed#1, seed#2";
    assert!(text.contains(words), "{text}");
    let (output, _) = run_with(&["fails_on_some"], &[("SHMFUZZ_SEED", "nothing")]);
    assert_eq!(output.status.code(), Some(101));
}

#[test]
fn a_seed_of_another_fuzz_test_is_no_failure_of_those_that_run_with_it() {
    let arguments = ["--exact", "fails_on_some", "reads_files", "--nocapture"];
    let (output, text) = run_with(&arguments, &[("SHMFUZZ_SEED", "a-text")]);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("SHMFUZZ_SEED=a-text: no such seed of fails_on_some"), "{text}");
    assert!(text.contains("2 passed"), "{text}");
    let (_, text) = run_with(&arguments, &[("SHMFUZZ_SEED", "not-text")]);
    assert!(text.contains("1 of 1 seeds of reads_files failed:"), "{text}");
    assert!(text.contains("1 passed; 1 failed"), "{text}");
}

#[test]
#[cfg(unix)]
fn failing_files_are_named_and_other_files_are_no_seeds() {
    let (output, text) = run("reads_files", &[]);
    assert_eq!(output.status.code(), Some(101));
    assert!(text.contains("3 of 4 seeds of reads_files failed:"), "{text}");
    let folder = "testdata/fuzz/seeds.reads_files";
    let expected = [
        format!("{folder}/exit-f1d6b2c8a4e09375: ended the process with exit status 0"),
        format!("{folder}/not-text: not valid UTF-8 at byte 1"),
        format!("{folder}/timeout-5a0be8c91d27f346: still ran after the timeout of 100ms"),
    ];
    assert_eq!(failures(&text), expected, "{text}");
}

#[test]
fn a_debugger_gets_the_death_in_its_own_process() {
    let environment = [("SHMFUZZ_REPLAY", "in-process"), ("SHMFUZZ_SEED", "exit-f1d6b2c8a4e09375")];
    let (output, text) = run("reads_files", &environment);
    assert!(!text.contains("test result:"), "{text}");
    #[cfg(unix)]
    assert_eq!(output.status.code(), Some(101));
    #[cfg(not(unix))]
    let _ = output;
}

#[test]
fn one_file_is_replayed_for_whoever_asks() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/fuzz/seeds.reads_files/");
    let (output, text) = run("reads_files", &[("SHMFUZZ_REPLAY", &format!("{folder}a-text"))]);
    assert!(output.status.success(), "{text}");
    let (output, text) = run("reads_files", &[("SHMFUZZ_REPLAY", &format!("{folder}not-text"))]);
    assert_eq!(output.status.code(), Some(101));
    assert!(text.contains("not valid UTF-8 at byte 1"), "{text}");
    let (output, text) = run("reads_files", &[("SHMFUZZ_REPLAY", &format!("{folder}none"))]);
    assert_eq!(output.status.code(), Some(101));
    assert!(text.contains("cannot read ") && text.contains("/none: "), "{text}");
}

#[test]
fn bad_limits_are_named_with_their_line() {
    let (_, text) = run("has_bad_limits", &[]);
    assert!(text.contains("seeds.has_bad_limits/.limits: line 1: expected "), "{text}");
}

#[test]
fn a_worker_without_instrumentation_says_so() {
    let (output, text) = run("fails_on_some", &[("SHMFUZZ_WORKER", "3,4")]);
    assert_eq!(output.status.code(), Some(96));
    assert!(text.contains("built without instrumentation"), "{text}");
}
