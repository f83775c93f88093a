//! Failures that need the inputs before them.

use super::super::finding::Stage;
use super::super::sequence::Sequence;
use super::super::worker::{Job, JobKind};
use super::*;
use crate::coordinator::campaign::CommittedSequence;
use shmfuzz_runtime::journal::Life;
use shmfuzz_runtime::message::Setup;
use shmfuzz_runtime::record::InputKind;
use shmfuzz_runtime::sequence;
use std::collections::BTreeMap;
use std::sync::Arc;

const MESSAGE: &str = "b after a";
const LIFE: [&[u8]; 6] = [b"x", b"a", b"y", b"bb", b"z", b"xbx"];

/// Runs a campaign whose fuzz test fails when a `b` comes anywhere behind an `a` in one process.
struct Script {
    driver: Driver,
    journals: BTreeMap<WorkerId, bool>,
    setups: BTreeMap<WorkerId, Setup>,
    n_replays: usize,
    n_tries: usize,
    n_fuzz_jobs: usize,
    /// Whether time passes while a job runs.
    ticks: bool,
    notices: Vec<Notice>,
    saved: Vec<(Vec<u8>, Shelf)>,
}

impl Script {
    fn new(campaign: Campaign) -> Self {
        Self {
            driver: Driver::start(campaign),
            journals: BTreeMap::new(),
            setups: BTreeMap::new(),
            n_replays: 0,
            n_tries: 0,
            n_fuzz_jobs: 0,
            ticks: false,
            notices: Vec::new(),
            saved: Vec::new(),
        }
    }

    /// Lets workers do what they are asked until the campaign has told something of the kind asked
    /// for. `fuzz` is how a job of fuzzing ends in a worker that keeps a journal, or does not.
    fn run(
        &mut self,
        mut fuzz: impl FnMut(bool) -> (Reply, Harvest),
        is_wanted: impl Fn(&Notice) -> bool,
    ) {
        for _ in 0..5000 {
            self.driver.bury();
            for action in std::mem::take(&mut self.driver.actions) {
                match &action {
                    Action::Spawn { worker, has_journal, .. } => {
                        self.journals.insert(*worker, *has_journal);
                    }
                    Action::Show(notice) => self.notices.push(notice.clone()),
                    Action::SaveFinding { input, shelf, .. } => {
                        self.saved.push((input.to_vec(), *shelf));
                    }
                    _ => {}
                }
                self.driver.actions.push(action);
            }
            if self.notices.iter().any(&is_wanted) {
                return;
            }
            self.serve(&mut fuzz);
        }
        panic!("nothing of the kind is told: {:?}", self.notices);
    }

    fn serve(&mut self, fuzz: &mut impl FnMut(bool) -> (Reply, Harvest)) {
        self.driver.now += MS * 100;
        let is_spawn = |action: &Action| matches!(action, Action::Spawn { .. });
        let is_send = |action: &Action| matches!(action, Action::Send { .. });
        if self.driver.actions.iter().any(is_spawn) {
            let worker = self.driver.spawned();
            return self.driver.hello(worker);
        }
        if !self.driver.actions.iter().any(is_send) {
            return self.driver.step(Event::Tick);
        }
        let (worker, request, freight) = self.driver.sent();
        let (request, freight) = (request.clone(), freight.clone());
        let (reply, harvest) = match request {
            Request::Setup(setup) => {
                self.setups.insert(worker, setup);
                (Reply::Ready {}, Harvest::default())
            }
            Request::Fuzz(_) => {
                if self.ticks {
                    let sent = std::mem::take(&mut self.driver.actions);
                    self.driver.step(Event::Tick);
                    self.driver.actions.splice(0..0, sent);
                }
                self.n_fuzz_jobs += 1;
                fuzz(self.journals[&worker])
            }
            Request::Replay(replay) if replay.is_sequence => {
                self.n_tries += 1;
                let Freight::Input(packed) = freight else { panic!("{freight:?}") };
                run_in_a_row(&sequence::unpack(&packed).flatten().collect::<Vec<_>>())
            }
            Request::Replay(_) => {
                self.n_replays += 1;
                (replayed(JobEnd::Done), Harvest::default())
            }
            other => panic!("{other:?}"),
        };
        self.driver.answer(reply, harvest);
    }
}

