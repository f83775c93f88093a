//! What campaigns are drawn from: randomness, manners, fuzz tests, and replies.

use crate::coordinator::campaign::{CommittedSequence, CorpusInput, Place, Test};
use crate::coordinator::event::Cause;
use shmfuzz_runtime::entries::{EntryChange, LogEntry, Origin};
use shmfuzz_runtime::kind::FailureKind;
use shmfuzz_runtime::message::{Coverage, Fuzzed, JobEnd, Loaded};
use shmfuzz_runtime::sequence::pack;
use shmfuzz_runtime::words::LastWords;
use std::time::Duration;

/// A millisecond.
pub(super) const MS: Duration = Duration::from_millis(1);

/// SplitMix64.
#[derive(Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// True `n` times of a thousand.
    pub(super) fn chance(&mut self, n: u64) -> bool {
        self.below(1000) < n
    }
}

/// How a fuzz test misbehaves: chances per thousand jobs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Manners {
    pub(super) fails: u64,
    pub(super) dies: u64,
    pub(super) hangs: u64,
    /// Never answers, and the driver does not notice.
    pub(super) mute: u64,
    pub(super) lies: u64,
    pub(super) late: u64,
    pub(super) dies_at_start: u64,
    pub(super) dies_idle: u64,
    pub(super) outside: u64,
    pub(super) no_counters: u64,
    /// Whether what panics does so only after other inputs.
    pub(super) needs_others: bool,
}

impl Manners {
    /// Whether so much goes wrong that the engine may give the test up.
    pub(super) fn breaks(&self) -> bool {
        let is_hopeless = self.dies > 500;
        let chances = self.dies_at_start + self.no_counters + self.mute + self.outside;
        is_hopeless || chances + self.dies_idle > 0
    }
}

pub(super) fn manners(random: &mut Random) -> Manners {
    let mut manners = Manners { needs_others: random.chance(150), ..Manners::default() };
    if random.chance(200) {
        return manners;
    }
    let chances = [10, 50, 200, 900];
    for chance in [
        &mut manners.fails,
        &mut manners.dies,
        &mut manners.hangs,
        &mut manners.mute,
        &mut manners.lies,
        &mut manners.late,
        &mut manners.dies_at_start,
        &mut manners.dies_idle,
        &mut manners.outside,
        &mut manners.no_counters,
    ] {
        if random.chance(250) {
            *chance = chances[random.below(4) as usize];
        }
    }
    manners
}

pub(super) fn test(random: &mut Random, n: u64) -> Test {
    let input = |i: u64, first: u8| CorpusInput {
        place: if i.is_multiple_of(2) { Place::Seed } else { Place::Cache },
        name: format!("input-{i}"),
        bytes: vec![first, (i % 5) as u8, i as u8].into(),
    };
    let n_inputs = random.below(6);
    let corpus = (0..n_inputs).map(|i| input(i, if random.chance(300) { b'P' } else { b'o' }));
    let corpus = corpus.collect();
    let sequence = |nth: u64| {
        let mut packed = Vec::new();
        for input in [&[b'o', 1][..], &[b'P', nth as u8, b's']] {
            pack(&mut packed, input);
        }
        CommittedSequence { name: format!("sequence-{nth}"), packed: packed.into() }
    };
    let n_sequences = if random.chance(300) { random.below(4) } else { 0 };
    Test {
        name: format!("test{n}"),
        kind: shmfuzz_runtime::record::InputKind::Bytes,
        shape: None,
        timeout: MS * 1000,
        rss_limit: 0,
        max_len: 100,
        n_attribute_seeds: 3,
        tokens: if n.is_multiple_of(2) { Vec::new() } else { vec![b"word"[..].into()] },
        ignored: Default::default(),
        corpus,
        sequences: (0..n_sequences).map(sequence).collect(),
    }
}

/// The class of failures by which memory runs out.
pub(super) const LEAK: u8 = 101;

/// What a call of an input leaks, in bytes, in a fuzz test that leaks.
pub(super) fn leaked_by(input: &[u8]) -> u64 {
    let is_even = input.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte)).is_multiple_of(2);
    if is_even { 32 << 20 } else { 0 }
}

pub(super) fn class_of(cause: &Cause) -> u8 {
    match cause {
        Cause::Exited(_) => 100,
        Cause::OutOfMemory(_) => LEAK,
        Cause::TimedOut(_) => 102,
        Cause::Signaled(signal) => *signal as u8,
        _ => 0,
    }
}

/// Panics of this class and all above it are at one place, each with a message of its own.
pub(super) const CROWD: u8 = 3;

pub(super) fn words(input: &[u8]) -> LastWords {
    LastWords {
        kind: FailureKind::Panic,
        signal: 0,
        address: 0,
        line: u32::from(input[1].min(CROWD)),
        column: 1,
        trail: 0,
        file: "src/lib.rs".to_owned(),
        message: format!("it panicked {}", char::from(b'a' + input[1] % 26)),
    }
}

pub(super) fn entry(origin: Origin, id: u64, features: Vec<u32>, input: Vec<u8>) -> LogEntry {
    LogEntry { change: EntryChange::New, id, parent: None, origin, work: 1, features, input }
}

pub(super) fn loaded(end: JobEnd, n_run: usize) -> Loaded {
    let coverage = Coverage::default();
    Loaded { end, n_run, n_invalid: 0, first_moved: Some(3), execs: n_run as u64, coverage }
}

pub(super) fn fuzzed(end: JobEnd, execs: u64) -> Fuzzed {
    Fuzzed {
        end,
        execs,
        extra_execs: 1,
        silenced: Vec::new(),
        rejected: 0,
        input_bytes: 0,
        first_moved: Some(3),
        coverage: Coverage { edges: 3, features: 9, entries: 2, checked: 3, flickering: 1 },
    }
}
