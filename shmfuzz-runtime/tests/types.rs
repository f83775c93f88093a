//! What the compiler says about wrong types, which it sees only in a test build: so a package is
//! checked here as a user's would be.
#![forbid(unsafe_code)]

use serde_json::Value;
use std::path::Path;
use std::process::Command;

const SOURCE: &str = r#"
use fz::fuzz_test;
use std::future::Future;
pub struct Opaque;
#[fuzz_test(crate = fz)]
fn takes_an_opaque_value(_: Opaque) {}
type Numbers = [u16];
#[fuzz_test(crate = fz)]
fn takes_a_reference(_: &Numbers) {}
#[fuzz_test(crate = fz)]
fn returns_a_number(_: &[u8]) -> u32 { 0 }
#[fuzz_test(crate = fz)]
fn returns_an_error_without_debug(_: &[u8]) -> Result<(), Opaque> { Ok(()) }
#[fuzz_test(crate = fz, seeds = ["x", 7])]
fn has_a_seed_that_is_none(_: &[u8]) {}
#[fuzz_test]
fn does_not_name_the_crate(_: &[u8]) {}
#[fuzz_test(crate = fz, seeds = [Some(1), 7])]
fn has_a_seed_of_another_type(_: Option<u8>) {}
#[fuzz_test(crate = fz, seeds = [(1, 2)])]
fn has_a_part_of_another_type(_: u8, _: &str) {}
fn one_argument(_: u8) {}
#[fuzz_test(crate = fz, setup = one_argument)]
fn has_a_setup_that_takes_one(_: &[u8]) {}
fn a_number() -> u8 { 0 }
#[fuzz_test(crate = fz, setup = a_number)]
fn has_a_setup_that_returns_one(_: &[u8]) {}
async fn later() {}
#[fuzz_test(crate = fz, setup = later)]
fn has_an_async_setup(_: &[u8]) {}
const NUMBER: u8 = 7;
#[fuzz_test(crate = fz, setup = NUMBER)]
fn has_a_setup_that_is_a_number(_: &[u8]) {}
#[fuzz_test(crate = fz, block_on = one_argument)]
async fn is_driven_by_another_function(_: &[u8]) {}
fn block_on_two<F: Future>(_: F, _: u8) -> F::Output { loop {} }
#[fuzz_test(crate = fz, block_on = block_on_two)]
async fn is_driven_by_one_of_two_arguments(_: u8) {}
fn forget<F: Future>(_: F) {}
#[fuzz_test(crate = fz, block_on = forget)]
async fn is_not_driven(_: &[u8]) -> Result<(), String> { Ok(()) }
#[fuzz_test(crate = fz, block_on = NUMBER)]
async fn is_driven_by_a_number(_: &str) {}
#[fuzz_test(crate = fz)]
fn takes_what_is_not_there(_: Nonexistent) {}
#[fuzz_test(crate = fz, setup = prepare)]
fn has_a_setup_that_is_not_there(_: &[u8]) {}
"#;

