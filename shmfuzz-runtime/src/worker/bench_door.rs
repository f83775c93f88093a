//! What the benchmarks in `benches/` reach of the worker. No part of the interface: it exists only
//! with the feature `bench`, which nothing but them asks for.
//!
//! Unsafe lives here: counters of a benchmark's own.

use super::control::Control;
use super::coverage::{Blocks, CoverageMap};
use super::dictionary::Dictionary;
use super::mutate::{self, Context, favour};
use super::pass::Counters;
use super::random::Random;
use super::{sancov, serve};
use crate::area::Area;
use crate::fuzz_test::FuzzTest;
use crate::mapping::Mapping;
use crate::message::{self, Reply, Request};
use crate::record::InputKind;
use crate::turn::Turn;
use std::fs::File;
use std::io::BufReader;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;

/// Counters that live as long as the process, as instrumented code has them.
#[must_use]
pub fn counters(n: usize) -> &'static [AtomicU8] {
    Vec::leak((0..n).map(|_| AtomicU8::new(0)).collect())
}

/// Registers them, as instrumented code does.
pub fn register(counters: &'static [AtomicU8]) {
    let start = counters.as_ptr().cast::<u8>().cast_mut();
    // SAFETY: they are static, and atomics may be written through pointers.
    unsafe {
        sancov::__sanitizer_cov_8bit_counters_init(start, start.wrapping_add(counters.len()))
    };
}

/// The pass over counters of its own, some of which each call moves.
#[derive(Debug)]
pub struct Pass {
    map: CoverageMap,
    counters: &'static [AtomicU8],
    step: usize,
}

impl Pass {
    /// Over `n` counters, of which a call moves `n_hit`.
    #[must_use]
    pub fn new(n: usize, n_hit: usize) -> Self {
        let counters = counters(n);
        // SAFETY: they are static, and atomics may be written through pointers.
        let run = unsafe { Counters::new(counters.as_ptr().cast::<u8>().cast_mut(), n) };
        let mut pass =
            Self { map: CoverageMap::over(std::iter::once(run)), counters, step: n / n_hit };
        pass.call();
        pass.all();
        pass
    }

    /// Moves the counters.
    pub fn call(&mut self) {
        for counter in self.counters.iter().step_by(self.step) {
            counter.store(3, Ordering::Relaxed);
        }
    }

    /// Makes the pass over all of them; -> their sum.
    pub fn all(&mut self) -> u64 {
        self.map.merge()
    }

    /// Makes the pass over the hot ones; -> their sum.
    pub fn hot(&mut self) -> u64 {
        self.map.merge_of(Blocks::Hot)
    }
}

/// Mutations of one input.
#[derive(Debug)]
pub struct Mutations {
    kind: InputKind,
    random: Random,
    dictionary: Dictionary,
    choices: favour::Choices,
    buffer: Vec<u8>,
}

impl Mutations {
    /// Of inputs up to 16 KiB.
    #[must_use]
    pub fn new(kind: InputKind) -> Self {
        let mut dictionary = Dictionary::default();
        dictionary.add(b"token");
        Self {
            kind,
            random: Random::from_state(1, 1),
            dictionary,
            choices: favour::even(mutate::n_mutators(kind, None, mutate::Own::default())),
            buffer: vec![0; 16 << 10],
        }
    }

    /// Makes the next input from this one; -> its length.
    pub fn make(&mut self, input: &[u8]) -> usize {
        let context = Context {
            kind: self.kind,
            shape: None,
            own: mutate::Own::default(),
            limit: self.buffer.len(),
            donor: input,
            dictionary: &self.dictionary,
            edits: &[],
            choices: &self.choices,
        };
        let mut area = Area::over(&mut self.buffer, 0);
        area.assign(input);
        mutate::mutate(&mut area, &mut self.random, &context);
        area.len()
    }
}

/// A coordinator with one worker, on a thread of this process.
#[derive(Debug)]
pub struct Pair {
    mapping: Mapping,
    turn: Option<Turn>,
    requests: UnixStream,
    replies: BufReader<UnixStream>,
}

impl Pair {
    /// Starts the worker.
    ///
    /// # Panics
    /// If the system refuses something; so does [`Pair::ask`].
    #[must_use]
    pub fn start(test: &'static FuzzTest) -> Self {
        let (mapping, turn) = Mapping::create(4096).expect("a mapping is made");
        let file = mapping.file().expect("the coordinator has its file");
        let theirs = Mapping::attach(file).expect("the file is mapped twice");
        let (ours, channel) = UnixStream::pair().expect("a channel is made");
        let control = File::from(OwnedFd::from(channel));
        let control = Control::start(control).expect("threads can be started");
        let theirs: &'static Mapping = Box::leak(Box::new(theirs));
        thread::spawn(move || serve(super::Worker::new(test, theirs, None), theirs, control));
        let replies = BufReader::new(ours.try_clone().expect("the channel is cloned"));
        let mut pair = Self { mapping, turn: Some(turn), requests: ours, replies };
        let hello: Reply = message::receive(&mut pair.replies).expect("a worker speaks first");
        assert!(matches!(hello, Reply::Hello(_)), "{hello:?}");
        pair
    }

    /// Hands the turn over with a request, and waits for turn and answer.
    pub fn ask(&mut self, request: &Request) -> Reply {
        let mut turn = self.turn.take().expect("the turn is here between two requests");
        self.mapping.reset_job(&mut turn);
        self.mapping.give(turn);
        message::send(&mut self.requests, request).expect("the worker lives");
        let reply = message::receive(&mut self.replies).expect("the worker answers");
        self.turn = self.mapping.take();
        reply
    }
}
