//! The cache: who writes it, who keeps it, what is loaded from it.

use crate::project::{Project, RunToEnd};
use crate::run::Output;
use fs_err as fs;
use std::path::PathBuf;

/// The one folder of the user's cache that holds entries.
pub(crate) fn folder_of_cache(project: &Project) -> PathBuf {
    let files = project.cache();
    let mut folders: Vec<_> = files.iter().filter_map(|file| file.parent()).collect();
    folders.dedup();
    assert_eq!(folders.len(), 1, "folders with entries: {files:?}");
    folders[0].to_owned()
}

/// A figure of the only fuzz test in the `finish` event.
pub(crate) fn total(output: &Output, field: &str) -> u64 {
    let finish = output.event("finish");
    let tests = finish["tests"].as_array().unwrap_or_else(|| panic!("no totals\n{output}"));
    assert_eq!(tests.len(), 1, "{output}");
    tests[0][field].as_u64().unwrap_or_else(|| panic!("no total {field}\n{output}"))
}

/// Go's script tests pin this: G02.
#[test]
fn the_cache_is_written_by_fuzzing_alone_and_outlives_cargo_clean() {
    let zoo = Project::zoo("cache");
    let test = "corpus::trivial";
    zoo.cargo(["test", "--lib", "--", "--exact", test]).run().code(0);
    assert_eq!(zoo.cache(), [] as [PathBuf; 0], "cargo test writes no cache");

    let first = zoo.fuzz(test, &["--runs", "20000"]).run().code(0);
    let entries = zoo.cache();
    assert!(!entries.is_empty(), "{first}");
    let written: Vec<_> = entries.iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(written.iter().any(|entry| entry.first() == Some(&b'!')), "{written:?}");
    assert!(zoo.testdata("corpus.trivial").is_empty());

    let second = zoo.fuzz(test, &["--runs", "20000"]).run().code(0);
    assert!(second.events_named("new_entry").is_empty(), "{second}");
    assert_eq!(zoo.cache(), entries);

    // In a target directory of its own: other tests build in the usual one.
    let target = zoo.private("target");
    zoo.cargo(["check", "--target-dir"]).arg(&target).run().code(0);
    zoo.cargo(["clean", "--target-dir"]).arg(&target).run().code(0);
    assert!(!target.exists());
    assert_eq!(zoo.cache(), entries, "cargo clean keeps the cache");
}

/// Go's script tests pin this: G09.
#[test]
fn entries_equal_to_a_seed_or_to_each_other_are_loaded_once() {
    let zoo = Project::zoo("duplicates");
    let test = "corpus::duplicates";
    zoo.fuzz(test, &["--runs", "20000", "--jobs", "1", "--seed", "1"]).run().code(0);
    let cache = folder_of_cache(&zoo);
    let entries = zoo.cache();
    let content = fs::read(&entries[0]).unwrap();
    fs::write(cache.join("again"), &content).unwrap();
    fs::write(cache.join("and-again"), &content).unwrap();

    let output = zoo.fuzz(test, &["--runs", "10"]).run().code(0);
    let start = output.event("start");
    assert_eq!(start["seeds"], 0, "{output}");
    assert_eq!(start["corpus"], entries.len(), "{output}");

    zoo.write("testdata/fuzz/corpus.duplicates/committed", &content);
    let output = zoo.fuzz(test, &["--runs", "10"]).run().code(0);
    let start = output.event("start");
    assert_eq!(start["seeds"], 1, "{output}");
    assert_eq!(start["corpus"], entries.len() - 1, "{output}");
}
