//! Findings: where they go, and that they fail again.

use crate::campaign::logs;
use crate::project::{Project, RunToEnd, files_below, finding_name, name_of};
use fs_err as fs;
use std::path::Path;

/// Go's script tests pin this: G22.
#[test]
fn a_worker_that_ends_without_a_word_leaves_the_input_it_had() {
    let zoo = Project::zoo("hundredth");
    let args = ["--time", "60s", "--jobs", "1", "--stop-on-crash"];
    let alone = [&args[..], &["--sequence-time", "0"]].concat();
    let output = zoo.fuzz("log::ends_on_its_hundredth_call", &alone).run().code(100);
    let finding = &output.events_named("finding")[0];
    assert_eq!(finding["kind"], "exit", "{output}");
    // It passes where it is the first call, so it is in the cache, as one that does not repeat.
    assert_eq!(finding["reproducible"], false, "{output}");
    let written = fs::read(finding["path"].as_str().unwrap()).unwrap();
    let logs = logs(&zoo, "hundred");
    let had: Vec<_> = logs.iter().filter_map(|(_, inputs)| inputs.get(99)).collect();
    assert_eq!(had.first(), Some(&&written), "{output}");
    // A hundred calls are what it takes.
    let output = zoo.fuzz("log::ends_on_its_hundredth_call", &args).run().code(100);
    assert_eq!(output.events_named("finding")[0]["sequence"], 100, "{output}");
}

/// Go's script tests pin this: G24.
#[test]
fn failures_fail_again_with_any_number_of_workers() {
    let zoo = Project::zoo("any-jobs");
    let test = "findings::fails_for_everyone";
    let output = zoo.fuzz(test, &["--runs", "3000", "--jobs", "1"]).run().code(100);
    let files = zoo.testdata("findings.fails_for_everyone");
    assert_eq!(files.len(), 3, "{files:?}\n{output}");
    for jobs in ["1", "2", "4"] {
        let output = zoo.fuzz(test, &["--runs", "1000", "--jobs", jobs]).run().code(0);
        let mut known: Vec<_> = output.events_named("known");
        known.sort_by_key(|event| event["seed"].to_string());
        let names: Vec<_> = known.iter().map(|event| event["seed"].as_str().unwrap()).collect();
        let expected: Vec<_> = files.iter().map(|file| name_of(file)).collect();
        assert_eq!(names, expected, "--jobs {jobs}\n{output}");
    }
}

#[test]
fn a_finding_that_passes_in_the_plain_build_goes_to_the_cache_and_says_so() {
    let zoo = Project::zoo("only-fuzzing");
    let test = "findings::fails_only_while_fuzzing";
    let output = zoo.fuzz(test, &["--runs", "500"]).run().code(100);
    assert_eq!(zoo.testdata("findings.fails_only_while_fuzzing"), [] as [&Path; 0], "{output}");
    let event = output.event("passes_plain");
    let path = Path::new(event["path"].as_str().unwrap());
    assert!(path.starts_with(zoo.private("cache")), "{output}");
    assert_eq!(name_of(path), finding_name("crash", &fs::read(path).unwrap()));
    zoo.cargo(["test", "--lib", "--", "--exact", test]).run().code(0);

    let human = zoo.shmfuzz(["run", "--runs", "500", "--exact", test]).run().code(100);
    human.says(&["does not happen without instrumentation", "crash-"]);
}

#[test]
fn a_finding_that_cannot_be_committed_goes_to_the_cache_and_says_so() {
    let zoo = Project::zoo("no-folder");
    let test = "findings::fails_without_a_folder";
    zoo.write("testdata/fuzz/findings.fails_without_a_folder", "not a folder");
    let output = zoo.fuzz(test, &["--runs", "300"]).run().code(100);
    let finding = output.event("finding");
    let path = Path::new(finding["path"].as_str().unwrap());
    assert!(path.starts_with(zoo.private("cache")), "{output}");
    assert!(zoo.cache().iter().any(|file| name_of(file).starts_with("crash-")), "{output}");
    output.says(&["warning", "testdata/fuzz/findings.fails_without_a_folder"]);
}

#[test]
fn a_finding_is_written_where_it_belongs_whatever_directory_the_test_is_in() {
    let zoo = Project::zoo("elsewhere");
    let output = zoo.fuzz("findings::fails_elsewhere", &["--runs", "300"]).run().code(100);
    assert_eq!(zoo.testdata("findings.fails_elsewhere").len(), 1, "{output}");
}

/// Go's script tests pin this: G32.
#[test]
fn a_bug_behind_a_registry_crate_is_found_and_the_registry_is_not_written() {
    let project = Project::from_fixture("serde_json_bug", "registry");
    let metadata = project.cargo(["metadata", "--format-version", "1"]).run().code(0);
    let metadata: serde_json::Value = serde_json::from_str(&metadata.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let serde_json = packages.iter().find(|package| package["name"] == "serde_json").unwrap();
    let source = Path::new(serde_json["manifest_path"].as_str().unwrap()).parent().unwrap();
    let before = files_below(source);

    let args = ["--time", "120s", "--stop-on-crash"];
    let output = project.fuzz("tests::counts_apples", &args).run().code(100);
    assert!(output.events_named("finding")[0]["message"].as_str().unwrap().contains("planted bug"));
    assert_eq!(project.testdata("tests.counts_apples").len(), 1, "{output}");
    assert_eq!(files_below(source), before);
}

#[test]
fn a_finding_becomes_a_test_of_its_own() {
    let canary = Project::from_fixture("canary", "pasted");
    let source = fs::read_to_string(canary.path("src/lib.rs")).unwrap();
    let fuzz_test = "\n#[cfg(test)]\nmod tests {\n    #[shmfuzz_runtime::fuzz_test]\n    \
                     fn counts(data: &[u8]) {\n        \
                     assert_eq!(super::length(data), data.len());\n    }\n}\n";
    canary.write("src/lib.rs", [&source, fuzz_test].concat());
    let output = canary.fuzz("tests::counts", &["--runs", "20000"]).run().code(100);
    let code = output.event("minimized")["unit_test"].as_str().unwrap().to_owned();
    let [file] = &canary.testdata("tests.counts")[..] else { panic!("{output}") };
    let name = format!("counts_{}", name_of(file).replace('-', "_"));
    fs::remove_file(file).unwrap();
    canary.write("src/lib.rs", [&source, fuzz_test, &code].concat());
    let cargo_test = || canary.cargo(["test", "--lib"]).run();
    cargo_test().code(101).says(&[&name, "panicked at src/lib.rs", "1 passed; 1 failed"]);
    let right = source.replace(".min(3)", "");
    canary.write("src/lib.rs", [&right, fuzz_test, &code].concat());
    cargo_test().code(0).says(&["2 passed"]);
    canary.write("src/lib.rs", right.clone() + &code);
    cargo_test().code(101).says(&["there is no fuzz test `tests::counts` in this binary"]);
}
