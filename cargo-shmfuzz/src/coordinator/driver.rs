//! The driver: it does what the engine wants, and tells it what happens.
//!
//! It owns the main loop, the workers' threads and what is saved; it decides nothing. Invariants:
//! the engine and the report are called on the calling thread only; actions are done in order, so
//! that a finding is on disk before it is shown; when [`run`] returns, no worker is alive.

mod channel;
mod exchange;
mod harvest;
mod launch;
mod ledger;
mod output;
mod process;
mod slow;
mod watch;
mod worker;

pub(crate) use launch::Launch;
pub(crate) use process::Groups;
pub(crate) use worker::Addresses;

use self::ledger::{Entry, Ledger};
use self::worker::{Handle, Job, Order, Recruit};
use super::action::Action;
use super::campaign::{Test, TestIdx, WorkerId};
use super::engine::Engine;
use super::event::{Cause, Death, Event, Harvest};
use super::interrupt::Interrupts;
use super::notice::{End, Exit, Notice};
use super::plain::{Build, Check, Checker};
use super::store::{Failing, Store};
use crate::show;
use crate::source;
use anyhow::Context as _;
use shmfuzz_runtime::entries::LARGEST_INBOX_INPUT;
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// How often the engine hears of time at least; half of what it is promised.
const TICK: Duration = Duration::from_millis(50);
/// How long the engine may take to end after the user wanted it: more than the sum of its own
/// limits, of which the wait for the plain build is the longest.
const FAREWELL: Duration = Duration::from_secs(300);
/// Largest input area that a worker gets before anything larger was asked for, in bytes.
const DEFAULT_CAPACITY: usize = 64 << 10;

/// What decides: the engine, or a script in tests. `now` counts from the campaign's start.
pub(crate) trait Decides {
    /// Before anything has happened.
    fn start(&mut self, now: Duration, actions: &mut Vec<Action>);
    /// After an event.
    fn step(&mut self, now: Duration, event: Event, actions: &mut Vec<Action>);
}

impl Decides for Engine {
    fn start(&mut self, now: Duration, actions: &mut Vec<Action>) {
        Self::start(self, now, actions);
    }

    fn step(&mut self, now: Duration, event: Event, actions: &mut Vec<Action>) {
        Self::step(self, now, event, actions);
    }
}

/// What a campaign runs on.
pub(crate) struct Crew<'a> {
    /// The fuzz tests, as the engine knows them.
    pub(crate) tests: &'a [Test],
    /// How to start each of them, in the same order.
    pub(crate) launches: Vec<Launch>,
    /// Their source, in the same order.
    pub(crate) sources: Vec<source::Lazy>,
    /// Where workers lie in memory.
    pub(crate) addresses: Addresses,
    /// Where inputs are saved, in the same order.
    pub(crate) store: Store,
    /// Makes the plain build, when the first finding is to be checked there.
    pub(crate) plain: Build,
    /// Is told everything, with the file of a finding where the notice is about one.
    pub(crate) report: &'a mut dyn FnMut(&Notice, Option<&Path>),
}

/// How a campaign ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// For the exit code.
    pub(crate) exit: Exit,
    /// Why it is over.
    pub(crate) end: End,
    /// Findings that could not be written anywhere; each was told in a warning.
    pub(crate) n_unsaved: usize,
}

/// Runs a campaign until the engine finishes it.
///
/// # Errors
/// On internal errors: those of the engine.
pub(crate) fn run(
    engine: &mut impl Decides,
    crew: Crew<'_>,
    interrupts: &Interrupts,
) -> anyhow::Result<Outcome> {
    let (sender, groups) = (interrupts.sender.clone(), interrupts.groups.clone());
    Driver::new(crew, sender, groups).drive(engine, &interrupts.events)
}

