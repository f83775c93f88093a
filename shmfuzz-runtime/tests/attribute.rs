//! What `#[fuzz_test]` accepts, in the least friendly surroundings. That it compiles is most of
//! the test: the seeds run as tests of this target.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs, clippy::pedantic, unreachable_pub, unused_qualifications)]

use shmfuzz_runtime::fuzz_test::{FuzzTest, registry};
use shmfuzz_runtime::record::InputKind;
use shmfuzz_runtime::{Reject, fuzz_test};

/// Documented, and with every option.
#[fuzz_test(
    seeds = ["text", b"bytes", [1, 2, 3], include_bytes!("attribute.rs"), SEED, String::from("owned")],
    timeout = "1500ms",
    max_len = 65_536,
    stack_size = "8MiB",
    rss_limit = "512MiB",
)]
fn takes_bytes(data: &[u8]) {
    assert!(data.len() > 1);
}

/// As the expansion might call what it has to do with.
mod names {
    use super::fuzz_test;

    #[fuzz_test(seeds = ["a"])]
    fn bytes(input: &[u8]) {
        assert_eq!(input, b"a");
    }

    #[fuzz_test(seeds = ["a"])]
    fn input(bytes: &str) {
        assert_eq!(bytes, "a");
    }
}

const SEED: &[u8] = b"a constant";

#[fuzz_test(seeds = [""], stack_size = 16_777_216)]
fn takes_owned_bytes(mut data: Vec<u8>) -> Result<(), Reject> {
    // More than the 2 MiB that a thread has by default.
    let deep = [1_u8; 8 << 20];
    data.push(std::hint::black_box(&deep)[data.len()]);
    if data.len() > 1 { Ok(()) } else { Err(Reject) }
}

#[fuzz_test(seeds = ["ä", "7"])]
fn takes_text(text: &str) -> Result<(), std::num::ParseIntError> {
    assert_eq!(text.chars().count(), 1);
    if text.is_ascii() { text.parse::<u8>().map(drop) } else { Ok(()) }
}

#[fuzz_test(seeds = ["0"])]
#[expect(clippy::needless_pass_by_value, reason = "fuzz tests may take what they own")]
fn takes_owned_text(text: String) -> Result<Option<Reject>, Box<dyn std::error::Error>> {
    text.parse::<u32>()?;
    Ok(Some(Reject))
}

#[fuzz_test]
fn has_no_seeds(_: &[u8]) -> Reject {
    Reject
}

#[fuzz_test(seeds = ["x"])]
#[ignore = "to see that it is"]
fn is_ignored(_data: &[u8]) {
    panic!("an ignored fuzz test ran");
}

#[cfg(any())]
#[fuzz_test]
fn is_compiled_out(_data: NoSuchType) {}

#[fuzz_test(seeds = ["x"])]
#[expect(non_snake_case, reason = "lints apply to the function")]
fn Strange_Name(_data: &[u8]) {}

mod nested {
    fn private(data: &[u8]) -> usize {
        data.len()
    }

    mod deeper {
        use super::*;

        #[shmfuzz_runtime::fuzz_test(seeds = ["abc"])]
        fn r#match(data: &[u8]) {
            assert_eq!(private(data), 3);
        }
    }
}

/// Everything that an expansion could mean by a short name is something else here.
mod shadowed {
    #![no_implicit_prelude]
    #![expect(dead_code, non_camel_case_types, reason = "names that must not be found")]

    mod std {}
    mod core {}
    mod alloc {}
    mod shmfuzz_runtime {}
    struct Option;
    struct Some;
    struct None;
    struct Result;
    struct Vec;
    struct String;
    struct Record;
    struct FuzzTest;
    struct u8;
    struct u64;
    struct bool;
    const RECORD: () = ();
    const BYTES: () = ();
    trait FnMut {}
    fn body() {}
    fn run() {}

    #[::shmfuzz_runtime::fuzz_test(seeds = ["x", b"x"])]
    fn seeds(data: &[::core::primitive::u8]) {
        let () = body();
        ::core::assert_eq!(data, b"x");
    }
}

mod renamed {
    mod re_exported {
        pub(super) use shmfuzz_runtime as fuzzing;
    }

