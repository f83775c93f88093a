//! Loading a corpus: each input once in a campaign, whatever happens to workers.

use crate::campaign::logs;
use crate::corpus::total;
use crate::project::{Project, RunToEnd, files_below};
use crate::run::Running;
use fs_err as fs;
use rustix::process::Signal;
use std::collections::{BTreeMap, BTreeSet};

const N_INPUTS: usize = 2000;

#[test]
fn inputs_that_end_the_process_are_passed_over_and_all_others_run_once() {
    let zoo = Project::zoo("loading-told");
    let inputs = large_corpus(&zoo);
    let told = ["exit", "abort", "panic", "wait"].map(|what| format!("told to {what}, for good"));
    for (n, input) in told.iter().enumerate() {
        fs::write(zoo.private("corpus").join(format!("told-{n}")), input).unwrap();
    }
    let folder = zoo.private("corpus").into_os_string().into_string().unwrap();
    let args = ["--runs", "100", "--jobs", "2", "--minimize-time", "0", "--corpus-dir", &folder];
    let output = zoo.fuzz("log::does_as_told", &args).run().code(100);
    let mut kinds: Vec<_> = output.events_named("finding");
    kinds.sort_by_key(|finding| finding["kind"].to_string());
    let kinds: Vec<_> = kinds.iter().map(|finding| finding["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["abort", "exit", "panic", "timeout"], "{output}");
    let n_inputs = inputs.len() + told.len();
    let is_end = |event: &serde_json::Value| {
        event["is_done"] == true && event["done"] == n_inputs && event["total"] == n_inputs
    };
    assert!(output.events_named("loading").iter().any(is_end), "{output}");
    let logs = logs(&zoo, "told");
    let calls = logs.iter().flat_map(|(_, calls)| calls);
    let mut n_calls = BTreeMap::new();
    for input in calls.filter(|input| inputs.contains(*input)) {
        *n_calls.entry(input).or_insert(0) += 1;
    }
    assert_eq!(n_calls.len(), inputs.len(), "all were run");
    // A worker's first input is run twice, and so is what is in use.
    let n_again = n_calls.values().filter(|n| **n > 1).count();
    assert!(n_again <= 2 * logs.len(), "{n_again} of {} workers", logs.len());
}

#[test]
fn loading_is_told_of_and_ends_when_asked_to() {
    let zoo = Project::zoo("loading-stays");
    let test = "log::stays_when_asked_to";
    let folder = zoo.private("corpus");
    fs::create_dir(&folder).unwrap();
    for (name, input) in [("a", "three"), ("b", "stay here, for good")] {
        fs::write(folder.join(name), input).unwrap();
    }
    // Loading does not end by itself: an input stays for longer than any of this takes.
    let folder = folder.into_os_string().into_string().unwrap();
    let mut running =
        Running::start(&mut zoo.fuzz(test, &["--jobs", "1", "--corpus-dir", &folder]));
    let event = running.wait_for_event(|event| event["event"] == "loading");
    assert_eq!((&event["total"], &event["is_done"]), (&2.into(), &false.into()), "{event}");
    assert!(event["done"].as_u64().unwrap() < 2, "{event}");
    running.send(Signal::INT);
    let output = running.finish().code(0);
    assert_eq!(output.event("finish")["reason"], "interrupted", "{output}");
    assert_eq!(files_below(&zoo.private("corpus")).len(), 2);

    let args = ["run", "--exact", test, "--time", "1s", "--jobs", "1", "--corpus-dir"];
    zoo.shmfuzz(args).arg(&folder).run().code(96).says(&["never fuzzed"]);
}

/// A folder of distinct inputs that a mutation will not make by chance; -> the inputs.
fn large_corpus(zoo: &Project) -> BTreeSet<Vec<u8>> {
    let folder = zoo.private("corpus");
    fs::create_dir(&folder).unwrap();
    let input = |n: usize| {
        let hash = blake3::hash(&n.to_le_bytes()).to_hex();
        format!("{}{hash}", ["x", "a", "b", "c"][n % 4]).into_bytes()
    };
    let inputs: Vec<_> = (0..N_INPUTS).map(input).collect();
    for (n, input) in inputs.iter().enumerate() {
        fs::write(folder.join(format!("input-{n}")), input).unwrap();
    }
    inputs.into_iter().collect()
}

#[test]
fn an_input_on_disk_is_run_once_whoever_dies_and_none_is_deleted() {
    for jobs in [1, 2] {
        let zoo = Project::zoo(&format!("loading-{jobs}"));
        let inputs = large_corpus(&zoo);
        let folder = zoo.private("corpus").into_os_string().into_string().unwrap();
        let args = ["--runs", "9000", "--jobs", &jobs.to_string(), "--corpus-dir", &folder];
        let output = zoo.fuzz("log::ends_while_fuzzing", &args).run().code(100);

        let events = output.events_named("loading");
        let last = events.last().expect("loading is told");
        assert_eq!((&last["done"], &last["total"]), (&N_INPUTS.into(), &N_INPUTS.into()));
        assert_eq!(last["is_done"], true, "{output}");
        let n_useful = last["useful"].as_u64().unwrap();
        assert!((4..100).contains(&n_useful), "{output}");
        let has_end = |event: &&serde_json::Value| event["is_done"] == true;
        assert_eq!(events.iter().filter(has_end).count(), 1, "{output}");
        assert!(total(&output, "corpus") < 300, "what adds nothing is left out\n{output}");

        // What workers do between calls is no coverage, or it would look like chance.
        let stability = &output.event("finish")["tests"][0]["stability"];
        assert_eq!(*stability, 1.0, "it always does the same\n{output}");

        let logs = logs(&zoo, "loading");
        assert!(logs.len() >= 4, "a worker after the other died: {}", logs.len());
        let mut n_calls = BTreeMap::new();
        for input in logs.iter().flat_map(|(_, calls)| calls).filter(|i| inputs.contains(*i)) {
            *n_calls.entry(input).or_insert(0) += 1;
        }
        assert_eq!(n_calls.len(), N_INPUTS, "all were run");
        // What is in use is run again, to be traced and mutated, in each worker that has run as
        // much. So is each worker's first input.
        let n_again = n_calls.values().filter(|n| **n > 1).count() as u64;
        let n_used = jobs * (n_useful + 1);
        assert!(n_again <= n_used, "{n_again} were run again, {n_useful} are in use");

        let is_ours = |path: &std::path::PathBuf| inputs.contains(&fs::read(path).unwrap());
        let n_left = files_below(&zoo.private("corpus")).iter().filter(|p| is_ours(p)).count();
        assert_eq!(n_left, N_INPUTS, "none is deleted");
    }
}