struct Driver<'a> {
    tests: &'a [Test],
    launches: Vec<Launch>,
    /// Their executables, held open: all workers of a campaign are of one build.
    images: Vec<Option<Arc<File>>>,
    sources: Vec<source::Lazy>,
    addresses: Addresses,
    ledger: Ledger,
    report: &'a mut dyn FnMut(&Notice, Option<&Path>),
    workers: HashMap<WorkerId, Handle>,
    plain: Option<Build>,
    checker: Option<Checker>,
    groups: Groups,
    sender: Sender<Event>,
    outcome: Option<Outcome>,
}

/// Whether the loop goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    Onward,
    Over,
}

impl<'a> Driver<'a> {
    fn new(crew: Crew<'a>, sender: Sender<Event>, groups: Groups) -> Self {
        Self {
            tests: crew.tests,
            images: crew
                .launches
                .iter()
                .map(|launch| File::open(&launch.executable).ok().map(Arc::new))
                .collect(),
            launches: crew.launches,
            sources: crew.sources,
            addresses: crew.addresses,
            ledger: Ledger::new(crew.store),
            report: crew.report,
            workers: HashMap::new(),
            plain: Some(crew.plain),
            checker: None,
            groups,
            sender,
            outcome: None,
        }
    }

    fn drive(
        mut self,
        engine: &mut impl Decides,
        events: &Receiver<Event>,
    ) -> anyhow::Result<Outcome> {
        let began = Instant::now();
        let mut actions = Vec::new();
        engine.start(began.elapsed(), &mut actions);
        let mut course = self.act(&mut actions)?;
        let mut next_tick = Instant::now() + TICK;
        let mut latest_end = None;
        while course == Course::Onward {
            let now = Instant::now();
            // Time comes first, or a stream of events would hold it back.
            let event = match next_tick.checked_duration_since(now) {
                None => Event::Tick,
                Some(wait) => match events.recv_timeout(wait) {
                    Ok(event) => event,
                    Err(RecvTimeoutError::Timeout) => Event::Tick,
                    Err(RecvTimeoutError::Disconnected) => {
                        unreachable!("this holds a sender itself")
                    }
                },
            };
            let now = Instant::now();
            match &event {
                Event::Tick => {
                    next_tick = now + TICK;
                    self.ledger.retry(now);
                    if latest_end.is_some_and(|latest| now >= latest) {
                        anyhow::bail!("internal error: the campaign does not end");
                    }
                }
                Event::Died { worker, .. } => {
                    if let Some(handle) = self.workers.remove(worker) {
                        handle.join();
                    }
                }
                Event::Interrupt => latest_end = latest_end.or(Some(now + FAREWELL)),
                Event::Started { .. }
                | Event::Answered { .. }
                | Event::NoJournal { .. }
                | Event::Checked { .. } => {}
            }
            engine.step(began.elapsed(), event, &mut actions);
            course = self.act(&mut actions)?;
        }
        self.outcome.context("internal error: the campaign ended without a summary")
    }

    fn act(&mut self, actions: &mut Vec<Action>) -> anyhow::Result<Course> {
        for action in actions.drain(..) {
            if self.perform(action)? == Course::Over {
                return Ok(Course::Over);
            }
            self.show_warnings();
        }
        self.show_warnings();
        Ok(Course::Onward)
    }

    fn perform(&mut self, action: Action) -> anyhow::Result<Course> {
        match action {
            Action::Spawn { worker, test, has_journal, spare } => {
                self.spawn(worker, test, has_journal, spare);
            }
            Action::Send { worker, request, freight, random, timeout } => {
                let handle = self.workers.get(&worker);
                let handle = handle.context("internal error: a request to no worker")?;
                handle.order(Order::Send(Job { request, freight, random, timeout }));
            }
            Action::Interrupt { worker } => self.order(worker, Order::Interrupt),
            Action::Kill { worker } => self.order(worker, Order::Kill),
            Action::SaveEntry { test, input, replaces } => {
                self.ledger.save_entry(Entry { test, input, replaces });
            }
            Action::SaveFinding { finding, test, kind, input, replaces, shelf } => {
                let failing = Failing { test, kind, input, replaces, shelf };
                self.ledger.save_finding(finding, failing);
            }
            Action::SaveSlowest { test, input } => self.ledger.save_slowest(test, &input),
            Action::CheckPlain { finding, test, kind, input, bucket: _ } => {
                let Test { timeout, rss_limit, .. } = self.tests[test.0];
                let input = self.ledger.file_of(test, &input);
                self.check(Check { finding, test, kind, input, timeout, rss_limit })?;
            }
            Action::Show(notice) => self.show(&notice),
            Action::Finish => return Ok(Course::Over),
        }
        Ok(Course::Onward)
    }

