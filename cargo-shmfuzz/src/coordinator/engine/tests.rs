//! Scripted campaigns: what the engine wants, step by step.

mod corpus;
mod ends;
mod findings;
mod leaks;
mod minimization;
mod sequences;
mod sharing;
mod slow;

use super::Engine;
use crate::coordinator::action::{Action, Freight, Shelf};
use crate::coordinator::campaign::{
    Campaign, CorpusInput, FindingId, Place, Test, TestIdx, WorkerId,
};
use crate::coordinator::event::{Cause, Death, Event, Harvest, PlainVerdict};
use crate::coordinator::notice::{End, Exit, Finding, Limit, Notice, Reproducible, Stats};
use shmfuzz_runtime::entries::{EntryChange, LogEntry, Origin};
use shmfuzz_runtime::kind::FailureKind;
use shmfuzz_runtime::layout::Phase;
use shmfuzz_runtime::message::{
    Coverage, Fuzzed, Hello, JobEnd, Loaded, Minimized, Replayed, Reply, Request, Source,
};
use shmfuzz_runtime::words::LastWords;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

/// A campaign of `n` tests without inputs, one job, no limits.
fn campaign(n: usize) -> Campaign {
    let test = |i| Test {
        name: format!("t{i}"),
        kind: shmfuzz_runtime::record::InputKind::Bytes,
        shape: None,
        timeout: MS * 1000,
        rss_limit: 512 << 20,
        max_len: 4096,
        n_attribute_seeds: 0,
        tokens: Vec::new(),
        ignored: Default::default(),
        corpus: Vec::new(),
        sequences: Vec::new(),
    };
    Campaign {
        tests: (0..n).map(test).collect(),
        jobs: 1,
        seed: 1,
        time: None,
        runs: None,
        until_plateau: None,
        stop_on_crash: false,
        minimize_time: MS * 1000,
        sequence_time: Duration::ZERO,
        fail_known: false,
        idle_memory: None,
        by_work: false,
    }
}

fn input(place: Place, bytes: &[u8]) -> CorpusInput {
    CorpusInput { place, name: String::from_utf8_lossy(bytes).into_owned(), bytes: bytes.into() }
}

/// A driver whose workers do as told.
struct Driver {
    engine: Engine,
    now: Duration,
    actions: Vec<Action>,
    n_seeds: u32,
}

impl Driver {
    fn start(campaign: Campaign) -> Self {
        let n_seeds = campaign.tests[0].n_attribute_seeds;
        let mut engine = Engine::new(campaign);
        let mut actions = Vec::new();
        engine.start(Duration::ZERO, &mut actions);
        Self { engine, now: Duration::ZERO, actions, n_seeds }
    }

    /// Takes an event in; what follows is in `actions`.
    fn step(&mut self, event: Event) {
        self.now += MS * 10;
        self.actions.clear();
        self.engine.step(self.now, event, &mut self.actions);
    }

    fn spawned(&self) -> WorkerId {
        let spawned = self.actions.iter().find_map(|action| match action {
            Action::Spawn { worker, .. } => Some(*worker),
            _ => None,
        });
        spawned.unwrap_or_else(|| panic!("no worker was started: {:?}", self.actions))
    }

    /// The one request that was sent.
    fn sent(&self) -> (WorkerId, &Request, &Freight) {
        let mut sent = self.actions.iter().filter_map(|action| match action {
            Action::Send { worker, request, freight, .. } => Some((*worker, request, freight)),
            _ => None,
        });
        let first = sent.next().unwrap_or_else(|| panic!("nothing is sent: {:?}", self.actions));
        assert!(sent.next().is_none(), "{:?}", self.actions);
        first
    }

    fn hello(&mut self, worker: WorkerId) {
        let (runtime, test) = (String::new(), String::new());
        let n_seeds = self.n_seeds;
        let hello = Hello { runtime, test, n_counters: 100, n_pcs: 100, n_seeds };
        self.step(Event::Started { worker, hello });
    }

    fn answer(&mut self, reply: Reply, harvest: Harvest) {
        let worker = self.sent().0;
        self.step(Event::Answered { worker, reply, harvest });
    }

    /// Brings a worker that was just started to its first request after its settings.
    fn set_up(&mut self) -> WorkerId {
        let worker = self.spawned();
        self.hello(worker);
        assert!(matches!(self.sent().1, Request::Setup(_)));
        self.answer(Reply::Ready {}, Harvest::default());
        worker
    }

