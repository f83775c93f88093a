//! Entries on their way through the mapping: the log (what a worker found) and the inbox (what it
//! is given: inputs to run, or entries that another worker of the same build has run).
//!
//! The log is append-only during a job: an entry is written whole and then published by its
//! `log_used`, before the worker's next call, so that it survives whatever that call does. What is
//! read here was written by an untrusted process: each length is checked, each log entry carries a
//! checksum, and reading stops at the first bytes that do not fit.

use crate::layout::{INBOX_AT, INBOX_LEN, LOG_AT, LOG_LEN};
use crate::mapping::Mapping;
use crate::turn::Turn;
use std::fmt;
use std::sync::atomic::Ordering;

/// Where the input of an entry comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A mutation of another entry.
    Mutation,
    /// The inbox; the coordinator's tag of the input.
    Inbox(u64),
    /// A seed of the attribute, by its index.
    Attribute(u32),
}

/// Whether an entry is new or takes another's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryChange {
    /// It reached features that nothing before it in this worker had.
    New,
    /// A smaller input for the entry with the same number, with all of its features.
    Smaller,
    /// None of the features of the entry with the same number came back when it was run again: it
    /// is not worth keeping. There are no features and no input here.
    Flickering,
}

/// An entry as the log carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry<B = Vec<u8>, F = Vec<u32>> {
    /// New, or smaller.
    pub change: EntryChange,
    /// The worker's number of it, counted from 0 in this worker's life.
    pub id: u64,
    /// The entry it was mutated from.
    pub parent: Option<u64>,
    /// Where its input comes from.
    pub origin: Origin,
    /// Sum of the counters of one execution: what it costs, without a clock.
    pub work: u64,
    /// The features it was the first to reach in this worker: counter index * 8 + bucket.
    pub features: F,
    /// The input.
    pub input: B,
}

const HEAD: usize = 64;

/// The log has no room for an entry. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFull {
    /// There will be room once the coordinator has read the log.
    ForNow,
    /// It would not fit an empty log.
    Forever,
}

/// FNV-1a over eight bytes at a time; it guards against accidents, not against malice.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(0xcbf2_9ce4_8422_2325, |hash, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// How many bytes an entry takes.
fn encoded_len(n_features: usize, input_len: usize) -> usize {
    (HEAD + n_features * 4 + input_len).next_multiple_of(8)
}

/// An entry as it stands in the log: lengths, a checksum, numbers, features, input, zeros.
fn encode(entry: &LogEntry<&[u8], &[u32]>) -> Vec<u8> {
    let len = encoded_len(entry.features.len(), entry.input.len());
    let mut bytes = Vec::with_capacity(len);
    let (origin, tag) = match entry.origin {
        Origin::Mutation => (0, 0),
        Origin::Inbox(tag) => (1, tag),
        Origin::Attribute(index) => (2, u64::from(index)),
    };
    bytes.extend((len as u64).to_le_bytes());
    bytes.extend([0; 8]);
    let change: u32 = match entry.change {
        EntryChange::New => 0,
        EntryChange::Smaller => 1,
        EntryChange::Flickering => 2,
    };
    bytes.extend(change.to_le_bytes());
    bytes.extend(u32::to_le_bytes(origin));
    bytes.extend(tag.to_le_bytes());
    bytes.extend(entry.id.to_le_bytes());
    bytes.extend(entry.parent.unwrap_or(u64::MAX).to_le_bytes());
    bytes.extend(entry.work.to_le_bytes());
    bytes.extend((entry.features.len() as u32).to_le_bytes());
    bytes.extend((entry.input.len() as u32).to_le_bytes());
    debug_assert_eq!(bytes.len(), HEAD);
    bytes.extend(entry.features.iter().flat_map(|f| f.to_le_bytes()));
    bytes.extend(entry.input);
    bytes.resize(len, 0);
    let sum = checksum(&bytes[16..]).to_le_bytes();
    bytes[8..16].copy_from_slice(&sum);
    bytes
}

