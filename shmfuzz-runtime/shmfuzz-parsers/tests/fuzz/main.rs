//! Fuzz tests of what the runtime reads: each seed is run by `cargo test`, and
//! `cargo shmfuzz run -p shmfuzz-parsers` looks for more.
#![forbid(unsafe_code)]

mod areas;
mod attach;
mod files;
mod messages;
mod records;
mod shared;
