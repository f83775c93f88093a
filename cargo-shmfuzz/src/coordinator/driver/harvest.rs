//! Reading everything of use out of a mapping, after a hand-over or a death.
//!
//! All of it was written by an untrusted process. Invariant: whatever the bytes, a harvest comes
//! out, and what does not fit together is said in its `damage`.

use crate::coordinator::event::Harvest;
use shmfuzz_runtime::mapping::Mapping;
use shmfuzz_runtime::message::{JobEnd, Reply};
use shmfuzz_runtime::turn::Turn;
use shmfuzz_runtime::{entries, words};
use std::sync::atomic::{AtomicU64, Ordering};

/// Whether the input area holds something, by what ended the worker's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InputArea {
    /// The reply says so.
    Filled,
    /// Only if the header says that it is being run.
    IfRunning,
}

impl InputArea {
    /// What a reply says.
    pub(super) fn after(reply: &Reply) -> Self {
        let end = match reply {
            Reply::Minimized(_) => return Self::Filled,
            Reply::Hello(_) | Reply::Pong {} | Reply::Ready {} => return Self::IfRunning,
            Reply::Loaded(loaded) => loaded.end,
            Reply::Fuzzed(fuzzed) => fuzzed.end,
            Reply::Replayed(replayed) => replayed.end,
            Reply::Surveyed(surveyed) => surveyed.end,
        };
        match end {
            JobEnd::Failed | JobEnd::LargeEntry => Self::Filled,
            JobEnd::Done
            | JobEnd::Stopped
            | JobEnd::LogFull
            | JobEnd::JournalFull
            | JobEnd::NeedsCapacity { .. } => Self::IfRunning,
        }
    }
}

/// Reads what the worker left.
pub(super) fn harvest(mapping: &Mapping, turn: &Turn, area: InputArea) -> Harvest {
    let header = mapping.header();
    let raw_in_mem = header.raw_in_mem.load(Ordering::Relaxed);
    let log = entries::read_log(mapping, turn);
    let mut damage: Vec<String> = log.damage.iter().map(ToString::to_string).collect();
    let mut note = |field: &str, value: u64| {
        damage.push(format!("the fuzz test wrote over the mapping: {field} is {value}"));
    };
    let phase = mapping.phase();
    if phase.is_none() {
        note("phase", header.phase.load(Ordering::Relaxed).into());
    }
    if raw_in_mem > 1 {
        note("raw_in_mem", raw_in_mem.into());
    }
    let last_words = words::read(mapping, turn);
    let words_used = header.words_used.load(Ordering::Relaxed);
    if last_words.is_none() && words_used != 0 {
        note("words_used", words_used.into());
    }
    let mut input = None;
    if raw_in_mem == 1 || area == InputArea::Filled {
        match mapping.value_copy(turn) {
            Ok(value) => input = Some(value),
            Err(error) => damage.push(error.to_string()),
        }
    }
    // What wrote over the one field wrote over its neighbours, and any number is possible there.
    let count = |field: &AtomicU64| match damage.is_empty() {
        true => field.load(Ordering::Relaxed),
        false => 0,
    };
    Harvest {
        entries: log.entries,
        input,
        raw_in_mem: raw_in_mem == 1,
        words: last_words,
        // Whoever knows the binary looks it up.
        stack: None,
        // Whoever reads the pipes adds it.
        output: String::new(),
        // Whoever watches the process does.
        resident: None,
        slow: None,
        cpu: None,
        count: count(&header.count),
        extra_count: count(&header.extra_count),
        phase,
        loading: u64::try_from(header.loading.load(Ordering::Relaxed)).ok(),
        damage: (!damage.is_empty()).then(|| damage.join("; ")),
        // Whoever has the journal reads it.
        life: None,
    }
}
