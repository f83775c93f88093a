//! One mapping for all inputs of a thread: making one takes longer than reading it.

use shmfuzz_parsers::layout::{Header, INPUT_AT};
use shmfuzz_parsers::mapping::Mapping;
use shmfuzz_parsers::overwrite;
use shmfuzz_parsers::turn::Turn;
use std::cell::OnceCell;
use std::fs::File;
use std::mem::size_of;
use std::os::unix::fs::FileExt;

/// Bytes of the mapping's input area.
pub(crate) const CAPACITY: usize = 4096;

struct Shared {
    mapping: &'static Mapping,
    /// The header as it was made.
    header: Vec<u8>,
}

thread_local! {
    static SHARED: OnceCell<Shared> = const { OnceCell::new() };
}

fn make() -> Shared {
    let (mapping, _) = Mapping::create(CAPACITY).expect("room for a mapping");
    let mapping: &'static Mapping = Box::leak(Box::new(mapping));
    let mut header = vec![0; size_of::<Header>()];
    file(mapping).read_exact_at(&mut header, 0).expect("the header can be read");
    Shared { mapping, header }
}

/// The coordinator's side of a mapping whose header is as new, and the turn.
pub(crate) fn mapping() -> (&'static Mapping, Turn) {
    SHARED.with(|shared| {
        let Shared { mapping, header } = shared.get_or_init(make);
        overwrite(mapping, 0, header);
        (*mapping, mapping.reclaim())
    })
}

/// The file of a mapping.
pub(crate) fn file(mapping: &Mapping) -> &File {
    mapping.file().expect("the coordinator keeps the file")
}

/// The header of a new mapping.
pub(crate) fn header() -> Vec<u8> {
    SHARED.with(|shared| shared.get_or_init(make).header.clone())
}

/// A new mapping with `bytes`, as many as fit, in an area of `len` bytes, and how many those are.
pub(crate) fn area(at: usize, len: usize, bytes: &[u8]) -> (&'static Mapping, Turn, usize) {
    assert!(at + len <= INPUT_AT);
    let (mapping, turn) = mapping();
    let bytes = &bytes[..bytes.len().min(len)];
    overwrite(mapping, at, bytes);
    (mapping, turn, bytes.len())
}
