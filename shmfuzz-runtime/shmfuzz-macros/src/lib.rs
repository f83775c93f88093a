//! The `#[fuzz_test]` attribute. Use it through `shmfuzz_runtime::fuzz_test`.
//!
//! This crate parses and checks; what the expansion calls lives in `shmfuzz_runtime::__private`.
#![forbid(unsafe_code)]

mod expansion;
mod options;
mod signature;

use proc_macro::TokenStream;
use syn::{ItemFn, parse_macro_input};

/// Makes a function a fuzz test: an ordinary test that runs its seeds, and that `cargo shmfuzz`
/// fuzzes.
///
/// The function takes one `&[u8]`, `Vec<u8>`, `&str` or `String`, or with the feature `arbitrary` of
/// the runtime one `Arbitrary<T>`. It fails by panicking, by returning `Err`, or by ending the
/// process; it returns nothing, a `Result`, or `Reject`.
///
/// | option | meaning |
/// | --- | --- |
/// | `seeds = ["{}", b"\x00", include_bytes!("a.bin")]` | inputs that every run starts with, beside the files in `testdata/fuzz/<test>/` |
/// | `timeout = "500ms"` | longest time of one call (`ms`, `s`, `m`) |
/// | `max_len = 4096` | longest input in bytes, also `"4KiB"` |
/// | `stack_size = "8MiB"` | stack of the thread that runs the function, 2 MiB by default |
/// | `rss_limit = "512MiB"` | largest memory of the process while fuzzing |
/// | `crate = path` | where `shmfuzz_runtime` is, if it is renamed or re-exported |
///
/// `#[ignore]`, `#[cfg]` and doc comments work as on a `#[test]`.
#[proc_macro_attribute]
pub fn fuzz_test(options: TokenStream, item: TokenStream) -> TokenStream {
    let function = parse_macro_input!(item as ItemFn);
    let checked = signature::check(&function);
    let options = syn::parse::<options::Options>(options);
    let expanded = match (options, checked) {
        (Ok(options), Ok(())) => expansion::expand(&options, &function),
        (Err(error), Ok(())) | (Ok(_), Err(error)) => error.into_compile_error(),
        (Err(mut error), Err(other)) => {
            error.combine(other);
            error.into_compile_error()
        }
    };
    expanded.into()
}
