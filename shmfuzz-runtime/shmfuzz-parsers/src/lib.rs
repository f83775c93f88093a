//! The modules of `shmfuzz-runtime` that read what another process, or a person, wrote.
//!
//! They are the same files, compiled once more. A fuzzing build leaves the package `shmfuzz-runtime`
//! without counters, because it is what runs the fuzz tests: fuzz tests of its own code would be
//! blind there. Here the code belongs to another package, and is instrumented like any other. What
//! runs those fuzz tests is still `shmfuzz-runtime`, with a copy and a mapping of its own.
//!
//! Nothing depends on this crate; `tests/fuzz` are its fuzz tests.
// The modules' own unit tests belong to the runtime, and want what only that depends on.
#![cfg(not(test))]
#![allow(dead_code, reason = "what the other modules of the runtime use of these is not used here")]

#[path = "../../src/area.rs"]
pub mod area;
#[path = "../../src/bucket.rs"]
pub mod bucket;
#[path = "../../src/entries.rs"]
pub mod entries;
#[path = "../../src/journal.rs"]
pub mod journal;
#[path = "../../src/kind.rs"]
pub mod kind;
#[path = "../../src/layout.rs"]
pub mod layout;
#[path = "../../src/limits.rs"]
pub mod limits;
#[path = "../../src/mapping.rs"]
pub mod mapping;
#[path = "../../src/message.rs"]
pub mod message;
#[path = "../../src/place.rs"]
pub mod place;
#[path = "../../src/record.rs"]
pub mod record;
#[path = "../../src/sequence.rs"]
pub mod sequence;
#[path = "../../src/shape.rs"]
pub mod shape;
#[path = "../../src/space.rs"]
mod space;
#[path = "../../src/stack.rs"]
pub mod stack;
#[path = "../../src/testdata.rs"]
pub mod testdata;
#[path = "../../src/turn.rs"]
pub mod turn;
#[path = "../../src/value.rs"]
pub mod value;
#[path = "../../src/words.rs"]
pub mod words;

/// Writes `bytes` at `offset` of a mapping, as a process that writes where it should not.
///
/// # Panics
/// If they are not all below the input area.
pub fn overwrite(mapping: &mapping::Mapping, offset: usize, bytes: &[u8]) {
    assert!(offset + bytes.len() <= layout::INPUT_AT, "{} bytes at {offset}", bytes.len());
    mapping.copy_in(offset, bytes);
}

/// What an entry of the log carries at its eighth byte: of all its bytes from the sixteenth on.
pub fn entry_checksum(bytes: &[u8]) -> u64 {
    entries::checksum(bytes)
}
