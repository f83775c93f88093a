//! The JSON stream: documented, versioned, stable.

use crate::project::{Project, RunToEnd};
use serde_json::Value;

#[track_caller]
fn has(event: &Value, fields: &[&str]) {
    for field in fields {
        assert!(event.get(field).is_some(), "no {field} in {event}");
    }
}

#[test]
fn every_event_has_its_documented_fields() {
    let zoo = Project::zoo("events");
    // Time for several figures: the finding comes at once.
    let output = zoo.fuzz("findings::fails_in_json", &["--time", "4s"]).run().code(100);
    for event in output.events() {
        assert!(event["event"].is_string(), "{event}");
    }
    has(&output.events_named("build")[0], &[]);
    has(&output.event("start"), &["test", "seeds", "corpus", "tokens", "counters", "workers"]);
    let stats = output.events_named("stats");
    assert!(!stats.is_empty(), "{output}");
    for event in &stats {
        has(
            event,
            &[
                "test",
                "elapsed",
                "execs",
                "execs_per_sec",
                "corpus",
                "edges",
                "edges_total",
                "findings",
                "stability",
                "discovery_probability",
                "expected_next_minute",
            ],
        );
        assert!(event["elapsed"].is_f64(), "times are seconds as numbers: {event}");
    }
    has(&output.events_named("new_entry")[0], &["test"]);
    let finding = output.event("finding");
    has(
        &finding,
        &[
            "test",
            "kind",
            "message",
            "location",
            "bucket",
            "path",
            "size",
            "elapsed",
            "execs",
            "reproducible",
            "stack",
            "unit_test",
        ],
    );
    assert_eq!(finding["test"], "findings::fails_in_json");
    assert_eq!(finding["kind"], "panic");
    assert_eq!(finding["message"], "said in an event");
    assert!(finding["location"].as_str().unwrap().starts_with("src/findings.rs:"), "{finding}");
    let finish = output.event("finish");
    assert_eq!(finish["exit_code"], 100);
    assert_eq!(output.events().last(), Some(&finish), "finish is last");
}

#[test]
fn a_build_that_fails_ends_the_stream_with_finish_too() {
    let flawed = Project::from_fixture("flawed", "events");
    let output = flawed.shmfuzz(["run", "--message-format", "json"]).run().code(101);
    assert_eq!(output.event("finish")["exit_code"], 101, "{output}");
}
