//! Memory that grows until a worker passes its limit.

use super::*;
use crate::coordinator::campaign::Bytes;
use shmfuzz_runtime::message::Replay;
use std::collections::{BTreeMap, VecDeque};

const MIB: u64 = 1 << 20;

/// A fuzz test whose memory grows.
struct Leaky {
    /// What a call of an input leaks, in bytes.
    leaks: fn(&[u8]) -> u64,
    /// What is resident in each worker.
    resident: BTreeMap<WorkerId, u64>,
    /// Which inputs were called more than once, in which worker.
    called: Vec<(WorkerId, Bytes)>,
    driver: Driver,
    waiting: VecDeque<Action>,
    shown: Vec<Notice>,
    saved: Vec<(FailureKind, Bytes, Option<Bytes>, Shelf)>,
    /// How long a request takes.
    pace: Duration,
    /// An input that passes the limit when it is called many times, in workers after so many.
    runs_out_on: Option<(&'static [u8], usize)>,
}

impl Leaky {
    /// One that has found these entries, and then passed its limit over an input, with all that
    /// follows.
    fn run_out(
        campaign: Campaign,
        entries: &[&[u8]],
        last: &[u8],
        leaks: fn(&[u8]) -> u64,
    ) -> Self {
        let mut leaky = Self::new(campaign, entries, last, leaks);
        leaky.play();
        leaky
    }

    /// The same before anything follows.
    fn new(campaign: Campaign, entries: &[&[u8]], last: &[u8], leaks: fn(&[u8]) -> u64) -> Self {
        let mut driver = Driver::start(campaign);
        let worker = driver.set_up_with(10 * MIB);
        if let (_, Request::Load(_), Freight::Inbox(inputs)) = driver.sent() {
            let n_inputs = inputs.len();
            driver.answer(loaded(JobEnd::Done, n_inputs), Harvest::default());
        }
        let entry = |(id, input): (u64, &&[u8])| LogEntry {
            change: EntryChange::New,
            id,
            parent: None,
            origin: Origin::Mutation,
            work: 1,
            features: vec![u32::try_from(id).unwrap() * 8],
            input: input.to_vec(),
        };
        let entries = (0..).zip(entries).map(entry).collect();
        driver.answer(
            fuzzed(JobEnd::Done, 1000),
            Harvest { entries, count: 1000, resident: Some(300 * MIB), ..Harvest::default() },
        );
        driver.die(worker, Cause::OutOfMemory(513 * MIB), in_call(last));
        let waiting = std::mem::take(&mut driver.actions).into();
        let (resident, called) = (BTreeMap::new(), Vec::new());
        let (shown, saved) = (Vec::new(), Vec::new());
        let (pace, runs_out_on) = (MS * 10, None);
        Self { leaks, resident, called, driver, waiting, shown, saved, pace, runs_out_on }
    }

    /// Until the finding is run in the plain build, or is known, or all is over.
    fn play(&mut self) {
        for _ in 0..100_000 {
            let Some(action) = self.waiting.pop_front() else {
                self.step(Event::Tick);
                continue;
            };
            match action {
                Action::Spawn { worker, .. } => {
                    self.resident.insert(worker, 10 * MIB);
                    let (runtime, test) = (String::new(), String::new());
                    let hello = Hello { runtime, test, n_counters: 100, n_pcs: 100, n_seeds: 0 };
                    self.step(Event::Started { worker, hello });
                }
                Action::Send { worker, request, freight, .. } => {
                    self.answer(worker, request, freight);
                }
                Action::Kill { worker } => {
                    let death = Death { cause: Cause::AsAsked, output: String::new() };
                    self.step(Event::Died { worker, death, harvest: Harvest::default() });
                }
                Action::SaveFinding { kind, input, replaces, shelf, .. } => {
                    self.saved.push((kind, input, replaces, shelf));
                }
                Action::Interrupt { worker } => {
                    let (reply, harvest) = (fuzzed(JobEnd::Stopped, 1), Harvest::default());
                    self.step(Event::Answered { worker, reply, harvest });
                }
                Action::CheckPlain { .. } | Action::Finish => return,
                Action::Show(notice @ Notice::Known { .. }) => {
                    self.shown.push(notice);
                    return;
                }
                Action::Show(Notice::Stats { .. } | Notice::Loading { .. }) => {}
                Action::Show(notice) => self.shown.push(notice),
                _ => {}
            }
        }
        panic!("it does not end: {:?}", self.shown);
    }