    #[re_exported::fuzzing::fuzz_test(seeds = ["x"], crate = re_exported::fuzzing)]
    fn with_a_path(data: &[u8]) {
        assert_eq!(data, b"x");
    }
}

macro_rules! fuzz_tests {
    ($($name:ident: $ty:ty,)*) => {
        $(#[fuzz_test(seeds = ["x"])]
        fn $name(data: $ty) {
            let _ = data;
        })*
    };
}
fuzz_tests! {
    made_by_macro_of_bytes: &[u8],
    made_by_macro_of_text: &str,
}

fn find(path: &str) -> &'static FuzzTest {
    FuzzTest::find(path).expect("it is registered")
}

#[test]
fn records_say_what_was_written() {
    let record = &find("takes_bytes").record;
    assert_eq!(record.module, "attribute");
    assert_eq!((record.kind, record.n_seeds, record.ignored), (InputKind::Bytes, 6, 0));
    assert_eq!(record.options.timeout_ms, 1500);
    assert_eq!(record.options.max_len, 65_536);
    assert_eq!(record.options.stack_size, 8 << 20);
    assert_eq!(record.options.rss_limit, 512 << 20);
    let source = include_str!("attribute.rs");
    let line = source.lines().position(|line| line == "#[fuzz_test(").unwrap() + 1;
    assert_eq!(record.line as usize, line);
    assert!(record.file.ends_with("tests/attribute.rs"), "{}", record.file);
    assert_eq!(record.folder(), "attribute.takes_bytes");
    assert_eq!(find("takes_owned_text").record.kind, InputKind::Text);
    assert_eq!(find("is_ignored").record.ignored, 1);
}

#[test]
fn the_package_is_where_cargo_says() {
    let test = find("takes_bytes");
    assert_eq!(test.package_dir(), std::path::Path::new(env!("CARGO_MANIFEST_DIR")));
    assert_eq!(test.package.name, "shmfuzz-runtime");
    let folder = "testdata/fuzz/attribute.takes_bytes";
    assert!(test.seed_folder().ends_with(folder), "{}", test.seed_folder().display());
}

#[test]
fn names_are_those_of_cargo_test() {
    let mut paths: Vec<String> = registry().map(FuzzTest::path).collect();
    paths.sort_unstable();
    let mut listed = listed_tests();
    listed.retain(|path| paths.contains(path));
    assert_eq!(listed, paths);
    assert!(paths.contains(&"nested::deeper::r#match".to_owned()));
    assert!(!paths.contains(&"is_compiled_out".to_owned()));
}

fn listed_tests() -> Vec<String> {
    let program = std::env::current_exe().expect("the executable has a path");
    let output = std::process::Command::new(program).arg("--list").output().expect("it starts");
    let text = String::from_utf8(output.stdout).expect("names are text");
    text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

#[test]
fn the_binary_holds_the_records() {
    let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    for test in registry() {
        let bytes = test.record_bytes;
        assert!(bytes.starts_with(&shmfuzz_runtime::record::MAGIC));
        assert!(program.windows(bytes.len()).any(|window| window == bytes), "{}", test.path());
    }
}

#[test]
fn a_panic_on_its_thread_goes_on_in_the_caller() {
    let test = find("takes_bytes");
    let name = test.on_its_thread(|| std::thread::current().name().map(str::to_owned)).unwrap();
    assert_eq!(name.as_deref(), Some("takes_bytes"));
    let run = || test.on_its_thread(|| panic!("goes on"));
    let payload = std::panic::catch_unwind(run).unwrap_err();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"goes on"));
}

#[test]
fn an_input_is_run_as_seeds_are() {
    shmfuzz_runtime::replay("takes_owned_bytes", "");
    shmfuzz_runtime::replay("takes_text", "7");
}

#[test]
#[should_panic(expected = "returned Err: ParseIntError")]
fn an_input_that_fails_does_so_by_itself() {
    shmfuzz_runtime::replay("takes_text", b"x");
}

#[test]
#[should_panic(expected = "there is no fuzz test `takes` in this binary; there are: ")]
fn a_fuzz_test_that_is_not_there_is_named() {
    shmfuzz_runtime::replay("takes", b"x");
}
