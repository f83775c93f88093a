//! What a campaign runs, how much of it, and how it ends.

use crate::corpus::total;
use crate::project::{Project, RunToEnd, files_below, name_of};
use fs_err as fs;
use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The logs that processes of a fixture left under a name, with the inputs in them.
pub(crate) fn logs(project: &Project, name: &str) -> Vec<(PathBuf, Vec<Vec<u8>>)> {
    let mut files = files_below(&project.private(""));
    files.retain(|file| name_of(file).starts_with(&format!("log.{name}.")));
    files.into_iter().map(|file| (file.clone(), inputs(&fs::read(file).unwrap()))).collect()
}

fn inputs(mut log: &[u8]) -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    while let Some((len, rest)) = log.split_first_chunk() {
        let (input, rest) = rest.split_at(u32::from_le_bytes(*len) as usize);
        inputs.push(input.to_vec());
        log = rest;
    }
    inputs
}

/// Go's script tests pin this: G04.
#[test]
fn what_workers_print_is_not_shown() {
    let zoo = Project::zoo("worker-output");
    for format in ["human", "json"] {
        let args = ["run", "--runs", "300", "--message-format", format, "quiet::prints_a_lot"];
        zoo.shmfuzz(args).run().code(0).says_not(&["SECRET"]);
    }
}

/// Go's script tests pin this: G04.
#[test]
fn ordinary_tests_run_once_under_cargo_test_and_never_while_fuzzing() {
    let zoo = Project::zoo("ordinary");
    zoo.fuzz("log::counts_calls", &["--runs", "100"]).run().code(0);
    assert!(logs(&zoo, "ordinary").is_empty());
    let ordinary = "log::an_ordinary_test_is_run_by_cargo_alone";
    zoo.cargo(["test", "--lib", "--", "--exact", ordinary]).run().code(0);
    let logs = logs(&zoo, "ordinary");
    assert_eq!(logs.iter().map(|(_, calls)| calls.len()).sum::<usize>(), 1);
}

#[test]
fn a_campaign_ends_when_little_is_left_to_find_and_repeats() {
    let zoo = Project::zoo("plateau");
    let run = |corpus: &str| {
        let corpus = zoo.private(corpus).display().to_string();
        let by_work = ["--seed", "1", "--jobs", "1", "--runs", "1000000000"];
        let args = [&by_work[..], &["--until-plateau=1000", "--corpus-dir", &corpus]].concat();
        zoo.fuzz("corpus::trivial", &args).run().code(0)
    };
    let [first, second] = ["first", "second"].map(run);
    let finish = first.event("finish");
    assert_eq!(finish["reason"], "plateau", "{first}");
    let test = &finish["tests"][0];
    assert!(test["expected_next_minute"].as_f64().unwrap() < 1000.0, "{first}");
    assert!(test["discovery_probability"].as_f64().unwrap() < 1.0, "{first}");
    assert_eq!(first.event("plateau")["execs"], test["execs"]);
    assert_eq!(second.event("finish")["tests"][0]["execs"], test["execs"], "no clock decides");
}

/// Go's script tests pin this: G07.
#[test]
fn eight_nested_comparisons_are_found_from_no_seed() {
    let zoo = Project::zoo("nested");
    let test = "corpus::nested";
    let output = zoo.fuzz(test, &["--time", "60s", "--stop-on-crash"]).run().code(100);
    let finding = &output.events_named("finding")[0];
    assert!(finding["elapsed"].as_f64().unwrap() < 30.0, "{output}");
    let input = fs::read(&zoo.testdata("corpus.nested")[0]).unwrap();
    assert!(input.starts_with(b"shmfuzz!"), "{input:?}");
}

/// Go's script tests pin this: G11.
#[test]
fn runs_are_counted_exactly_across_workers() {
    let zoo = Project::zoo("runs");
    let output = zoo.fuzz("log::counts_calls", &["--runs", "1000", "--jobs", "2"]).run().code(0);
    assert_eq!(total(&output, "execs"), 1000, "{output}");
    let calls: usize = logs(&zoo, "calls").iter().map(|(_, calls)| calls.len()).sum();
    let extra = total(&output, "extra_execs");
    assert_eq!(calls as u64, 1000 + extra, "calls written down, calls counted\n{output}");
}

