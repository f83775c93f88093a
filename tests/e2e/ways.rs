//! Every way to die, named: kind, message, place, and the user's functions on the stack.

use crate::project::{Project, RunToEnd};
use crate::run::Output;
use fs_err as fs;
use serde_json::Value;

/// A fuzz test that fails in one way.
struct Way {
    test: &'static str,
    kind: &'static str,
    message: &'static str,
    file: Option<&'static str>,
    /// The user's functions, from the innermost on.
    functions: &'static [&'static str],
}

/// Of a failure without a place of its own.
const fn way(
    test: &'static str,
    kind: &'static str,
    message: &'static str,
    functions: &'static [&'static str],
) -> Way {
    Way { test, kind, message, file: None, functions }
}

impl Way {
    const fn in_source(self) -> Self {
        Self { file: Some("src/ways.rs:"), ..self }
    }

    fn check(&self, finding: &Value, output: &Output) {
        let Self { test, kind, message, file, functions } = self;
        assert_eq!(finding["kind"], *kind, "{test}\n{output}");
        let said = finding["message"].as_str().unwrap();
        assert!(said.starts_with(message), "{test}: {said}\n{output}");
        match file {
            Some(file) => {
                let at = finding["location"].as_str().unwrap_or_default();
                assert!(at.starts_with(file), "{test}: {at}\n{output}");
            }
            None => assert!(finding["location"].is_null(), "{test}\n{output}"),
        }
        let mut own = own_functions(finding);
        // In which closure of its loop a hang was met is chance.
        own.retain(|name| !name.contains("closure"));
        assert_eq!(own, *functions, "{test}\n{output}");
        for frame in own_frames(finding) {
            let place = frame["place"].as_str().unwrap_or_default();
            assert!(place.starts_with("src/ways.rs:"), "{test}: {frame}\n{output}");
        }
        let size = finding["size"].as_u64();
        assert!(size.is_some_and(|size| size > 2), "{test}: {size:?}\n{output}");
    }
}

fn own_frames(finding: &Value) -> impl Iterator<Item = &Value> {
    let frames = finding["stack"].as_array().unwrap();
    frames.iter().filter(|frame| frame["origin"] == "own")
}

/// Without their modules, which inlined functions are named without; repetitions in a row are one.
fn own_functions(finding: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for frame in own_frames(finding) {
        let function = frame["function"].as_str().unwrap_or("?");
        names.push(function.rsplit("::").next().unwrap_or(function));
    }
    names.dedup();
    names
}

const WAYS: [Way; 24] = [
    way("panics", "panic", "index out of bounds", &["inner", "outer", "panics"]).in_source(),
    way("panics_without_text", "panic", "Box<dyn Any>", &["panics_without_text"]).in_source(),
    way("panics_in_a_thread", "panic", "the thread fails", &["fail_in_thread"]).in_source(),
    way("panics_in_a_scoped_thread", "panic", "the thread fails", &["fail_in_thread"]).in_source(),
    way("errs", "error", "\"an error\"", &[]).in_source(),
    way("panics_twice", "abort", "the first", &["panics_twice"]).in_source(),
    way("panics_across_c", "abort", "through C", &["unwinds", "panics_across_c"]).in_source(),
    way("aborts", "abort", "aborted", &["give_up", "aborts"]),
    way("writes_anywhere", "signal", "SIGSEGV at address 0x8", &["write_to", "writes_anywhere"]),
    way("writes_anywhere_in_a_thread", "signal", "SIGSEGV", &["write_to", "write_in_thread"]),
    way("calls_nothing", "signal", "SIGSEGV at address 0x10", &["call", "calls_nothing"]),
    way("copies_from_nowhere", "signal", "SIGSEGV", &["copy_from", "copies_from_nowhere"]),
    way("raises_sigbus", "signal", "SIGBUS", &["raises_sigbus"]),
    way("raises_sigill", "signal", "SIGILL", &["raises_sigill"]),
    way("raises_sigfpe", "signal", "SIGFPE", &["raises_sigfpe"]),
    way("raises_sigtrap", "signal", "SIGTRAP", &["raises_sigtrap"]),
    way("recurses", "stack_overflow", "stack overflow", &["descend", "recurses"]),
    way("recurses_in_a_thread", "stack_overflow", "stack", &["descend", "recurse_in_thread"]),
    way("allocates_too_much", "oom", "memory allocation of ", &["reserve", "allocates_too_much"]),
    way("fills_memory", "oom", "used more than 300 MiB", &["hoard", "fills_memory"]),
    way("spins", "timeout", "ran longer than 300ms", &["step", "spin", "spins"]),
    way("locks_itself_out", "timeout", "ran longer than", &["lock_twice", "locks_itself_out"]),
    way("exits", "exit", "exited with status 3", &["leave", "exits"]),
    // Nothing runs any more in a process that ends in this way.
    way("exits_at_once", "exit", "exited with status 0", &[]),
];