/// What a fresh worker says of inputs one after the other.
fn run_in_a_row(inputs: &[&[u8]]) -> (Reply, Harvest) {
    let a = inputs.iter().position(|input| input.contains(&b'a'));
    let b = a.and_then(|a| (a + 1..inputs.len()).find(|i| inputs[*i].contains(&b'b')));
    let execs = b.map_or(inputs.len(), |b| b + 1) as u64;
    let end = if b.is_some() { JobEnd::Failed } else { JobEnd::Done };
    let harvest = b.map(|b| panicked(inputs[b], MESSAGE)).unwrap_or_default();
    (Reply::Replayed(Replayed { end, execs, rejected: false }), harvest)
}

/// Fails, with its life where that is on record.
fn fail(has_journal: bool) -> (Reply, Harvest) {
    let life = has_journal.then(|| Arc::new(Life::of(&LIFE[..4])));
    (fuzzed(JobEnd::Failed, 10), Harvest { life, ..panicked(b"bb", MESSAGE) })
}

/// Fails in the first job, and in each that is on record.
fn fails_first_and_on_record() -> impl FnMut(bool) -> (Reply, Harvest) {
    let mut n_jobs = 0;
    move |has_journal| {
        n_jobs += 1;
        match n_jobs == 1 || has_journal {
            true => fail(has_journal),
            false => (fuzzed(JobEnd::Done, 10), Harvest::default()),
        }
    }
}

fn of_a_minute() -> Campaign {
    Campaign { sequence_time: MS * 60_000, ..campaign(1) }
}

#[test]
fn what_passes_alone_is_met_again_on_record_and_kept_as_a_sequence() {
    let mut script = Script::new(of_a_minute());
    script.run(fails_first_and_on_record(), |notice| matches!(notice, Notice::Finding(_)));
    assert_eq!(script.n_replays, 10, "alone, in as many fresh workers");
    let expected = sequence::to_file(&[&b"a"[..], b"bb"]);
    let told = script.notices.iter().find_map(|notice| match notice {
        Notice::Finding(finding) => Some(finding),
        _ => None,
    });
    let told = told.unwrap();
    assert_eq!(told.reproducible, Reproducible::InSequence { n_inputs: 2 });
    assert_eq!(&*told.input, &expected[..]);
    let saved: Vec<_> = script.saved.iter().map(|(input, shelf)| (&input[..], *shelf)).collect();
    assert_eq!(saved, [(&b"bb"[..], Shelf::Testdata), (&expected[..], Shelf::Testdata)]);
    let on_record: Vec<_> = script.journals.iter().filter(|(_, has)| **has).collect();
    assert_eq!(on_record.len(), 1, "{:?}", script.journals);
    assert_eq!(script.setups[on_record[0].0].silent, [], "it must say so when it fails");
    // The last ones first, twice as many each time; then without one of them; then smaller.
    assert!((4..12).contains(&script.n_tries), "{}", script.n_tries);
    let done = |_| (fuzzed(JobEnd::Done, 10), Harvest::default());
    script.run(done, |notice| matches!(notice, Notice::Minimized { .. }));
    let smallest = sequence::to_file(&[&b"a"[..], b"b"]);
    assert_eq!(script.saved.last().unwrap(), &(smallest, Shelf::Testdata));
}

#[test]
fn what_is_on_record_when_it_is_found_is_not_waited_for() {
    let mut script = Script::new(of_a_minute());
    let mut n_jobs = 0;
    let fails = |has_journal| {
        n_jobs += 1;
        match (n_jobs, has_journal) {
            (1, _) => (fuzzed(JobEnd::Failed, 10), panicked(b"other", "never again")),
            (_, true) => fail(true),
            _ => (fuzzed(JobEnd::Done, 10), Harvest::default()),
        }
    };
    // The first finding never comes back; the second one is found by a worker that waits for it.
    script.run(fails, |notice| matches!(notice, Notice::Finding(_)));
    let told = script.notices.iter().find_map(|notice| match notice {
        Notice::Finding(finding) => Some(&finding.failure.message[..]),
        _ => None,
    });
    assert_eq!(told, Some(MESSAGE));
    assert_eq!(script.n_replays, 20, "both were run alone");
}

