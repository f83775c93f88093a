//! Scripted campaigns: what the engine wants, step by step.

use super::Engine;
use crate::coordinator::action::{Action, Freight, Shelf};
use crate::coordinator::campaign::{
    Campaign, CorpusInput, FindingId, Place, Test, TestIdx, WorkerId,
};
use crate::coordinator::event::{Cause, Death, Event, Harvest, PlainVerdict};
use crate::coordinator::notice::{End, Exit, Finding, Notice, Stats};
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
        timeout: MS * 1000,
        rss_limit: 512 << 20,
        max_len: 4096,
        n_attribute_seeds: 0,
        corpus: Vec::new(),
    };
    Campaign {
        tests: (0..n).map(test).collect(),
        jobs: 1,
        seed: 1,
        time: None,
        runs: None,
        stop_on_crash: false,
        minimize_time: MS * 1000,
        fail_known: false,
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
            self.actions.retain(|a| !matches!(a, Action::Show(Notice::Stats { .. })));
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
        notices.filter(|n| !matches!(n, Notice::Stats { .. })).collect()
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
            Some(Notice::Finish { totals, end, exit }) => (*end, *exit, totals[0].1),
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

#[test]
fn runs_are_handed_out_exactly() {
    let mut driver = Driver::start(Campaign { runs: Some(1000), ..campaign(1) });
    let first = driver.set_up();
    assert!(matches!(driver.sent().1, Request::Fuzz(fuzz) if fuzz.max_execs == Some(1000)));
    driver.answer(fuzzed(JobEnd::Done, 300), Harvest::default());
    assert!(matches!(driver.sent().1, Request::Fuzz(fuzz) if fuzz.max_execs == Some(700)));
    // The call that ends the process counts.
    let killed = Harvest { count: 100, ..in_call(b"k") };
    driver.die(first, Cause::Signaled(9), killed);
    driver.wait();
    driver.set_up();
    assert!(matches!(driver.sent().1, Request::Fuzz(fuzz) if fuzz.max_execs == Some(600)));
    driver.answer(fuzzed(JobEnd::Done, 600), Harvest::default());
    driver.bury();
    let (end, exit, stats) = driver.finish();
    assert_eq!((end, exit, stats.execs), (End::Runs, Exit::Nothing, 1000));
}

#[test]
fn a_failing_seed_is_known_and_never_run_again() {
    let mut campaign = Campaign { fail_known: true, time: Some(MS * 9000), ..campaign(1) };
    campaign.tests[0].corpus =
        vec![input(Place::Cache, b"c"), input(Place::Seed, b"s1"), input(Place::Seed, b"s2")];
    let mut driver = Driver::start(campaign);
    let first = driver.set_up();
    let tags = |driver: &Driver| match driver.sent().2 {
        Freight::Inbox(inputs) => inputs.iter().map(|(tag, _)| *tag).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(tags(&driver), [0, 1, 2], "seeds first");
    let harvest = Harvest { loading: Some(1), phase: Some(Phase::Loading), ..in_call(b"s2") };
    driver.die(first, Cause::Exited(0), harvest);
    let [Notice::Known { seed, failure, .. }] = driver.notices()[..] else { panic!() };
    assert_eq!((seed.as_str(), failure.message.as_str()), ("s2", "exited with status 0"));
    assert!(driver.saved().is_empty());
    driver.wait();
    let second = driver.spawned();
    driver.hello(second);
    assert!(matches!(driver.sent().1, Request::Setup(setup) if setup.silent.len() == 1));
    driver.answer(Reply::Ready {}, Harvest::default());
    assert_eq!(tags(&driver), [0, 2]);
    driver.answer(loaded(JobEnd::Done, 2), Harvest::default());
    driver.answer(fuzzed(JobEnd::Done, 9), Harvest::default());
    driver.step(Event::Interrupt);
    driver.answer_interrupted(second);
    driver.bury();
    assert_eq!(driver.finish().1, Exit::Found, "known failures count when asked for");
}

impl Driver {
    fn answer_interrupted(&mut self, worker: WorkerId) {
        let is_asked = |a: &Action| matches!(a, Action::Interrupt { worker: w } if *w == worker);
        assert!(self.actions.iter().any(is_asked), "{:?}", self.actions);
        let reply = fuzzed(JobEnd::Stopped, 1);
        self.step(Event::Answered { worker, reply, harvest: Harvest::default() });
    }
}

#[test]
fn a_failing_cached_entry_is_a_finding() {
    let mut campaign = campaign(1);
    campaign.tests[0].corpus = vec![input(Place::Cache, b"cached")];
    let mut driver = Driver::start(campaign);
    driver.set_up();
    driver.answer(loaded(JobEnd::Failed, 1), panicked(b"cached", "no"));
    assert_eq!(driver.saved(), [(FindingId(0), &b"cached"[..], false, Shelf::Testdata)]);
}

#[test]
fn a_fatal_seed_of_the_attribute_is_passed_over_by_later_workers() {
    let mut campaign = campaign(1);
    campaign.tests[0].n_attribute_seeds = 3;
    let mut driver = Driver::start(campaign);
    let first = driver.set_up();
    let load = |driver: &Driver| match driver.sent().1 {
        Request::Load(load) => (load.source, load.first),
        other => panic!("{other:?}"),
    };
    assert_eq!(load(&driver), (Source::Attribute, 0));
    let found = LogEntry {
        change: EntryChange::New,
        id: 0,
        parent: None,
        origin: Origin::Attribute(0),
        work: 1,
        features: vec![8],
        input: b"seed 0".to_vec(),
    };
    let harvest = Harvest {
        entries: vec![found],
        phase: Some(Phase::Loading),
        loading: Some(1),
        ..in_call(b"seed 1")
    };
    driver.die(first, Cause::Signaled(6), harvest);
    assert!(matches!(driver.notices()[..], [Notice::Known { seed, .. }] if seed == "seed#1"));
    driver.wait();
    driver.set_up();
    assert_eq!(load(&driver), (Source::Attribute, 2));
    driver.answer(loaded(JobEnd::Done, 3), Harvest::default());
    let Freight::Inbox(inputs) = driver.sent().2 else { panic!() };
    assert_eq!(&*inputs[0].1, b"seed 0", "what came before it is delivered as an entry");
}

#[test]
fn a_finding_is_saved_confirmed_shown_minimized_and_checked() {
    let mut driver = Driver::start(campaign(1));
    driver.set_up();
    let worker = find(&mut driver, b"xxxxAxxx", "index 8 out of range");
    driver.answer(replayed(JobEnd::Failed), panicked(b"", "index 8 out of range"));
    let [Notice::Finding(Finding { reproducible: true, .. })] = driver.notices()[..] else {
        panic!("{:?}", driver.actions)
    };
    let bucket = match driver.sent() {
        (w, Request::Minimize(minimize), _) if w == worker => minimize.bucket,
        other => panic!("{other:?}"),
    };
    // Another failure that the minimizer meets is a finding of its own.
    let met = Minimized { end: JobEnd::Failed, execs: 5, reproduced: true };
    driver.answer(Reply::Minimized(met), panicked(b"other", "another"));
    assert_eq!(driver.saved(), [(FindingId(1), &b"other"[..], false, Shelf::Testdata)]);
    let best = Minimized { end: JobEnd::Done, execs: 9, reproduced: true };
    driver.answer(
        Reply::Minimized(best),
        Harvest { input: Some(b"A".to_vec()), ..Harvest::default() },
    );
    assert!(matches!(driver.sent(), (_, Request::Replay(_), Freight::Input(i)) if **i == *b"A"));
    driver.answer(replayed(JobEnd::Failed), panicked(b"A", "index 1 out of range"));
    assert_eq!(driver.saved(), [(FindingId(0), &b"A"[..], true, Shelf::Testdata)]);
    let [Notice::Minimized { finding, before: 8 }] = driver.notices()[..] else { panic!() };
    assert_eq!(finding.failure.message, "index 1 out of range", "that of the written input");
    let is_check = |a: &Action| matches!(a, Action::CheckPlain { bucket: b, .. } if *b == bucket);
    assert!(driver.actions.iter().any(is_check));
    let finding = FindingId(0);
    driver.step(Event::Checked { finding, verdict: PlainVerdict::Passes });
    assert_eq!(driver.saved(), [(FindingId(0), &b"A"[..], false, Shelf::Cache)]);
    assert!(matches!(driver.notices()[..], [Notice::PassesPlain(_)]));
}

#[test]
fn a_minimized_input_of_another_bucket_is_not_written() {
    let mut driver = Driver::start(campaign(1));
    driver.set_up();
    find(&mut driver, b"abcd", "first");
    driver.answer(replayed(JobEnd::Failed), panicked(b"", "first"));
    let best = Minimized { end: JobEnd::Done, execs: 9, reproduced: true };
    driver.answer(
        Reply::Minimized(best),
        Harvest { input: Some(b"a".to_vec()), ..Harvest::default() },
    );
    driver.answer(replayed(JobEnd::Failed), panicked(b"a", "second"));
    assert!(driver.saved().is_empty());
    let [Notice::Minimized { finding, before: 4 }] = driver.notices()[..] else { panic!() };
    assert_eq!((&*finding.input, finding.failure.message.as_str()), (&b"abcd"[..], "first"));
}

#[test]
fn a_flaky_failure_is_kept_in_the_cache() {
    let mut driver = Driver::start(campaign(1));
    driver.set_up();
    let mut worker = find(&mut driver, b"f", "sometimes");
    for tries in 1..=3 {
        driver.answer(replayed(JobEnd::Done), Harvest::default());
        assert_eq!(driver.killed(), [worker]);
        if tries < 3 {
            worker = driver.set_up();
        }
    }
    assert!(matches!(driver.notices()[..], [Notice::Finding(Finding { reproducible: false, .. })]));
    assert_eq!(driver.saved(), [(FindingId(0), &b"f"[..], false, Shelf::Cache)]);
    assert!(driver.actions.iter().any(|a| matches!(a, Action::CheckPlain { .. })));
}

#[test]
fn a_failure_that_ends_the_process_is_confirmed_by_another_death() {
    let mut driver = Driver::start(campaign(1));
    let first = driver.set_up();
    driver.die(first, Cause::TimedOut(MS * 1000), in_call(b"slow"));
    assert_eq!(driver.saved(), [(FindingId(0), &b"slow"[..], false, Shelf::Testdata)]);
    let second = driver.set_up();
    driver.die(second, Cause::TimedOut(MS * 1000), in_call(b"slow"));
    let [Notice::Finding(finding)] = driver.notices()[..] else { panic!() };
    assert!(finding.reproducible);
    assert_eq!(finding.failure.message, "ran longer than 1s");
    let third = driver.set_up();
    driver.die(third, Cause::TimedOut(MS * 1000), in_call(b"another slow one"));
    assert!(driver.saved().is_empty(), "one a bucket");
}

#[test]
fn a_crash_stops_the_campaign_when_asked_to() {
    let stop_on_crash = true;
    let minimize_time = Duration::ZERO;
    let mut driver = Driver::start(Campaign { stop_on_crash, minimize_time, ..campaign(1) });
    driver.set_up();
    find(&mut driver, b"x", "no");
    driver.answer(replayed(JobEnd::Failed), panicked(b"x", "no"));
    driver.bury();
    assert!(!driver.engine.is_finished(), "the plain build decides where the file belongs");
    let finding = FindingId(0);
    driver.step(Event::Checked { finding, verdict: PlainVerdict::Fails });
    let (end, exit, _) = driver.finish();
    assert_eq!((end, exit), (End::Crash, Exit::Found));
}

#[test]
fn a_harness_that_dies_at_start_is_broken_and_others_go_on() {
    let mut driver = Driver::start(campaign(2));
    let mut n_deaths = 0;
    while driver.now < MS * 5000 {
        let first = driver.actions.iter().find_map(|action| match action {
            Action::Spawn { worker, test: TestIdx(0) } => Some(*worker),
            _ => None,
        });
        if let Some(worker) = first {
            n_deaths += 1;
            driver.die(worker, Cause::Exited(101), Harvest::default());
            let is_broken = |n: &&Notice| matches!(n, Notice::Broken { test: TestIdx(0), .. });
            assert_eq!(driver.notices().iter().any(is_broken), n_deaths == 3);
        } else if driver.actions.iter().any(|a| matches!(a, Action::Spawn { .. })) {
            driver.set_up();
        } else {
            driver.now += MS * 90;
            driver.answer(fuzzed(JobEnd::Done, 5), Harvest::default());
        }
    }
    assert_eq!(n_deaths, 3);
    assert!(!driver.engine.is_finished());
}

#[test]
fn no_counter_is_an_error_with_the_reason() {
    let mut driver = Driver::start(campaign(1));
    let worker = driver.spawned();
    let (runtime, test) = (String::new(), String::new());
    let hello = Hello { runtime, test, n_counters: 0, n_pcs: 0, n_seeds: 0 };
    driver.step(Event::Started { worker, hello });
    let why = match &driver.notices()[..] {
        [Notice::Broken { why, .. }] => why.clone(),
        other => panic!("{other:?}"),
    };
    assert!(why.contains("no counter"), "{why}");
    driver.bury();
    let (end, exit, _) = driver.finish();
    assert_eq!((end, exit), (End::Broken, Exit::Harness));
}

#[test]
fn a_deadline_is_no_failure_but_doing_nothing_is() {
    let mut driver = Driver::start(Campaign { time: Some(MS * 300), ..campaign(1) });
    let worker = driver.set_up();
    driver.answer(fuzzed(JobEnd::Done, 5), Harvest::default());
    driver.wait();
    driver.answer_interrupted(worker);
    driver.bury();
    let (end, exit, stats) = driver.finish();
    assert_eq!((end, exit, stats.execs), (End::Time, Exit::Nothing, 6));

    let mut driver = Driver::start(Campaign { time: Some(MS * 300), ..campaign(1) });
    driver.wait();
    driver.bury();
    let (end, exit, _) = driver.finish();
    assert_eq!((end, exit), (End::Time, Exit::Harness));
}

#[test]
fn what_one_worker_finds_reaches_the_others_between_their_jobs() {
    let mut driver = Driver::start(Campaign { jobs: 2, ..campaign(1) });
    let spawned: Vec<_> =
        driver.actions.iter().filter(|a| matches!(a, Action::Spawn { .. })).collect();
    assert_eq!(spawned.len(), 2, "one test has both slots");
    let (first, second) = (WorkerId(0), WorkerId(1));
    for worker in [first, second] {
        driver.hello(worker);
        driver.answer(Reply::Ready {}, Harvest::default());
    }
    let found = |features: Vec<u32>, input: &[u8]| LogEntry {
        change: EntryChange::New,
        id: 0,
        parent: None,
        origin: Origin::Mutation,
        work: 1,
        features,
        input: input.to_vec(),
    };
    let step = |driver: &mut Driver, worker, entry| {
        let harvest = Harvest { entries: vec![entry], ..Harvest::default() };
        driver.step(Event::Answered { worker, reply: fuzzed(JobEnd::Done, 1), harvest });
    };
    step(&mut driver, first, found(vec![8, 9], b"a"));
    assert!(matches!(driver.notices()[..], [Notice::NewEntry { new_features: 2, .. }]));
    assert!(matches!(driver.sent(), (_, Request::Fuzz(_), _)), "its own entry is not sent back");
    step(&mut driver, second, found(vec![9], b"b"));
    assert!(driver.notices().is_empty(), "nothing new");
    assert!(matches!(driver.sent(), (_, Request::Load(_), Freight::Inbox(i)) if *i[0].1 == *b"a"));
    driver.answer(loaded(JobEnd::Done, 1), Harvest::default());
    assert!(matches!(driver.sent(), (_, Request::Fuzz(_), _)));
}

#[test]
fn large_inputs_travel_alone() {
    let mut campaign = campaign(1);
    let large = vec![1; 2 << 20];
    campaign.tests[0].corpus = vec![input(Place::Seed, b"a"), input(Place::Seed, &large)];
    let mut driver = Driver::start(campaign);
    driver.set_up();
    assert!(matches!(driver.sent().2, Freight::Inbox(inputs) if inputs.len() == 1));
    driver.answer(loaded(JobEnd::Done, 1), Harvest::default());
    let (_, request, freight) = driver.sent();
    let is_area = |l: &shmfuzz_runtime::message::Load| l.source == Source::InputArea { tag: 1 };
    assert!(matches!(request, Request::Load(load) if is_area(load)));
    assert!(matches!(freight, Freight::Input(input) if input.len() == large.len()));
    driver.answer(loaded(JobEnd::Done, 1), Harvest::default());
    driver.answer(fuzzed(JobEnd::NeedsCapacity { bytes: 9999 }, 1), Harvest::default());
    assert!(matches!(driver.sent().2, Freight::Room(9999)));
}

/// All requests of a campaign by work whose workers take `pace` for a job.
fn requests_at(pace: Duration) -> Vec<String> {
    let mut campaign = Campaign { by_work: true, runs: Some(5000), ..campaign(3) };
    campaign.tests[1].corpus = vec![input(Place::Cache, b"c")];
    let mut driver = Driver::start(campaign);
    let mut log = Vec::new();
    for n in 0..400 {
        let send = driver.actions.iter().find(|a| matches!(a, Action::Send { .. })).cloned();
        log.extend(send.iter().map(|send| format!("{send:?}")));
        driver.now += pace;
        match send {
            Some(Action::Send { worker, request, .. }) => {
                let (reply, harvest) = match request {
                    Request::Setup(_) => (Reply::Ready {}, Harvest::default()),
                    Request::Load(_) => (loaded(JobEnd::Done, 1), Harvest::default()),
                    Request::Replay(_) => (replayed(JobEnd::Failed), panicked(b"", "no")),
                    Request::Minimize(_) => {
                        let reply = Minimized { end: JobEnd::Stopped, execs: 1, reproduced: true };
                        (Reply::Minimized(reply), Harvest::default())
                    }
                    _ if n % 50 == 9 => (fuzzed(JobEnd::Failed, 40), panicked(b"abcd", "no")),
                    _ => (fuzzed(JobEnd::Done, 40), Harvest::default()),
                };
                driver.step(Event::Answered { worker, reply, harvest });
            }
            _ if driver.actions.iter().any(|a| matches!(a, Action::Spawn { .. })) => {
                let worker = driver.spawned();
                driver.hello(worker);
            }
            _ => break,
        }
    }
    log
}

#[test]
fn a_campaign_by_work_does_not_depend_on_the_clock() {
    let slow = requests_at(MS * 150);
    assert!(slow.len() > 300, "{}", slow.len());
    assert_eq!(slow, requests_at(MS));
}

#[test]
fn a_test_that_always_dies_is_slowed_down_and_starves_nobody() {
    let mut driver = Driver::start(campaign(2));
    let mut n_deaths = 0;
    let mut n_execs = 0;
    while driver.now < MS * 20_000 {
        let spawn = driver.actions.iter().find_map(|a| match a {
            Action::Spawn { worker, .. } => Some(*worker),
            _ => None,
        });
        let send = driver.actions.iter().find_map(|a| match a {
            Action::Send { worker, request, .. } => Some((*worker, request.clone())),
            _ => None,
        });
        match (spawn, send) {
            (Some(worker), _) => driver.hello(worker),
            (_, Some((_, Request::Setup(_)))) => driver.answer(Reply::Ready {}, Harvest::default()),
            (_, Some((worker, Request::Fuzz(_)))) => {
                let test = driver.engine.workers[&worker].test;
                if test == TestIdx(0) {
                    n_deaths += 1;
                    driver.die(worker, Cause::Signaled(11), in_call(b"k"));
                } else {
                    n_execs += 100;
                    driver.now += MS * 90;
                    driver.answer(fuzzed(JobEnd::Done, 100), Harvest::default());
                }
            }
            (_, Some((worker, _))) => driver.die(worker, Cause::Signaled(11), in_call(b"k")),
            _ => {
                driver.now += MS * 5;
                driver.bury();
                driver.step(Event::Tick);
            }
        }
    }
    assert!((10..60).contains(&n_deaths), "{n_deaths}");
    assert!(n_execs > 16_000, "{n_execs} of 20,000 at full speed");
}
