//! What fuzz tests link.
//!
//! A fuzz test is an ordinary test: `cargo test` runs its seeds, on stable Rust and with nothing
//! installed; `cargo shmfuzz` fuzzes it.
//!
//! # Your first fuzz test
//!
//! Add the crate as a dev-dependency (`cargo add --dev shmfuzz-runtime`), and write a test that
//! takes the input ([`guide::first`] goes through it step by step):
//!
//! ```
//! use shmfuzz_runtime::fuzz_test;
//!
//! # mod my_crate {
//! #     pub fn decode(bytes: &[u8]) -> Vec<u8> { bytes.to_vec() }
//! #     pub fn encode(bytes: &[u8]) -> Vec<u8> { bytes.to_vec() }
//! #     pub fn parse(_: &str) -> Result<Value, std::num::ParseIntError> { Ok(Value) }
//! #     pub struct Value;
//! #     impl std::fmt::Display for Value {
//! #         fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("0") }
//! #     }
//! # }
//! // It fails by panicking ..
//! #[fuzz_test]
//! fn decodes_what_it_encodes(data: &[u8]) {
//!     assert_eq!(my_crate::decode(&my_crate::encode(data)), data);
//! }
//!
//! // .. or by returning `Err`. Seeds are where fuzzing starts, and tests already.
//! #[fuzz_test(seeds = ["{}", "[1, 2]"], timeout = "1s")]
//! fn parses_what_it_prints(text: &str) -> Result<(), std::num::ParseIntError> {
//!     let Ok(value) = my_crate::parse(text) else { return Ok(()) };
//!     my_crate::parse(&value.to_string())?;
//!     Ok(())
//! }
//! ```
//!
//! A fuzz test takes `&[u8]`, `&str`, `Vec<u8>` or `String`; or values, one or several: numbers, `bool`,
//! `char`, `Duration`, IP addresses, and tuples, arrays, `Vec`, `Option`, `Result` and `BTreeMap` of
//! them, and of bytes and text.
//!
//! ```
//! # use shmfuzz_runtime::fuzz_test;
//! #[fuzz_test(seeds = [(7, "seven"), (8, "eight")])]
//! fn names_are_found_again(number: u32, name: &str) {
//!     let table = std::collections::BTreeMap::from([(number, name)]);
//!     assert_eq!(table.get(&number), Some(&name));
//! }
//! ```
//!
//! Their files are text, one argument a line, which people can read and change: see
//! [`value::text`]. Types of your own are arguments as well, if serde knows them (feature `structured`) or
//! they implement `arbitrary::Arbitrary` (feature `arbitrary`). [`guide::typed`] tells of all that, of state,
//! of what is set up before the first call, and of `async`.
//!
//! It may stand wherever a `#[test]` may: beside private functions in `src/`, in `tests/*.rs`, in
//! binaries. `cargo test` calls it with every seed of the attribute and with every file in
//! `testdata/fuzz/<test>/`, where `<test>` is the test's path with `.` for `::`, after the
//! target's name if that is not the library. `cargo shmfuzz` writes the inputs that fail there,
//! so that the next `cargo test` fails on them by name until the bug is fixed. A file
//! `testdata/fuzz/<test>.dict`, or one that `dict = "path"` names in the attribute, holds tokens for
//! fuzzing, in the format of AFL's and libFuzzer's dictionaries; `cargo test` does not read it.
//!
//! A file whose name says that it ends the process (`abort-…`, `exit-…`, `timeout-…` and so on) is
//! replayed in a child process, so that the other tests still report. `SHMFUZZ_SEED=<file name>`
//! selects one seed, and fuzz tests that have none of that name run nothing, unless one of them is
//! all that was asked for; `SHMFUZZ_REPLAY=in-process` replays all of them in the process itself, for
//! debuggers.
//!
//! A failure that needs the inputs before it is a file as well, `<kind>-….sequence`: a line that says so,
//! then one input a line as a byte string, which people can read and change. They are run one after
//! the other in a process of their own.
//!
//! As with every `#[test]`, a panic of a thread that the body starts and does not join is no
//! failure, for now: join the thread, and pass its panic or its error on.
//!
//! In a target of its own with `harness = false`, `shmfuzz_runtime::main!()` makes each seed a
//! test of its own: listed, filtered, and run in parallel.
//!
//! A target of cargo-fuzz works as it is, with its `use` changed: [`fuzz_target!`] takes the place of
//! `libfuzzer_sys::fuzz_target!`. [`guide`] has pages for those who come from
//! [cargo-fuzz](guide::from_cargo_fuzz), [Go](guide::from_go) and [proptest](guide::from_proptest).
//!
//! # Features
//!
//! | feature | what it is | what it depends on, and why |
//! | --- | --- | --- |
//! | none | what files of inputs are and how they are replayed | `libc`, `memmap2`: shared memory, signals, limits; `serde_core`, `serde_json`: messages, and values as text |
//! | `fuzz-test` | the attribute, seeds under `cargo test`; in fuzzing builds, the worker | `shmfuzz-macros` (`syn`, `quote`, `proc-macro2`); `inventory`: which fuzz tests a binary has |
//! | `harness` (default) | `fuzz-test`, and [`main!`] for `harness = false` | `libtest-mimic` (`clap` and what that needs): tests that are known at run time only |
//! | `arbitrary` | `fuzz-test`, and inputs of your own types: [`Arbitrary<T>`](Arbitrary) for any `T` that implements the trait of the crate `arbitrary` | `arbitrary` |
//! | `arbitrary-derive` | `arbitrary`, and its derive macro | `arbitrary` with `derive_arbitrary` |
//! | `structured` | `fuzz-test`, and inputs of any type that implements serde's `Serialize` and `Deserialize`; needs Rust 1.91 | `mutatis` (`rand`): the mutators that it derives |
//! | `coordinator` | the command's side of the mapping, and the messages | `tempfile`: the mapping's file |
//!
//! As a dev-dependency of a crate that has no other, it adds 29 packages and 22 s of processor time to a
//! clean `cargo test` on a slow machine (the median of three), and 14 packages and 15 s with
//! `default-features = false, features = ["fuzz-test"]`, which is all that a fuzz test needs where
//! the target has no `harness = false`. Builds after that have it already, and crates
//! that use `serde_json` or `syn` have a part of it anyway.

