//! The head of a mapping's file, as a worker finds it.

use crate::shared::{self, CAPACITY};
use shmfuzz_parsers::layout::{
    HEADER_LEN, INBOX_LEN, INPUT_AT, LOG_LEN, MAGIC, VERSION, WORDS_LEN,
};
use shmfuzz_parsers::mapping::{Mapping, MappingError};
use shmfuzz_parsers::overwrite;
use shmfuzz_runtime::fuzz_test;
use std::sync::atomic::Ordering::Relaxed;

/// A new header with a number at some place.
fn header_with(at: usize, number: u64) -> Vec<u8> {
    let mut header = shared::header();
    header[at..at + 8].copy_from_slice(&number.to_le_bytes());
    header
}

/// What is attached is of this version, and all that it says is there can be read. Whoever reads
/// more than the file has dies.
#[fuzz_test(seeds = [
    "",
    shared::header(),
    &shared::header()[..24],
    // The capacity; what is valid of it, with the worker's turn.
    header_with(32, CAPACITY as u64 + 1),
    header_with(88, 5),
])]
fn what_is_attached_can_be_read(header: &[u8]) {
    let (mapping, _) = shared::mapping();
    overwrite(mapping, 0, &header[..header.len().min(HEADER_LEN)]);
    let attached = Mapping::attach(shared::file(mapping));
    let found = mapping.header();
    let lens = [&found.header_len, &found.words_len, &found.inbox_len, &found.log_len];
    let lens = lens.map(|len| len.load(Relaxed) as usize);
    let is_ours = lens == [HEADER_LEN, WORDS_LEN, INBOX_LEN, LOG_LEN]
        && (found.magic.load(Relaxed), found.version.load(Relaxed)) == (MAGIC, VERSION)
        && found.capacity.load(Relaxed) <= CAPACITY as u64;
    let worker = match attached {
        Ok(worker) => worker,
        Err(error) => {
            assert!(!is_ours, "{error}");
            assert!(!error.to_string().contains(char::is_control), "{error}");
            return;
        }
    };
    assert!(is_ours);
    let capacity = worker.capacity().expect("it was checked");
    let value = found.value_len.load(Relaxed);
    match worker.value_len() {
        Ok(len) => assert!(len <= capacity && len as u64 == value),
        Err(MappingError::Corrupt { field: "value_len", value: said }) => {
            assert!(said == value && value > capacity as u64);
        }
        Err(error) => panic!("{error}"),
    }
    let Some(mut turn) = worker.take() else { return };
    let Ok(len) = worker.value_len() else { return };
    assert_eq!(worker.value_ref(&turn).expect("its length is possible").len(), len);
    let mut area = worker.input_area(&mut turn).expect("its length is possible");
    assert_eq!(INPUT_AT + area.capacity(), INPUT_AT + capacity);
    area.set_len(capacity);
    if capacity > 0 {
        area.write(capacity - 1, b"!");
    }
}
