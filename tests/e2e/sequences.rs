//! Failures that need the inputs before them: they are kept as sequences, and happen again.

use crate::project::{Project, RunToEnd, name_of};
use crate::run::Output;
use fs_err as fs;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A search starts thousands of workers, and each copy of the fixture is built over the others in
/// their target directory: these tests have one of their own, and go one after the other.
static TARGET: Mutex<()> = Mutex::new(());

fn hostile(label: &str) -> (Project, MutexGuard<'static, ()>) {
    let guard = TARGET.lock().unwrap_or_else(PoisonError::into_inner);
    (Project::from_fixture("hostile", label).with_target("sequences"), guard)
}

/// Fuzzes until the failure is found with the inputs that it needs, and these are small; -> what was
/// said, and the file of the sequence.
fn search(hostile: &Project, test: &str) -> (Output, PathBuf) {
    let name = format!("sequences::{test}");
    let args = ["--jobs", "1", "--time", "120s", "--stop-on-crash"];
    let output = hostile.fuzz(&name, &args).run().code(100);
    let files = hostile.testdata(&name.replace("::", "."));
    assert_eq!(files.len(), 1, "the input alone is no finding: {files:?}\n{output}");
    let file = files[0].clone();
    assert!(name_of(&file).ends_with(".sequence"), "{file:?}\n{output}");
    (output, file)
}

/// The inputs in a sequence's file, as they stand there.
fn inputs(file: &PathBuf) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let mut lines = text.lines().map(str::to_owned);
    assert_eq!(lines.next().as_deref(), Some("cargo-shmfuzz sequence v1"));
    lines.collect()
}

/// That a sequence fails by `cargo test` and by `repro`, by its name.
fn fails_again(hostile: &Project, test: &str, file: &PathBuf, says: &[&str]) {
    let name = format!("sequences::{test}");
    let output = hostile.cargo(["test", "--lib", "--", "--exact", &name]).run().code(101);
    output.says(&[name_of(file)]).says(says);
    let output = hostile.shmfuzz(["repro", "--exact", &name]).arg(file).run().code(100);
    output.says(says);
}

#[test]
fn four_hits_are_a_sequence_of_four_inputs() {
    let (hostile, _guard) = hostile("fourth-hit");
    let test = "panics_at_the_fourth_hit";
    let (output, file) = search(&hostile, test);
    let finding = output.event("finding");
    assert_eq!((&finding["sequence"], &finding["reproducible"]), (&4.into(), &true.into()));
    assert_eq!(
        (&finding["kind"], &finding["message"]),
        (&"panic".into(), &"the fourth hit".into())
    );
    let inputs = inputs(&file);
    assert_eq!(inputs.len(), 4, "{inputs:?}\n{output}");
    assert!(inputs.iter().all(|input| input.len() == "b\"K.y.\"".len()), "{inputs:?}\n{output}");
    fails_again(&hostile, test, &file, &["the fourth hit", "input 4 of 4"]);
    // The next campaign knows it.
    let name = format!("sequences::{test}");
    let output = hostile.fuzz(&name, &["--jobs", "1", "--runs", "20000"]).run().code(0);
    assert_eq!(output.event("known")["seed"], name_of(&file), "{output}");
    // Mended, or no sequence any more.
    fs::write(&file, "cargo-shmfuzz sequence v1\nb\"K y \"\n").unwrap();
    hostile.cargo(["test", "--lib", "--", "--exact", &name]).run().code(0);
    fs::write(&file, "cargo-shmfuzz sequence v1\nK y \n").unwrap();
    let output = hostile.cargo(["test", "--lib", "--", "--exact", &name]).run().code(101);
    output.says(&[name_of(&file), "not a sequence: line 2, column 1"]);
    let output = hostile.fuzz(&name, &["--runs", "1000"]).run();
    let warnings = output.events_named("warning");
    let says = |event: &Value| event["text"].as_str().unwrap().contains("line 2, column 1");
    assert!(warnings.iter().any(says), "{output}");
    let output = hostile.shmfuzz(["minimize", "--exact", &name]).arg(&file).run();
    output.code(2).says(&["is a sequence of inputs"]);
}

#[test]
fn a_sequence_may_end_the_process() {
    let (hostile, _guard) = hostile("second-hit");
    let test = "aborts_at_the_second_hit";
    let (output, file) = search(&hostile, test);
    assert_eq!(output.event("finding")["kind"], "abort", "{output}");
    assert!(name_of(&file).starts_with("abort-"), "{file:?}\n{output}");
    assert_eq!(inputs(&file).len(), 2, "{output}");
    fails_again(&hostile, test, &file, &["SIGABRT"]);
}

#[test]
fn inputs_that_differ_keep_their_order() {
    let (hostile, _guard) = hostile("two-others");
    let test = "fails_after_two_others";
    let (output, file) = search(&hostile, test);
    assert_eq!(inputs(&file), ["b\"o\"", "b\"l\"", "b\"c\""], "{output}");
    fails_again(&hostile, test, &file, &["closed while it was locked", "input 3 of 3"]);
}

#[test]
fn no_time_for_sequences_leaves_the_input_marked_as_it_was() {
    let (hostile, _guard) = hostile("no-sequence");
    let args = ["--jobs", "1", "--time", "60s", "--stop-on-crash", "--sequence-time", "0"];
    let output = hostile.fuzz("sequences::panics_at_the_fourth_hit", &args).run().code(100);
    let finding = output.event("finding");
    assert_eq!((&finding["sequence"], &finding["reproducible"]), (&Value::Null, &false.into()));
    assert!(hostile.testdata("sequences.panics_at_the_fourth_hit").is_empty(), "{output}");
}
