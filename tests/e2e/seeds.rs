//! Seeds under plain `cargo test`, and what fuzzing makes of seeds that fail.

use crate::project::{Project, RunToEnd, name_of};
use fs_err as fs;

/// The arguments that run one test of the library alone.
fn only(test: &str) -> [&str; 5] {
    ["test", "--lib", "--", "--exact", test]
}

/// Go's script tests pin this: G01.
#[test]
fn failing_seeds_of_the_attribute_fail_by_name() {
    let zoo = Project::zoo("attribute-seed");
    zoo.cargo(only("seeds::panics_on_attribute_seed"))
        .run()
        .code(101)
        .says(&["panics_on_attribute_seed", "seed#1", "it went off", "1 failed"])
        .says_not(&["seed#0"]);
}

/// Go's script tests pin this: G01, G27.
#[test]
fn all_failing_files_are_listed_and_what_is_no_input_is_left_alone() {
    let zoo = Project::zoo("file-seeds");
    zoo.cargo(only("seeds::panics_on_files"))
        .run()
        .code(101)
        .says(&["seeds.panics_on_files/first", "seeds.panics_on_files/second", "it went off"])
        .says_not(&["panics_on_files/third", "README.md", ".hidden", "deep"]);
    zoo.cargo(only("seeds::errs_on_files"))
        .run()
        .code(101)
        .says(&["seeds.errs_on_files/wrong", "it went wrong"]);
}

/// Go's script tests pin this: G01.
#[test]
fn bodies_that_do_nothing_and_bodies_that_reject_pass() {
    let zoo = Project::zoo("no-op");
    for test in ["seeds::does_nothing", "seeds::rejects_all"] {
        zoo.cargo(only(test)).run().code(0).says(&["1 passed"]);
    }
}

/// Go's script tests pin this: G01.
#[test]
fn a_folder_of_no_fuzz_test_is_a_warning_that_names_the_nearest() {
    let zoo = Project::zoo("stray-folder");
    let output = zoo.shmfuzz(["run", "--runs", "10", "--exact", "seeds::does_nothing"]).run();
    output.code(0).says(&["warning", "seeds.does_nothin", "seeds.does_nothing"]);
}

/// Go's script tests pin this: G27.
#[test]
fn one_seed_is_selected_by_name_under_the_default_harness() {
    let zoo = Project::zoo("selected-seed");
    let test = "seeds::says_what_it_runs";
    let args = ["test", "--lib", "--", "--nocapture", "--exact", test];
    zoo.cargo(args).run().code(0).says(&["<one>", "<two>", "<three>"]);
    let one = zoo.cargo(args).env("SHMFUZZ_SEED", "seed#1").run();
    one.code(0).says(&["<two>"]).says_not(&["<one>", "<three>"]);
    let file = zoo.cargo(only("seeds::panics_on_files")).env("SHMFUZZ_SEED", "second").run();
    file.code(101).says(&["panics_on_files/second"]).says_not(&["panics_on_files/first"]);
    zoo.cargo(only("seeds::panics_on_files")).env("SHMFUZZ_SEED", "third").run().code(0);
}

#[test]
fn a_seed_is_run_whatever_bytes_its_name_is_made_of() {
    use std::os::unix::ffi::OsStrExt as _;
    let zoo = Project::zoo("seed-names");
    let folder = zoo.path("testdata/fuzz/seeds.panics_on_files");
    fs::write(folder.join(std::ffi::OsStr::from_bytes(b"not\xffutf8")), "boom").unwrap();
    zoo.cargo(only("seeds::panics_on_files")).run().code(101).says(&["not\u{fffd}utf8"]);
}

/// Go's script tests pin this: G27.
#[test]
fn each_seed_is_a_test_of_its_own_under_main() {
    let zoo = Project::zoo("seed-tests");
    let run = |args: &[&str]| {
        let mut all = vec!["test", "--test", "own_harness", "--"];
        all.extend(args);
        zoo.cargo(all).run()
    };
    run(&["--list"]).code(0).says(&[
        "parses/seed#0: test",
        "parses/bad: test",
        "parses/best: test",
        "parses/better: test",
        "parses/good: test",
    ]);
    run(&["--exact", "parses/good"]).code(0).says(&["1 passed"]);
    run(&["parses/"]).code(101).says(&["4 passed", "1 failed", "parses/bad"]);
    run(&["parses/be"]).code(0).says(&["2 passed"]);
    run(&["nothing of this name"]).code(0).says(&["0 passed"]);
}

/// Go's script tests pin this: G28.
#[test]
fn a_failing_seed_is_known_and_not_written_again() {
    let zoo = Project::zoo("known");
    let (test, folder) = ("seeds::knows_its_failing_seed", "seeds.knows_its_failing_seed");
    let seed = zoo.path("testdata/fuzz").join(folder).join("committed");
    let before = fs::metadata(&seed).unwrap().modified().unwrap();

    let output = zoo.fuzz(test, &["--runs", "2000"]).run().code(0);
    let known = output.event("known");
    assert_eq!(known["seed"], "committed", "{output}");
    assert_eq!(known["kind"], "panic", "{output}");
    assert!(output.events_named("finding").is_empty(), "{output}");
    assert_eq!(output.event("finish")["exit_code"], 0, "{output}");
    assert_eq!(zoo.testdata(folder), std::slice::from_ref(&seed), "nothing is added");
    assert_eq!(fs::metadata(&seed).unwrap().modified().unwrap(), before);

    zoo.fuzz(test, &["--runs", "2000", "--fail-known"]).run().code(100);
}

/// Go's script tests pin this: G28.
#[test]
fn a_failing_entry_of_the_cache_is_minimized_and_written_as_new() {
    let zoo = Project::zoo("failing-entry");
    let (test, folder) = ("seeds::fails_on_a_cached_entry", "seeds.fails_on_a_cached_entry");
    zoo.fuzz(test, &["--runs", "8", "--jobs", "1", "--seed", "1"]).run().code(0);
    let corpus = crate::corpus::folder_of_cache(&zoo);
    let failing = [b"0123456789".as_slice(), &[0xA7; 4], b"0123456789"].concat();
    fs::write(corpus.join("planted"), &failing).unwrap();

    let output = zoo.fuzz(test, &["--runs", "3000"]).run().code(100);
    let found = output.events_named("finding");
    assert_eq!(found.len(), 1, "{output}");
    let files = zoo.testdata(folder);
    assert_eq!(files.len(), 1, "{files:?}\n{output}");
    assert_eq!(fs::read(&files[0]).unwrap(), [0xA7; 4], "minimized\n{output}");
    assert!(name_of(&files[0]).starts_with("crash-"), "{files:?}");
    zoo.cargo(only(test)).run().code(101).says(&[name_of(&files[0])]);
}
