//! One call of the body: count it, mark the input as the one being run, catch what unwinds.
//!
//! It owns the header's `count`, `extra_count`, `value_len`, `raw_in_mem` and `phase`, and the last words of
//! failures that the process survives. Invariant: `raw_in_mem` is 1 while the body runs, or
//! drops what it panicked with,
//! so that whatever the body does to the process, the input that did it can be read. Coverage is
//! left in the counters, for the caller to merge or clear. No clock, lock, system call or
//! allocation of its own in a call that does not fail, unless the memory is guarded.

use super::frames;
use super::guard;
use super::panics;
use super::unix;
use crate::area::Area;
use crate::bucket::Bucket;
use crate::fuzz_test::FuzzTest;
use crate::journal::Journal;
use crate::kind::FailureKind;
use crate::layout::{Header, Phase};
use crate::mapping::Mapping;
use crate::outcome::Verdict;
use crate::place::{self, Owner};
use crate::stack::StackArea;
use crate::words::{LastWords, WordsArea};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

/// How a call ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Its coverage counts.
    Kept,
    /// The test does not want such inputs.
    Rejected,
    /// It panicked or returned an error.
    Failed(Box<LastWords>),
}

/// Calls one fuzz test, and keeps the header.
#[derive(Debug)]
pub(super) struct Executor {
    test: &'static FuzzTest,
    header: &'static Header,
    words: WordsArea,
    stack: StackArea,
    journal: Option<Journal>,
}

impl Executor {
    pub(super) fn new(
        test: &'static FuzzTest,
        mapping: &'static Mapping,
        journal: Option<Journal>,
    ) -> Self {
        let (words, stack) = (WordsArea::of(mapping), StackArea::of(mapping));
        Self { test, header: mapping.header(), words, stack, journal }
    }

    /// Whether there is a journal, and something has not found its way into it.
    pub(super) fn is_journal_full(&self) -> bool {
        self.journal.as_ref().is_some_and(Journal::is_full)
    }

    /// All that this process shares with the coordinator.
    pub(super) fn shared_memory(
        &self,
        mapping: &Mapping,
    ) -> impl Iterator<Item = (*const u8, usize)> {
        let journal = self.journal.as_ref().map(Journal::range);
        [Some(mapping.range()), journal].into_iter().flatten()
    }

    /// Says what the following calls are for.
    pub(super) fn set_phase(&self, phase: Phase) {
        self.header.phase.store(phase as u32, Ordering::Relaxed);
    }

    /// What the following calls are for.
    pub(super) fn phase(&self) -> u32 {
        self.header.phase.load(Ordering::Relaxed)
    }

    /// Goes back to an earlier phase.
    pub(super) fn restore_phase(&self, phase: u32) {
        self.header.phase.store(phase, Ordering::Relaxed);
    }

    /// Says that the next call is none of the phase.
    pub(super) fn count_extra(&self) {
        let count = self.header.extra_count.load(Ordering::Relaxed);
        self.header.extra_count.store(count.wrapping_add(1), Ordering::Relaxed);
    }

    /// Runs the body once on the bytes in the area.
    #[inline]
    pub(super) fn call(&self, area: &Area<'_>) -> Outcome {
        let header = self.header;
        if let Some(journal) = &self.journal {
            if !journal.record(area.as_slice()) {
                // The job ends soon: a life that is not on record is of no use.
                header.stop.store(1, Ordering::Relaxed);
            }
        }
        header.value_len.store(area.len() as u64, Ordering::Relaxed);
        // One writer: no need of a locked addition.
        let count = header.count.load(Ordering::Relaxed);
        header.count.store(count.wrapping_add(1), Ordering::Relaxed);
        frames::begin_call();
        panics::begin_call();
        // Release: a reader that sees the mark sees the bytes and their length.
        header.raw_in_mem.store(1, Ordering::Release);
        guard::close();
        let body = self.test.body;
        let verdict = catch_unwind(AssertUnwindSafe(|| body(area.as_slice())));
        if unix::is_fork() {
            end_of_fork(verdict.is_err());
        }
        guard::open();
        let panicked = panics::end_call();
        let outcome = match verdict {
            Ok(Verdict::Kept) if !panicked => Outcome::Kept,
            Ok(Verdict::Rejected) if !panicked => Outcome::Rejected,
            verdict => self.unusual(verdict),
        };
        // Not before the payload of a panic is dropped, which runs code of the body's.
        header.raw_in_mem.store(0, Ordering::Relaxed);
        outcome
    }

