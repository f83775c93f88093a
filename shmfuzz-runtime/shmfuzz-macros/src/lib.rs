//! The `#[fuzz_test]` attribute, and `fuzz_target!`. Use them through `shmfuzz_runtime`.
//!
//! This crate parses and checks; what the expansion calls lives in `shmfuzz_runtime::__private`.
#![forbid(unsafe_code)]

mod expansion;
mod options;
mod signature;
mod target;

use proc_macro::TokenStream;
use syn::{ItemFn, parse_macro_input};

/// Makes a function a fuzz test: an ordinary test that runs its seeds, and that `cargo shmfuzz`
/// fuzzes.
///
/// The function takes `&[u8]`, `Vec<u8>`, `&str` or `String`, or values, up to eight of them: numbers,
/// `bool`, `char`, and tuples, arrays, `Vec`, `Option` and the like of all these; with the feature
/// `structured` of the runtime whatever implements serde's `Serialize` and `Deserialize`, with its feature
/// `arbitrary` what implements `arbitrary::Arbitrary`. It fails by panicking, by returning `Err`, or by
/// ending the process; it returns nothing, a `Result`, or `Reject`.
///
/// | option | meaning |
/// | --- | --- |
/// | `seeds = ["{}", b"\x00", include_bytes!("a.bin")]` | inputs that every run starts with, beside the files in `testdata/fuzz/<test>/` |
/// | `timeout = "500ms"` | longest time of one call (`ms`, `s`, `m`) |
/// | `max_len = 4096` | longest input in bytes, also `"4KiB"` |
/// | `stack_size = "8MiB"` | stack of the thread that runs the function, 2 MiB by default |
/// | `rss_limit = "512MiB"` | largest memory of the process while fuzzing |
/// | `setup = path` | a function, `fn()` or `fn() -> Result<(), E>`, that runs once in each process before the first call; one that several fuzz tests name runs once for all of them. If it fails, no input is run, and the failure is told as the setup's |
/// | `block_on = path` | of an `async fn`: the function that drives it to its end, such as `pollster::block_on`, or any `fn<F: Future>(F) -> F::Output` |
/// | `mutator = path` | of values: a function `fn(&mut T, u64)` that changes one, the same way for the same number; `T` is the argument's type, of several their tuple. It is used beside the mutators that there are |
/// | `generator = path` | of values: a function `fn(u64) -> T` that makes one, the same for the same number |
/// | `crate = path` | where `shmfuzz_runtime` is, if it is renamed or re-exported |
///
/// `#[ignore]`, `#[cfg]` and doc comments work as on a `#[test]`.
#[proc_macro_attribute]
pub fn fuzz_test(options: TokenStream, item: TokenStream) -> TokenStream {
    let function = parse_macro_input!(item as ItemFn);
    let mut errors: Vec<syn::Error> = signature::check(&function).err().into_iter().collect();
    let options = syn::parse::<options::Options>(options);
    match &options {
        Ok(options) => {
            errors.extend(signature::check_async(&function, options).err());
            errors.extend(signature::check_seeds(&function, options).err());
        }
        // Of options that cannot be read, nobody knows what the function lacks.
        Err(error) => errors.insert(0, error.clone()),
    }
    match (options, signature::all_of(errors)) {
        (Ok(options), Ok(())) => expansion::expand(&options, &function, None).into(),
        (_, Err(error)) | (Err(error), Ok(())) => error.into_compile_error().into(),
    }
}

/// Makes a fuzz test, named `fuzz_target`, of a closure, as `libfuzzer_sys::fuzz_target!` makes a
/// target of it: so a target of cargo-fuzz moves into `tests/` by a change of its `use`.
///
/// | written | the input |
/// | --- | --- |
/// | `fuzz_target!(\|data: &[u8]\| { .. });` | bytes; so without the type |
/// | `fuzz_target!(\|value: MyType\| { .. });` | a value of any type that implements `arbitrary::Arbitrary`, decoded as by `Arbitrary<MyType>`; needs the feature `arbitrary` of the runtime |
/// | `fuzz_target!(init: EXPRESSION, \|data: &[u8]\| { .. });` | `EXPRESSION` is evaluated once in a process, before the first input; if it panics, no input is run, and the failure is told as that of `init` |
/// | `fuzz_target!(\|data: &[u8]\| -> Corpus { .. });` | `Corpus::Reject` is not kept; whatever a fuzz test may return, may be returned here |
///
/// Remove `#![no_main]` from the file: a test has a main function, and the macro cannot see that
/// it is missing; the linker says so. With `harness = false`, write `shmfuzz_runtime::main!();` below.
/// `cargo shmfuzz migrate` does the first, and moves the corpus.
///
/// Options such as a timeout need the attribute: `#[fuzz_test(timeout = "1s")] fn name(data: &[u8])`.
#[proc_macro]
pub fn fuzz_target(target: TokenStream) -> TokenStream {
    let target = parse_macro_input!(target as target::Target);
    let options = options::Options::default();
    expansion::expand(&options, &target.function, target.init.as_ref()).into()
}