/// Appends an entry and publishes it. Allocates; not for the hot path.
///
/// # Errors
/// If it does not fit.
pub fn append(
    mapping: &Mapping,
    _turn: &mut Turn,
    entry: &LogEntry<&[u8], &[u32]>,
) -> Result<(), LogFull> {
    let len = encoded_len(entry.features.len(), entry.input.len());
    if len > LOG_LEN {
        return Err(LogFull::Forever);
    }
    let used = mapping.header().log_used.load(Ordering::Relaxed);
    let used = usize::try_from(used).ok().filter(|n| *n <= LOG_LEN).unwrap_or(LOG_LEN);
    if len > LOG_LEN - used {
        return Err(LogFull::ForNow);
    }
    mapping.copy_in(LOG_AT + used, &encode(entry));
    mapping.header().log_used.store((used + len) as u64, Ordering::Release);
    Ok(())
}

/// What [`read_log`] found.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// All entries up to the first damage.
    pub entries: Vec<LogEntry>,
    /// What does not fit, if anything.
    pub damage: Option<LogDamage>,
}

/// The log holds what no worker of ours writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogDamage {
    /// Offset in the log, in bytes.
    pub offset: usize,
}

impl fmt::Display for LogDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the fuzz test wrote over the log of entries at offset {}", self.offset)
    }
}

/// Reads the log after a hand-over or a death. Never panics, whatever the bytes.
pub fn read_log(mapping: &Mapping, _turn: &Turn) -> Log {
    let used = mapping.header().log_used.load(Ordering::Acquire);
    let mut log = Log::default();
    let Some(used) = usize::try_from(used).ok().filter(|n| *n <= LOG_LEN) else {
        log.damage = Some(LogDamage { offset: 0 });
        return log;
    };
    log.read(&mapping.copy_out(LOG_AT, used));
    log
}