    #[cold]
    #[inline(never)]
    fn unusual(&self, verdict: std::thread::Result<Verdict>) -> Outcome {
        let outcome = match verdict {
            Ok(Verdict::Kept) => Outcome::Kept,
            Ok(Verdict::Rejected) => Outcome::Rejected,
            Ok(Verdict::Failed(message)) => Outcome::Failed(Box::new(self.error_words(message))),
            Err(payload) => {
                let words = panic_words(crate::call::message(&*payload));
                // A payload may panic when it is dropped; what it then panics with is let go.
                panics::begin_call();
                frames::keep_while(|| {
                    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                        std::mem::forget(second);
                    }
                });
                panics::end_call();
                Outcome::Failed(Box::new(words))
            }
        };
        panics::forget();
        outcome
    }

    fn error_words(&self, message: String) -> LastWords {
        LastWords {
            kind: FailureKind::Error,
            signal: 0,
            address: 0,
            line: self.test.record.line,
            column: 0,
            trail: 0,
            file: self.test.record.file.to_owned(),
            message,
        }
    }

    /// Leaves a failure to the coordinator: last words, and the mark that the input area holds
    /// the input. The turn is to be given as it is.
    pub(super) fn report(&self, failure: &LastWords, area: &Area<'_>) {
        self.words.write(&LastWords {
            kind: failure.kind,
            signal: failure.signal,
            address: failure.address,
            line: failure.line,
            column: failure.column,
            trail: failure.trail,
            file: failure.file.as_bytes(),
            message: failure.message.as_bytes(),
        });
        if failure.kind == FailureKind::Panic {
            frames::of_last_panic(|frames| frames.publish(self.stack));
        }
        self.header.value_len.store(area.len() as u64, Ordering::Relaxed);
        self.header.raw_in_mem.store(1, Ordering::Release);
    }
}

/// A fork of the worker has come back from the body. The areas and the channel are the worker's, who
/// goes on with them, so it ends here, as a program does that has nothing more to do.
#[cold]
fn end_of_fork(has_panicked: bool) -> ! {
    /// What the standard library ends a program with that panicked.
    const PANICKED: i32 = 101;
    unix::exit_now(if has_panicked { PANICKED } else { 0 })
}

/// The words for a panic that left the body. One that no hook saw (`resume_unwind`) has no place.
fn panic_words(payload: &str) -> LastWords {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut words = LastWords {
        kind: FailureKind::Panic,
        signal: 0,
        address: 0,
        line: 0,
        column: 0,
        trail: 0,
        file: String::new(),
        message: payload.to_owned(),
    };
    if let Some(thread) = panics::passed_on() {
        frames::set_last_panic(&thread.frames);
        (words.line, words.column) = (thread.line, thread.column);
        (words.file, words.message) = (thread.file, thread.message);
    } else if let Some(note) = panics::last() {
        (words.line, words.column) = (note.line(), note.column());
        (words.file, words.message) = (text(note.file()), text(note.message()));
    } else {
        frames::forget_panic();
    }
    // In code of others, which way led there tells failures apart. The user's own places tell enough.
    if !words.file.is_empty() && place::of(&words.file).0 != Owner::User {
        words.trail = frames::of_last_panic(frames::Frames::trail);
    }
    words
}

/// Failures that do not end a job: known, or reported already.
#[derive(Debug, Default)]
pub(super) struct Silent {
    /// Sorted.
    buckets: Vec<Bucket>,
}

impl Silent {
    pub(super) fn add(&mut self, bucket: Bucket) {
        if let Err(at) = self.buckets.binary_search(&bucket) {
            self.buckets.insert(at, bucket);
        }
    }

    /// Whether a bucket is silent by itself.
    pub(super) fn has(&self, bucket: Bucket) -> bool {
        self.buckets.binary_search(&bucket).is_ok()
    }

    /// What of a failure is silent: its bucket, or its place as a whole.
    pub(super) fn known(&self, words: &LastWords) -> Option<Bucket> {
        let is_silent = |bucket: &Bucket| self.has(*bucket);
        Some(words.bucket()).filter(is_silent).or_else(|| Some(words.place()).filter(is_silent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_place_hides_whatever_is_said_there() {
        let words = |line: u32, message: &str| LastWords {
            kind: FailureKind::Panic,
            signal: 0,
            address: 0,
            line,
            column: 1,
            trail: 0,
            file: "src/lib.rs".to_owned(),
            message: message.to_owned(),
        };
        let mut silent = Silent::default();
        silent.add(words(3, "unexpected a").bucket());
        assert_eq!(silent.known(&words(3, "unexpected b")), None);
        silent.add(words(3, "").place());
        assert_eq!(silent.known(&words(3, "unexpected b")), Some(words(3, "").place()));
        assert_eq!(silent.known(&words(4, "unexpected b")), None);
    }
}
