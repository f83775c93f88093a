//! A simulated driver with simulated workers: a queue of events in simulated time.

use super::super::Engine;
use super::super::mutant::Mutant;
use super::check::{Check, Doing, Invariant};
use super::draw::{self, MS, Manners, Random, entry, fuzzed, loaded, words};
use crate::coordinator::action::{Action, Freight};
use crate::coordinator::campaign::{Bytes, Campaign, FindingId, Place, Test, WorkerId};
use crate::coordinator::event::{Cause, Death, Event, Harvest, PlainVerdict};
use crate::coordinator::notice::{End, Notice};
use shmfuzz_runtime::entries::Origin;
use shmfuzz_runtime::layout::Phase;
use shmfuzz_runtime::message::{Hello, JobEnd, Minimized, Reply, Request, Source};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// From this seed on, campaigns are of fuzz tests that leak and do nothing else wrong.
pub(super) const LEAKY: u64 = 1 << 32;

/// From this seed on, campaigns are long, and of fuzz tests whose failures need others before them.
pub(super) const STATEFUL: u64 = 1 << 33;

const N_COUNTERS: u64 = 32;
/// Longest time from an interrupt or a deadline to the end: the sum of the engine's limits.
const BOUND: Duration = Duration::from_secs(135);

/// What will happen to a job.
#[derive(Debug)]
enum Coming {
    Hello(WorkerId),
    Answer(WorkerId, u64),
    Lie(WorkerId, u64),
    Die(WorkerId, u64, Cause),
    DieIdle(WorkerId),
    Checked(FindingId),
    Tick,
    Interrupt,
}

#[derive(Debug)]
pub(super) struct SimWorker {
    pub(super) test: usize,
    n_jobs: u64,
    request: Option<(Request, Freight)>,
    pub(super) n_entries: u64,
    /// Whether all that it runs is on record.
    pub(super) has_journal: bool,
    /// Resident memory, in bytes.
    pub(super) resident: u64,
}

impl SimWorker {
    fn new(test: usize, has_journal: bool) -> Self {
        Self { test, n_jobs: 0, request: None, n_entries: 0, has_journal, resident: 1 << 16 }
    }
}

/// A campaign.
#[derive(Debug)]
pub(super) struct World {
    pub(super) random: Random,
    engine: Engine,
    pub(super) check: Check,
    now: Duration,
    queue: BTreeMap<(Duration, u64), Coming>,
    n_events: u64,
    pub(super) workers: BTreeMap<WorkerId, SimWorker>,
    pub(super) manners: Vec<Manners>,
    /// What the engine can know to be reached, and the bytes it was ever given, by test.
    pub(super) seen: Vec<BTreeSet<u32>>,
    pub(super) held: Vec<BTreeSet<Bytes>>,
    pub(super) seeds: Vec<BTreeSet<Bytes>>,
    pub(super) execs: Vec<u64>,
    is_lossy: bool,
    /// Whether some inputs leak in each call.
    pub(super) is_leaky: bool,
    runs: Option<u64>,
    ends_by: Option<(Duration, Invariant)>,
    trace: Vec<String>,
}

impl World {
    pub(super) fn new(seed: u64, mutant: Option<Mutant>) -> Self {
        let mut random = Random(seed);
        let tests: Vec<Test> =
            (0..1 + random.below(3)).map(|i| draw::test(&mut random, i)).collect();
        let is_stateful = seed >= STATEFUL;
        let runs = random.chance(400).then(|| random.below(4000)).filter(|_| !is_stateful);
        let time = random.chance(300).then(|| MS * random.below(2500) as u32);
        let time = time.map(|time| if is_stateful { time * 20 } else { time });
        let campaign = Campaign {
            tests: tests.clone(),
            jobs: 1 + random.below(4) as usize,
            seed,
            time,
            runs,
            until_plateau: None,
            stop_on_crash: random.chance(200),
            minimize_time: MS * (random.below(3) * 500) as u32,
            sequence_time: MS * (random.below(3) * 4000) as u32,
            fail_known: random.chance(500),
            idle_memory: random.chance(500).then_some(0),
            by_work: random.chance(200),
        };
        let manners: Vec<_> = tests
            .iter()
            .map(|_| match seed {
                STATEFUL.. => Manners { fails: 30, needs_others: true, ..Manners::default() },
                LEAKY.. => Manners { dies: 30, ..Manners::default() },
                _ => draw::manners(&mut random),
            })
            .collect();
        let bytes_of = |t: &Test, place: Option<Place>| {
            let wanted = t.corpus.iter().filter(|i| place.is_none_or(|p| p == i.place));
            wanted.map(|i| i.bytes.clone()).collect::<BTreeSet<_>>()
        };
        let mut world = Self {
            check: Check::of(campaign.jobs),
            engine: Engine::new(campaign),
            now: Duration::ZERO,
            queue: BTreeMap::new(),
            n_events: 0,
            workers: BTreeMap::new(),
            seen: vec![BTreeSet::new(); tests.len()],
            held: tests.iter().map(|t| bytes_of(t, None)).collect(),
            seeds: tests.iter().map(|t| bytes_of(t, Some(Place::Seed))).collect(),
            execs: vec![0; tests.len()],
            is_lossy: random.chance(200),
            is_leaky: (LEAKY..STATEFUL).contains(&seed),
            runs,
            ends_by: time.map(|time| (time + BOUND, Invariant::DeadlineEnds)),
            trace: Vec::new(),
            manners,
            random,
        };
        world.engine.mutant = mutant;
        world.schedule(MS * 100, Coming::Tick);
        if time.is_none() || world.random.chance(300) {
            let most = if is_stateful { 60_000 } else { 3000 };
            let at = MS * world.random.below(most) as u32;
            world.schedule(at, Coming::Interrupt);
            if world.random.chance(200) {
                let later = MS * world.random.below(3000) as u32;
                world.schedule(at + later, Coming::Interrupt);
            }
        }
        world
    }