    fn step(&mut self, event: Event) {
        self.driver.step(event);
        self.waiting.extend(std::mem::take(&mut self.driver.actions));
    }

    fn answer(&mut self, worker: WorkerId, request: Request, freight: Freight) {
        self.driver.now += self.pace;
        if let (Request::Replay(Replay { times: 2.., .. }), Freight::Input(input)) =
            (&request, &freight)
            && let Some((bytes, n_before)) = self.runs_out_on
            && *bytes == **input
            && self.called.iter().filter(|call| call.0 != worker && *call.1 == *bytes).count()
                >= n_before
        {
            let cause = Cause::OutOfMemory(513 * MIB);
            let death = Death { cause, output: String::new() };
            let harvest = in_call(input);
            return self.step(Event::Died { worker, death, harvest });
        }
        let reply = match (request, freight) {
            (Request::Setup(_), _) => Reply::Ready {},
            (Request::Load(_), Freight::Known(known)) => loaded(JobEnd::Done, known.len()),
            (Request::Load(_), Freight::Inbox(inputs)) => loaded(JobEnd::Done, inputs.len()),
            (Request::Fuzz(_), _) => fuzzed(JobEnd::Done, 10),
            (Request::Replay(Replay { times, .. }), Freight::Input(input)) => {
                let execs = u64::from(times);
                *self.resident.get_mut(&worker).unwrap() += execs * (self.leaks)(&input);
                let is_known = self.called.iter().any(|call| *call == (worker, input.clone()));
                if times > 1 && !is_known {
                    self.called.push((worker, input));
                }
                Reply::Replayed(Replayed { end: JobEnd::Done, execs, rejected: false })
            }
            other => panic!("{other:?}"),
        };
        let resident = Some(self.resident[&worker]);
        let harvest = Harvest { resident, ..Harvest::default() };
        self.step(Event::Answered { worker, reply, harvest });
    }

    fn finding(&self) -> &Finding {
        let mut findings = self.shown.iter().filter_map(|notice| match notice {
            Notice::Finding(finding) => Some(finding),
            _ => None,
        });
        let first = findings.next().unwrap_or_else(|| panic!("nothing is shown: {:?}", self.shown));
        assert!(findings.next().is_none(), "{:?}", self.shown);
        first
    }

    /// What is told of failures.
    fn told(&self) -> Vec<&Notice> {
        let is_told = |n: &&Notice| matches!(n, Notice::Known { .. } | Notice::Finding(_));
        self.shown.iter().filter(is_told).collect()
    }

