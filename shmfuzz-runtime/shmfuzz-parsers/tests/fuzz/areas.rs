//! What workers write into the areas of a mapping, as the coordinator finds it: each reader is
//! compared with the writer of what it understood.

use crate::shared::area;
use shmfuzz_parsers::entries::{self, InboxInput, Log, LogEntry};
use shmfuzz_parsers::layout::{
    INBOX_AT, INBOX_LEN, LOG_AT, LOG_LEN, STACK_AT, STACK_LEN, WORDS_AT, WORDS_LEN,
};
use shmfuzz_parsers::mapping::Mapping;
use shmfuzz_parsers::turn::Turn;
use shmfuzz_parsers::words::{self, LastWords, WordsArea};
use shmfuzz_parsers::{entry_checksum, stack};
use shmfuzz_runtime::fuzz_test;
use std::sync::atomic::Ordering::Relaxed;

/// Numbers of four bytes, and text after them.
fn numbers(numbers: &[u32], text: &str) -> Vec<u8> {
    let numbers = numbers.iter().flat_map(|n| n.to_le_bytes());
    numbers.chain(text.bytes()).collect()
}

/// Last words are understood as whoever says them again says them.
#[fuzz_test(seeds = [
    numbers(&[1, 0, 3, 4, 3, 5, 0, 0, 0, 0, 0, 0], "a.rshello"),
    numbers(&[4, 11, 0, 0, 0, 0, 7, 7, 1, 1, 0, 0], ""),
    numbers(&[1, 0, 3, 4, u32::MAX, 5, 0, 0, 0, 0, 0, 0], "a.rshello"),
    "short",
])]
fn last_words_come_back(bytes: &[u8]) {
    let (mapping, turn, used) = area(WORDS_AT, WORDS_LEN, bytes);
    mapping.header().words_used.store(used as u32, Relaxed);
    let Some(read) = words::read(mapping, &turn) else { return };
    // A byte that is no UTF-8 becomes three.
    assert!(read.file.len() + read.message.len() <= 3 * used);
    if read.file.len() > 4 << 10 || read.message.len() > words::MESSAGE_LIMIT {
        return;
    }
    let area = WordsArea::of(mapping);
    area.clear();
    area.write(&LastWords {
        kind: read.kind,
        signal: read.signal,
        address: read.address,
        line: read.line,
        column: read.column,
        trail: read.trail,
        file: read.file.as_bytes(),
        message: read.message.as_bytes(),
    });
    assert_eq!(words::read(mapping, &turn), Some(read));
}

/// A stack is read exactly if a worker may have written it, and then as it was written.
#[fuzz_test(seeds = [
    numbers(&[2, 0, 0, 0, 5, 0, 6, 0], ""),
    numbers(&[128, 0, 9, 0, 5, 0, 6, 0], ""),
    numbers(&[129, 0, 0, 0], ""),
    numbers(&[1, 0, 1, 0], ""),
])]
fn stacks_come_back(bytes: &[u8]) {
    let mut whole = bytes.to_vec();
    whole.resize(STACK_LEN, 0);
    let (mapping, turn, _) = area(STACK_AT, STACK_LEN, &whole);
    assert_eq!(stack::read(mapping, &turn), None, "none is published");
    mapping.header().n_stacks.store(1, Relaxed);
    let number = |at: usize| u64::from_ne_bytes(whole[at..at + 8].try_into().expect("8 bytes"));
    let (n, left_out) = (number(0), number(8));
    let most = stack::MAX_FRAMES as u64;
    let Some(read) = stack::read_now(mapping) else {
        assert!(n > most || (left_out > 0 && n < most), "{n} frames, and {left_out} left out");
        return;
    };
    assert_eq!((read.pcs.len() as u64, read.left_out), (n, left_out));
    stack::StackArea::of(mapping).write(read.pcs.iter().copied(), read.left_out);
    assert_eq!(stack::n_published(mapping), 2);
    assert_eq!(stack::read(mapping, &turn), Some(read));
}

/// An entry of the log: its length, its place for a checksum, and numbers from its 16th byte on.
fn entry(len: u32, rest: &[u32], text: &str) -> Vec<u8> {
    let mut bytes = numbers(&[len, 0, 0, 0], "");
    bytes.extend(numbers(rest, text));
    bytes.resize(bytes.len().max(len as usize), 0);
    bytes
}

