//! Last words: what the worker says about a failure before its turn, or its life, ends.
//!
//! The panic hook and the signal handler write them, so [`WordsArea::write`] is async-signal-safe:
//! raw copies of bounded length, no allocation, no lock, no panic. They are published by
//! `words_used`, last. What is read was written by an untrusted process and is checked.

use crate::bucket::Bucket;
use crate::kind::FailureKind;
use crate::layout::{Header, WORDS_AT, WORDS_LEN};
use crate::mapping::Mapping;
use crate::place;
use crate::turn::Turn;
use std::sync::atomic::{AtomicU32, Ordering};

/// A failure as the worker saw it. Text longer than the area is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastWords<T = String> {
    /// How it failed.
    pub kind: FailureKind,
    /// The signal's number, 0 for none.
    pub signal: i32,
    /// The faulting address, 0 for none.
    pub address: u64,
    /// Line of the location, 0 for none.
    pub line: u32,
    /// Column of the location, 0 for none.
    pub column: u32,
    /// Which way led to a location in code of others, as a number that is the same for all workers
    /// of a build; 0 for locations that need none.
    pub trail: u64,
    /// Source file of the location, as the compiler names it; empty for none.
    pub file: T,
    /// The panic's message, or the error's `Debug` text.
    pub message: T,
}

impl<T: AsRef<str>> LastWords<T> {
    /// `file:line` as buckets use it, the same on every machine; or nothing.
    pub fn location(&self) -> String {
        match self.file.as_ref() {
            "" => String::new(),
            file => format!("{}:{}", place::of(file).1, self.line),
        }
    }

    /// What this failure counts as however it was reached.
    pub fn bucket_any_way(&self) -> Bucket {
        Bucket::new(self.kind, &self.location(), self.message.as_ref())
    }

    /// What this failure counts as among the workers of one build, who know no names of functions.
    pub fn bucket(&self) -> Bucket {
        let location = self.location();
        match self.trail {
            0 => self.bucket_any_way(),
            trail => {
                let place = format!("{location} by {trail:x}");
                Bucket::new(self.kind, &place, self.message.as_ref())
            }
        }
    }

    /// The bucket of all failures of this kind at this location.
    pub fn place(&self) -> Bucket {
        Bucket::of_place(self.kind, &self.location())
    }
}

const HEAD: usize = 48;
/// Longest file name kept, in bytes.
const FILE_LIMIT: usize = 4 << 10;
/// Longest message kept, in bytes.
pub const MESSAGE_LIMIT: usize = WORDS_LEN - HEAD - FILE_LIMIT;

/// The words area of an attached mapping, for hooks that can borrow nothing.
///
/// Invariant: the mapping it comes from is never unmapped; the worker leaks it.
#[derive(Clone, Copy, Debug)]
pub struct WordsArea {
    at: *mut u8,
    used: *const AtomicU32,
}

// SAFETY: the pointers stay valid for the life of the process, and concurrent writers are kept
// apart by whoever claims the right to speak first (a word of garbage would be rejected by `read`).
unsafe impl Send for WordsArea {}
// SAFETY: as for `Send`.
unsafe impl Sync for WordsArea {}

impl WordsArea {
    /// The area of a mapping that lives as long as the process.
    pub fn of(mapping: &'static Mapping) -> Self {
        let header: &'static Header = mapping.header();
        Self { at: mapping.at(WORDS_AT), used: &raw const header.words_used }
    }

