//! The guide's code as fuzz tests: documentation tests see of them only that they are read, because
//! what a fuzz test becomes is there in test builds only.
#![forbid(unsafe_code)]

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

/// The blocks of Rust in a page that are to compile, with the lines that readers do not see.
fn blocks(page: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut inside: Option<String> = None;
    for line in page.lines() {
        match (&mut inside, line) {
            (None, "```rust") => inside = Some(String::new()),
            (Some(_), "```") => blocks.extend(inside.take()),
            (Some(block), line) => {
                let line = line.strip_prefix("# ").unwrap_or(line);
                // Here the features are always there.
                if !line.starts_with("#[cfg(feature = ") {
                    writeln!(block, "{line}").expect("a text takes any line");
                }
            }
            (None, _) => {}
        }
    }
    blocks
}

#[test]
fn all_code_of_the_guide_is_fuzz_tests_that_pass() {
    let runtime = Path::new(env!("CARGO_MANIFEST_DIR"));
    let package = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guide");
    let mut library = "#![allow(unused)]\n".to_owned();
    let mut n_fuzz_tests = 0;
    for page in ["first", "typed", "from_cargo_fuzz", "from_go", "from_proptest"] {
        let file = runtime.join("src/guide").join(page).with_extension("md");
        let text = std::fs::read_to_string(file).expect("the page is there");
        for (nth, block) in blocks(&text).into_iter().enumerate() {
            n_fuzz_tests += block.matches("#[fuzz_test").count();
            n_fuzz_tests += block.matches("fuzz_target!(").count();
            let module = format!("#[cfg(test)]\nmod {page}_{nth} {{\n{block}\n}}\n");
            library.push_str(&module);
        }
    }
    assert!(n_fuzz_tests >= 15, "{n_fuzz_tests}: are pages missing?");
    let manifest = format!(
        "[package]\nname = \"guide\"\nedition = \"2024\"\n[workspace]\n[dev-dependencies]\n\
         arbitrary = {{ version = \"1\", features = [\"derive\"] }}\n\
         shmfuzz-runtime = {{ path = {runtime:?}, features = [\"arbitrary-derive\", \"structured\"] }}\n\
         serde = {{ version = \"1\", features = [\"derive\"] }}\n"
    );
    std::fs::create_dir_all(package.join("src")).expect("a folder in the target directory");
    std::fs::write(package.join("Cargo.toml"), manifest).expect("a file in it");
    std::fs::write(package.join("src/lib.rs"), library).expect("a file in it");
    let lock = runtime.join("../Cargo.lock");
    std::fs::copy(lock, package.join("Cargo.lock")).expect("the workspace has a lock file");
    let output = Command::new(env!("CARGO"))
        .args(["test", "--lib", "--offline", "--quiet"])
        .current_dir(&package)
        // That of another test, which has built the dependencies as well.
        .env("CARGO_TARGET_DIR", package.join("../types/target"))
        .output()
        .expect("cargo starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    let passed = format!("test result: ok. {n_fuzz_tests} passed");
    assert!(stdout.contains(&passed), "{passed}, expected\n{stdout}");
}
