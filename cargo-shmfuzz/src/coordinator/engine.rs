//! Decides what a campaign does next. Pure: it reads no clock, no file, no process, and its
//! decisions depend on nothing but the campaign and the events so far, in their order.
//!
//! It owns which worker runs which job, what is saved, what a failure is, and when the campaign
//! ends; the driver owns everything that has an effect. Invariants, which the simulation in
//! `engine/simulation.rs` checks over thousands of seeded campaigns:
//!
//! - one request is in flight per worker, and nothing is asked of one that is dead or not ready;
//! - no more workers run jobs than the campaign has `jobs`;
//! - a failing input is written before it is shown, and once per bucket;
//! - every entry that reaches something new is written, whatever its worker does next;
//! - every wait has a limit, so a deadline, a budget or an interrupt always ends the campaign;
//! - the end is said once, and last.

mod absorb;
mod alone;
mod answer;
mod chore;
mod classify;
mod death;
mod end;
mod finding;
mod forecast;
mod leak;
mod loading;
mod minimization;
mod mutant;
mod pool;
mod random;
mod request;
mod sequence;
mod share;
mod silence;
#[cfg(test)]
mod simulation;
mod slots;
mod slow;
mod stats;
mod test;
#[cfg(test)]
mod tests;
mod worker;

pub(super) use classify::{At, describe_start};

use super::action::Action;
use super::campaign::{Campaign, TestIdx, WorkerId};
use super::event::Event;
use super::notice::{End, Notice};
use finding::Findings;
use mutant::Mutant;
use std::time::Duration;
use test::FuzzTest;
use worker::{Role, Worker, Workers};

/// The decisions of one campaign.
#[derive(Debug)]
pub(crate) struct Engine {
    campaign: Campaign,
    tests: Vec<FuzzTest>,
    workers: Workers,
    findings: Findings,
    n_spawned: u64,
    n_sent: u64,
    n_interrupts: u32,
    begun: Duration,
    now: Duration,
    clock: share::Clock,
    /// Whether the last slot went to a finding.
    is_chore_last: bool,
    purpose: Purpose,
    /// Why no test is fuzzed any more, while findings are still worked on.
    stop: Option<End>,
    state: State,
    out: Vec<Action>,
    #[cfg(test)]
    mutant: Option<Mutant>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// To fuzz.
    Campaign,
    /// To make one failing input smaller, and nothing else.
    Minimization,
}

/// How far a campaign has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Jobs are given out.
    Running,
    /// No job is given out; running ones end, and the plain build is waited for.
    Ending {
        since: Duration,
        end: End,
        /// Whether the user was told that the plain build is waited for.
        is_told: bool,
    },
    Finished,
}

impl Engine {
    /// The engine of a campaign that has not begun.
    pub(crate) fn new(campaign: Campaign) -> Self {
        let tests = campaign.tests.iter().map(|t| FuzzTest::new(t, campaign.runs)).collect();
        Self {
            campaign,
            tests,
            workers: Workers::new(),
            findings: Findings::default(),
            n_spawned: 0,
            n_sent: 0,
            n_interrupts: 0,
            begun: Duration::ZERO,
            now: Duration::ZERO,
            clock: share::Clock::default(),
            is_chore_last: false,
            purpose: Purpose::Campaign,
            stop: None,
            state: State::Running,
            out: Vec::new(),
            #[cfg(test)]
            mutant: None,
        }
    }

    /// Begins: the first workers are started, and time counts from `now`.
    pub(crate) fn start(&mut self, now: Duration, actions: &mut Vec<Action>) {
        (self.begun, self.now) = (now, now);
        self.proceed();
        actions.append(&mut self.out);
    }