    /// Writes and publishes. Async-signal-safe.
    pub fn write(self, words: &LastWords<&[u8]>) {
        let file = &words.file[..words.file.len().min(FILE_LIMIT)];
        let message = &words.message[..words.message.len().min(MESSAGE_LIMIT)];
        let mut head = [0; HEAD];
        for (at, bytes) in [
            (0, (words.kind as u32).to_le_bytes()),
            (4, words.signal.to_le_bytes()),
            (8, words.line.to_le_bytes()),
            (12, words.column.to_le_bytes()),
            (16, (file.len() as u32).to_le_bytes()),
            (20, (message.len() as u32).to_le_bytes()),
        ] {
            head[at..at + 4].copy_from_slice(&bytes);
        }
        head[24..32].copy_from_slice(&words.address.to_le_bytes());
        head[32..40].copy_from_slice(&words.trail.to_le_bytes());
        self.put(0, &head);
        self.put(HEAD, file);
        self.put(HEAD + file.len(), message);
        let used = (HEAD + file.len() + message.len()) as u32;
        // SAFETY: the header lives as long as the process.
        unsafe { &*self.used }.store(used, Ordering::Release);
    }

    /// Whether somebody has spoken since the last hand-over.
    pub fn spoken(self) -> bool {
        // SAFETY: the header lives as long as the process.
        unsafe { &*self.used }.load(Ordering::Acquire) != 0
    }

    /// Forgets what was said.
    pub fn clear(self) {
        // SAFETY: the header lives as long as the process.
        unsafe { &*self.used }.store(0, Ordering::Release);
    }

    fn put(self, at: usize, bytes: &[u8]) {
        debug_assert!(at + bytes.len() <= WORDS_LEN);
        // SAFETY: the limits above keep `at` inside the area.
        let place = unsafe { self.at.add(at) };
        // SAFETY: the area has `WORDS_LEN` bytes, which the limits above respect; `bytes` is no
        // part of the mapping.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) };
    }
}

/// Reads the last words after a hand-over or a death; `None` if there are none or they are
/// garbage. Never panics, whatever the bytes.
pub fn read(mapping: &Mapping, _turn: &Turn) -> Option<LastWords> {
    let used = mapping.header().words_used.load(Ordering::Acquire) as usize;
    if !(HEAD..=WORDS_LEN).contains(&used) {
        return None;
    }
    let bytes = mapping.copy_out(WORDS_AT, used);
    let number =
        |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let long = |at: usize| u64::from(number(at)) | u64::from(number(at + 4)) << 32;
    let (file_len, message_len) = (number(16) as usize, number(20) as usize);
    let message_at = HEAD.checked_add(file_len)?;
    let file = bytes.get(HEAD..message_at)?;
    let message = bytes.get(message_at..message_at.checked_add(message_len)?)?;
    Some(LastWords {
        kind: FailureKind::from_u32(number(0))?,
        signal: i32::from_le_bytes(number(4).to_le_bytes()),
        line: number(8),
        column: number(12),
        address: long(24),
        trail: long(32),
        file: String::from_utf8_lossy(file).into_owned(),
        message: String::from_utf8_lossy(message).into_owned(),
    })
}

#[cfg(all(test, feature = "coordinator"))]
mod tests {
    use super::*;

    fn mapping() -> (&'static Mapping, Turn) {
        let (mapping, turn) = Mapping::create(16).expect("room for a mapping");
        (Box::leak(Box::new(mapping)), turn)
    }

    #[test]
    fn words_come_back_and_are_cut_at_the_limit() {
        let (mapping, turn) = mapping();
        assert_eq!(read(mapping, &turn), None);
        let area = WordsArea::of(mapping);
        let long = vec![b'x'; WORDS_LEN];
        let words = LastWords {
            kind: FailureKind::Signal,
            signal: 11,
            address: u64::MAX - 1,
            line: 3,
            column: 4,
            trail: u64::MAX - 2,
            file: &b"src/lib.rs"[..],
            message: &long[..],
        };
        area.write(&words);
        assert!(area.spoken());
        let read = read(mapping, &turn).unwrap();
        assert_eq!((read.kind, read.signal, read.address), (FailureKind::Signal, 11, u64::MAX - 1));
        assert_eq!((read.trail, read.location().as_str()), (u64::MAX - 2, "src/lib.rs:3"));
        assert_eq!(read.message.len(), MESSAGE_LIMIT);
        area.clear();
        assert!(!area.spoken());
    }
}