    fn die(&mut self, worker: WorkerId, cause: Cause, harvest: Harvest) {
        let death = Death { cause, output: "its output".to_owned() };
        self.step(Event::Died { worker, death, harvest });
    }

    /// Lets time pass until something happens.
    fn wait(&mut self) {
        for _ in 0..2000 {
            self.now += MS * 90;
            self.step(Event::Tick);
            let is_figures = |a: &Action| {
                matches!(a, Action::Show(Notice::Stats { .. } | Notice::Loading { .. }))
            };
            self.actions.retain(|a| !is_figures(a));
            if !self.actions.is_empty() {
                return;
            }
        }
        panic!("nothing happens");
    }

    fn notices(&self) -> Vec<&Notice> {
        let notices = self.actions.iter().filter_map(|action| match action {
            Action::Show(notice) => Some(notice),
            _ => None,
        });
        let is_figures = |n: &&Notice| matches!(n, Notice::Stats { .. } | Notice::Loading { .. });
        notices.filter(|n| !is_figures(n)).collect()
    }

    fn killed(&self) -> Vec<WorkerId> {
        let killed = self.actions.iter().filter_map(|action| match action {
            Action::Kill { worker } => Some(*worker),
            _ => None,
        });
        killed.collect()
    }

    /// Reports the deaths of all that were told to end.
    fn bury(&mut self) {
        for worker in self.killed() {
            let mut before = std::mem::take(&mut self.actions);
            self.die(worker, Cause::AsAsked, Harvest::default());
            before.append(&mut self.actions);
            self.actions = before;
        }
    }

    fn finish(&self) -> (End, Exit, Stats) {
        assert!(matches!(self.actions.last(), Some(Action::Finish)), "{:?}", self.actions);
        match self.notices().last() {
            Some(Notice::Finish { totals, end, exit, .. }) => (*end, *exit, totals[0].1),
            other => panic!("{other:?}"),
        }
    }

    fn saved(&self) -> Vec<(FindingId, &[u8], bool, Shelf)> {
        let saved = self.actions.iter().filter_map(|action| match action {
            Action::SaveFinding { finding, input, replaces, shelf, .. } => {
                Some((*finding, &**input, replaces.is_some(), *shelf))
            }
            _ => None,
        });
        saved.collect()
    }
}

fn fuzzed(end: JobEnd, execs: u64) -> Reply {
    Reply::Fuzzed(Fuzzed {
        end,
        execs,
        extra_execs: 0,
        silenced: Vec::new(),
        rejected: 0,
        input_bytes: 0,
        first_moved: Some(1),
        coverage: Coverage::default(),
    })
}

fn loaded(end: JobEnd, n_run: usize) -> Reply {
    let coverage = Coverage::default();
    Reply::Loaded(Loaded { end, n_run, n_invalid: 0, first_moved: Some(1), execs: 1, coverage })
}

fn replayed(end: JobEnd) -> Reply {
    Reply::Replayed(Replayed { end, execs: 1, rejected: false })
}

fn panicked(input: &[u8], message: &str) -> Harvest {
    Harvest { input: Some(input.to_vec()), words: Some(words(message)), ..Harvest::default() }
}

fn words(message: &str) -> LastWords {
    LastWords {
        kind: FailureKind::Panic,
        signal: 0,
        address: 0,
        line: 7,
        column: 3,
        trail: 0,
        file: "src/lib.rs".to_owned(),
        message: message.to_owned(),
    }
}

fn in_call(input: &[u8]) -> Harvest {
    Harvest {
        input: Some(input.to_vec()),
        raw_in_mem: true,
        phase: Some(Phase::Fuzzing),
        count: 5,
        ..Harvest::default()
    }
}

/// Has the fuzzing worker fail; -> the worker that confirms it, at its replay.
fn find(driver: &mut Driver, bytes: &[u8], message: &str) -> WorkerId {
    driver.answer(fuzzed(JobEnd::Failed, 10), panicked(bytes, message));
    assert_eq!(driver.saved(), [(FindingId(0), bytes, false, Shelf::Testdata)]);
    let worker = driver.set_up();
    assert!(matches!(driver.sent(), (w, Request::Replay(_), Freight::Input(_)) if w == worker));
    worker
}

impl Driver {
    fn answer_interrupted(&mut self, worker: WorkerId) {
        let is_asked = |a: &Action| matches!(a, Action::Interrupt { worker: w } if *w == worker);
        assert!(self.actions.iter().any(is_asked), "{:?}", self.actions);
        let reply = fuzzed(JobEnd::Stopped, 1);
        self.step(Event::Answered { worker, reply, harvest: Harvest::default() });
    }
}
