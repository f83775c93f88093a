//! Every way to fail that leaves no doubt: found, written, and failing under `cargo test`.

use crate::project::{Project, RunToEnd, finding_name, name_of};
use fs_err as fs;

/// One fuzz test that fails on three bytes or more.
struct Death {
    test: &'static str,
    kind: &'static str,
    prefix: &'static str,
}

const fn death(test: &'static str, kind: &'static str, prefix: &'static str) -> Death {
    Death { test, kind, prefix }
}

/// Fuzzes the fuzz tests of one module and checks findings, files and `cargo test`; -> the files'
/// contents.
fn found_written_and_failing(
    label: &str,
    filter: &str,
    args: &[&str],
    deaths: &[Death],
) -> Vec<Vec<u8>> {
    let zoo = Project::zoo(label);
    let mut fuzzing = zoo.shmfuzz(["run", "--message-format", "json", filter]);
    let output = fuzzing.args(args).run().code(100);
    let findings = output.events_named("finding");
    let (mut files, mut contents) = (Vec::new(), Vec::new());
    for Death { test, kind, prefix } in deaths {
        let of_test: Vec<_> = findings.iter().filter(|event| event["test"] == *test).collect();
        assert_eq!(of_test.len(), 1, "findings of {test}\n{output}");
        assert_eq!(of_test[0]["kind"], *kind, "{test}\n{output}");
        assert_eq!(of_test[0]["reproducible"], true, "{test}\n{output}");
        let written = zoo.testdata(&test.replace("::", "."));
        assert_eq!(written.len(), 1, "{test}: {written:?}\n{output}");
        let content = fs::read(&written[0]).unwrap();
        assert_eq!(name_of(&written[0]), finding_name(prefix, &content), "{test}");
        if test.contains("text") {
            assert!(std::str::from_utf8(&content).is_ok(), "{test}: {content:?}");
        }
        files.push(name_of(&written[0]).to_owned());
        contents.push(content);
    }
    let names: Vec<_> = files.iter().map(String::as_str).collect();
    let failed = format!("{} failed", deaths.len());
    let ordinary = format!("{filter}an_ordinary_test_still_reports ... ok");
    zoo.cargo(["test", "--lib", "--", filter])
        .run()
        .code(101)
        .says(&names)
        .says(&[&failed, "1 passed", &ordinary]);
    contents
}

/// Go's script tests pin this: G19.
#[test]
fn each_death_is_found_written_and_fails_cargo_test_by_name() {
    let deaths = [
        death("deaths::bytes_panic", "panic", "crash"),
        death("deaths::text_panics", "panic", "crash"),
        death("deaths::bytes_err", "error", "crash"),
        death("deaths::text_errs", "error", "crash"),
        death("deaths::bytes_assert", "panic", "crash"),
        death("deaths::text_asserts", "panic", "crash"),
        death("deaths::bytes_exit", "exit", "exit"),
        death("deaths::text_exits", "exit", "exit"),
        death("deaths::bytes_abort", "abort", "abort"),
        death("deaths::text_aborts", "abort", "abort"),
    ];
    let args = ["--runs", "300", "--jobs", "2"];
    let inputs = found_written_and_failing("deaths", "deaths::", &args, &deaths);
    // Those that end the process are made as small and simple as those that do not.
    assert_eq!(inputs, vec![b"000".to_vec(); deaths.len()]);
}

/// Go's script tests pin this: G19.
#[test]
fn each_hang_is_found_written_and_fails_cargo_test_by_name() {
    let deaths = [
        death("hangs::bytes_deadlock", "timeout", "timeout"),
        death("hangs::text_deadlocks", "timeout", "timeout"),
    ];
    found_written_and_failing("hangs", "hangs::", &["--time", "12s", "--jobs", "2"], &deaths);
}
