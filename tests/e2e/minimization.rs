//! Findings are made smaller, within a time that the user sets.

use crate::project::{Project, RunToEnd};
use fs_err as fs;

/// Go's script tests pin this: G15.
#[test]
fn a_time_that_is_none_is_wrong_usage() {
    let zoo = Project::zoo("minimize-usage");
    let output = zoo.shmfuzz(["run", "--minimize-time", "banana", "minimal::"]).run();
    output.code(2).says(&["--minimize-time", "banana"]);
}

/// Go's script tests pin this: G15.
#[test]
fn a_hundred_bytes_shrink_to_the_fifty_that_matter() {
    let zoo = Project::zoo("fifty");
    let (test, folder) = ("minimal::fifty_of_a_hundred", "minimal.fifty_of_a_hundred");
    let output = zoo.fuzz(test, &["--runs", "20000", "--minimize-time", "30s"]).run().code(100);
    let files = zoo.testdata(folder);
    assert_eq!(files.len(), 1, "the larger input is gone: {files:?}\n{output}");
    assert_eq!(fs::read(&files[0]).unwrap().len(), 50, "{output}");
    let minimized = output.event("minimized");
    assert_eq!(minimized["size"], 50, "{output}");
    assert_eq!(minimized["path"], files[0].to_str().unwrap(), "{output}");
    assert_eq!(minimized["message"], "no x in front of 50 bytes", "{output}");
    let again = zoo.cargo(["test", "--lib", "--", "--exact", test]).run();
    again.code(101).says(&["no x in front of 50 bytes"]);
}

/// Go's script tests pin this: G15.
#[test]
fn no_time_leaves_a_finding_as_it_was_found() {
    let zoo = Project::zoo("untouched");
    let (test, folder) = ("minimal::fifty_untouched", "minimal.fifty_untouched");
    let output = zoo.fuzz(test, &["--runs", "20000", "--minimize-time", "0"]).run().code(100);
    assert!(output.events_named("minimized").is_empty(), "{output}");
    let finding = output.event("finding");
    let files = zoo.testdata(folder);
    assert_eq!(files.len(), 1, "{files:?}\n{output}");
    let input = fs::read(&files[0]).unwrap();
    assert_eq!(finding["size"], input.len(), "{output}");
    let message = format!("no x in front of {} bytes", input.len());
    assert_eq!(finding["message"], message, "{output}");
}