impl Log {
    /// Takes entries out of `bytes`, up to the first that does not fit.
    fn read(&mut self, bytes: &[u8]) {
        let mut at = 0;
        while at < bytes.len() {
            match parse(&bytes[at..]) {
                Some((entry, len)) => {
                    self.entries.push(entry);
                    at += len;
                }
                None => {
                    self.damage = Some(LogDamage { offset: at });
                    break;
                }
            }
        }
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn parse(bytes: &[u8]) -> Option<(LogEntry, usize)> {
    let len = usize::try_from(u64_at(bytes, 0)?).ok()?;
    if len < HEAD || len % 8 != 0 {
        return None;
    }
    let bytes = bytes.get(..len)?;
    if u64_at(bytes, 8)? != checksum(&bytes[16..]) {
        return None;
    }
    let n_features = u32_at(bytes, 56)? as usize;
    let input_len = u32_at(bytes, 60)? as usize;
    let input_at = HEAD.checked_add(n_features.checked_mul(4)?)?;
    let end = input_at.checked_add(input_len)?;
    if end.checked_next_multiple_of(8)? != len {
        return None;
    }
    let tag = u64_at(bytes, 24)?;
    let entry = LogEntry {
        change: match u32_at(bytes, 16)? {
            0 => EntryChange::New,
            1 => EntryChange::Smaller,
            2 => EntryChange::Flickering,
            _ => return None,
        },
        origin: match u32_at(bytes, 20)? {
            0 => Origin::Mutation,
            1 => Origin::Inbox(tag),
            2 => Origin::Attribute(u32::try_from(tag).ok()?),
            _ => return None,
        },
        id: u64_at(bytes, 32)?,
        parent: u64_at(bytes, 40).filter(|n| *n != u64::MAX),
        work: u64_at(bytes, 48)?,
        features: bytes[HEAD..input_at]
            .chunks_exact(4)
            .map(|c| u32::from_le_bytes([c[0], c[1], c[2], c[3]]))
            .collect(),
        input: bytes[input_at..end].to_vec(),
    };
    Some((entry, len))
}

/// An input for the worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxInput<B = Vec<u8>> {
    /// The coordinator's name for it, below `i64::MAX`.
    pub tag: u64,
    /// Its bytes.
    pub input: B,
}

/// Writes as many inputs as fit into the inbox, in order; -> how many.
///
/// An input of more than [`LARGEST_INBOX_INPUT`] bytes never fits: it travels in the input area.
#[cfg(feature = "coordinator")]
pub fn fill_inbox<I: AsRef<[u8]>>(
    mapping: &Mapping,
    _turn: &mut Turn,
    inputs: impl IntoIterator<Item = InboxInput<I>>,
) -> usize {
    let (mut used, mut n) = (0, 0);
    for InboxInput { tag, input } in inputs {
        let input = input.as_ref();
        let len = 16 + input.len().next_multiple_of(8);
        if len > INBOX_LEN - used {
            break;
        }
        mapping.copy_in(INBOX_AT + used, &tag.to_le_bytes());
        mapping.copy_in(INBOX_AT + used + 8, &(input.len() as u64).to_le_bytes());
        mapping.copy_in(INBOX_AT + used + 16, input);
        (used, n) = (used + len, n + 1);
    }
    mapping.header().inbox_used.store(used as u64, Ordering::Release);
    n
}

/// The longest input that fits the inbox, in bytes.
pub const LARGEST_INBOX_INPUT: usize = INBOX_LEN - 16;

/// Copies the inputs out of the inbox. What does not parse is left out.
pub fn read_inbox(mapping: &Mapping, _turn: &Turn) -> Vec<InboxInput> {
    let used = mapping.header().inbox_used.load(Ordering::Acquire);
    let used = usize::try_from(used).unwrap_or(INBOX_LEN).min(INBOX_LEN);
    let bytes = mapping.copy_out(INBOX_AT, used);
    let (mut inputs, mut at) = (Vec::new(), 0);
    while let Some((tag, len)) = u64_at(&bytes, at).zip(u64_at(&bytes, at + 8)) {
        let Ok(len) = usize::try_from(len) else { break };
        let Some(input) = len.checked_add(at + 16).and_then(|end| bytes.get(at + 16..end)) else {
            break;
        };
        inputs.push(InboxInput { tag, input: input.to_vec() });
        at += 16 + len.next_multiple_of(8);
    }
    inputs
}

/// How much of the inbox an entry takes, in bytes: as many as [`INBOX_LEN`] fit.
#[cfg(feature = "coordinator")]
pub fn known_len(n_features: usize, input_len: usize) -> usize {
    encoded_len(n_features, input_len)
}

/// Writes as many entries as fit into the inbox, in order; -> how many. Their features are those of
/// another worker of the same build.
#[cfg(feature = "coordinator")]
pub fn fill_known<'e>(
    mapping: &Mapping,
    _turn: &mut Turn,
    entries: impl IntoIterator<Item = LogEntry<&'e [u8], &'e [u32]>>,
) -> usize {
    let (mut used, mut n) = (0, 0);
    for entry in entries {
        let len = encoded_len(entry.features.len(), entry.input.len());
        if len > INBOX_LEN - used {
            break;
        }
        mapping.copy_in(INBOX_AT + used, &encode(&entry));
        (used, n) = (used + len, n + 1);
    }
    mapping.header().inbox_used.store(used as u64, Ordering::Release);
    n
}

/// Copies the entries of [`fill_known`] out of the inbox. What does not parse is left out.
pub fn read_known(mapping: &Mapping, _turn: &Turn) -> Vec<LogEntry> {
    let used = mapping.header().inbox_used.load(Ordering::Acquire);
    let used = usize::try_from(used).unwrap_or(INBOX_LEN).min(INBOX_LEN);
    let mut log = Log::default();
    log.read(&mapping.copy_out(INBOX_AT, used));
    log.entries
}