    fn spawn(&mut self, worker: WorkerId, test: TestIdx, has_journal: bool, spare: u64) {
        let recruit = Recruit {
            worker,
            launch: self.launches[test.0].clone(),
            image: self.images[test.0].clone(),
            source: self.sources[test.0].clone(),
            capacity: first_capacity(&self.tests[test.0]),
            rss_limit: match self.tests[test.0].rss_limit {
                0 => 0,
                limit => limit.saturating_add(spare),
            },
            addresses: self.addresses,
            has_journal,
            events: self.sender.clone(),
            groups: self.groups.clone(),
        };
        match Handle::start(recruit) {
            Ok(handle) => drop(self.workers.insert(worker, handle)),
            Err(error) => {
                let cause = Cause::NotStarted(format!("cannot start a thread for it: {error}"));
                let death = Death { cause, output: String::new() };
                let died = Event::Died { worker, death, harvest: Harvest::default() };
                self.sender.send(died).expect("the loop that receives is this one");
            }
        }
    }

    /// An order to a worker that may have died meanwhile.
    fn order(&self, worker: WorkerId, order: Order) {
        if let Some(handle) = self.workers.get(&worker) {
            handle.order(order);
        }
    }

    fn check(&mut self, check: Check) -> anyhow::Result<()> {
        if let Some(build) = self.plain.take() {
            let checker = Checker::start(build, self.sender.clone());
            self.checker = Some(checker.context("cannot start a thread for the plain build")?);
        }
        self.checker.as_ref().expect("it was started with the first check").check(check);
        Ok(())
    }

    fn show(&mut self, notice: &Notice) {
        if let Notice::Finish { totals, met, end, exit } = notice {
            let n_unsaved = self.ledger.close();
            self.show_warnings();
            let exit = if n_unsaved > 0 { Exit::Unsaved } else { *exit };
            self.outcome = Some(Outcome { exit, end: *end, n_unsaved });
            let (totals, met, end) = (totals.clone(), met.clone(), *end);
            let finish = Notice::Finish { totals, met, end, exit };
            return (self.report)(&finish, None);
        }
        if let Notice::Slowest { test, .. } = notice {
            return (self.report)(notice, self.ledger.slowest(*test));
        }
        let finding = match notice {
            Notice::Finding(finding)
            | Notice::PassesPlain(finding)
            | Notice::Minimized { finding, .. } => Some(finding.id),
            _ => None,
        };
        (self.report)(notice, finding.and_then(|finding| self.ledger.path(finding)));
        if let Notice::Finding(finding) = notice
            && let Some(error) = self.sources[finding.test.0].take_error()
        {
            let text = format!("stacks cannot be shown: {}", show::error(&error));
            (self.report)(&Notice::Warning { test: Some(finding.test), text }, None);
        }
    }

    fn show_warnings(&mut self) {
        for notice in self.ledger.take_warnings() {
            (self.report)(&notice, None);
        }
    }
}

impl Drop for Driver<'_> {
    fn drop(&mut self) {
        for handle in self.workers.values() {
            handle.order(Order::Kill);
        }
        for (_, handle) in self.workers.drain() {
            handle.join();
        }
        // What is left is the plain build's cargo, which nobody waits for any more.
        self.groups.kill_all();
    }
}

/// Room for what is known to come, but no more than every worker should take from the start.
fn first_capacity(test: &Test) -> usize {
    let largest = test.corpus.iter().map(|input| input.bytes.len()).max().unwrap_or(0);
    test.max_len.min(DEFAULT_CAPACITY).max(largest.min(LARGEST_INBOX_INPUT))
}

#[cfg(test)]
mod tests;
