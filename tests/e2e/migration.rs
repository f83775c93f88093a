//! Targets of cargo-fuzz that become fuzz tests.

use crate::project::{Project, RunToEnd, files_below, name_of, runtime};
use fs_err as fs;

const ARTIFACT: &str = "crash-da39a3ee5e6b4b0d3255bfef95601890afd80709";

fn project(label: &str) -> Project {
    Project::from_fixture("cargo_fuzz", label).with_target("migration")
}

/// All files of a project with their content.
fn snapshot(project: &Project, folder: &str) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let files = files_below(&project.path(folder)).into_iter();
    files.map(|file| (file.clone(), fs::read(file).unwrap())).collect()
}

#[test]
fn targets_move_with_all_that_belongs_to_them() {
    let project = project("moves");
    let before = snapshot(&project, "fuzz");
    let output = project.shmfuzz(["migrate", "--path", &runtime()]).run().code(0);
    output.says(&[
        "Created",
        "tests/parse.rs",
        "2 seeds, 1 artifact",
        "parse.fuzz_target.dict",
        "mutates is not moved: it uses `fuzz_mutator`",
        "needs_nightly is not moved: it has required-features: nightly",
        "tests/taken.rs is there already",
        "dict/unknown.dict has the name of no target",
        "features of the fuzz package are not added: nightly",
        "shmfuzz-runtime (arbitrary-derive), depot, cargo_fuzz",
    ]);
    assert_eq!(snapshot(&project, "fuzz"), before, "the old folder changed");
    let tests: Vec<_> = files_below(&project.path("tests"));
    let names: Vec<_> = tests.iter().map(|file| name_of(file)).collect();
    assert_eq!(names, ["parse-pair.rs", "parse.rs", "deeper.rs", "mod.rs", "taken.rs"]);
    let source = fs::read_to_string(project.path("tests/parse.rs")).unwrap();
    assert!(source.starts_with("use shmfuzz_runtime::fuzz_target;\n"), "{source}");
    assert!(source.contains("// The crate libfuzzer_sys calls this."), "{source}");

    // What failed under cargo-fuzz fails, by name, and the rest passes.
    let failed = project.cargo(["test", "--tests", "--no-fail-fast"]).run().code(101);
    failed.says(&[ARTIFACT, "brackets are closed", "1 of 3 seeds"]).says_not(&["parse-pair` fail"]);
    fs::remove_file(project.path("testdata/fuzz/parse.fuzz_target").join(ARTIFACT)).unwrap();
    project.cargo(["test", "--tests"]).run().code(0);

    let list = project.shmfuzz(["list"]).run().code(0);
    list.says(&["parse", "parse_pair"]).says_not(&["warning"]);
    let run = ["run", "--seed", "1", "--jobs", "1", "--runs", "300000", "--stop-on-crash"];
    let target = ["--test", "parse-pair", "--message-format", "json"];
    let output = project.shmfuzz([&run[..], &target].concat()).run();
    let message = output.event("finding")["message"].clone();
    assert_eq!(message, "this pair cannot be added", "{output}");
    output.code(100);
    let output = project.shmfuzz(["run", "--runs", "500", "--test", "parse", "--jobs", "1"]).run();
    output.says(&["2 seeds", "2 tokens"]);
}

#[test]
fn a_dry_run_tells_all_and_changes_nothing() {
    let project = project("dry");
    let before = snapshot(&project, ".");
    let output = project.shmfuzz(["migrate", "fuzz", "--dry-run"]).run().code(0);
    output.says(&["Would write", "tests/parse.rs", "Would add", "mutates is not moved"]);
    assert_eq!(snapshot(&project, "."), before);
    assert_eq!(project.cache(), [] as [std::path::PathBuf; 0]);
}

#[test]
fn what_is_there_is_never_written_over() {
    let project = project("kept");
    project.write("testdata/fuzz/parse.fuzz_target/0a1b2c", "mine");
    project.write("tests/parse-pair.rs", "// mine\n");
    for n in 0..1001 {
        project.write(format!("fuzz/corpus/parse/{n:04}"), format!("{n:0300}"));
    }
    let output = project.shmfuzz(["migrate", "--path", &runtime()]).run().code(0);
    output.says(&[
        "0a1b2c is there already, with other content: kept",
        "tests/parse-pair.rs is there already",
        "1000 seeds, 1 artifact",
        "3 larger inputs of the corpus: ",
    ]);
    let kept = |path: &str| fs::read_to_string(project.path(path)).unwrap();
    assert_eq!(kept("testdata/fuzz/parse.fuzz_target/0a1b2c"), "mine");
    assert_eq!(kept("tests/parse-pair.rs"), "// mine\n");
    assert_eq!(project.cache().len(), 3);
    assert!(project.cache().iter().all(|file| fs::read(file).unwrap().len() == 300));

    let again = project.shmfuzz(["migrate"]).run().code(2);
    again.says(&["tests/parse.rs is there already", "no target of", "can be moved"]);
}

#[test]
fn a_folder_that_is_none_of_cargo_fuzz_is_named() {
    let project = project("none");
    let output = project.shmfuzz(["migrate", "src"]).run().code(2);
    output.says(&["there is no Cargo.toml in src: give the folder that `cargo fuzz init` made"]);
    let members = "[workspace]\nmembers = [\"one\"]\nresolver = \"2\"\n";
    project.write("fuzz/Cargo.toml", members);
    let manifest = fs::read(project.path("depot/Cargo.toml")).unwrap();
    project.write("fuzz/one/Cargo.toml", manifest);
    project.write("fuzz/one/src/lib.rs", "");
    let output = project.shmfuzz(["migrate"]).run().code(2);
    output.says(&["is a workspace without a package of its own: give the folder of one of depot"]);
}