#[cfg(all(test, feature = "coordinator"))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry() -> impl Strategy<Value = LogEntry> {
        let origin = prop_oneof![
            Just(Origin::Mutation),
            any::<u64>().prop_map(Origin::Inbox),
            any::<u32>().prop_map(Origin::Attribute),
        ];
        let change = prop_oneof![
            Just(EntryChange::New),
            Just(EntryChange::Smaller),
            Just(EntryChange::Flickering),
        ];
        let numbers = (any::<u64>(), prop::option::of(0..u64::MAX), any::<u64>());
        (change, origin, numbers, any::<Vec<u32>>(), any::<Vec<u8>>()).prop_map(
            |(change, origin, (id, parent, work), features, input)| LogEntry {
                change,
                origin,
                id,
                parent,
                work,
                features,
                input,
            },
        )
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

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn entries_come_back_in_order(entries in prop::collection::vec(entry(), 0..8)) {
            let (mapping, mut turn) = Mapping::create(16).unwrap();
            for entry in &entries {
                append(&mapping, &mut turn, &borrowed(entry)).unwrap();
            }
            let log = read_log(&mapping, &turn);
            prop_assert_eq!(log.entries, entries);
            prop_assert_eq!(log.damage, None);
        }

        #[test]
        fn entries_come_back_from_the_inbox(entries in prop::collection::vec(entry(), 0..8)) {
            let (mapping, mut turn) = Mapping::create(16).unwrap();
            let n = fill_known(&mapping, &mut turn, entries.iter().map(borrowed));
            prop_assert_eq!(n, entries.len());
            prop_assert_eq!(read_known(&mapping, &turn), entries);
        }

        #[test]
        fn damage_is_found_and_what_is_before_it_is_kept(
            first in entry(), second in entry(), at: prop::sample::Index, flip in 1u8..,
        ) {
            let (mapping, mut turn) = Mapping::create(16).unwrap();
            append(&mapping, &mut turn, &borrowed(&first)).unwrap();
            let start = mapping.header().log_used.load(Ordering::Relaxed) as usize;
            append(&mapping, &mut turn, &borrowed(&second)).unwrap();
            let end = mapping.header().log_used.load(Ordering::Relaxed) as usize;
            let at = LOG_AT + start + at.index(end - start);
            let old = mapping.copy_out(at, 1)[0];
            mapping.copy_in(at, &[old ^ flip]);
            let log = read_log(&mapping, &turn);
            prop_assert_eq!(log.entries, [first]);
            prop_assert_eq!(log.damage, Some(LogDamage { offset: start }));
        }

        #[test]
        fn inputs_come_back_from_the_inbox(inputs in prop::collection::vec((0u64..1 << 60, any::<Vec<u8>>()), 0..8)) {
            let (mapping, mut turn) = Mapping::create(16).unwrap();
            let all = inputs.iter().map(|(tag, input)| InboxInput { tag: *tag, input: &input[..] });
            prop_assert_eq!(fill_inbox(&mapping, &mut turn, all), inputs.len());
            let back: Vec<_> = read_inbox(&mapping, &turn).into_iter().map(|i| (i.tag, i.input)).collect();
            prop_assert_eq!(back, inputs);
        }
    }

    #[test]
    fn a_full_log_takes_nothing_more() {
        let (mapping, mut turn) = Mapping::create(16).unwrap();
        let input = vec![1; LOG_LEN / 2];
        let entry = LogEntry {
            change: EntryChange::New,
            id: 0,
            parent: None,
            origin: Origin::Mutation,
            work: 1,
            features: &[][..],
            input: &input[..],
        };
        append(&mapping, &mut turn, &entry).unwrap();
        assert_eq!(append(&mapping, &mut turn, &entry), Err(LogFull::ForNow));
        assert_eq!(read_log(&mapping, &turn).entries.len(), 1);
        let input = vec![1; LOG_LEN];
        let entry = LogEntry { input: &input[..], ..entry };
        assert_eq!(append(&mapping, &mut turn, &entry), Err(LogFull::Forever));
    }
}
