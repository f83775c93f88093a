//! Limits of waits, and the end of a campaign: running jobs are asked to end, then made to; what
//! was found is shown; the plain build is waited for; then the end is said.
//!
//! Invariant: from the moment a campaign begins to end, nothing that a worker or the driver does
//! or fails to do delays [`Action::Finish`] beyond the sum of the limits below.

use super::classify::{self, At};
use super::finding::Stage;
use super::mutant::Mutant;
use super::stats;
use super::worker::{self, JobKind, Role, State as Doing};
use super::{Engine, State};
use crate::coordinator::action::Action;
use crate::coordinator::campaign::{FindingId, TestIdx, WorkerId};
use crate::coordinator::event::{Cause, Death, Harvest};
use crate::coordinator::notice::{End, Exit, Finding, Limit, Met, Notice, Stats};
use shmfuzz_runtime::kind::FailureKind;
use shmfuzz_runtime::leak;
use std::time::Duration;

/// How long a harness may take to reach its fuzz test: the net below the driver's own limit, whose
/// report of the death holds what the worker printed.
const START_LIMIT: Duration = Duration::from_secs(75);
/// How long a job may go on after it was asked to end.
const GRACE: Duration = Duration::from_secs(1);
/// How long the driver may take to report the death of a worker that it was told to end.
const DEATH_LIMIT: Duration = Duration::from_secs(10);
/// How long smaller inputs of findings may be run once more at the end, so that they are written.
const VERIFY_LIMIT: Duration = Duration::from_secs(5);
/// What is added to it at most for one that hangs.
const LONGEST_VERIFICATION: Duration = Duration::from_secs(60);
/// How long the plain build is waited for at the end.
const CHECK_LIMIT: Duration = Duration::from_secs(120);

/// A wait that has gone on for too long.
enum Overdue {
    Start,
    Answer,
    Stop,
    Death,
}

impl Engine {
    /// Ends waits that have gone on for too long, and the campaign when its time is over.
    pub(super) fn watch(&mut self) {
        let overdue: Vec<_> = self
            .workers
            .iter()
            .filter_map(|(id, w)| Some((*id, self.overdue(&w.state)?)))
            .collect();
        for (id, overdue) in overdue {
            match overdue {
                Overdue::Start => self.never_started(id),
                Overdue::Answer => self.reject(id, "it does not answer"),
                Overdue::Stop => self.kill(id),
                Overdue::Death => self.abandon(id),
            }
        }
        let is_over = self.time_left().is_some_and(|left| left.is_zero());
        if is_over && self.gives_jobs() && !self.is_mutated(Mutant::IgnoreDeadline) {
            self.wind_up(self.stop.unwrap_or(End::Time));
        }
    }

    /// What is left of the campaign's time, if it has a limit.
    pub(super) fn time_left(&self) -> Option<Duration> {
        let passed = self.now.saturating_sub(self.begun);
        self.campaign.time.map(|time| time.saturating_sub(passed))
    }

    fn overdue(&self, doing: &Doing) -> Option<Overdue> {
        let has_passed = |since: Duration, limit| self.now.saturating_sub(since) >= limit;
        match doing {
            Doing::Starting { since } => has_passed(*since, START_LIMIT).then_some(Overdue::Start),
            Doing::Idle => None,
            Doing::Busy(_) if self.is_mutated(Mutant::WaitForever) => None,
            Doing::Busy(job) => match job.interrupted {
                Some(at) if has_passed(at, GRACE) => Some(Overdue::Stop),
                _ => (self.now >= job.until).then_some(Overdue::Answer),
            },
            Doing::Dying { since, .. } => has_passed(*since, DEATH_LIMIT).then_some(Overdue::Death),
        }
    }

    fn never_started(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get(&id) else { return };
        let (idx, role) = (worker.test, worker.role);
        self.kill(id);
        let death = Death { cause: Cause::Unresponsive, output: String::new() };
        self.died_at_start(idx, role, &death, At::Harness);
    }

    /// Forgets a worker whose death is never reported.
    fn abandon(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.remove(&id) else { return };
        if let Doing::Dying { job: Some(job), .. } = &worker.state {
            match job.kind {
                JobKind::Fuzz { granted } => self.count_execs(worker.test, granted, 0),
                JobKind::Recall(_) => self.tests[worker.test.0].n_recalling -= 1,
                _ => {}
            }
            self.take_back(id, worker.test, &job.kind, &Harvest::default());
        }
        let how = classify::describe(&Cause::Unresponsive);
        let text = format!("a worker {how} when it was told to end; it was left behind");
        self.warn_once(worker.test, "abandoned", text);
    }

