//! Each seed below is a test of its own here, as is each file in `testdata/fuzz/`: they are listed
//! by `cargo test -- --list`, filtered by name, and run in parallel.

use csv_lines::{Error, join, split};
use shmfuzz_runtime::fuzz_test;

/// Whatever is split can be joined, and splits into the same fields again.
#[fuzz_test(seeds = ["", "a,b", "\"a \"\"b\"\"\",c", "\"open"])]
fn fields_come_back(line: &str) -> Result<(), Error> {
    let Ok(fields) = split(line) else { return Ok(()) };
    assert_eq!(split(&join(&fields))?, fields);
    Ok(())
}

/// Any texts can be fields.
#[fuzz_test(seeds = ["one\u{0}two", "\"\u{0},\u{0}\n"])]
fn any_texts_can_be_joined(text: &str) -> Result<(), Error> {
    let fields: Vec<&str> = text.split('\u{0}').collect();
    assert_eq!(split(&join(&fields))?, fields);
    Ok(())
}

shmfuzz_runtime::main!();