/// Told only where everything else is right.
const CONSTANTS: &str = r#"
use fz::fuzz_test;
type Bytes<'a> = &'a [u8];
#[fuzz_test(crate = fz, seeds = ["text", b"bytes"])]
fn takes_bytes_of_another_name(_: Bytes<'_>) {}
#[fuzz_test(crate = fz, seeds = ["7"])]
fn has_text_for_a_number(_: u32) {}
"#;

/// Line and column, how the message begins, and what is said of what to write.
const EXPECTED: [(&str, &str, &str); 18] = [
    ("16:1", "cannot find `shmfuzz_runtime`", ""),
    ("45:31", "cannot find type `Nonexistent`", ""),
    ("46:33", "cannot find value `prepare`", ""),
    ("6:29", "a fuzz test cannot take `Opaque`", "derives `serde::Serialize` and"),
    ("9:25", "a fuzz test cannot take `&[u16]`", "take `&[u8]`, `&str`, numbers"),
    ("11:34", "a fuzz test cannot return `u32`", "return nothing, `Result<(), E>`"),
    ("13:48", "`Opaque` doesn't implement `Debug`", "add `#[derive(Debug)]`"),
    ("14:39", "`{integer}` cannot be a seed of bytes or text", "write `\"text\"`, `b\"bytes\"`"),
    ("18:43", "mismatched types", "expected `Option<u8>`, found integer"),
    ("20:38", "mismatched types", "expected `&str`, found integer"),
    ("23:33", "function is expected to take 0 arguments", "expected function that takes 0"),
    ("26:33", "`fn() -> u8 {a_number}` cannot be a setup", "write `fn prepare() { .. }`"),
    (
        "29:33",
        "`fn() -> impl Future<Output = ()> {later}` cannot be a setup",
        "write `fn prepare()",
    ),
    ("32:33", "`u8` cannot be a setup", "write `fn prepare() { .. }`"),
    ("34:36", "type mismatch in function arguments", "fn(impl Future<Output = ()>) -> _"),
    ("37:36", "function is expected to take 1 argument", "expected function that takes 1"),
    (
        "40:36",
        "`fn(impl Future<Output = Result<(), String>>) {forget",
        "block_on = pollster::block_on",
    ),
    ("42:36", "`u8` cannot be `block_on`", "`fn block_on<F: Future>(future: F) -> F::Output`"),
];

const EXPECTED_OF_CONSTANTS: [(&str, &str, &str); 1] = [(
    "6:21",
    "evaluation panicked: this fuzz test takes a value, and not bytes or text",
    "write its seed as a value of the argument's type",
)];

#[test]
fn wrong_types_are_named_where_they_stand() {
    check("types", SOURCE, &EXPECTED);
}

#[test]
fn text_is_no_seed_of_a_value() {
    check("constants", CONSTANTS, &EXPECTED_OF_CONSTANTS);
}

#[track_caller]
fn check(name: &str, source: &str, expected: &[(&str, &str, &str)]) {
    let errors = errors_of(name, source);
    for (place, message, advice) in expected {
        let is_it = |error: &&Error| error.place == *place && error.message.starts_with(message);
        let said: Vec<&Error> = errors.iter().filter(is_it).collect();
        assert!(!said.is_empty(), "no `{message}` at {place}: {errors:#?}");
        let is_advised = said.iter().any(|error| error.rendered.contains(advice));
        assert!(is_advised, "no `{advice}` at {place}: {said:#?}");
    }
    let is_expected = |error: &&Error| expected.iter().any(|(place, ..)| error.place == *place);
    let others: Vec<&Error> = errors.iter().filter(|error| !is_expected(error)).collect();
    assert!(others.is_empty(), "{others:#?}");
}

#[derive(Debug)]
struct Error {
    place: String,
    message: String,
    rendered: String,
}

/// What the compiler says when it checks the source as a package of its own.
fn errors_of(name: &str, source: &str) -> Vec<Error> {
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("types").join(name);
    let runtime = env!("CARGO_MANIFEST_DIR");
    let manifest = format!(
        "[package]\nname = \"{name}\"\nedition = \"2018\"\n[workspace]\n\
         [dev-dependencies]\nfz = {{ package = \"shmfuzz-runtime\", path = {runtime:?} }}\n"
    );
    std::fs::create_dir_all(package.join("src")).expect("a folder in the target directory");
    std::fs::write(package.join("Cargo.toml"), manifest).expect("a file in it");
    std::fs::write(package.join("src/lib.rs"), source).expect("a file in it");
    let lock = Path::new(runtime).join("../Cargo.lock");
    std::fs::copy(lock, package.join("Cargo.lock")).expect("the workspace has a lock file");
    let output = Command::new(env!("CARGO"))
        .args(["check", "--tests", "--offline", "--quiet", "--message-format=json"])
        .current_dir(&package)
        .env("CARGO_TARGET_DIR", package.join("../target"))
        .output()
        .expect("cargo starts");
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let messages = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let errors: Vec<Error> = messages.filter_map(|message| error(&message["message"])).collect();
    assert!(!errors.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    errors
}

fn error(said: &Value) -> Option<Error> {
    let primary = said["spans"].as_array()?.iter().find(|span| span["is_primary"] == true)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (said["level"] == "error").then(|| Error {
        place: format!("{}:{}", primary["line_start"], primary["column_start"]),
        message: text(&said["message"]),
        rendered: text(&said["rendered"]),
    })
}