// An ordinary test build has no use for what serves a campaign, and does not wait for it to be compiled.
// `shmfuzz_instrumented` is set in fuzzing builds; the command and the tests of this workspace ask for
// `coordinator`, so that it is checked wherever this crate is worked on.
#[cfg(feature = "coordinator")]
pub mod addresses;
#[cfg(any(shmfuzz_instrumented, feature = "coordinator", test))]
pub mod area;
pub mod bucket;
#[cfg(any(shmfuzz_instrumented, feature = "coordinator", test))]
mod canonical;
pub mod child;
pub mod description;
#[cfg(any(shmfuzz_instrumented, feature = "coordinator", test))]
pub mod entries;
#[cfg(unix)]
pub mod gauge;
pub mod hang;
#[cfg(any(shmfuzz_instrumented, feature = "coordinator", test))]
pub mod journal;
pub mod kind;
#[cfg(any(shmfuzz_instrumented, feature = "coordinator", test))]
pub mod layout;
pub mod leak;
pub mod limits;
#[cfg(any(shmfuzz_instrumented, feature = "coordinator", test))]
pub mod mapping;
#[cfg(any(shmfuzz_instrumented, feature = "coordinator", test))]
pub mod message;
#[cfg(any(shmfuzz_instrumented, feature = "coordinator", test))]
pub mod minimize;
pub mod place;
pub mod record;
pub mod sequence;
pub mod shape;
#[cfg(any(shmfuzz_instrumented, feature = "coordinator", feature = "structured", test))]
mod simplest;
#[cfg(feature = "coordinator")]
mod space;
#[cfg(any(shmfuzz_instrumented, feature = "coordinator", test))]
pub mod stack;
pub mod testdata;
#[cfg(any(shmfuzz_instrumented, feature = "coordinator", test))]
pub mod turn;
pub mod value;
#[cfg(any(shmfuzz_instrumented, feature = "coordinator", test))]
mod walk;
#[cfg(any(shmfuzz_instrumented, feature = "coordinator", test))]
pub mod words;

#[cfg(feature = "fuzz-test")]
pub mod block_on;
#[cfg(feature = "fuzz-test")]
mod call;
#[cfg(feature = "fuzz-test")]
pub mod fuzz_test;
#[cfg(all(feature = "fuzz-test", any(doc, doctest)))]
pub mod guide;
#[cfg(feature = "harness")]
mod harness;
#[cfg(feature = "fuzz-test")]
pub mod input;
#[cfg(feature = "fuzz-test")]
mod last_seed;
#[cfg(feature = "fuzz-test")]
pub mod outcome;
#[cfg(feature = "fuzz-test")]
mod probe;
#[cfg(unix)]
mod process;
#[cfg(feature = "fuzz-test")]
mod role;
#[cfg(feature = "fuzz-test")]
mod seeds;
#[cfg(feature = "fuzz-test")]
pub mod setup;
#[cfg(feature = "fuzz-test")]
pub mod structured;
#[cfg(all(unix, feature = "fuzz-test", any(shmfuzz_instrumented, feature = "coordinator", test)))]
pub mod worker;

#[cfg(feature = "fuzz-test")]
#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;

#[cfg(feature = "arbitrary")]
pub use ::arbitrary;
#[cfg(feature = "fuzz-test")]
pub use fuzz_test::replay;
#[cfg(feature = "arbitrary")]
pub use input::arbitrary::Arbitrary;
#[cfg(feature = "fuzz-test")]
pub use outcome::{Corpus, Reject};
#[cfg(feature = "fuzz-test")]
pub use shmfuzz_macros::{fuzz_target, fuzz_test};

/// The main function of a target with `harness = false`: each seed of its fuzz tests is a test of
/// its own, named `<fuzz test>/<seed>`.
///
/// ```toml
/// [[test]]
/// name = "fuzz"
/// harness = false
/// ```
///
/// ```
/// #[shmfuzz_runtime::fuzz_test(seeds = ["1", "2"])]
/// fn parses(text: &str) {
///     let _ = text.parse::<u8>();
/// }
///
/// shmfuzz_runtime::main!();
/// ```
///
/// Ordinary `#[test]`s of such a target are not run, as always with `harness = false`.
#[cfg(feature = "harness")]
#[macro_export]
macro_rules! main {
    () => {
        // So that the command knows that a `#[test]` would not be run here.
        #[used]
        #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,shmfuzz_main"))]
        #[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = "shmfuzz_main"))]
        static __SHMFUZZ_MAIN: u8 = 1;

        fn main() -> ::std::process::ExitCode {
            $crate::__private::main()
        }
    };
}
