//! Fuzz tests that do to their process what no test should: what they find is found all the same,
//! and those beside them lose nothing.

use crate::project::{Project, RunToEnd, files_below};
use crate::run::Output;
use fs_err as fs;
use serde_json::Value;
use std::path::Path;

/// A fuzz test that is a nuisance, and how it fails on three bytes or more.
struct Nuisance {
    test: &'static str,
    kind: &'static str,
    message: &'static str,
}

const fn nuisance(test: &'static str, kind: &'static str, message: &'static str) -> Nuisance {
    Nuisance { test, kind, message }
}

/// Of one that only panics in the end.
const fn panics(test: &'static str) -> Nuisance {
    nuisance(test, "panic", "found all the same")
}

const NUISANCES: [Nuisance; 25] = [
    panics("closes_all_descriptors"),
    panics("closes_its_standard_streams"),
    panics("leaves_its_directory"),
    panics("deletes_its_directory"),
    panics("prints_without_end"),
    panics("forks_children_that_live_on"),
    panics("forks_children_that_exit"),
    panics("forks_children_that_abort"),
    panics("forks_children_that_return"),
    panics("forks_children_that_panic"),
    panics("spawns_threads_that_live_on"),
    nuisance("handles_signals_itself", "exit", "exited with status 9"),
    nuisance("ignores_signals_and_faults", "signal", "SIGSEGV"),
    nuisance("ignores_signals_and_aborts", "abort", "aborted"),
    nuisance("masks_all_signals_and_hangs", "timeout", "ran longer than 300ms"),
    nuisance("masks_all_signals_and_faults", "signal", "SIGSEGV"),
    nuisance("joins_the_group_of_its_parent_and_hangs", "timeout", "ran longer than 300ms"),
    // The input is overwritten too, by one that fails as well.
    panics("scribbles_when_it_fails"),
    panics("scribbles_in_every_call"),
    nuisance("scribbles_and_dies", "abort", "aborted"),
    nuisance("scribbles_astray", "signal", "SIGSEGV"),
    panics("limits_descriptors_to_none"),
    nuisance("limits_its_address_space", "oom", "memory allocation of 104857600 bytes failed"),
    nuisance("limits_its_processor_time", "signal", "SIGXCPU"),
    nuisance("panics_with_terminal_escapes", "panic", "\u{1b}[2J\u{1b}]0;owned\u{7}"),
];

impl Nuisance {
    fn check(&self, output: &Output) {
        let Self { test, kind, message } = self;
        let name = format!("nuisances::{test}");
        let findings = of_test(output, "finding", &name);
        assert_eq!(findings.len(), 1, "findings of {test}\n{output}");
        let finding = &findings[0];
        assert_eq!(finding["kind"], *kind, "{test}\n{output}");
        let said = finding["message"].as_str().unwrap();
        assert!(said.starts_with(message), "{test}: {said:?}\n{output}");
        assert_eq!(finding["reproducible"], true, "{test}\n{output}");
        let input = fs::read(finding["path"].as_str().unwrap()).unwrap();
        assert_eq!(finding["size"], input.len(), "{test}\n{output}");
        assert!(input.len() > 2, "{test}: {input:?} does not fail\n{output}");
    }
}

fn of_test(output: &Output, event: &str, test: &str) -> Vec<Value> {
    let mut events = output.events_named(event);
    events.retain(|event| event["test"] == test);
    events
}

/// That the fuzz test beside them has found all there is to find, and that it is on the disk.
fn is_unharmed(project: &Project, output: &Output) {
    let test = "healthy::finds_its_way";
    let findings = of_test(output, "finding", test);
    assert_eq!(findings.len(), 1, "{output}");
    assert_eq!(findings[0]["message"], "the healthy one fails", "{output}");
    let written = fs::read(&project.testdata("healthy.finds_its_way")[0]).unwrap();
    assert!(written.starts_with(b"shmfuz"), "{written:?}\n{output}");
    let prefixes: Vec<_> = cached(project).iter().map(|input| common(input)).collect();
    for n in 0..b"shmfuz".len() {
        assert!(prefixes.contains(&n), "an entry behind {n} comparisons: {prefixes:?}\n{output}");
    }
}

/// The cached entries of the healthy fuzz test.
fn cached(project: &Project) -> Vec<Vec<u8>> {
    let mut files = project.cache();
    files.retain(|file| file.parent().is_some_and(|dir| dir.ends_with("healthy.finds_its_way")));
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// How many bytes of an input are those that the healthy fuzz test wants.
fn common(input: &[u8]) -> usize {
    input.iter().zip(b"shmfuz").take_while(|(a, b)| a == b).count()
}

#[test]
fn nuisances_fail_as_what_they_are() {
    let hostile = Project::from_fixture("hostile", "nuisances");
    // Most of them end their process each time, and are given less and less to do.
    let args = ["run", "--message-format", "json", "--runs", "15", "--minimize-time", "0s"];
    let output = hostile.shmfuzz(args).arg("nuisances::").run().code(100);
    for nuisance in &NUISANCES {
        nuisance.check(&output);
    }
    assert_eq!(output.event("finish")["exit_code"], 100, "{output}");
    assert_eq!(files_below(&hostile.tmp()), [] as [&Path; 0], "temporary files\n{output}");
}

#[test]
fn nuisances_take_nothing_from_the_fuzz_tests_beside_them() {
    let hostile = Project::from_fixture("hostile", "beside-nuisances");
    let args = ["run", "--message-format", "json", "--jobs", "2", "--time", "30s"];
    let tests = ["nuisances::", "healthy::finds_its_way"];
    let output = hostile.shmfuzz(args).args(tests).run().code(100);
    is_unharmed(&hostile, &output);
}

#[test]
fn what_a_fuzz_test_says_cannot_drive_the_terminal() {
    let hostile = Project::from_fixture("hostile", "escapes");
    let test = "nuisances::panics_with_terminal_escapes";
    let args = ["run", "--runs", "200", "--minimize-time", "0s", "--exact", test];
    let output = hostile.shmfuzz(args).run().code(100).says(&["owned"]);
    let is_allowed = |c: char| !c.is_control() || c == '\n';
    let both = format!("{}{}", output.stdout, output.stderr);
    assert!(both.chars().all(is_allowed), "{:?}", both.chars().find(|c| !is_allowed(*c)));
    // A worker keeps the start of a message, and what is escaped grows.
    assert!(both.len() < 256 << 10, "{} bytes are shown", both.len());
}
