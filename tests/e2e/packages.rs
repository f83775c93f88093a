//! Several packages in one command.

use crate::project::{Project, RunToEnd};
use std::collections::BTreeSet;

/// Go's script tests pin this: G18, G32.
#[test]
fn one_campaign_fuzzes_all_fuzz_tests_of_a_workspace() {
    let project = Project::from_fixture("packages", "workspace");
    let args = ["run", "--message-format", "json", "--runs", "200000", "--jobs", "2"];
    let output = project.shmfuzz(args).run().code(100);
    let findings = output.events_named("finding");
    let found: BTreeSet<_> = findings.iter().map(|event| event["test"].to_string()).collect();
    assert_eq!(found.len(), 3, "{output}");
    for (folder, message) in [
        ("one/testdata/fuzz/tests.calls_the_other_member", "two cannot parse this"),
        ("one/testdata/fuzz/tests.calls_the_dependency", "outside cannot parse this"),
        ("two/testdata/fuzz/tests.parses_by_itself", "two cannot parse this"),
    ] {
        let finding = findings.iter().find(|event| {
            event["path"].as_str().unwrap().contains(folder) && event["message"] == message
        });
        assert!(finding.is_some(), "{folder}\n{output}");
    }
    assert!(!project.path("outside/testdata").exists());
    assert!(!project.path("testdata").exists());
}

/// Go's script tests pin this: G32.
#[test]
fn one_package_of_several_is_selected() {
    let project = Project::from_fixture("packages", "selection");
    let args = ["run", "--message-format", "json", "--runs", "200000"];
    let output = project.shmfuzz(args).args(["--package", "two"]).run().code(100);
    assert_eq!(output.events_named("start").len(), 1, "{output}");
    assert!(project.path("two/testdata/fuzz/tests.parses_by_itself").is_dir(), "{output}");
    assert!(!project.path("one/testdata").exists(), "{output}");

    let outside = ["--manifest-path", "outside/Cargo.toml"];
    let output = project.shmfuzz(args).args(outside).run().code(100);
    assert_eq!(output.events_named("start").len(), 1, "{output}");
    assert!(project.path("outside/testdata/fuzz/tests.parses_outside").is_dir(), "{output}");
}
