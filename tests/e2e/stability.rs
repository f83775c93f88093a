//! What does not come back when an input is run again: how much of it, and where.

use crate::campaign::logs;
use crate::project::{Project, RunToEnd};
use crate::run::Running;
use fs_err as fs;
use rustix::process::Signal;
use serde_json::Value;

/// The lines of the fixture that end with a mark.
fn marked(zoo: &Project, mark: &str) -> Vec<u64> {
    let source = fs::read_to_string(zoo.path("src/flickers.rs")).unwrap();
    let lines = source.lines().zip(1..).filter(|(line, _)| line.ends_with(mark));
    lines.map(|(_, n)| n).collect()
}

fn listed(events: &[Value]) -> Vec<u64> {
    let flickering = events.iter().filter(|event| event["event"] == "flickering");
    let mut lines: Vec<u64> = flickering
        .map(|event| {
            assert_eq!(event["file"], "src/flickers.rs", "{event}");
            event["line"].as_u64().unwrap()
        })
        .collect();
    lines.sort_unstable();
    lines
}

#[test]
fn the_lines_that_flicker_are_listed_and_no_others() {
    let zoo = Project::zoo("flickers");
    let test = "flickers::differs_from_call_to_call";
    let args = ["stability", "--exact", test, "--times", "64", "--message-format", "json"];
    let output = zoo.shmfuzz(args).run().code(0);
    let events = output.events();
    assert_eq!(listed(&events), marked(&zoo, "// flickers"), "{output}");
    let inputs_of = |line: u64| events.iter().find(|event| event["line"] == line).unwrap();
    let state = marked(&zoo, "// flickers")[0];
    assert_eq!(inputs_of(state)["inputs"], 2, "{output}");
    let whole = output.event("stability");
    assert_eq!((&whole["inputs"], &whole["failing"]), (&5.into(), &0.into()), "{output}");
    assert!(whole["stability"].as_f64().unwrap() < 1.0, "{output}");

    let output = zoo.shmfuzz(["stability", "--exact", test, "--times", "64"]).run().code(0);
    let expected = format!("src/flickers.rs:{state}  flickers with 2 of 5 inputs");
    assert!(output.stdout.contains(&expected), "{output}");
}

#[test]
fn inputs_that_fail_or_end_the_process_are_left_out() {
    let zoo = Project::zoo("flickers-ends");
    let test = "flickers::flickers_and_ends";
    let args = ["stability", "--exact", test, "--message-format", "json"];
    let output = zoo.shmfuzz(args).run().code(0);
    assert_eq!(listed(&output.events()), marked(&zoo, "// flickers at the end"), "{output}");
    let whole = output.event("stability");
    assert_eq!((&whole["inputs"], &whole["failing"]), (&2.into(), &2.into()), "{output}");
}

#[test]
fn an_interrupted_survey_says_how_far_it_came() {
    for format in ["json", "human"] {
        let zoo = Project::zoo(&format!("flickers-interrupted-{format}"));
        let test = "log::stays_when_asked_to";
        let folder = zoo.private("corpus");
        fs::create_dir(&folder).unwrap();
        let last = b"stay here, for good";
        fs::write(folder.join("a"), last).unwrap();
        let args = ["stability", "--exact", test, "--message-format", format, "--corpus-dir"];
        let running = Running::start(zoo.shmfuzz(args).arg(&folder));
        running.wait_until("the input that stays is run", || {
            logs(&zoo, "stays").iter().any(|(_, calls)| calls.last().is_some_and(|c| c == last))
        });
        running.send(Signal::INT);
        let output = running.finish().code(130);
        if format == "json" {
            let whole = output.event("stability");
            let figures = ["inputs", "failing", "total", "is_done"].map(|field| &whole[field]);
            assert_eq!(figures, [&2.into(), &0.into(), &3.into(), &Value::Bool(false)], "{output}");
        } else {
            output.says(&["Surveyed log::stays_when_asked_to: interrupted after 2 of 3 inputs, "]);
        }
    }
}

#[test]
fn a_fuzz_test_without_inputs_is_told_how_to_get_some() {
    let zoo = Project::zoo("flickers-none");
    let args = ["stability", "--exact", "corpus::trivial"];
    zoo.shmfuzz(args).run().code(4).says(&["no cached inputs", "cargo shmfuzz run"]);
}

#[test]
fn chance_is_shown_as_instability_and_fills_no_corpus() {
    let zoo = Project::zoo("flickers-chance");
    let test = "flickers::tosses_a_coin_for_each_byte";
    let args = ["--runs", "30000", "--jobs", "1", "--exact", test];
    let output = zoo.shmfuzz(["run"].iter().chain(&args)).run().code(0);
    output.says(&["% stable", "cargo shmfuzz stability"]);
    let output = zoo.fuzz("corpus::repeats", &["--runs", "30000", "--jobs", "1"]).run().code(0);
    assert_eq!(output.event("finish")["tests"][0]["stability"], 1.0, "{output}");
}
