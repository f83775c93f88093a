//! cargo shmfuzz.
#![forbid(unsafe_code)]

mod coordinator;

fn main() {}