    fn called(&self) -> Vec<&[u8]> {
        self.called.iter().map(|(_, input)| &**input).collect()
    }
}

impl Driver {
    fn set_up_with(&mut self, resident: u64) -> WorkerId {
        let worker = self.spawned();
        self.hello(worker);
        let harvest = Harvest { resident: Some(resident), ..Harvest::default() };
        self.answer(Reply::Ready {}, harvest);
        worker
    }
}

fn by_clock_and_by_work() -> [Campaign; 2] {
    let campaign = Campaign { minimize_time: Duration::ZERO, ..campaign(1) };
    [campaign.clone(), Campaign { by_work: true, ..campaign }]
}

#[test]
fn the_input_that_was_run_at_the_end_may_leak_itself() {
    for campaign in by_clock_and_by_work() {
        let leaky = Leaky::run_out(campaign, &[b"entry"], b"last", |_| 96);
        let finding = leaky.finding();
        assert_eq!(finding.failure.kind, FailureKind::Leak);
        assert_eq!(finding.failure.message, "memory grows by about 96 bytes a call");
        assert_eq!((&*finding.input, finding.reproducible), (&b"last"[..], Reproducible::Yes));
        assert_eq!(leaky.called(), [b"last", b"last"]);
        let [(first, _), (second, _)] = leaky.called[..] else { panic!("{:?}", leaky.called) };
        assert_ne!(first, second, "it is measured again in a fresh worker");
        let last = Bytes::from(&b"last"[..]);
        let saved = [
            (FailureKind::Oom, last.clone(), None, Shelf::Testdata),
            (FailureKind::Leak, last.clone(), Some(last), Shelf::Testdata),
        ];
        assert_eq!(leaky.saved, saved);
    }
}

#[test]
fn what_leaks_is_made_smaller_as_long_as_it_leaks() {
    for mut campaign in by_clock_and_by_work() {
        campaign.minimize_time = MS * 3_600_000;
        let leaks = |input: &[u8]| if input.contains(&b'k') { 5000 } else { 0 };
        let leaky = Leaky::run_out(campaign, &[b"entry"], b"a leak of bytes", leaks);
        assert_eq!(&*leaky.finding().input, b"a leak of bytes", "it is told before that");
        let smaller = leaky.shown.iter().find_map(|notice| match notice {
            Notice::Minimized { finding, limit, .. } => Some((finding, *limit)),
            _ => None,
        });
        let Some((finding, Limit::Smallest)) = smaller else { panic!("{:?}", leaky.shown) };
        assert_eq!(&*finding.input, b"k");
        assert_eq!(finding.failure.message, "memory grows by about 5000 bytes a call");
        let (kind, input, replaced, shelf) = leaky.saved.last().unwrap();
        assert_eq!((*kind, &**input, *shelf), (FailureKind::Leak, &b"k"[..], Shelf::Testdata));
        assert_eq!(replaced.as_deref(), Some(&b"a leak of bytes"[..]));
        let most = leaky.resident.values().max();
        assert!(most.is_some_and(|most| *most < 512 * MIB), "no worker passes its limit: {most:?}");
    }
}

#[test]
fn a_measurement_begins_again_in_another_worker() {
    // Workers that wait may hold nothing, and each request takes a whole slice.
    let campaign =
        Campaign { idle_memory: Some(25 * MIB), minimize_time: MS * 3_600_000, ..campaign(2) };
    let leaks = |input: &[u8]| if input.contains(&b'k') { 5 * MIB } else { 0 };
    let mut leaky = Leaky::new(campaign, &[b"entry"], b"a leak", leaks);
    leaky.pace = MS * 250;
    leaky.play();
    let finding = leaky.finding();
    assert_eq!(finding.failure.kind, FailureKind::Leak, "{:?}", finding.failure);
}

#[test]
fn a_limit_that_is_passed_while_a_leak_is_measured_makes_no_other_failure_of_it() {
    let leaks = |input: &[u8]| if input.contains(&b'k') { 5000 } else { 0 };
    // While the smallest input is tried, and when it was found and is measured once more.
    for n_before in [0, 1] {
        let campaign = Campaign { minimize_time: MS * 3_600_000, ..campaign(1) };
        let mut leaky = Leaky::new(campaign, &[b"entry"], b"a leak of bytes", leaks);
        leaky.runs_out_on = Some((b"k", n_before));
        leaky.play();
        let smaller = leaky.shown.iter().find_map(|notice| match notice {
            Notice::Minimized { finding, .. } => Some(finding),
            _ => None,
        });
        let smaller = smaller.unwrap_or_else(|| panic!("{:?}", leaky.shown));
        assert_eq!(smaller.failure.kind, FailureKind::Leak);
        assert!(smaller.input.len() > 1, "{:?}", smaller.input);
        assert_eq!(leaky.told().len(), 1, "{:?}", leaky.shown);
        assert_eq!(leaky.saved.last().map(|saved| saved.0), Some(FailureKind::Leak));
    }
}

#[test]
fn of_the_corpus_the_newest_input_that_leaks_is_found() {
    for campaign in by_clock_and_by_work() {
        let leaks = |input: &[u8]| if input.starts_with(b"leak") { 5000 } else { 0 };
        let entries: [&[u8]; 4] = [b"leak1", b"first", b"leak2", b"second"];
        let leaky = Leaky::run_out(campaign, &entries, b"last", leaks);
        let finding = leaky.finding();
        assert_eq!(finding.failure.message, "memory grows by about 5000 bytes a call");
        assert_eq!(&*finding.input, b"leak2");
        assert_eq!(leaky.called(), [&b"last"[..], b"second", b"leak2", b"leak2"]);
        let replaced = leaky.saved.last().unwrap().2.as_deref();
        assert_eq!(replaced, Some(&b"last"[..]));
    }
}

#[test]
fn a_committed_input_that_leaks_is_known_and_no_finding() {
    for mut campaign in by_clock_and_by_work() {
        let seed = CorpusInput { name: "leak-0123".to_owned(), ..input(Place::Seed, b"leak") };
        campaign.tests[0].corpus = vec![seed, input(Place::Seed, b"else")];
        let leaks = |input: &[u8]| if *input == *b"else" { 0 } else { 96 };
        let mut leaky = Leaky::run_out(campaign, &[b"entry"], b"last", leaks);
        let [Notice::Known { seed, failure, .. }] = &leaky.told()[..] else {
            panic!("{:?}", leaky.shown)
        };
        assert_eq!(seed, "leak-0123");
        assert_eq!(failure.message, "memory grows by about 96 bytes a call");
        assert_eq!(leaky.called(), [b"leak", b"leak"]);
        let shelves: Vec<_> =
            leaky.saved.iter().map(|(_, input, _, shelf)| (&**input, *shelf)).collect();
        assert_eq!(shelves, [(&b"last"[..], Shelf::Testdata), (&b"last"[..], Shelf::Cache)]);
        leaky.shown.clear();
        leaky.step(Event::Interrupt);
        leaky.play();
        let finish = leaky.shown.iter().find_map(|notice| match notice {
            Notice::Finish { totals, met, exit, .. } => {
                Some((totals[0].1.findings, met.len(), *exit))
            }
            _ => None,
        });
        assert_eq!(finish, Some((0, 0, Exit::Nothing)));
    }
}

#[test]
fn where_no_input_leaks_alone_the_growth_is_told() {
    for campaign in by_clock_and_by_work() {
        let leaky = Leaky::run_out(campaign, &[b"entry"], b"last", |_| 0);
        let finding = leaky.finding();
        assert_eq!(finding.failure.kind, FailureKind::Oom);
        assert_eq!(
            finding.failure.message,
            "used more than 512 MiB: memory grew from 10 MiB to 513 MiB over 1005 calls in the \
             life of a worker, and no input was seen to leak alone"
        );
        assert_eq!((&*finding.input, finding.reproducible), (&b"last"[..], Reproducible::No));
        assert_eq!(leaky.called(), [&b"last"[..], b"entry"]);
        let shelves: Vec<_> =
            leaky.saved.iter().map(|(kind, _, _, shelf)| (*kind, *shelf)).collect();
        let oom = FailureKind::Oom;
        assert_eq!(shelves, [(oom, Shelf::Testdata), (oom, Shelf::Cache)]);
    }
}

#[test]
fn what_leaks_in_one_worker_only_is_no_leak() {
    let mut driver = Driver::start(campaign(1));
    let worker = driver.set_up_with(10 * MIB);
    driver.die(worker, Cause::OutOfMemory(513 * MIB), in_call(b"last"));
    let mut worker = driver.set_up();
    driver.answer(replayed(JobEnd::Done), Harvest::default());
    let mut n_measured = 0;
    let mut resident = 0;
    for _ in 0..1000 {
        if driver.actions.iter().any(|a| matches!(a, Action::Spawn { .. })) {
            worker = driver.set_up_with(0);
            resident = 0;
            n_measured += 1;
            continue;
        }
        let is_sent = driver.actions.iter().any(|a| matches!(a, Action::Send { .. }));
        match is_sent.then(|| driver.sent().1.clone()) {
            Some(Request::Replay(Replay { times, .. })) if n_measured < 4 => {
                let execs = u64::from(times);
                // It grows in the first of the hunt's workers.
                resident += if n_measured == 2 { execs * 5000 } else { 0 };
                let reply = Replayed { end: JobEnd::Done, execs, rejected: false };
                let harvest = Harvest { resident: Some(resident), ..Harvest::default() };
                driver.answer(Reply::Replayed(reply), harvest);
            }
            Some(Request::Replay(_)) => break,
            Some(_) => driver.answer(fuzzed(JobEnd::Done, 10), Harvest::default()),
            None => driver.wait(),
        }
        driver.bury();
        let is_leak = |n: &&Notice| matches!(n, Notice::Finding(_));
        assert!(!driver.notices().iter().any(is_leak), "{worker:?} {:?}", driver.actions);
    }
}
