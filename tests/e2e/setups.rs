//! What a fuzz test runs before its first call, and `async` bodies.

use crate::project::{Project, RunToEnd, name_of};
use fs_err as fs;
use std::collections::BTreeSet;

#[test]
fn a_setup_runs_once_in_each_process_that_runs_inputs() {
    let setups = Project::from_fixture("setups", "once");
    for (test, kind, prefix) in [
        ("tests::finds_with_its_setup", "panic", "crash-"),
        ("tests::aborts_with_its_setup", "abort", "abort-"),
    ] {
        let args = ["--seed", "1", "--jobs", "1", "--runs", "1000000", "--stop-on-crash"];
        let output = setups.fuzz(test, &args).run().code(100);
        let findings = output.events_named("finding");
        assert!(findings.iter().all(|finding| finding["kind"] == kind), "{output}");
        let files = setups.testdata(&test.replace("::", "."));
        let [file] = &files[..] else { panic!("{files:?}\n{output}") };
        assert!(name_of(file).starts_with(prefix), "{file:?}");
        // In the process of the test, in a child of it, and in one of the command.
        setups.cargo(["test", "--lib", test]).run().code(101).says(&[name_of(file)]);
        setups.shmfuzz(["repro", "--exact", test, name_of(file)]).run().code(100);
    }
    let log = fs::read_to_string(setups.private("log")).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    // The workers, the minimizer's and those that confirm among them, and the replays.
    assert!(lines.len() >= 8, "{log}");
    assert_eq!(lines.iter().collect::<BTreeSet<_>>().len(), lines.len(), "twice in one\n{log}");
}

#[test]
fn a_setup_that_fails_is_no_finding() {
    let setups = Project::from_fixture("setups", "fails");
    setups.write("input", "an input");
    for (test, why, how) in [
        (
            "tests::is_not_set_up",
            "its setup failed",
            "setup `panics` panicked at src/lib.rs:49:9: there is nothing to set up, so no input was run",
        ),
        (
            "tests::is_set_up_by_an_error",
            "its setup failed",
            "setup `fails` returned Err: \"no such table\", so no input was run",
        ),
        (
            "tests::is_set_up_by_an_abort",
            "its setup failed: the process was ended by SIGABRT",
            "the setup aborted the process (SIGABRT), so no input was run",
        ),
        (
            "tests::target::fuzz_target",
            "its setup failed",
            "setup `init` panicked at src/lib.rs:77:35: no init today, so no input was run",
        ),
    ] {
        let output = setups.fuzz(test, &["--time", "60s"]).run().code(96);
        assert!(output.events_named("finding").is_empty(), "{output}");
        assert!(output.both().contains(why), "{output}");
        setups.shmfuzz(["repro", "--exact", test, "input"]).run().code(96).says(&[how]);
    }
    assert!(!setups.path("testdata").exists());
    let output = setups.cargo(["test", "--lib", "is_not_set_up"]).run().code(101);
    let told = "tests::is_not_set_up: setup `panics` panicked at src/lib.rs:49:9: there is nothing";
    let n_told = output.says(&[told]).both().matches("so no input was run").count();
    assert_eq!(n_told, 1, "once, and not of each seed");
    let each = setups.cargo(["test", "--test", "own_main"]).run().code(101);
    each.says(&["setup `panics` panicked at tests/own_main.rs:6:5", "2 failed"]);
}

#[test]
fn async_bodies_are_fuzzed_with_values() {
    let setups = Project::from_fixture("setups", "async");
    let args = ["--seed", "1", "--jobs", "1", "--runs", "3000000", "--stop-on-crash"];
    let output = setups.fuzz("tests::awaits", &args).run().code(100);
    let files = setups.testdata("tests.awaits");
    let [file] = &files[..] else { panic!("{files:?}\n{output}") };
    let text = fs::read_to_string(file).unwrap();
    assert!(text.ends_with("\n305419896\n"), "{text}");
    let failed = setups.cargo(["test", "--lib", "awaits"]).run().code(101);
    failed.says(&["returned Err: \"two are right\""]);
}
