//! Inputs of any type that serde knows.

use crate::project::{Project, RunToEnd, finding_name, name_of};
use crate::run::Output;
use fs_err as fs;
use serde_json::Value;
use std::path::PathBuf;

const FIRST_LINE: &str = "cargo-shmfuzz values v1\n";

/// Until it is found, however slow the machine: the time is a limit that nothing comes near to.
fn until_found(project: &Project, test: &str) -> Output {
    let args = ["--seed", "1", "--jobs", "1", "--time", "120s", "--stop-on-crash"];
    project.fuzz(test, &args).run().code(100)
}

/// The one file of a fuzz test, and what it holds.
fn written(project: &Project, test: &str) -> (PathBuf, Vec<u8>) {
    let mut files = project.testdata(&test.replace("::", "."));
    assert_eq!(files.len(), 1, "{files:?}");
    let file = files.remove(0);
    let content = fs::read(&file).unwrap();
    assert_eq!(name_of(&file), finding_name("crash", &content));
    (file, content)
}

/// The same, as text behind the first line.
fn values(project: &Project, test: &str) -> (PathBuf, String) {
    let (file, content) = written(project, test);
    let text = String::from_utf8(content).unwrap();
    (file, text.strip_prefix(FIRST_LINE).expect("the first line").to_owned())
}

/// That the user's functions are shown, and none that stand around them.
fn shows_only(finding: &Value, functions: &[&str]) {
    let frames = finding["stack"].as_array().expect("a stack");
    let names = frames.iter().filter_map(|frame| frame["function"].as_str());
    let mut names: Vec<&str> = names.map(|name| name.rsplit("::").next().unwrap()).collect();
    names.dedup();
    assert_eq!(names, functions, "{finding:#}");
}

/// A fuzz test, the message of its failure, whose functions the stack shows, and the simplest values
/// that fail, if somebody can know them.
type Planted = (&'static str, &'static str, &'static [&'static str], Option<&'static str>);

const PLANTED: [Planted; 11] = [
    (
        "one_operation",
        "renamed too often",
        &["check_op", "check_history", "one_operation"],
        Some("{\"is_strict\":true,\"ops\":[{\"Rename\":{\"name\":\"main\",\"times\":41}}]}\n"),
    ),
    (
        "a_tree",
        "a bad tree",
        &["maximum", "evaluate", "a_tree"],
        Some(
            "{\"Negate\":{\"Negate\":{\"Negate\":{\"Call\":{\"arguments\":[{\"Number\":0},\
             {\"Add\":[{\"Number\":0},{\"Number\":0}]}],\"name\":\"max\"}}}}}\n",
        ),
    ),
    (
        "a_mix",
        "renamed to itself",
        &["a_mix"],
        Some("\"000\"\n{\"Rename\":{\"name\":\"000\",\"times\":10}}\n10\n"),
    ),
    ("json_only", "a range is empty", &["json_only"], Some("{\"from\":1,\"id\":50,\"to\":0}\n")),
    ("refuses_values", "twice of everything", &["refuses_values"], Some("[0,0,100,100]\n")),
    (
        "a_map",
        "the root is used too often",
        &["a_map"],
        Some("{\"root\":{\"n_uses\":31337,\"tags\":[\"x\"]}}\n"),
    ),
    (
        "derived_mutator",
        "said there",
        &["derived_mutator"],
        Some("[{\"Move\":{\"x\":1234,\"y\":-7}},{\"Say\":\"hi\"}]\n"),
    ),
    // Whatever is changed about these, they are none any more.
    ("own_mutator", "it rises", &["check_sealed", "own_mutator"], None),
    ("own_generator", "it rises", &["check_sealed", "own_generator"], None),
    ("own_of_several", "it is known", &["own_of_several"], None),
    ("mutator_of_the_type", "it rises", &["check_sealed", "mutator_of_the_type"], None),
];

#[test]
fn values_of_any_type_that_serde_knows_are_found_and_written_as_text() {
    let project = Project::from_fixture("structured", "planted");
    for (test, message, functions, expected) in PLANTED {
        let path = format!("planted::{test}");
        let output = until_found(&project, &path);
        let finding = &output.events_named("finding")[0];
        assert_eq!((&finding["kind"], &finding["message"]), (&"panic".into(), &message.into()));
        shows_only(finding, functions);
        let (file, values) = values(&project, &path);
        assert!(expected.is_none_or(|expected| values == expected), "{test}: {values}\n{output}");
        let repro = project.shmfuzz(["repro", "--exact", &path, name_of(&file)]).run();
        repro.code(100).says(&[message]);
        let cargo_test = project.cargo(["test", "--lib", "--", "--exact", &path]).run();
        cargo_test.code(101).says(&[name_of(&file), message]);
    }
}

#[test]
fn what_only_the_user_can_make_is_not_found_without_the_user() {
    let project = Project::from_fixture("structured", "no-mutator");
    let args = ["--seed", "1", "--jobs", "1", "--runs", "100000"];
    let output = project.fuzz("planted::no_mutator", &args).run().code(0);
    assert_eq!(output.event("finish")["tests"][0]["execs"], 100_000, "{output}");
}

#[test]
fn values_are_made_simpler_on_demand() {
    let project = Project::from_fixture("structured", "minimize");
    let test = "planted::a_mix";
    let large = "\"a longer name\"\n{\"Rename\":{\"name\":\"a longer name\",\"times\":200}}\n200\n";
    project.write("testdata/fuzz/planted.a_mix/mine", format!("{FIRST_LINE}{large}"));
    project.shmfuzz(["minimize", "--exact", test, "mine"]).run().code(0);
    let mut files = project.testdata("planted.a_mix");
    files.retain(|file| name_of(file) != "mine");
    let [made] = &files[..] else { panic!("{files:?}") };
    let simplest = "\"000\"\n{\"Rename\":{\"name\":\"000\",\"times\":10}}\n10\n";
    assert_eq!(fs::read_to_string(made).unwrap(), format!("{FIRST_LINE}{simplest}"));
}