#[test]
fn each_way_to_die_is_named_with_the_stack_that_led_there() {
    let hostile = Project::from_fixture("hostile", "ways");
    // The third call, of the inputs that an empty corpus begins with, is the first with enough bytes.
    let args =
        ["run", "--message-format", "json", "--runs", "5", "--minimize-time", "0s", "ways::"];
    let output = hostile.shmfuzz(args).run().code(100);
    let findings = output.events_named("finding");
    for way in &WAYS {
        let name = format!("ways::{}", way.test);
        let of_test: Vec<_> = findings.iter().filter(|event| event["test"] == *name).collect();
        assert_eq!(of_test.len(), 1, "findings of {name}\n{output}");
        way.check(of_test[0], &output);
    }
    assert_eq!(findings.len(), WAYS.len(), "{output}");
}

#[test]
fn failures_at_one_place_in_code_of_others_are_told_apart_by_who_called_it() {
    let hostile = Project::from_fixture("hostile", "places");
    let args = ["run", "--message-format", "json", "--runs", "100000", "--seed", "1", "places::"];
    let output = hostile.shmfuzz(args).run().code(100);
    let findings = output.events_named("finding");
    let mut callers: Vec<_> = findings.iter().map(|f| own_functions(f)[0]).collect();
    callers.sort_unstable();
    assert_eq!(callers, ["first_difference", "second_difference"], "{output}");
    assert_eq!(findings[0]["location"], findings[1]["location"], "{output}");
    assert_eq!(findings[0]["message"], findings[1]["message"], "{output}");
    assert_ne!(findings[0]["bucket"], findings[1]["bucket"], "{output}");
    // What is made smaller stays what it was.
    let mut smaller: Vec<_> = output.events_named("minimized");
    smaller.retain(|event| event["size"] != event["size_before"]);
    for event in &smaller {
        let of = findings.iter().find(|finding| finding["bucket"] == event["bucket"]);
        assert_eq!(own_functions(of.unwrap())[0], own_functions(event)[0], "{output}");
    }
    assert_eq!(hostile.testdata("places.subtracts_durations").len(), 2, "{output}");

    // What the user knows and does not want to hear of again.
    fs::remove_dir_all(hostile.path("testdata")).unwrap();
    let bucket = findings[0]["bucket"].as_str().unwrap();
    let output = hostile.shmfuzz(args).args(["--ignore", bucket]).run().code(100);
    let left = output.events_named("finding");
    assert_eq!(left.len(), 1, "{output}");
    assert_eq!(left[0]["bucket"], findings[1]["bucket"], "{output}");
    assert_eq!(output.events_named("ignored")[0]["bucket"], bucket, "{output}");
    hostile.shmfuzz(args).args(["--ignore", "src/lib.rs"]).run().code(2).says(&["16 hexadecimal"]);
}
