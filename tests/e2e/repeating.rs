//! One worker, one seed and a number of runs: the same campaign each time.

use crate::project::{Project, RunToEnd, name_of};
use fs_err as fs;
use serde_json::Value;

/// What came of a campaign: names of entries and findings, and figures without those of time.
#[derive(Debug, PartialEq)]
struct Result {
    entries: Vec<String>,
    findings: Vec<(String, Vec<u8>)>,
    totals: Vec<Value>,
}

/// The fuzz tests of the fixture.
fn tests() -> Vec<&'static str> {
    let mut tests = vec!["text_in_a_map", "bytes_in_a_set", "fails_in_some_ways"];
    if can_fix_addresses() {
        tests.push("by_address");
    }
    tests
}

/// Whether the machine lets programs lie where they lay. Some containers do not.
#[expect(clippy::print_stderr, reason = "a test that cannot run must not pass in silence")]
fn can_fix_addresses() -> bool {
    let can = std::thread::spawn(shmfuzz_runtime::addresses::fix_for_children).join().unwrap();
    if !can {
        eprintln!("skipped: the fuzz test that goes by addresses, which cannot be fixed here");
    }
    can
}

fn campaign(label: &str, filters: &[String], args: &[&str]) -> Result {
    let zoo = Project::zoo(label);
    let folders: Vec<_> = filters.iter().map(|filter| filter.replace("::", ".")).collect();
    let remove = || {
        for folder in &folders {
            let _ = fs::remove_dir_all(zoo.path("testdata/fuzz").join(folder));
        }
    };
    remove();
    let mut command = zoo.shmfuzz(["run", "--message-format", "json", "--jobs", "1", "--exact"]);
    let output = command.args(filters).args(args).run();
    let finish = output.event("finish");
    let mut totals = finish["tests"].as_array().unwrap().clone();
    for total in &mut totals {
        for of_time in ["elapsed", "execs_per_sec"] {
            total[of_time].take();
        }
    }
    let entries = zoo.cache().iter().map(|file| name_of(file).to_owned()).collect();
    let findings = folders.iter().flat_map(|folder| zoo.testdata(folder));
    let findings = findings.map(|file| (name_of(&file).to_owned(), fs::read(&file).unwrap()));
    let result = Result { entries, findings: findings.collect(), totals };
    remove();
    result
}

#[track_caller]
fn repeats(label: &str, filters: &[String], runs: &str) -> Result {
    let args = ["--runs", runs, "--seed", "7"];
    let first = campaign(&format!("{label}-1"), filters, &args);
    let second = campaign(&format!("{label}-2"), filters, &args);
    assert_eq!(first, second);
    first
}

#[test]
fn a_campaign_over_several_fuzz_tests_repeats() {
    let filters: Vec<_> = tests().iter().map(|test| format!("repeats::{test}")).collect();
    let result = repeats("repeats-all", &filters, "20000");
    assert_eq!(result.totals.len(), filters.len());
    assert!(result.entries.len() > 40, "{result:?}");
    assert!(result.findings.len() >= 2, "{result:?}");
    let other = campaign("repeats-all-3", &filters, &["--runs", "20000", "--seed", "8"]);
    assert_ne!(result.entries, other.entries, "the seed decides");
}

#[test]
fn a_campaign_over_one_fuzz_test_repeats() {
    let result = repeats("repeats-one", &["corpus::repeats".to_owned()], "30000");
    assert!(result.entries.len() > 3, "{result:?}");
}