#[test]
fn values_that_were_written_before_a_field_was_added_are_read() {
    let project = Project::from_fixture("structured", "evolution");
    let (test, folder) = ("evolution::points", "testdata/fuzz/evolution.points");
    let cargo_test =
        || project.cargo(["test", "--lib", "--", "--exact", test, "--nocapture"]).run();
    project.write(format!("{folder}/old"), format!("{FIRST_LINE}[{{\"x\":1,\"y\":2}}]\n3\n"));
    cargo_test().code(0).says(&["<3 [Point { x: 1, y: 2, label: None }]>"]);
    let old = entries_without_labels(&project);
    let run = || project.fuzz(test, &["--seed", "2", "--jobs", "1", "--runs", "2000"]).run();
    let output = run().code(0);
    let start = output.event("start");
    assert_eq!((&start["seeds"], &start["corpus"]), (&1.into(), &old.into()), "{output}");
    assert!(output.events_named("warning").is_empty(), "{output}");

    let wrong = format!("{FIRST_LINE}# before that\n[{{\"x\":1,\"y\":2}},{{\"x\":1}}]\n3\n");
    project.write(format!("{folder}/older"), &wrong);
    let told = ["evolution.points/older", "line 3: argument 1", "missing field `y`"];
    cargo_test().code(101).says(&told);
    let output = run().code(0).says(&told).says(&["it is passed over"]);
    assert_eq!(output.event("start")["seeds"], 1, "{output}");
    assert_eq!(fs::read_to_string(project.path(folder).join("older")).unwrap(), wrong);
    let human = project.shmfuzz(["run", "--exact", test, "--runs", "200"]).run();
    human.code(0).says(&told).says(&["it is passed over"]);
}

/// Fuzzes, and makes the cached entries what they were before the field was added; -> how many.
fn entries_without_labels(project: &Project) -> usize {
    let source = project.path("src/evolution.rs");
    let new = fs::read_to_string(&source).unwrap();
    let is_old = |line: &&str| !line.contains("added") && !line.contains("serde(default)");
    let old: Vec<&str> = new.lines().filter(is_old).collect();
    project.write("src/evolution.rs", old.join("\n"));
    let args = ["--seed", "1", "--jobs", "1", "--runs", "5000"];
    project.fuzz("evolution::points", &args).run().code(0);
    let entries = project.cache();
    let texts: Vec<String> = entries.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    assert!(texts.iter().any(|text| text.contains("\"x\":")), "{texts:?}");
    assert!(texts.iter().all(|text| !text.contains("label")), "{texts:?}");
    project.write("src/evolution.rs", new);
    entries.len()
}

#[test]
fn a_type_is_an_input_by_the_first_of_its_traits() {
    let project = Project::from_fixture("structured", "traits");
    for (test, expected) in [
        ("arbitrary_alone", None),
        ("arbitrary_in_a_tuple", None),
        ("arbitrary_beside_others", None),
        ("both", Some("{\"is_strict\":true,\"retries\":9001}\n")),
        ("both_in_the_wrapper", None),
    ] {
        let path = format!("traits::{test}");
        until_found(&project, &path);
        let (file, content) = written(&project, &path);
        let is_text = content.starts_with(FIRST_LINE.as_bytes());
        match expected {
            Some(expected) => assert_eq!(values(&project, &path).1, expected),
            None => assert!(!is_text, "{test}: {}", String::from_utf8_lossy(&content)),
        }
        let cargo_test = project.cargo(["test", "--lib", "--", "--exact", &path]).run();
        cargo_test.code(101).says(&[name_of(&file), "too many retries"]);
    }
}

#[test]
fn what_panics_outside_of_the_function_is_told_as_that() {
    let project = Project::from_fixture("structured", "troubles");
    for (test, told) in [
        ("mutator_panics", "the mutator of the fuzz test panicked: no level like"),
        ("generator_panics", "the generator of the fuzz test panicked: no level is made of"),
    ] {
        let path = format!("troubles::{test}");
        let output = project.fuzz(&path, &["--jobs", "1", "--time", "120s"]).run().code(96);
        let output = output.says(&[told, "its mutator or generator panicked"]);
        assert!(output.events_named("finding").is_empty(), "{output}");
        assert!(project.testdata(&path.replace("::", ".")).is_empty(), "{output}");
        project.cargo(["test", "--lib", "--", "--exact", &path]).run().code(0);
    }
}

/// It is a mistake like any other, wherever it shows: in what some inputs are read as, or in all.
#[test]
fn a_type_that_panics_when_it_is_read_is_a_finding() {
    let project = Project::from_fixture("structured", "reading");
    for (test, message, expected) in [
        ("reading_panics_at_one_value", "cannot read this number", Some("4242\n")),
        ("reading_panics_at_the_simplest", "cannot read nothing", Some("0\n")),
        ("reading_always_panics", "this type is never read", None),
    ] {
        let path = format!("troubles::{test}");
        let output = until_found(&project, &path);
        assert_eq!(output.events_named("finding")[0]["message"], message, "{output}");
        let (file, values) = values(&project, &path);
        assert!(expected.is_none_or(|expected| values == expected), "{values}");
        let cargo_test = project.cargo(["test", "--lib", "--", "--exact", &path]).run();
        cargo_test.code(101).says(&[name_of(&file), message]);
    }
}