    pub(super) fn trace(mut self) -> Vec<String> {
        self.go();
        self.trace
    }

    pub(super) fn run(mut self) -> Option<(Invariant, String)> {
        self.go();
        self.check.violation
    }

    fn go(&mut self) {
        let mut actions = Vec::new();
        self.engine.start(self.now, &mut actions);
        self.perform(actions);
        while !self.check.is_finished && self.check.violation.is_none() {
            let Some(((at, _), coming)) = self.queue.pop_first() else { return };
            self.now = at;
            if let Some((by, invariant)) = self.ends_by.filter(|(by, _)| at > *by) {
                return self.check.fail(invariant, format!("still running at {by:?}"));
            }
            if let Some(event) = self.happen(coming) {
                self.step(event);
            }
        }
        for event in [Event::Tick, Event::Interrupt] {
            self.step(event);
        }
    }

    fn step(&mut self, event: Event) {
        let mut actions = Vec::new();
        self.engine.step(self.now, event, &mut actions);
        self.perform(actions);
    }

    fn schedule(&mut self, after: Duration, coming: Coming) {
        self.n_events += 1;
        self.queue.insert((self.now + after, self.n_events), coming);
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            self.check.action(&action);
            self.trace.push(format!("{:?} {action:?}", self.now));
            match action {
                Action::Spawn { worker, test, has_journal, .. } => {
                    self.spawn(worker, test.0, has_journal);
                }
                Action::Send { worker, request, freight, timeout, .. } => {
                    self.send(worker, request, freight, timeout);
                }
                Action::Interrupt { worker } => {
                    let SimWorker { test, n_jobs, .. } = self.workers[&worker];
                    let mute = self.manners[test].mute;
                    let after = match self.random.below(1000) {
                        n if n < mute => MS * (1 << 20),
                        n if n < mute + 300 => MS * 5000,
                        _ => MS * 5,
                    };
                    self.schedule(after, Coming::Answer(worker, n_jobs));
                }
                Action::Kill { worker } => {
                    let is_lost = self.is_lossy && self.random.chance(100);
                    let n_jobs = self.workers[&worker].n_jobs;
                    if !is_lost {
                        self.schedule(MS * 2, Coming::Die(worker, n_jobs, Cause::AsAsked));
                    }
                }
                Action::CheckPlain { finding, .. } => {
                    let is_lost = self.random.chance(50);
                    let after = MS * if is_lost { 1 << 20 } else { self.random.below(2000) as u32 };
                    self.schedule(after, Coming::Checked(finding));
                }
                Action::Show(Notice::Finish { totals, end, .. }) => self.count(&totals, end),
                Action::SaveEntry { test, input, .. } => {
                    self.held[test.0].insert(input);
                }
                _ => {}
            }
        }
        self.check.step_done();
    }

    fn count(
        &mut self,
        totals: &[(super::super::TestIdx, crate::coordinator::notice::Stats)],
        end: End,
    ) {
        let is_honest = self.manners.iter().all(|m| m.lies == 0) && !self.is_lossy;
        let Some(runs) = self.runs.filter(|_| end == End::Runs && is_honest) else { return };
        for (test, stats) in totals {
            let is_exact = stats.execs == self.execs[test.0];
            self.check.require(is_exact, Invariant::RunsExact, "calls were not counted");
            // A broken test is given up before it has used its calls.
            let is_full = stats.execs == runs || self.manners[test.0].breaks();
            self.check.require(is_full, Invariant::RunsExact, "calls were not made");
        }
    }

    fn spawn(&mut self, id: WorkerId, test: usize, has_journal: bool) {
        let manners = self.manners[test];
        self.workers.insert(id, SimWorker::new(test, has_journal));
        let after = MS * self.random.below(30) as u32;
        if self.random.chance(manners.dies_at_start) {
            let cause = match self.random.below(4) {
                0 => Cause::Exited(96),
                1 => Cause::NotStarted("no".to_owned()),
                2 => Cause::Signaled(11),
                _ => Cause::Exited(0),
            };
            self.schedule(after, Coming::Die(id, 0, cause));
        } else if !self.random.chance(manners.mute) {
            self.schedule(after, Coming::Hello(id));
        }
    }

    fn send(&mut self, id: WorkerId, request: Request, freight: Freight, timeout: Duration) {
        let manners = self.manners[self.workers[&id].test];
        let worker = self.workers.get_mut(&id).expect("checked");
        worker.n_jobs += 1;
        worker.request = Some((request, freight));
        let n_jobs = worker.n_jobs;
        let after = MS * (10 + self.random.below(90) as u32);
        if self.random.chance(manners.mute) {
            return;
        }
        let (after, coming) = if self.random.chance(manners.dies) {
            let cause = match self.random.below(3) {
                _ if self.is_leaky => Cause::OutOfMemory(1 << 20),
                0 => Cause::Exited(3),
                1 => Cause::OutOfMemory(1 << 20),
                _ => Cause::Signaled([6, 11, 8][self.random.below(3) as usize]),
            };
            (after, Coming::Die(id, n_jobs, cause))
        } else if self.random.chance(manners.hangs) {
            (after + timeout, Coming::Die(id, n_jobs, Cause::TimedOut(timeout)))
        } else if self.random.chance(manners.outside) {
            (after, Coming::Die(id, n_jobs, Cause::Signaled(9)))
        } else if self.random.chance(manners.lies) {
            (after, Coming::Lie(id, n_jobs))
        } else if self.random.chance(manners.late) {
            (after * 40, Coming::Answer(id, n_jobs))
        } else {
            (after, Coming::Answer(id, n_jobs))
        };
        self.schedule(after, coming);
    }

    /// Whether the job is still the worker's.
    fn is_current(&self, id: WorkerId, n_jobs: u64) -> bool {
        let doing = self.check.doing[&id].1;
        self.workers[&id].n_jobs == n_jobs && doing != Doing::Dead
    }

    fn happen(&mut self, coming: Coming) -> Option<Event> {
        match coming {
            Coming::Tick => {
                let is_ending = self.engine.state != super::super::State::Running;
                self.schedule(if is_ending { MS * 1000 } else { MS * 100 }, Coming::Tick);
                Some(Event::Tick)
            }
            Coming::Interrupt => {
                let by = self.now + BOUND;
                if self.ends_by.is_none_or(|(old, _)| by < old) {
                    self.ends_by = Some((by, Invariant::InterruptEnds));
                }
                Some(Event::Interrupt)
            }
            Coming::Checked(finding) => {
                let verdict = match self.random.below(3) {
                    0 => PlainVerdict::Fails,
                    1 => PlainVerdict::Passes,
                    _ => PlainVerdict::Unknown("why".to_owned()),
                };
                Some(Event::Checked { finding, verdict })
            }
            Coming::Hello(worker) => {
                if !matches!(self.check.doing[&worker].1, Doing::Starting) {
                    return None;
                }
                self.check.set(worker, Doing::Idle);
                let no_counters = self.manners[self.workers[&worker].test].no_counters;
                let n_counters = if self.random.chance(no_counters) { 0 } else { N_COUNTERS };
                let (runtime, test) = ("0".to_owned(), "t".to_owned());
                let hello = Hello { runtime, test, n_counters, n_pcs: n_counters, n_seeds: 3 };
                Some(Event::Started { worker, hello })
            }
            Coming::Answer(worker, n_jobs) => self.answer(worker, n_jobs),
            Coming::Lie(worker, n_jobs) => self.lie(worker, n_jobs),
            Coming::Die(worker, n_jobs, cause) => self.die(worker, n_jobs, cause),
            Coming::DieIdle(worker) => {
                if self.check.doing[&worker].1 != Doing::Idle {
                    return None;
                }
                self.check.set(worker, Doing::Dead);
                let death = Death { cause: Cause::Signaled(11), output: String::new() };
                Some(Event::Died { worker, death, harvest: Harvest::default() })
            }
        }
    }

    fn answer(&mut self, id: WorkerId, n_jobs: u64) -> Option<Event> {
        if !self.is_current(id, n_jobs) || self.check.doing[&id].1 == Doing::Idle {
            return None;
        }
        let (request, freight) = self.workers.get_mut(&id)?.request.take()?;
        let test = self.workers[&id].test;
        let mut harvest = Harvest::default();
        let reply = match request {
            Request::Ping {} | Request::Stop {} | Request::Survey(_) => Reply::Pong {},
            Request::Setup(_) => Reply::Ready {},
            Request::Load(load) => {
                self.entries(id, &mut harvest);
                Reply::Loaded(self.load(test, load.source, load.first, &freight, &mut harvest))
            }
            Request::Fuzz(fuzz) => {
                self.entries(id, &mut harvest);
                let most = fuzz.max_execs.unwrap_or(1000).max(1);
                let execs = 1 + self.random.below(most);
                self.execs[test] += execs;
                let fails = self.manners[test].fails;
                let mut end = JobEnd::Done;
                if self.random.chance(fails) {
                    end = JobEnd::Failed;
                    let input = self.failing(test, b'P');
                    harvest.words = Some(words(&input));
                    harvest.input = Some(input.to_vec());
                    harvest.life = self.life(id, &input);
                } else if self.workers[&id].has_journal && self.random.chance(100) {
                    end = JobEnd::JournalFull;
                } else if self.random.chance(50) {
                    end = JobEnd::NeedsCapacity { bytes: 1 << 16 };
                } else if self.random.chance(50) {
                    end = JobEnd::LogFull;
                }
                Reply::Fuzzed(fuzzed(end, execs))
            }
            Request::Minimize(_) => Reply::Minimized(self.minimize(test, &freight, &mut harvest)),
            Request::Replay(replay) if replay.is_sequence => {
                Reply::Replayed(self.replay_sequence(test, &freight, &mut harvest))
            }
            Request::Replay(replay) => {
                Reply::Replayed(self.replay(id, replay.times, &freight, &mut harvest))
            }
        };
        harvest.resident = (!n_jobs.is_multiple_of(50)).then_some(self.workers[&id].resident);
        self.expect(id, &harvest);
        if self.check.doing[&id].1 == Doing::Busy {
            self.check.set(id, Doing::Idle);
        }
        let idle_death = self.manners[test].dies_idle;
        if self.random.chance(idle_death) {
            self.schedule(MS, Coming::DieIdle(id));
        }
        Some(Event::Answered { worker: id, reply, harvest })
    }

    /// An answer that no worker of ours gives.
    fn lie(&mut self, id: WorkerId, n_jobs: u64) -> Option<Event> {
        if !self.is_current(id, n_jobs) || self.check.doing[&id].1 == Doing::Idle {
            return None;
        }
        self.workers.get_mut(&id)?.request = None;
        let mut harvest = Harvest { count: self.random.next(), ..Harvest::default() };
        let reply = match self.random.below(8) {
            0 => Reply::Pong {},
            1 => Reply::Fuzzed(fuzzed(JobEnd::Failed, u64::MAX)),
            2 => Reply::Loaded(loaded(JobEnd::Failed, usize::MAX)),
            3 => Reply::Fuzzed(fuzzed(JobEnd::NeedsCapacity { bytes: usize::MAX }, 0)),
            4 => Reply::Minimized(Minimized { end: JobEnd::LogFull, execs: 0, reproduced: true }),
            5 => Reply::Loaded(loaded(JobEnd::LargeEntry, 0)),
            6 => {
                harvest.damage = Some("damage".to_owned());
                Reply::Fuzzed(fuzzed(JobEnd::Done, 0))
            }
            _ => {
                let features = vec![u32::MAX, 7];
                harvest.entries =
                    vec![entry(Origin::Inbox(u64::MAX), 9, features, b"lie".to_vec())];
                Reply::Fuzzed(fuzzed(JobEnd::Done, 1))
            }
        };
        if self.check.doing[&id].1 == Doing::Busy {
            self.check.set(id, Doing::Idle);
        }
        Some(Event::Answered { worker: id, reply, harvest })
    }

    fn die(&mut self, id: WorkerId, n_jobs: u64, cause: Cause) -> Option<Event> {
        if !self.is_current(id, n_jobs) {
            return None;
        }
        let test = self.workers[&id].test;
        let lies = self.manners[test].lies;
        let mut harvest = Harvest { phase: Some(Phase::Idle), ..Harvest::default() };
        if let Some((request, freight)) = self.workers.get_mut(&id)?.request.take() {
            self.entries(id, &mut harvest);
            self.dying(test, &request, &freight, &cause, &mut harvest);
            // Seeds of the attribute have no other name, so a lie about them cannot be seen through.
            let is_seed = matches!(&request, Request::Load(l) if l.source == Source::Attribute);
            if !is_seed && self.random.chance(lies * 10) {
                harvest.loading = Some(self.random.next());
            }
            self.expect(id, &harvest);
        }
        self.check.set(id, Doing::Dead);
        let death = Death { cause, output: "the end".to_owned() };
        Some(Event::Died { worker: id, death, harvest })
    }
}
