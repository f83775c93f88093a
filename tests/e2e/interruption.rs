//! Campaigns that are ended from outside.

use crate::project::{Project, RunToEnd, files_below, name_of};
use crate::run::{Output, Running, wait_until};
use fs_err as fs;
use rustix::process::{Pid, Signal};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn is_stats_after_work(event: &Value) -> bool {
    event["event"] == "stats" && event["execs"].as_u64().is_some_and(|execs| execs > 0)
}

/// Go's script tests pin this: G33.
#[test]
fn an_interrupt_flushes_everything_and_is_no_failure() {
    let zoo = Project::zoo("interrupt");
    let mut running = Running::start(&mut zoo.fuzz("quiet::never_fails", &["--time", "300s"]));
    running.wait_for_event(is_stats_after_work);
    running.send(Signal::INT);
    let output = running.finish().code(0);
    let finish = output.event("finish");
    assert_eq!(finish["exit_code"], 0, "{output}");
    assert_eq!(output.events().last(), Some(&finish), "finish is last\n{output}");
    assert!(!zoo.cache().is_empty(), "what was found is in the cache\n{output}");
}

#[test]
fn an_interrupt_after_a_finding_tells_of_the_finding() {
    let zoo = Project::zoo("interrupt-found");
    let mut running =
        Running::start(&mut zoo.fuzz("findings::fails_and_goes_on", &["--time", "300s"]));
    running.wait_for_event(|event| event["event"] == "finding");
    running.send(Signal::INT);
    let output = running.finish().code(100);
    assert_eq!(output.event("finish")["exit_code"], 100, "{output}");
    assert_eq!(zoo.testdata("findings.fails_and_goes_on").len(), 1, "{output}");
}

#[test]
fn a_killed_coordinator_leaves_findings_and_nothing_else() {
    let zoo = Project::zoo("killed");
    let shared = || -> BTreeSet<_> { files_below(Path::new("/dev/shm")).into_iter().collect() };
    let before = shared();
    let args = ["--time", "300s", "--jobs", "2"];
    let mut running = Running::start(&mut zoo.fuzz("findings::fails_until_killed", &args));
    let finding = running.wait_for_event(|event| event["event"] == "finding");
    let path = finding["path"].as_str().unwrap().to_owned();
    running.wait_for_event(is_stats_after_work);
    let workers = children(running.id());
    assert!(!workers.is_empty(), "a campaign that runs has workers");
    running.send(Signal::KILL);
    wait_until(Duration::from_secs(2), "workers end with their coordinator", || {
        workers.iter().all(|pid| has_ended(*pid))
    });
    assert_eq!(running.finish().code, -9);

    // Minimization may have put a smaller input in its place since.
    let files = zoo.testdata("findings.fails_until_killed");
    assert!(Path::new(&path).exists() || files.len() == 1, "{path} {files:?}");
    for file in &files {
        assert!(fs::read(file).unwrap().len() > 2, "{file:?} is whole");
        assert!(name_of(file).starts_with("crash-"), "{file:?}");
    }
    assert_eq!(files_below(&zoo.tmp()), [] as [&Path; 0], "temporary files");
    let left: Vec<_> = shared().difference(&before).cloned().collect();
    assert!(left.iter().all(|file| !name_of(file).contains("shmfuzz")), "{left:?}");
}

/// Go's script tests pin this: G23.
#[test]
fn a_worker_killed_from_outside_is_replaced_and_no_finding() {
    let zoo = Project::zoo("killed-worker");
    let args = ["--time", "300s", "--jobs", "1"];
    let mut running = Running::start(&mut zoo.fuzz("quiet::goes_on", &args));
    let execs = |event: &Value| event["execs"].as_u64().unwrap_or_default();
    let before = running.wait_for_event(is_stats_after_work);
    let workers = children(running.id());
    assert!(!workers.is_empty());
    for worker in &workers {
        kill(*worker);
    }
    let killed = running.wait_for_event(|event| {
        event["event"] == "stats" && workers.iter().all(|worker| has_ended(*worker))
    });
    running.wait_for_event(|event| {
        event["event"] == "stats" && execs(event) > execs(&killed).max(execs(&before))
    });
    running.send(Signal::INT);
    let output = running.finish().code(0);
    assert!(output.events_named("finding").is_empty(), "{output}");
}