#[test]
fn what_is_never_met_again_is_flaky_when_the_time_is_over() {
    let mut script = Script::new(of_a_minute());
    let mut n_jobs = 0;
    let fails_once = |_| {
        n_jobs += 1;
        let has_failed = n_jobs == 1;
        if has_failed { fail(false) } else { (fuzzed(JobEnd::Done, 10), Harvest::default()) }
    };
    script.run(fails_once, |notice| matches!(notice, Notice::Finding(_)));
    let Some(Notice::Finding(finding)) = script.notices.last() else {
        panic!("{:?}", script.notices)
    };
    assert_eq!(finding.reproducible, Reproducible::No);
    assert_eq!(script.saved.last().unwrap(), &(b"bb".to_vec(), Shelf::Cache));
    assert!(script.n_fuzz_jobs >= 60_000 / 110, "{}", script.n_fuzz_jobs);
    assert!(script.journals.values().any(|has| *has) && script.n_tries == 0);
}

#[test]
fn a_worker_whose_journal_is_full_gives_way_to_another() {
    let mut script = Script::new(of_a_minute());
    let mut n_jobs = 0;
    let mut n_full = 0;
    let fails = |has_journal| {
        n_jobs += 1;
        match has_journal {
            false if n_jobs == 1 => fail(false),
            true if n_full == 3 => fail(true),
            true => {
                n_full += 1;
                (fuzzed(JobEnd::JournalFull, 10), Harvest::default())
            }
            false => (fuzzed(JobEnd::Done, 10), Harvest::default()),
        }
    };
    script.run(fails, |notice| matches!(notice, Notice::Finding(_)));
    let n_on_record = script.journals.values().filter(|has| **has).count();
    assert_eq!(n_on_record, 4, "three were full");
}

#[test]
fn committed_sequences_are_run_first_and_their_failures_are_known() {
    let mut packed = Vec::new();
    [&b"a"[..], b"b"].iter().for_each(|input| sequence::pack(&mut packed, input));
    let committed =
        |name: &str| CommittedSequence { name: name.to_owned(), packed: packed.clone().into() };
    let mut campaign = of_a_minute();
    campaign.tests[0].sequences = vec![committed("one"), committed("two")];
    let mut script = Script::new(campaign);
    let mut n_jobs = 0;
    let fuzz = |_| {
        n_jobs += 1;
        match n_jobs {
            // Another worker may not have been told yet.
            1 => fail(false),
            _ => (fuzzed(JobEnd::Failed, 10), panicked(b"n", "new")),
        }
    };
    script.run(fuzz, |notice| matches!(notice, Notice::Finding(_)));
    let names = script.notices.iter().filter_map(|notice| match notice {
        Notice::Known { seed, .. } => Some(&seed[..]),
        _ => None,
    });
    assert_eq!(names.collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(script.n_tries, 2);
    assert!(script.saved.iter().all(|(input, _)| input == b"n"), "{:?}", script.saved);
    let first = script.setups.values().nth(2).unwrap();
    assert_eq!(first.silent, [words(MESSAGE).bucket()], "workers after it are told");
}

#[test]
fn a_wait_goes_on_while_the_whole_budget_is_handed_out() {
    let mut script = Script::new(Campaign { runs: Some(100_000), ..of_a_minute() });
    script.ticks = true;
    script.run(fails_first_and_on_record(), |notice| matches!(notice, Notice::Finding(_)));
    let Some(Notice::Finding(finding)) = script.notices.last() else { panic!() };
    assert_eq!(finding.reproducible, Reproducible::InSequence { n_inputs: 2 });
}

#[test]
fn the_answer_to_an_earlier_try_says_nothing_of_the_next() {
    let mut sequence = Sequence::new(&Life::of(LIFE), InputKind::Bytes, None, false);
    let numbers: Vec<u32> = (0..3)
        .map(|_| {
            sequence.passed();
            sequence.n_tries
        })
        .collect();
    assert_eq!(numbers, [1, 2, 3]);
    let mut driver = Driver::start(of_a_minute());
    driver.set_up();
    let first = find(&mut driver, b"bb", MESSAGE);
    driver.engine.findings[FindingId(0)].stage =
        Stage::Sequence(Box::new(Sequence::new(&Life::of(LIFE), InputKind::Bytes, None, false)));
    let job = Job {
        kind: JobKind::Sequence(7),
        since: Duration::ZERO,
        until: MS * 1000,
        interrupted: None,
    };
    let (reply, harvest) = run_in_a_row(&LIFE[..4]);
    let Reply::Replayed(replayed) = reply else { panic!() };
    driver.engine.sequence_replayed(first, FindingId(0), &job, replayed, harvest);
    let Stage::Sequence(search) = &driver.engine.findings[FindingId(0)].stage else { panic!() };
    assert!(!search.has_failed && search.n_tries == 0);
}
