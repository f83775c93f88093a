//! cargo shmfuzz.
#![forbid(unsafe_code)]
fn main() {}
