//! The `#[fuzz_test]` attribute. Use it through `shmfuzz_runtime::fuzz_test`.
#![forbid(unsafe_code)]