    /// Ctrl-C: ends the campaign; a second time, or when it is ending already, at once.
    pub(super) fn interrupt(&mut self) {
        self.n_interrupts += 1;
        if self.gives_jobs() {
            self.wind_up(self.stop.unwrap_or(End::Interrupted));
        } else if let State::Ending { end, .. } = self.state {
            for id in self.workers.keys().copied().collect::<Vec<_>>() {
                self.kill(id);
            }
            self.finish(end);
        }
    }

    /// Whether the user has asked for an end.
    pub(super) fn is_interrupted(&self) -> bool {
        self.n_interrupts > 0
    }

    /// No fuzz test is fuzzed any more; findings are still worked on.
    pub(super) fn stop_fuzzing(&mut self, end: End) {
        self.stop = Some(end);
        for id in self.workers.keys().copied().collect::<Vec<_>>() {
            if self.workers[&id].is_fuzzer() {
                self.dismiss(id);
            }
        }
    }

    /// Nothing is begun any more.
    fn wind_up(&mut self, end: End) {
        self.state = State::Ending { since: self.now, end, is_told: false };
        for test in &mut self.tests {
            test.speed.sample(self.now, test.execs);
        }
        for id in self.workers.keys().copied().collect::<Vec<_>>() {
            self.dismiss(id);
        }
    }

    /// Asks a worker to end its job if that brings something, else ends it.
    fn dismiss(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let is_verifying = match worker.role {
            Role::Fuzzer => false,
            Role::Chore(finding) => matches!(self.findings[finding].stage, Stage::Verify { .. }),
        };
        match &mut worker.state {
            _ if is_verifying => {}
            Doing::Busy(job)
                if !matches!(
                    job.kind,
                    JobKind::Setup
                        | JobKind::Replay
                        | JobKind::Try
                        | JobKind::Sequence(_)
                        | JobKind::Recall(_)
                ) =>
            {
                if job.interrupted.is_none() {
                    job.interrupted = Some(self.now);
                    self.act(Action::Interrupt { worker: id });
                }
            }
            Doing::Dying { .. } => {}
            _ => self.kill(id),
        }
    }

    /// Notices that there is nothing left to do, and brings the end about.
    pub(super) fn settle(&mut self) {
        let has_chores = self.findings.iter().any(super::finding::Found::is_open);
        if self.gives_jobs() && !has_chores && self.is_fuzzing_over() {
            let end = if self.tests.iter().all(|test| test.is_broken) {
                End::Broken
            } else if self.tests.iter().all(|test| test.is_at_plateau || test.is_broken) {
                End::Plateau
            } else {
                End::Runs
            };
            self.wind_up(self.stop.unwrap_or(end));
        }
        let State::Ending { since, end, is_told } = self.state else { return };
        self.verify_smaller(since);
        for id in self.workers.keys().copied().collect::<Vec<_>>() {
            if self.workers[&id].is_idle() {
                self.kill(id);
            }
        }
        if !self.workers.is_empty() {
            return;
        }
        // After the time for it, or where no worker could be started.
        for id in self.findings.ids(super::finding::Found::is_open) {
            self.give_up(id);
        }
        let n_checking = self.findings.ids(|f| matches!(f.stage, Stage::Checking)).len();
        // Who has asked for the end does not want a build: the files stay where they are.
        if n_checking > 0 && !self.is_interrupted() {
            if self.now.saturating_sub(since) < CHECK_LIMIT {
                if !is_told {
                    self.state = State::Ending { since, end, is_told: true };
                    self.show(Notice::Checking { n_findings: n_checking });
                }
                return;
            }
            let text = format!("{n_checking} findings were not run in the plain build in time");
            self.show(Notice::Warning { test: None, text });
        }
        self.finish(end);
    }

    /// What was made smaller before the end is run once more, so that it can be written.
    fn verify_smaller(&mut self, since: Duration) {
        for id in self.findings.ids(super::finding::Found::is_shrinking) {
            let is_served = worker::is_served(&self.workers, &self.findings, id);
            if self.now.saturating_sub(since) >= self.verify_limit(id) {
                if let Some(worker) = self.findings[id].worker {
                    self.kill(worker);
                }
            } else if !is_served {
                self.enough(id, Limit::Time);
                let is_wanted = matches!(self.findings[id].stage, Stage::Verify { .. });
                if is_wanted && self.n_active() < self.campaign.jobs.max(1) {
                    self.work_on(id);
                }
            }
        }
    }

    /// How long a finding's smaller input may take at the end. One that hangs takes its timeout, unless
    /// that is longer than anybody waits for.
    fn verify_limit(&self, id: FindingId) -> Duration {
        let finding = &self.findings[id].finding;
        match finding.failure.kind {
            FailureKind::Timeout => {
                let timeout = self.campaign.tests[finding.test.0].timeout;
                VERIFY_LIMIT + timeout.saturating_mul(2).min(LONGEST_VERIFICATION)
            }
            FailureKind::Leak => VERIFY_LIMIT + leak::LONGEST,
            _ => VERIFY_LIMIT,
        }
    }

