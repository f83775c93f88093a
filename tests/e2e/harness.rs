//! Harnesses: broken ones, and other runners than `cargo test`.

use crate::project::{Project, RunToEnd};
use serde_json::Value;

/// Go's script tests pin this: G20.
#[test]
fn a_harness_that_never_reaches_its_fuzz_test_is_exit_code_96() {
    let project = Project::from_fixture("harnesses", "broken");
    for (test, shown) in [
        ("unreached_by_exit", "the harness says why it exits"),
        ("unreached_by_panic", "the harness says why it panics"),
        ("unreached_at_all", "the harness has nothing to do"),
    ] {
        let output = project.shmfuzz(["run", "--time", "20s", "--exact", test]).run();
        output.code(96).says(&[test, shown]);
        let output = project.fuzz(test, &["--time", "20s"]).run().code(96);
        assert!(output.events_named("finding").is_empty(), "{output}");
        assert_eq!(output.event("finish")["exit_code"], 96, "{output}");
    }
    assert!(!project.path("testdata").exists());
}

#[test]
fn a_fuzz_test_that_closes_every_descriptor_is_fuzzed_like_any_other() {
    let zoo = Project::zoo("closes");
    // The second time, it goes on from what the first has found.
    for _ in 0..2 {
        let output = zoo.fuzz("quiet::closes_everything", &["--runs", "300"]).run().code(0);
        assert!(output.events_named("finding").is_empty(), "{output}");
        assert_eq!(output.event("finish")["tests"][0]["execs"], 300, "{output}");
    }
}

#[test]
fn a_fuzz_test_under_main_is_fuzzed() {
    let zoo = Project::zoo("under-main");
    let output = zoo.fuzz("finds", &["--runs", "300"]).run().code(100);
    assert_eq!(zoo.testdata("own_harness.finds").len(), 1, "{output}");
    let finding = output.event("finding");
    assert_eq!(finding["unit_test"], Value::Null, "no #[test] is run there\n{output}");
}

/// Prints that it was skipped where cargo-nextest is not installed.
#[test]
#[expect(clippy::print_stderr, reason = "a test that cannot run must not pass in silence")]
fn nextest_runs_both_kinds_of_harness() {
    let zoo = Project::from_fixture("zoo", "nextest");
    if zoo.cargo(["nextest", "--version"]).run().code != 0 {
        eprintln!("skipped: cargo-nextest is not installed");
        return;
    }
    let run = |filter: &str| zoo.cargo(["nextest", "run", "--no-fail-fast", "-E", filter]).run();
    run("binary(own_harness) & test(/^parses.b/)").code(100).says(&["parses/bad", "2 passed"]);
    run("binary(own_harness) & test(=parses/good)").code(0).says(&["1 passed"]);
    run("binary(integration)").code(100).says(&["integration.parses/bad", "1 passed", "1 failed"]);
    run("test(=seeds::does_nothing)").code(0).says(&["1 passed"]);
}