/// Makes the checksums of all entries fit, as far as their lengths do.
fn correct_checksums(log: &mut [u8]) {
    let mut rest = log;
    while let Some(len) = rest.first_chunk().map(|len| u64::from_le_bytes(*len)) {
        let Ok(len @ 16..) = usize::try_from(len) else { return };
        let Some((entry, behind)) = rest.split_at_mut_checked(len) else { return };
        let sum = entry_checksum(&entry[16..]);
        entry[8..16].copy_from_slice(&sum.to_le_bytes());
        rest = behind;
    }
}

fn borrowed(entry: &LogEntry) -> LogEntry<&[u8], &[u32]> {
    LogEntry {
        change: entry.change,
        id: entry.id,
        parent: entry.parent,
        origin: entry.origin,
        work: entry.work,
        features: &entry.features,
        input: &entry.input,
    }
}

fn len_of(entries: &[LogEntry]) -> usize {
    entries.iter().map(|e| entries::known_len(e.features.len(), e.input.len())).sum()
}

fn read_log(mapping: &Mapping, turn: &Turn, used: usize) -> Log {
    mapping.header().log_used.store(used as u64, Relaxed);
    entries::read_log(mapping, turn)
}

/// All entries before the first damage are read and no others, and they can be written again. Most
/// inputs get fitting checksums, or fuzzing would see nothing behind them; those that begin with an
/// odd byte do not.
#[fuzz_test(seeds = [
    [&[0][..], &entry(72, &[0, 0, 0, 0, 0, 0, u32::MAX, u32::MAX, 9, 0, 0, 3], "abc")].concat(),
    [&[0][..], &entry(72, &[1, 1, 5, 0, 8, 0, 1, 0, 9, 0, 2, 0], "fEATuRES")].concat(),
    [&[0][..], &entry(64, &[2, 2, 1, 0, 3, 0, 2, 0, 0, 0, 0, 0], "")].concat(),
    [&[0][..], &entry(64, &[0; 12], ""), &entry(64, &[0; 12], "")].concat(),
    [&[1][..], &entry(64, &[0; 12], "")].concat(),
    [&[0][..], &entry(64, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, u32::MAX, 1], "")].concat(),
])]
fn entries_come_back(data: &[u8]) {
    let Some((first, log)) = data.split_first() else { return };
    let mut log = log.to_vec();
    if first % 2 == 0 {
        correct_checksums(&mut log);
    }
    let (mapping, mut turn, used) = area(LOG_AT, LOG_LEN, &log);
    let read = read_log(mapping, &turn, used);
    let read_len = len_of(&read.entries);
    assert_eq!(read.damage.map(|damage| damage.offset), (read_len < used).then_some(read_len));
    if read_len < used {
        // The damage itself, alone, is no entry.
        let (mapping, turn, left) = area(LOG_AT, LOG_LEN, &log[read_len..used]);
        assert!(read_log(mapping, &turn, left).entries.is_empty());
    }
    mapping.header().log_used.store(0, Relaxed);
    for entry in &read.entries {
        entries::append(mapping, &mut turn, &borrowed(entry)).expect("it was there already");
    }
    let again = entries::read_log(mapping, &turn);
    assert_eq!((again.entries, again.damage), (read.entries, None));
}

/// Inputs in the inbox are read as whoever puts them there again puts them.
#[fuzz_test(seeds = [
    numbers(&[7, 0, 3, 0], "abc     "),
    numbers(&[7, 0, 0, 0, 8, 0, 8, 0], "abcdefgh"),
    numbers(&[7, 0, u32::MAX, u32::MAX], "abc"),
])]
fn inputs_come_back(bytes: &[u8]) {
    let (mapping, mut turn, used) = area(INBOX_AT, INBOX_LEN, bytes);
    mapping.header().inbox_used.store(used as u64, Relaxed);
    let read = entries::read_inbox(mapping, &turn);
    assert!(read.iter().map(|read| 16 + read.input.len()).sum::<usize>() <= used);
    let inputs = read.iter().map(|read| InboxInput { tag: read.tag, input: &read.input });
    assert_eq!(entries::fill_inbox(mapping, &mut turn, inputs), read.len());
    assert_eq!(entries::read_inbox(mapping, &turn), read);
}
