//! Values that end their process: what comes out of the mapping is what went into the function.
//!
//! `SHMFUZZ_DEATHS` says how many deaths there are. Each is by another way through functions, so that
//! it is a finding of its own; what it died of, the function itself has noted before, and notes
//! again of the file that was written for it.

use crate::project::{Project, RunToEnd, finding_name, name_of};
use crate::run::Running;
use fs_err as fs;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::path::Path;

/// As many as take a few seconds.
const N_DEATHS: usize = 30;
/// Of one campaign: it gives up a fuzz test that fails in fifty ways.
const MOST_OF_ONE: usize = 40;

const TEST: &str = "recovery::dies";

#[test]
fn values_that_end_the_process_are_recovered_as_they_were() {
    let n_deaths = std::env::var("SHMFUZZ_DEATHS").map_or(N_DEATHS, |text| text.parse().unwrap());
    let (mut left, mut seed) = (n_deaths, 1);
    while left > 0 {
        let n = left.min(MOST_OF_ONE);
        recover(seed, n);
        (left, seed) = (left - n, seed + 1);
    }
}

/// Lets so many values end their process, and compares.
fn recover(seed: u64, n: usize) {
    let project = Project::from_fixture("structured", "recovery");
    let [deaths, shown] = ["deaths", "shown"].map(|name| project.private(name));
    for folder in [&deaths, &shown] {
        fs::create_dir(folder).unwrap();
    }
    let (seed, most) = (seed.to_string(), n.to_string());
    let mut command = project.fuzz(TEST, &["--seed", &seed, "--jobs", "2", "--minimize-time", "0"]);
    let mut running =
        Running::start(command.env("FIXTURE_DEATHS", &deaths).env("FIXTURE_MOST", &most));
    let is_finding = |event: &serde_json::Value| event["event"] == "finding";
    let findings: Vec<_> = (0..n).map(|_| running.wait_for_event(is_finding)).collect();
    running.send(Signal::INT);
    let output = running.finish().code(100);
    assert_eq!(output.events_named("finding").len(), n, "{output}");
    for finding in &findings {
        assert_eq!((&finding["kind"], &finding["reproducible"]), (&"abort".into(), &true.into()));
    }

    let files = project.testdata("recovery.dies");
    assert_eq!(files.len(), n, "{output}");
    for file in &files {
        assert_eq!(name_of(file), finding_name("abort", &fs::read(file).unwrap()));
    }
    // Now it does not die, but notes what it would have died of.
    let mut again = project.cargo(["test", "--lib", "--", "--exact", TEST]);
    again.env("FIXTURE_SHOWN", &shown).run().code(0);
    let (died_of, recovered) = (notes(&deaths), notes(&shown));
    assert_eq!(died_of.len(), n);
    assert_eq!(died_of, recovered);
}

/// What was noted, by the way.
fn notes(folder: &Path) -> BTreeMap<String, String> {
    let notes = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    notes.map(|path| (name_of(&path).to_owned(), fs::read_to_string(&path).unwrap())).collect()
}
