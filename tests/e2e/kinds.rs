//! Ends of a process that have a kind of their own.

use crate::project::{Project, RunToEnd, finding_name, name_of};
use fs_err as fs;

/// Fuzzes one test to its first finding, and checks its kind, its file and `cargo test`.
fn is_found(test: &str, kind: &str, flags: &[&str]) {
    let zoo = Project::zoo(&test.replace("::", "-"));
    let mut fuzzing = zoo.fuzz(test, &["--time", "60s", "--jobs", "1", "--stop-on-crash"]);
    let output = fuzzing.args(flags).run().code(100);
    let finding = &output.events_named("finding")[0];
    assert_eq!(finding["kind"], kind, "{output}");
    assert_eq!(finding["reproducible"], true, "{output}");
    let files = zoo.testdata(&test.replace("::", "."));
    assert_eq!(files.len(), 1, "{files:?}\n{output}");
    assert_eq!(name_of(&files[0]), finding_name(kind, &fs::read(&files[0]).unwrap()));
    let again = zoo.cargo(["test", "--lib", "--", "--exact", test]).run();
    again.code(101).says(&[name_of(&files[0]), "1 failed"]);
}

#[test]
fn a_stack_overflow_is_found() {
    is_found("kinds::overflows_the_stack", "stack_overflow", &[]);
}

/// Go's script tests pin this: G23.
#[test]
fn a_fatal_signal_is_found() {
    is_found("kinds::reads_nowhere", "signal", &[]);
}

/// Go's script tests pin this: G08.
#[test]
fn an_input_that_spins_is_found_within_its_timeout() {
    is_found("kinds::spins", "timeout", &["--timeout", "1s"]);
}

#[test]
fn an_input_that_allocates_is_found_within_its_limit() {
    is_found("kinds::allocates", "oom", &["--rss-limit", "256MiB"]);
}