    /// Takes an event in, and appends what is to be done, in order. `now` is the time since some
    /// fixed moment, the same for all calls; it never goes back.
    ///
    /// After [`Action::Finish`] nothing is ever appended again.
    pub(crate) fn step(&mut self, now: Duration, event: Event, actions: &mut Vec<Action>) {
        if self.is_finished() {
            if self.is_mutated(Mutant::SpeakAfterFinish) {
                actions.push(Action::Finish);
            }
            return;
        }
        self.now = self.now.max(now);
        match event {
            Event::Started { worker, hello } => self.started(worker, hello),
            Event::Answered { worker, reply, harvest } => self.answered(worker, reply, harvest),
            Event::Died { worker, death, harvest } => self.died(worker, &death, harvest),
            Event::NoJournal { worker, why } => self.has_no_journal(worker, &why),
            Event::Checked { finding, verdict } => self.checked(finding, verdict),
            Event::Tick => {}
            Event::Interrupt => self.interrupt(),
        }
        // The second interrupt is the end.
        if !self.is_finished() {
            self.proceed();
        }
        actions.append(&mut self.out);
    }

    /// Whether [`Action::Finish`] was given.
    pub(crate) fn is_finished(&self) -> bool {
        self.state == State::Finished
    }

    /// Does what time, free slots and the state of all else ask for.
    fn proceed(&mut self) {
        self.watch();
        self.end_waits();
        self.settle_pools();
        self.fill_slots();
        self.show_figures();
        self.show_loading();
        self.settle();
    }

    fn act(&mut self, action: Action) {
        // Who has asked for one smaller input writes it where it is wanted.
        if self.is_alone() && matches!(action, Action::SaveFinding { .. }) {
            return;
        }
        self.out.push(action);
    }

    fn show(&mut self, notice: Notice) {
        self.act(Action::Show(notice));
    }

    /// Says something about a fuzz test once.
    fn warn_once(&mut self, test: TestIdx, about: &'static str, text: String) {
        if self.tests[test.0].warned.insert(about) {
            self.show(Notice::Warning { test: Some(test), text });
        }
    }

    fn spawn(&mut self, test: TestIdx, role: Role) -> WorkerId {
        let id = WorkerId(self.n_spawned);
        self.n_spawned += 1;
        let heeds = if role == Role::Fuzzer { self.awaited(test) } else { Default::default() };
        let has_journal = !heeds.is_empty();
        let spare = self.spare(role, has_journal);
        let state = &mut self.tests[test.0];
        let mut worker = Worker::new(test, role, state.n_workers, self.now);
        (worker.heeds, worker.spare) = (heeds, spare);
        if role == Role::Fuzzer {
            state.n_workers += 1;
            worker.first_seed = state.first_seed;
            worker.next_seed = state.first_seed;
            worker.baseline_end = state.pool.feed_len();
        }
        self.workers.insert(id, worker);
        self.act(Action::Spawn { worker: id, test, has_journal, spare });
        id
    }

    /// What a job or a start costs its fuzz test or finding, charged to it.
    fn charge(&mut self, test: TestIdx, role: Role, since: Duration) -> Duration {
        let cost = match self.campaign.by_work {
            true => request::JOB,
            false => self.now.saturating_sub(since),
        };
        match role {
            Role::Fuzzer => {
                let price = share::price(self.tests[test.0].promise, self.mean_promise());
                self.tests[test.0].used += cost.mul_f64(price);
            }
            Role::Chore(id) => self.findings[id].used += cost,
        }
        cost
    }

    /// The mean of the discoveries that fuzz tests promise, over those that are still fuzzed and of
    /// which something can be said.
    fn mean_promise(&self) -> f64 {
        let promises = self.tests.iter().filter(|test| !test.is_over()).filter_map(|t| t.promise);
        let (n, sum) = promises.fold((0u32, 0.0), |(n, sum), promise| (n + 1, sum + promise));
        sum / f64::from(n.max(1))
    }

    #[cfg(test)]
    fn is_mutated(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "the tests' twin reads it")]
    const fn is_mutated(&self, _mutant: Mutant) -> bool {
        false
    }
}
