//! Memory that grows from call to call, until a worker passes its limit.

use crate::project::{Project, RunToEnd, finding_name, name_of};
use fs_err as fs;

const UNTIL_FOUND: [&str; 5] = ["--time", "120s", "--jobs", "1", "--stop-on-crash"];

#[test]
fn an_input_that_leaks_is_found_and_fails_cargo_test_while_the_leak_is_there() {
    let hostile = Project::from_fixture("hostile", "leaks");
    let test = "leaks::forgets_memory";
    let output = hostile.fuzz(test, &UNTIL_FOUND).run().code(100);
    let finding = output.event("finding");
    assert_eq!(finding["kind"], "leak", "{output}");
    assert_eq!(finding["reproducible"], true, "{output}");
    let message = finding["message"].as_str().unwrap();
    let number = message.strip_prefix("memory grows by about ").unwrap();
    let bytes: u32 = number.strip_suffix(" bytes a call").unwrap().parse().unwrap();
    assert!((3900..=4400).contains(&bytes), "{output}");
    let files = hostile.testdata("leaks.forgets_memory");
    assert_eq!(files.len(), 1, "what was run at the end is gone: {files:?}\n{output}");
    let input = fs::read(&files[0]).unwrap();
    assert_eq!(input.len(), 3, "as small as leaks\n{output}");
    assert_eq!(name_of(&files[0]), finding_name("leak", &input), "{output}");
    let smaller = output.event("minimized");
    assert_eq!(smaller["path"], files[0].to_str().unwrap(), "{output}");

    let cargo_test = || hostile.cargo(["test", "--lib", "--", "--exact", test]);
    cargo_test().run().code(101).says(&[name_of(&files[0]), "memory grows by about", "1 failed"]);
    let repro = hostile.shmfuzz(["repro", "--exact", test, name_of(&files[0])]).run();
    repro.code(100).says(&["memory grows by about"]);
    let again = hostile.fuzz(test, &["--runs", "150000", "--jobs", "1"]).run().code(0);
    let known = again.event("known");
    assert_eq!(
        (&known["kind"], known["seed"].as_str()),
        (&finding["kind"], Some(name_of(&files[0])))
    );
    assert_eq!(hostile.testdata("leaks.forgets_memory"), files, "{again}");
    let minimize = hostile.shmfuzz(["minimize", "--exact", test, name_of(&files[0])]).run();
    minimize.code(0).says(&["memory grows by about"]);

    let source = "src/leaks.rs";
    let leaky = fs::read_to_string(hostile.path(source)).unwrap();
    hostile.write(source, leaky.replace("std::mem::forget", "drop"));
    cargo_test().run().code(0);
}

#[test]
fn where_no_input_leaks_alone_the_growth_is_told_and_no_input_blamed() {
    let hostile = Project::from_fixture("hostile", "growth");
    let test = "leaks::remembers_each_input";
    // It may run out within one job, so that a few inputs could be to blame.
    let mut fuzzing = hostile.fuzz(test, &UNTIL_FOUND);
    let output = fuzzing.args(["--sequence-time", "0"]).run().code(100);
    let finding = output.event("finding");
    assert_eq!(finding["kind"], "oom", "{output}");
    assert_eq!(finding["reproducible"], false, "{output}");
    let message = finding["message"].as_str().unwrap();
    assert!(message.starts_with("used more than 150 MiB: memory grew from "), "{output}");
    assert!(message.ends_with(" and no input was seen to leak alone"), "{output}");
    assert!(hostile.testdata("leaks.remembers_each_input").is_empty(), "{output}");
}

#[test]
fn what_fills_once_is_no_leak_of_a_committed_input() {
    let hostile = Project::from_fixture("hostile", "caches");
    let test = "leaks::keeps_the_last_inputs";
    hostile.write("testdata/fuzz/leaks.keeps_the_last_inputs/leak-0123456789abcdef", "input");
    hostile.cargo(["test", "--lib", "--", "--exact", test]).run().code(0).says(&["1 passed"]);
}