/// Go's script tests pin this: G10.
#[test]
fn a_cache_deleted_under_a_campaign_does_not_end_it() {
    let zoo = Project::zoo("deleted-cache");
    let args = ["--time", "300s", "--jobs", "1"];
    let mut running = Running::start(&mut zoo.fuzz("findings::fails_when_told", &args));
    running.wait_for_event(is_stats_after_work);
    fs::remove_dir_all(zoo.private("cache")).unwrap();
    fs::write(zoo.private("log.fail"), "").unwrap();
    running.wait_for_event(|event| event["event"] == "finding");
    running.send(Signal::INT);
    let output = running.finish().code(100);
    assert_eq!(output.event("finish")["exit_code"], 100, "{output}");
    assert_eq!(zoo.testdata("findings.fails_when_told").len(), 1, "{output}");
}

#[test]
fn an_interrupt_during_the_build_ends_what_it_runs() {
    let project = Project::from_fixture("canary", "interrupted-build");
    let pid_file = project.private("pid");
    let script = format!(
        "fn main() {{\n    let pid = std::process::id().to_string();\n    \
         std::fs::write({:?}, pid).unwrap();\n    \
         std::fs::rename({:?}, {:?}).unwrap();\n    \
         std::thread::sleep(std::time::Duration::from_secs(600));\n}}\n",
        project.private("pid.new"),
        project.private("pid.new"),
        pid_file,
    );
    project.write("build.rs", script);
    let running = Running::start(&mut project.shmfuzz(["run", "--message-format", "json"]));
    wait_until(Duration::from_secs(300), "the build script runs", || pid_file.exists());
    let script: u32 = fs::read_to_string(&pid_file).unwrap().parse().unwrap();
    running.send(Signal::INT);
    let output = running.finish().code(130);
    wait_until(Duration::from_secs(20), "the build script has ended", || has_ended(script));
    assert_eq!(output.event("finish")["exit_code"], 130, "{output}");
    assert!(project.cache().is_empty(), "{output}");
}

#[test]
fn two_campaigns_share_a_cache_and_lose_nothing() {
    let zoo = Project::zoo("two-campaigns");
    let (test, folder) = ("findings::fails_in_two_campaigns", "findings.fails_in_two_campaigns");
    let is_smallest = |event: &Value| event["event"] == "minimized";
    let mut both = [1, 2].map(|seed: u32| {
        let args = ["--time", "300s", "--jobs", "1", "--seed", &seed.to_string()];
        Running::start(&mut zoo.fuzz(test, &args))
    });
    for running in &mut both {
        // The one that comes later may know the failure from the other's file.
        running.wait_for_event(|event| is_smallest(event) || event["event"] == "known");
        running.wait_for_event(is_stats_after_work);
    }
    both.iter().for_each(|running| running.send(Signal::INT));
    let outputs = both.map(Running::finish);
    assert!(outputs.iter().any(|output| output.code == 100), "{}{}", outputs[0], outputs[1]);
    for output in &outputs {
        assert!(output.code == 0 || output.code == 100, "{output}");
        assert!(warnings(output, test).is_empty(), "{output}");
    }
    let files = zoo.testdata(folder);
    assert!(!files.is_empty(), "{}{}", outputs[0], outputs[1]);
    for file in &files {
        let repro = zoo.shmfuzz(["repro", "--exact", test, name_of(file)]).run();
        repro.code(100);
    }
    let is_entry = |file: &&PathBuf| file.parent().is_some_and(|dir| dir.ends_with(folder));
    let n_entries = zoo.cache().iter().filter(is_entry).count();
    assert!(n_entries > 0, "{}{}", outputs[0], outputs[1]);
    let again = zoo.fuzz(test, &["--runs", "1", "--jobs", "1"]).run();
    assert!(warnings(&again, test).is_empty(), "{again}");
    assert_eq!(again.event("start")["corpus"], n_entries, "each entry can be read\n{again}");
}

/// What was warned of this fuzz test.
fn warnings(output: &Output, test: &str) -> Vec<Value> {
    let mut warnings = output.events_named("warning");
    warnings.retain(|warning| warning["test"] == test);
    warnings
}

/// Kills a process that may have ended by itself.
pub(crate) fn kill(number: u32) {
    let number = i32::try_from(number).unwrap();
    let pid = Pid::from_raw(number).expect("no process has number 0");
    match rustix::process::kill_process(pid, Signal::KILL) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(error) => panic!("process {number} cannot be killed: {error}"),
    }
}

/// Processes whose parent is this one.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let pids = std::fs::read_dir("/proc").unwrap();
    let pids = pids.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| state_and_parent(*pid).is_some_and(|(_, of)| of == parent)).collect()
}

/// Gone, or waited for by nobody yet.
fn has_ended(pid: u32) -> bool {
    state_and_parent(pid).is_none_or(|(state, _)| state == 'Z' || state == 'X')
}

fn state_and_parent(pid: u32) -> Option<(char, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}