/// Go's script tests pin this: G05, G06.
#[test]
fn what_is_set_up_is_set_up_once_a_worker() {
    let zoo = Project::zoo("set-up");
    zoo.fuzz("log::sets_up_once", &["--runs", "2000", "--jobs", "2"]).run().code(0);
    let logs = logs(&zoo, "set-up");
    assert!(!logs.is_empty());
    assert!(logs.iter().all(|(_, set_ups)| set_ups.len() == 1), "{logs:?}");
}

/// Go's script tests pin this: G08, G11.
#[test]
fn a_campaign_ends_on_time_and_well() {
    let zoo = Project::zoo("time");
    let test = "quiet::never_fails";
    // The first run builds; the second one is timed.
    zoo.fuzz(test, &["--runs", "1"]).run().code(0);
    let began = Instant::now();
    let output = zoo.fuzz(test, &["--time", "3s"]).run().code(0);
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(3), "{took:?}\n{output}");
    // What comes before and after the campaign waits for other tests' builds.
    let elapsed = output.events_named("stats").pop().expect("stats")["elapsed"].as_f64().unwrap();
    assert!(elapsed < 5.0, "{elapsed} s\n{output}");
    assert!(total(&output, "execs") > 0, "{output}");
}

/// Go's script tests pin this: G14.
#[test]
fn no_matching_fuzz_test_is_a_warning_and_its_own_exit_code() {
    let zoo = Project::zoo("no-match");
    zoo.shmfuzz(["run", "no_such_fuzz_test"]).run().code(4).says(&["warning", "no_such_fuzz_test"]);
}

/// Go's script tests pin this: G21.
#[test]
fn inputs_differ_and_the_coordinator_runs_none() {
    let zoo = Project::zoo("distinct");
    let running = crate::run::Running::start(
        &mut zoo.fuzz("log::shows_its_inputs", &["--runs", "100", "--jobs", "1"]),
    );
    let coordinator = running.id();
    running.finish().code(0);
    let logs = logs(&zoo, "inputs");
    let distinct: HashSet<_> = logs.iter().flat_map(|(_, inputs)| inputs).collect();
    assert!(distinct.len() >= 10, "{distinct:?}");
    let own = format!("log.inputs.{coordinator}");
    assert!(logs.iter().all(|(file, _)| name_of(file) != own), "{logs:?}");
}

#[test]
fn the_canary_is_found() {
    let zoo = Project::zoo("canary");
    let test = "findings::canary";
    let output = zoo.shmfuzz(["run", "--runs", "200", "--exact", test]).run().code(100);
    let files = zoo.testdata("findings.canary");
    assert_eq!(files.len(), 1, "{files:?}\n{output}");
    output.says(&["the canary always fails", name_of(&files[0]), "src/findings.rs"]);
}

#[test]
fn a_campaign_stops_at_the_first_finding_if_asked() {
    let zoo = Project::zoo("stop-on-crash");
    // Making the first one smaller would find the second one, which would be kept.
    let args = ["--time", "60s", "--jobs", "1", "--stop-on-crash", "--minimize-time", "0"];
    let output = zoo.fuzz("findings::fails_in_two_ways", &args).run().code(100);
    assert_eq!(output.events_named("finding").len(), 1, "{output}");
    assert_eq!(output.event("finish")["reason"], "crash", "{output}");
}

#[test]
fn code_that_does_not_compile_is_exit_code_101() {
    let flawed = Project::from_fixture("flawed", "compile-error");
    flawed.shmfuzz(["run", "--time", "1s"]).run().code(101).says(&["mismatched types"]);
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let zoo = Project::zoo("usage");
    for args in [["run", "--no-such-flag"], ["--time", "soon"], ["run", "--jobs=0"]] {
        zoo.shmfuzz(args).run().code(2).says(&[args[1].split('=').next().unwrap()]);
    }
}
