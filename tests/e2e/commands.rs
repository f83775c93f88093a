//! The commands beside `run`.

use crate::project::{Project, RunToEnd, files_below, runtime};
use fs_err as fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

#[test]
fn list_names_every_fuzz_test_and_runs_nobodys_code() {
    let zoo = Project::zoo("list");
    let output = zoo.shmfuzz(["list"]).run().code(0);
    for test in ["deaths::bytes_exit", "quiet::never_fails", "own_harness", "integration"] {
        assert!(output.stdout.contains(test), "{test}\n{output}");
    }
    assert!(!output.stdout.contains("an_ordinary_test"), "{output}");
    let harnesses = Project::from_fixture("harnesses", "list");
    harnesses.shmfuzz(["list"]).run().code(0).says(&["unreached_by_exit"]).says_not(&["says why"]);
}

#[test]
fn a_new_crate_has_a_fuzz_test_after_one_command() {
    let project = Project::empty();
    project.cargo(["init", "--lib", "--vcs", "none", "--name", "fresh"]).run().code(0);
    let new = ["new", "first_steps", "--path", &runtime()];
    project.shmfuzz(new).run().code(0).says(&["first_steps"]);
    let manifest = fs::read_to_string(project.path("Cargo.toml")).unwrap();
    assert!(manifest.contains("[dev-dependencies]\nshmfuzz-runtime"), "{manifest}");

    project.cargo(["test"]).run().code(0).says(&["first_steps"]);
    project.shmfuzz(["list"]).run().code(0).says(&["first_steps"]);
    project.shmfuzz(["run", "--runs", "500", "first_steps"]).run().code(0);
    let again = project.shmfuzz(new).run();
    assert_ne!(again.code, 0, "a second one of the name would replace the first\n{again}");
}

#[test]
fn repro_says_by_exit_code_whether_an_input_fails() {
    let zoo = Project::zoo("repro");
    let (good, bad) = (zoo.private("good"), zoo.private("bad"));
    fs::write(&good, "ab").unwrap();
    fs::write(&bad, "abc").unwrap();
    let repro =
        |test: &str, input: &Path| zoo.shmfuzz(["repro", test, input.to_str().unwrap()]).run();
    repro("deaths::bytes_panic", &good).code(0);
    repro("deaths::bytes_panic", &bad).code(100).says(&["bytes panic at 3"]);
    repro("deaths::text_errs", &bad).code(100);
    repro("deaths::bytes_exit", &bad).code(100);
    repro("deaths::bytes_abort", &bad).code(100);
    repro("hangs::bytes_deadlock", &bad).code(100);
    // It shows what the body prints, in full.
    repro("quiet::prints_a_lot", &good).code(0).says(&["SECRET on stdout", "SECRET on stderr 2"]);
    let both = ["repro", "deaths::bytes_panic", good.to_str().unwrap(), bad.to_str().unwrap()];
    zoo.shmfuzz(both).run().code(100);
    assert!(files_below(&zoo.private("cache")).is_empty());
}

#[test]
fn the_name_of_a_file_does_nothing_to_the_terminal() {
    let zoo = Project::zoo("names");
    let name = "none\nerror: none\u{1b}[2J\u{9b}2J\u{202e}";
    let shown = r"none\nerror: none\u{1b}[2J\u{9b}2J\u{202e}";
    let is_safe = |c: char| c == '\n' || !(c.is_control() || c == '\u{202e}');
    for (args, code) in [
        (vec!["run", "--dict", name], 2),
        (vec!["repro", "deaths::bytes_panic", name], 2),
        (vec!["list", "--config", name], 96),
    ] {
        let output = zoo.shmfuzz(args).run().code(code).says(&[shown]);
        assert!(output.stderr.chars().all(is_safe), "{output}");
        assert!(!output.stderr.lines().any(|line| line.starts_with("error: none")), "{output}");
    }
}

#[test]
fn repro_runs_an_input_under_a_debugger() {
    let zoo = Project::zoo("debugger");
    let input = zoo.private("input");
    fs::write(&input, "123").unwrap();
    // One that runs what it is given, and says which input that will read.
    let bin = zoo.private("bin");
    fs::create_dir(&bin).unwrap();
    let script = "#!/bin/sh\nuntil [ \"$1\" = --args ]; do echo \"gdb $1\"; shift; done\nshift\n\
                  echo \"input $SHMFUZZ_REPLAY\"\n\"$@\"\necho \"status $?\"\n";
    fs::write(bin.join("gdb"), script).unwrap();
    // One that keeps recordings where it is told to.
    let recorder = "#!/bin/sh\ncase $1 in\n\
                    record) touch \"$_RR_TRACE_DIR/trace\"; shift; \"$@\" ;;\n\
                    replay) ls \"$_RR_TRACE_DIR\"; echo \"rr $*\" ;;\nesac\n";
    fs::write(bin.join("rr"), recorder).unwrap();
    // One that is interrupted from the terminal, like all that run there.
    fs::write(bin.join("lldb"), "#!/bin/sh\nkill -INT $PPID\necho lldb goes on\n").unwrap();
    for debugger in ["gdb", "rr", "lldb"] {
        fs::set_permissions(bin.join(debugger), PermissionsExt::from_mode(0o755)).unwrap();
    }
    let path = std::env::var("PATH").unwrap();
    let debug = |debugger: &str, inputs: &[&str]| {
        let args = ["repro", "deaths::bytes_panic", "--debugger", debugger];
        let mut command = zoo.shmfuzz(args.iter().chain(inputs));
        command.env("PATH", format!("{}:{path}", bin.display())).run()
    };
    let input = input.to_str().unwrap();
    let read = format!("input {input}");
    debug("gdb", &[input]).code(0).says(&[
        "gdb break rust_panic",
        &read,
        "bytes panic at 3",
        "status 101",
    ]);
    let replayed = ["bytes panic at 3", "trace\nrr replay -- -ex break rust_panic"];
    debug("rr", &[input]).code(0).says(&replayed);
    assert_eq!(files_below(&zoo.tmp()), [] as [&Path; 0], "the recording is gone");
    debug("lldb", &[input]).code(0).says(&["lldb goes on"]);
    debug("gdb", &[input, input]).code(2).says(&["--debugger takes one input, not 2"]);
    debug("ddd", &[input]).code(2).says(&["gdb", "lldb", "rr"]);
}
