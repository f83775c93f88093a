//! What the compiler says about wrong types, which it sees only in a test build: so a package is
//! checked here as a user's would be.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::Command;

const SOURCE: &str = r#"
use fz::fuzz_test;
pub struct Opaque;
#[fuzz_test(crate = fz)]
fn takes_an_opaque_value(_: Opaque) {}
#[fuzz_test(crate = fz)]
fn takes_a_reference(_: &Vec<u8>) {}
#[fuzz_test(crate = fz)]
fn returns_a_number(_: &[u8]) -> u32 { 0 }
#[fuzz_test(crate = fz)]
fn returns_an_error_without_debug(_: &[u8]) -> Result<(), Opaque> { Ok(()) }
#[fuzz_test(crate = fz, seeds = ["x", 7])]
fn has_a_seed_that_is_none(_: &[u8]) {}
#[fuzz_test]
fn does_not_name_the_crate(_: &[u8]) {}
"#;

/// Line and column, and how the message begins.
const EXPECTED: [(&str, &str); 6] = [
    ("14:1", "cannot find `shmfuzz_runtime`"),
    ("5:29", "a fuzz test cannot take `Opaque`"),
    ("7:25", "a fuzz test cannot take `&Vec<u8>`"),
    ("9:34", "a fuzz test cannot return `u32`"),
    ("11:48", "`Opaque` doesn't implement `Debug`"),
    ("12:39", "the trait bound `{integer}: AsRef<[u8]>` is not satisfied"),
];

#[test]
fn wrong_types_are_named_where_they_stand() {
    let text = check(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("types"));
    let errors = text.lines().filter(|line| line.contains(": error"));
    let errors: Vec<&str> = errors.filter_map(|line| line.strip_prefix("src/lib.rs:")).collect();
    assert_eq!(errors.len(), EXPECTED.len(), "{text}");
    for (error, (place, message)) in errors.iter().zip(EXPECTED) {
        assert!(error.starts_with(&format!("{place}: ")), "{error}, expected at {place}");
        assert!(error.contains(message), "{error}, expected {message}");
    }
}

/// What cargo prints when it checks the source as a package of its own.
fn check(package: &Path) -> String {
    let runtime = env!("CARGO_MANIFEST_DIR");
    let manifest = format!(
        "[package]\nname = \"types\"\nedition = \"2018\"\n[workspace]\n\
         [dev-dependencies]\nfz = {{ package = \"shmfuzz-runtime\", path = {runtime:?} }}\n"
    );
    std::fs::create_dir_all(package.join("src")).expect("a folder in the target directory");
    std::fs::write(package.join("Cargo.toml"), manifest).expect("a file in it");
    std::fs::write(package.join("src/lib.rs"), SOURCE).expect("a file in it");
    let lock = Path::new(runtime).join("../Cargo.lock");
    std::fs::copy(lock, package.join("Cargo.lock")).expect("the workspace has a lock file");
    let output = Command::new(env!("CARGO"))
        .args(["check", "--tests", "--offline", "--quiet", "--message-format=short"])
        .current_dir(package)
        .env("CARGO_TARGET_DIR", package.join("target"))
        .output()
        .expect("cargo starts");
    String::from_utf8_lossy(&output.stderr).into_owned()
}