    fn is_fuzzing_over(&self) -> bool {
        let is_fuzzing = self.workers.values().any(|w| w.is_fuzzer() && w.is_active());
        match self.stop {
            Some(_) => !is_fuzzing,
            None => self.tests.iter().all(super::FuzzTest::is_over),
        }
    }

    fn finish(&mut self, end: End) {
        for id in self.findings.ids(|f| matches!(f.stage, Stage::Sequence(_))) {
            self.end_sequence(id);
        }
        for id in self.findings.ids(|f| !f.is_shown) {
            self.show_finding(id);
        }
        // What is waited for at the end is not time spent on fuzzing.
        let until = match self.state {
            State::Ending { since, .. } => since,
            State::Running | State::Finished => self.now,
        };
        let elapsed = until.saturating_sub(self.begun);
        let n_workers = self.campaign.jobs;
        let figures = |(i, state)| (TestIdx(i), stats::figures(elapsed, state, n_workers));
        let totals: Vec<_> = self.tests.iter().enumerate().map(figures).collect();
        for (test, stats) in &totals {
            self.show(Notice::Stats { test: *test, stats: *stats });
        }
        if !self.is_alone() {
            self.name_unfuzzed(end);
            self.show_slowest();
        }
        self.state = State::Finished;
        let exit = self.exit(end);
        let met = self.findings.iter().filter(|found| !found.is_withdrawn).map(|found| {
            let Finding { id, test, failure, .. } = &found.finding;
            Met {
                finding: *id,
                test: *test,
                kind: failure.kind,
                location: failure.location.clone(),
                bucket: failure.bucket,
                times: self.tests[test.0].silence.times(failure.bucket),
            }
        });
        let met = met.collect();
        self.show(Notice::Finish { totals, met, end, exit });
        self.act(Action::Finish);
    }

    /// Says which fuzz tests were never fuzzed, and why, unless an end was asked for or a failure
    /// was the end.
    fn name_unfuzzed(&mut self, end: End) {
        let over = match end {
            End::Time => "the time was over",
            End::Runs | End::Plateau => "the campaign was over",
            End::Crash | End::Interrupted | End::Broken => return,
        };
        let unfuzzed = |has_begun: bool| -> Vec<TestIdx> {
            let tests = self.tests.iter().enumerate().filter(|(_, test)| {
                test.execs == 0 && !test.is_broken && test.n_counters.is_some() == has_begun
            });
            tests.map(|(i, _)| TestIdx(i)).collect()
        };
        for (tests, when) in [
            (unfuzzed(false), "before a worker was ready"),
            (unfuzzed(true), "while seeds and cached inputs were still being run"),
        ] {
            let (test, names) = match &tests[..] {
                [] => continue,
                [test] => (Some(*test), String::new()),
                many => {
                    let names = many.iter().map(|test| &self.campaign.tests[test.0].name[..]);
                    (None, format!(": {}", names.collect::<Vec<_>>().join(", ")))
                }
            };
            let text = format!("never fuzzed, since {over} {when}{names}");
            self.show(Notice::Warning { test, text });
        }
    }

    fn exit(&self, end: End) -> Exit {
        let has_known = self.tests.iter().any(|test| !test.known.is_empty());
        let is_broken = self.tests.iter().any(|test| test.is_broken);
        let is_fuzzed = self.tests.iter().any(|test| test.execs > 0);
        if !self.findings.is_empty() || (self.campaign.fail_known && has_known) {
            Exit::Found
        } else if is_broken || (!is_fuzzed && end != End::Interrupted) {
            Exit::Harness
        } else {
            Exit::Nothing
        }
    }

    /// Shows the figures of fuzz tests that are being fuzzed, a few times a second.
    pub(super) fn show_figures(&mut self) {
        if !self.gives_jobs() {
            return;
        }
        let elapsed = self.now.saturating_sub(self.begun);
        for i in 0..self.tests.len() {
            let (test, state) = (TestIdx(i), &mut self.tests[i]);
            let is_due = match state.speed.last() {
                None => true,
                Some(last) => self.now.saturating_sub(last) >= stats::INTERVAL,
            };
            if !is_due || state.n_counters.is_none() || state.is_over() {
                continue;
            }
            state.speed.sample(self.now, state.execs);
            let stats = stats::figures(elapsed, state, self.campaign.jobs);
            // Time alone is no news of a test that waits for its turn.
            let news = Some(Stats { elapsed: Duration::ZERO, ..stats });
            let state = &mut self.tests[i];
            if state.shown == news {
                continue;
            }
            state.shown = news;
            self.show(Notice::Stats { test, stats });
        }
    }
}
