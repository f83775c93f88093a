//! Inputs that are values of the user's own types.

use crate::project::{Project, RunToEnd, finding_name, name_of};
use fs_err as fs;

#[test]
fn values_of_any_type_are_found_wrong_from_nothing() {
    let typed = Project::from_fixture("typed", "arbitrary");
    typed.cargo(["test", "--lib"]).run().code(0);
    for (test, message) in [
        ("tests::no_money_is_made", "money was made"),
        ("tests::any_config_will_do", "this config will not do"),
    ] {
        let runs = ["--seed", "1", "--jobs", "1", "--runs", "300000", "--stop-on-crash"];
        let output = typed.fuzz(test, &runs).run();
        let found = output.events_named("finding");
        let [finding, ..] = &found[..] else { panic!("no finding\n{output}") };
        assert!(finding["message"].as_str().unwrap().contains(message), "{output}");
        assert_eq!(finding["kind"], "panic", "{output}");
        output.code(100);

        let folder = test.replace("::", ".");
        let files = typed.testdata(&folder);
        let [file] = &files[..] else { panic!("{files:?}") };
        let failed = typed.cargo(["test", "--lib", test]).run().code(101);
        failed.says(&[name_of(file), message]);
        fs::remove_file(file).unwrap();
    }
}

#[test]
fn values_are_found_from_nothing_and_written_as_text() {
    let typed = Project::from_fixture("typed", "values");
    let mut source = fs::read_to_string(typed.path("src/values.rs")).unwrap();
    for (test, expected) in [
        ("one_number", Some("-1234567890123\n")),
        ("two_arguments", Some("9\n\"yes\"\n")),
        ("related_fields", Some("1001\n1008\n")),
        ("one_of_a_list", Some("[[true,\"key\"]]\n")),
        (
            "many_values",
            Some("1001\n1008\n\"=\"\n[[77,null]]\n3.0\n{\"nanos\":500000000,\"secs\":1}\n"),
        ),
        ("an_array", Some("[115,105,120,116,101,101,110,32,98,121,116,101,115,32,97,98]\n")),
    ] {
        let path = format!("values::{test}");
        let args = ["--seed", "1", "--jobs", "1", "--runs", "3000000", "--stop-on-crash"];
        let output = typed.fuzz(&path, &args).run().code(100);
        let folder = typed.testdata(&format!("values.{test}"));
        let [file] = &folder[..] else { panic!("{folder:?}\n{output}") };
        let text = fs::read_to_string(file).unwrap();
        let values = text.strip_prefix("cargo-shmfuzz values v1\n").expect("the first line");
        assert!(expected.is_none_or(|expected| values == expected), "{test}: {values}");
        assert_eq!(name_of(file), finding_name("crash", text.as_bytes()), "{output}");
        let repro = typed.shmfuzz(["repro", "--exact", &path, name_of(file)]).run();
        repro.code(100).says(&["found at "]);
        let cargo_test = typed.cargo(["test", "--lib", "--", "--exact", &path]).run();
        cargo_test.code(101).says(&[name_of(file), "found at "]);
        let again = typed.fuzz(&path, &["--runs", "1000", "--jobs", "1"]).run().code(0);
        assert_eq!(again.event("known")["seed"], name_of(file), "{again}");
        source += output.event("minimized")["unit_test"].as_str().expect("code to paste");
    }
    typed.write("src/values.rs", source);
    let pasted = typed.cargo(["test", "--lib", "--", "_crash_"]).run().code(101);
    pasted.says(&["0 passed; 6 failed", "values::many_values_crash_", "found at many values"]);
}

#[test]
fn values_that_end_the_process_become_the_simplest() {
    let typed = Project::from_fixture("typed", "values-minimize");
    let test = "values::ends_the_process";
    let folder = "testdata/fuzz/values.ends_the_process";
    typed.write(
        format!("{folder}/mine"),
        "cargo-shmfuzz values v1\n-9876\n[\"some\",\"text\",\"more\"]\n",
    );
    let output = typed.shmfuzz(["minimize", "--exact", test, "mine"]).run().code(0);
    let output = output.says(&["-77", "[\"x\"]"]);
    let files = typed.testdata("values.ends_the_process");
    let made = files.iter().find(|file| name_of(file) != "mine").expect("a file was written");
    let text = fs::read_to_string(made).unwrap();
    assert_eq!(text, "cargo-shmfuzz values v1\n-77\n[\"x\"]\n", "{output}");
}

#[test]
fn files_of_values_can_be_written_by_hand() {
    let typed = Project::from_fixture("typed", "by-hand");
    let test = "values::says_its_arguments";
    let cargo_test = || typed.cargo(["test", "--lib", "--", "--exact", test, "--nocapture"]).run();
    let seed = "<1.5 Some('ß') {\"a\": [1, 2]} 2.5s Err([255])>";
    cargo_test().code(0).says(&[seed]);
    let file = |text: &str| {
        let text = format!("cargo-shmfuzz values v1\n# by hand\n{text}");
        typed.write("testdata/fuzz/values.says_its_arguments/mine", text);
    };
    file("\"-inf\"\nnull\n{\"k\": []}\n{\"secs\": 3, \"nanos\": 0}\n{\"Ok\": -5}\n");
    cargo_test().code(0).says(&[seed, "<-inf None {\"k\": []} 3s Ok(-5)>"]);
    file("1\nnull\n{\"k\": [70000]}\n{\"secs\": 3, \"nanos\": 0}\n{\"Ok\": -5}\n");
    let wrong = "line 5: argument 3[\"k\"][0]: a number that fits u16 expected, not 70000";
    cargo_test().code(101).says(&["values.says_its_arguments/mine", wrong]);
    let output = typed.shmfuzz(["run", "--exact", test, "--runs", "200"]).run().code(0);
    output.says(&["values.says_its_arguments/mine", wrong, "it is passed over"]);
}

/// Until it is found, however slow the machine: the time is a limit that nothing comes near to.
#[test]
fn one_value_of_each_type_is_found_from_nothing() {
    let planted = Project::from_fixture("planted", "one-value");
    let source = fs::read_to_string(planted.path("src/lib.rs")).unwrap();
    let after = source.split("#[fuzz_test]").skip(1);
    let names = after.map(|rest| rest.split_once("fn ").unwrap().1.split_once('(').unwrap().0);
    let names: Vec<&str> = names.collect();
    assert!(names.len() > 40, "{names:?}");
    let is_missed = |name: &&&str| {
        let args = ["--seed", "1", "--jobs", "1", "--time", "60s", "--stop-on-crash"];
        let output = planted.fuzz(&format!("tests::{name}"), &args).run();
        output.events_named("finding").is_empty()
    };
    let missed: Vec<&&str> = names.iter().filter(is_missed).collect();
    assert!(missed.is_empty(), "{missed:?}");
}
