//! Dictionaries: where they come from, what they make possible, and what is said of bad ones.

use crate::project::{Project, RunToEnd};
use crate::run::Output;

/// The message of the one finding, in a campaign that repeats.
fn finds(project: &Project, test: &str, args: &[&str]) -> Vec<String> {
    finds_within("20000", project, test, args)
}

fn finds_within(n_runs: &str, project: &Project, test: &str, args: &[&str]) -> Vec<String> {
    let runs = ["--seed", "1", "--jobs", "1", "--runs", n_runs, "--minimize-time", "0"];
    let output = project.fuzz(test, &[&runs, args].concat()).run();
    let message = |finding: &serde_json::Value| finding["message"].as_str().unwrap().to_owned();
    let found: Vec<String> = output.events_named("finding").iter().map(message).collect();
    output.code(if found.is_empty() { 0 } else { 100 });
    found
}

#[track_caller]
fn says_spell(found: &[String], spell: &str) {
    assert!(matches!(found, [message] if message.contains(spell)), "{found:?}");
}

#[test]
fn a_dictionary_finds_what_no_comparison_reveals() {
    let lexicon = Project::from_fixture("lexicon", "flag");
    lexicon.write("one.dict", "kw=\"close sesame\"\n");
    lexicon.write("two.dict", "kw@2=\"open\\x20sesame\" # the word\n");
    for test in ["tests::alone", "tests::alone_with_text"] {
        let corpus = lexicon.private("without").display().to_string();
        let without = finds(&lexicon, test, &["--corpus-dir", &corpus]);
        assert_eq!(without, [] as [String; 0], "the other half of this test");
        says_spell(
            &finds(&lexicon, test, &["--dict", "one.dict", "--dict", "two.dict"]),
            "spell 1",
        );
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn words_of_tables_that_are_looked_up_are_found_without_a_dictionary() {
    let lexicon = Project::from_fixture("lexicon", "tables");
    says_spell(&finds_within("100000", &lexicon, "tests::looked_up", &[]), "spell 5");
}

#[test]
fn a_fuzz_test_has_the_dictionaries_of_its_folder_its_attribute_and_its_package() {
    let lexicon = Project::from_fixture("lexicon", "own");
    // They are no seeds, and nobody's business but fuzzing's.
    lexicon.cargo(["test", "--lib", "--tests"]).run().code(0).says_not(&["dict"]);
    lexicon.shmfuzz(["list"]).run().code(0).says_not(&["dict", "warning"]);
    says_spell(&finds(&lexicon, "tests::beside", &[]), "spell 2");
    says_spell(&finds(&lexicon, "moved::moved", &[]), "spell 4");
    says_spell(&finds(&lexicon, "tests::named", &[]), "spell 3");
    let output = lexicon.shmfuzz(["run", "named", "--runs", "10"]).run().code(0);
    output
        .says(&["named: 1 of the dictionary's 3 tokens is not valid UTF-8", " cached, 2 tokens, "]);
    let manifest = fs_err::read_to_string(lexicon.path("Cargo.toml")).unwrap();
    let metadata = "\n[package.metadata.shmfuzz]\ndict = \"dict/package.dict\"\n";
    lexicon.write("Cargo.toml", manifest + metadata);
    lexicon.write("dict/package.dict", "\"open sesame\"\n\"simsalabim\"\n");
    says_spell(&finds(&lexicon, "tests::alone", &[]), "spell 1");
    let output = lexicon.fuzz("tests::named", &["--runs", "10"]).run();
    assert_eq!(output.event("start")["tokens"], 3, "each counts once\n{output}");
}

#[test]
fn a_dictionary_that_is_named_belongs_to_a_fuzz_test_wherever_it_stands() {
    let lexicon = Project::from_fixture("lexicon", "named");
    let source = fs_err::read_to_string(lexicon.path("src/lib.rs")).unwrap();
    lexicon.write("src/lib.rs", source.replace("dict/spells.dict", "testdata/fuzz/spells.dict"));
    let manifest = fs_err::read_to_string(lexicon.path("Cargo.toml")).unwrap();
    let metadata = "\n[package.metadata.shmfuzz]\ndict = \"testdata/fuzz/package.dict\"\n";
    lexicon.write("Cargo.toml", manifest + metadata);
    for name in ["spells", "package", "nobody"] {
        lexicon.write(format!("testdata/fuzz/{name}.dict"), format!("\"{name}\"\n"));
    }
    let output = lexicon.shmfuzz(["list"]).run().code(0);
    let output = output.says(&["testdata/fuzz/nobody.dict belongs to no fuzz test"]);
    output.says_not(&["spells.dict belongs", "package.dict belongs"]);
}

#[test]
fn a_bad_dictionary_is_refused_with_its_place_before_anything_is_fuzzed() {
    let lexicon = Project::from_fixture("lexicon", "bad");
    let run = |args: &[&str]| -> Output {
        let run = ["run", "--runs", "10", "--exact", "tests::beside"];
        lexicon.shmfuzz([&run, args].concat()).run().says_not(&["Started"])
    };
    lexicon.write("bad.dict", "# fine\nkw=\"fine\"\nkw=\"not \\q fine\"\n");
    run(&["--dict", "bad.dict"])
        .code(2)
        .says(&[
            "--dict: the dictionary bad.dict: line 3, column 9: unknown escape `\\q`: expected",
        ])
        .says_not(&["Compiling", "Finished"]);
    run(&["--dict", "none.dict"]).code(2).says(&["--dict: cannot read the dictionary none.dict"]);
    lexicon.write("many.dict", (0..=1 << 14).map(|n| format!("\"{n}\"\n")).collect::<String>());
    run(&["--dict", "many.dict"]).code(2).says(&["16385 tokens, and may have at most 16384"]);
    lexicon.write("testdata/fuzz/tests.beside.dict", format!("\n\"{}\"\n", "x".repeat(1025)));
    run(&[]).code(96).says(&[
        "beside: the dictionary ",
        "testdata/fuzz/tests.beside.dict: line 2, column 2: the token has 1025 bytes, expected at \
         most 1024",
    ]);
    lexicon.write("testdata/fuzz/tests.beside.dict", "");
    lexicon.write("testdata/fuzz/tests.besides.dict", "");
    run_stray(&lexicon);
}

fn run_stray(lexicon: &Project) {
    lexicon
        .shmfuzz(["run", "--runs", "10", "--exact", "tests::beside"])
        .run()
        .code(0)
        .says(&["testdata/fuzz/tests.besides.dict belongs to no fuzz test: did you mean \
         `tests.beside.dict`?"]);
    let named = ["--dict", "testdata/fuzz/tests.besides.dict"];
    let args = ["run", "--runs", "10", "--exact", "tests::beside"];
    let output = lexicon.shmfuzz(args).args(named).run().code(0);
    assert!(!output.stderr.contains("belongs to no"), "it is the command line's\n{output}");
    fs_err::remove_file(lexicon.path("dict/spells.dict")).unwrap();
    lexicon
        .shmfuzz(["run", "--runs", "10", "--exact", "tests::named"])
        .run()
        .code(96)
        .says(&["named: cannot read the dictionary ", "dict/spells.dict"]);
    let manifest = fs_err::read_to_string(lexicon.path("Cargo.toml")).unwrap();
    let metadata = "\n[package.metadata.shmfuzz]\ndict = \"/etc/spells.dict\"\n";
    lexicon.write("Cargo.toml", manifest + metadata);
    lexicon.shmfuzz(["run", "--runs", "10", "--exact", "tests::beside"]).run().code(96).says(&[
        "Cargo.toml: package.metadata.shmfuzz: dict: \"/etc/spells.dict\" is no path relative to",
    ]);
}
