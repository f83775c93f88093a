//! Work on findings: a failure is saved, confirmed in fresh workers, shown, minimized, and run in
//! the plain build. Workers that serve a finding serve nothing else.

use super::Engine;
use super::classify;
use super::finding::{Found, Stage};
use super::minimization::{Fails, Minimization};
use super::mutant::Mutant;
use super::request::Parcel;
use super::share;
use super::silence::{BUCKETS, MESSAGES, MOST, Novelty};
use super::worker::{Job, JobKind, Role};
use crate::coordinator::action::{Action, Freight, Shelf};
use crate::coordinator::campaign::{Bytes, FindingId, TestIdx, WorkerId};
use crate::coordinator::event::{Culprit, Harvest, PlainVerdict};
use crate::coordinator::notice::{End, Failure, Finding, Limit, Notice, Reproducible};
use shmfuzz_runtime::message::{JobEnd, Replay, Replayed, Reply, Request};
use std::time::Duration;

/// Fresh workers in which a failure is run that passes in the first of them.
pub(super) const CONFIRMATIONS: u32 = 10;
/// Runs in which a smaller input may pass.
pub(super) const TRIES: u32 = 3;
/// Workers that may be lost over the confirmation of a finding.
const LOSSES: u32 = 4;

impl Engine {
    /// A failure: the first of its bucket is a finding, and is written at once.
    pub(super) fn failure_found(&mut self, test: TestIdx, failure: Failure, culprit: Culprit) {
        if self.is_met_again(test, &failure, &culprit) {
            return;
        }
        let Culprit { input, life } = culprit;
        let Some(input) = input.map(Bytes::from) else {
            let text = format!("a failure was seen but not its input: {}", failure.message);
            return self.warn_once(test, "no input", text);
        };
        match self.note_failure(test, &failure) {
            Novelty::New if self.is_alone() => return self.pass_over(test, &failure),
            Novelty::New => {}
            Novelty::Known if self.is_mutated(Mutant::ForgetBuckets) => {}
            Novelty::Crowded if self.is_mutated(Mutant::CrowdPlaces) => {}
            Novelty::Known | Novelty::Crowded | Novelty::Scattered | Novelty::Full => return,
        }
        if self.campaign.tests[test.0].ignored.contains(&failure.bucket) {
            return self.show(Notice::Ignored { test, failure });
        }
        let state = &mut self.tests[test.0];
        state.n_findings += 1;
        let (id, kind, execs) = (self.findings.next_id(), failure.kind, state.execs);
        if !self.is_mutated(Mutant::ShowUnsaved) {
            let (input, shelf) = (input.clone(), Shelf::Testdata);
            self.act(Action::SaveFinding { finding: id, test, kind, input, replaces: None, shelf });
        }
        let elapsed = self.now.saturating_sub(self.begun);
        let reproducible = Reproducible::NotTried;
        let finding = Finding { id, test, failure, input, reproducible, elapsed, execs };
        self.findings.push(Found {
            finding,
            stage: Stage::Confirm { runs: 0, failures: 0, losses: 0 },
            shelf: Shelf::Testdata,
            is_shown: false,
            is_withdrawn: false,
            life,
            worker: None,
            used: self.clock.floor(),
        });
        if self.tests[test.0].is_broken {
            self.give_up(id);
        }
    }

    /// Makes a failure silent, or its place if that has too many.
    pub(super) fn note_failure(&mut self, test: TestIdx, failure: &Failure) -> Novelty {
        let novelty = self.tests[test.0].silence.note(failure);
        match novelty {
            Novelty::New | Novelty::Known => {}
            Novelty::Crowded | Novelty::Scattered => {
                let at = failure.location.as_ref().map(|at| format!(" at {at}"));
                let what = match novelty {
                    Novelty::Crowded => format!("have more than {MESSAGES} different messages"),
                    _ => format!("are reached in more than {BUCKETS} ways"),
                };
                let text = format!(
                    "failures of kind {}{} {what}: no more of them are kept",
                    failure.kind.name(),
                    at.unwrap_or_default()
                );
                self.show(Notice::Warning { test: Some(test), text });
            }
            Novelty::Full => {
                let text = format!("{MOST} different failures were met: no more are kept");
                self.warn_once(test, "failures", text);
            }
        }
        novelty
    }

    /// Puts a finding's worker to work, or starts one.
    pub(super) fn work_on(&mut self, id: FindingId) {
        let slice = share::slice(self.findings[id].used);
        let worker = match self.findings[id].worker {
            Some(worker) => worker,
            None => {
                let worker = self.spawn(self.findings[id].finding.test, Role::Chore(id));
                self.findings[id].worker = Some(worker);
                // What was measured is the memory of another one.
                self.findings[id].begin_measurement();
                worker
            }
        };
        let Some(state) = self.workers.get_mut(&worker) else { return };
        state.slice_left = slice;
        if state.is_idle() {
            self.serve(worker, id);
        }
    }

    /// Gives a finding's idle worker its next request, or ends it.
    pub(super) fn serve(&mut self, worker: WorkerId, id: FindingId) {
        let Some(state) = self.workers.get(&worker) else { return };
        if !state.is_set_up {
            let setup = self.setup(worker);
            return self.send(worker, setup);
        }
        self.end_if_smallest(id);
        let found = &mut self.findings[id];
        let parcel = match &mut found.stage {
            Stage::Confirm { .. } => replay(&found.finding.input, JobKind::Replay),
            Stage::Hunt(hunt) => hunt.next(),
            Stage::Verify { minimization, .. } => minimization.last(),
            Stage::Minimize(minimization) => {
                let bucket = found.finding.failure.any_way;
                let parcel = minimization.next(bucket, id.0 + 1);
                parcel.expect("there is something to try, or it would have ended")
            }
            Stage::Sequence(_) => match self.sequence_parcel(id) {
                Some(parcel) => parcel,
                None => return self.end_sequence(id),
            },
            Stage::Await { .. } | Stage::Checkable | Stage::Checking | Stage::Settled => {
                return self.kill(worker);
            }
        };
        self.send(worker, parcel);
    }

    /// A finding's worker has answered.
    pub(super) fn judge_chore(
        &mut self,
        worker: WorkerId,
        id: FindingId,
        job: &Job,
        reply: Reply,
        harvest: Harvest,
    ) {
        match (&job.kind, reply) {
            (JobKind::Setup, Reply::Ready {}) => {
                if let Some(worker) = self.workers.get_mut(&worker) {
                    worker.is_set_up = true;
                }
            }
            (JobKind::Replay, Reply::Replayed(replayed)) => {
                let took = self.now.saturating_sub(job.since);
                self.replayed(worker, id, replayed, &harvest, took);
            }
            (JobKind::Sequence(_), Reply::Replayed(replayed)) => {
                self.sequence_replayed(worker, id, job, replayed, harvest);
            }
            (JobKind::Minimize, Reply::Minimized(minimized)) => {
                self.spend_on_minimization(id, job);
                self.minimized(id, minimized, harvest);
            }
            (JobKind::Try, Reply::Replayed(replayed)) => {
                self.spend_on_minimization(id, job);
                let took = self.now.saturating_sub(job.since);
                match self.findings[id].is_measured() {
                    true => self.try_measured(worker, id, replayed, &harvest, took),
                    false => self.tried(id, replayed, harvest),
                }
            }
            _ => self.reject(worker, "its answer does not belong to the request"),
        }
    }

    fn replayed(
        &mut self,
        worker: WorkerId,
        id: FindingId,
        replayed: Replayed,
        harvest: &Harvest,
        took: Duration,
    ) {
        let idx = self.findings[id].finding.test;
        self.tests[idx.0].count_extra(replayed.execs);
        let has_failed = replayed.end == JobEnd::Failed;
        match &mut self.findings[id].stage {
            Stage::Confirm { .. } if has_failed => {
                // It may fail at every second call of a process only.
                self.kill_if_flaky(worker, id);
                self.failed_again(id, classify::words(harvest), took);
            }
            Stage::Confirm { .. } => {
                self.kill(worker);
                self.passed_again(id);
            }
            Stage::Hunt(_) => self.measured(worker, id, replayed, harvest, took),
            Stage::Verify { minimization, .. } if minimization.is_measured() => {
                self.measured_once_more(worker, id, replayed, harvest, took);
            }
            Stage::Verify { .. } if has_failed => {
                self.verified(id, &classify::words(harvest));
            }
            Stage::Verify { .. } => self.not_verified(id),
            _ => {}
        }
    }

    /// A worker whose input fails sometimes runs it no second time.
    fn kill_if_flaky(&mut self, worker: WorkerId, id: FindingId) {
        if matches!(self.findings[id].stage, Stage::Confirm { runs: 1.., .. }) {
            self.kill(worker);
        }
    }

    /// It failed again in a fresh worker, in whatever way. `took` is how long that was.
    pub(super) fn failed_again(&mut self, id: FindingId, again: Failure, took: Duration) {
        self.learn(id, &again);
        let Finding { test, failure, input, .. } = &self.findings[id].finding;
        // Where it fails counts, not what it says there: that may be another thing each time.
        let is_other = self.compare(id, &again) == Fails::Otherwise && again.place != failure.place;
        if is_other && !self.is_alone() {
            let (test, culprit) = (*test, Culprit::from(input.to_vec()));
            self.failure_found(test, again, culprit);
            return self.passed_again(id);
        }
        let Stage::Confirm { runs, failures, .. } = &mut self.findings[id].stage else { return };
        (*runs, *failures) = (*runs + 1, *failures + 1);
        let is_first = *runs == 1;
        let failure = &mut self.findings[id].finding.failure;
        if again.bucket == failure.bucket {
            // Where the first worker could not say where it was, the second may; and what it
            // printed belongs to this input alone.
            if failure.stack.frames.is_empty() {
                failure.stack = again.stack;
            }
            if failure.output.is_empty() {
                failure.output = again.output;
            }
        }
        match is_first {
            true => self.confirmed(id, took),
            false => self.judge_flaky(id),
        }
    }

    /// It did not fail again in a fresh worker, or in another way only.
    fn passed_again(&mut self, id: FindingId) {
        if let Stage::Confirm { runs, .. } = &mut self.findings[id].stage {
            *runs += 1;
        }
        if let Some(worker) = self.findings[id].worker {
            self.kill(worker);
        }
        self.begin_hunt(id);
        self.judge_flaky(id);
    }

    /// Goes on after a run of an input that has passed once, or knows how often it fails.
    fn judge_flaky(&mut self, id: FindingId) {
        let Stage::Confirm { runs, failures, .. } = self.findings[id].stage else { return };
        if runs >= CONFIRMATIONS {
            self.findings[id].finding.reproducible = match failures {
                0 => Reproducible::No,
                failures => Reproducible::Sometimes { failures, runs },
            };
            match failures {
                0 => self.seek_sequence(id),
                _ => self.flaky(id),
            }
        }
    }

    /// It failed again: the user is told, before it is made smaller.
    fn confirmed(&mut self, id: FindingId, took: Duration) {
        self.findings[id].life = None;
        self.findings[id].finding.reproducible = Reproducible::Yes;
        let is_first = self.stop.is_none() || self.is_alone();
        self.show_finding(id);
        let can_shrink = self.can_shrink(id);
        let found = &mut self.findings[id];
        if can_shrink && is_first {
            found.used = found.used.max(self.clock.floor());
            let test = &self.campaign.tests[found.finding.test.0];
            let took = (!self.campaign.by_work).then_some(took);
            found.stage = Stage::Minimize(Minimization::new(&found.finding, test, took));
        } else {
            self.check(id);
        }
    }

    /// Whether there is something to take away from a finding, and time for it.
    pub(super) fn can_shrink(&self, id: FindingId) -> bool {
        let is_wanted = !self.campaign.minimize_time.is_zero() && self.gives_jobs();
        is_wanted && !self.findings[id].finding.input.is_empty()
    }

    /// It does not fail again each time: kept, but where it fails no test run of others.
    pub(super) fn flaky(&mut self, id: FindingId) {
        self.findings[id].life = None;
        // Before it is shown, so that the path shown is where it is.
        self.shelve(id, Shelf::Cache);
        self.show_finding(id);
        self.check(id);
    }

    /// No worker can serve it: it stays as it is.
    pub(super) fn give_up(&mut self, id: FindingId) {
        if matches!(self.findings[id].stage, Stage::Sequence(_)) {
            return self.end_sequence(id);
        }
        if self.findings[id].is_shrinking() {
            let is_broken = self.tests[self.findings[id].finding.test.0].is_broken;
            let limit = if is_broken { Limit::Setbacks } else { Limit::Time };
            return self.cannot_shrink(id, limit);
        }
        self.findings[id].life = None;
        self.tell_growth(id);
        self.show_finding(id);
        self.check(id);
    }

    /// A worker was lost over a finding without saying anything about it.
    pub(super) fn chore_lost(&mut self, id: FindingId) {
        match &mut self.findings[id].stage {
            Stage::Confirm { losses, .. } => {
                *losses += 1;
                if *losses >= LOSSES {
                    self.give_up(id);
                }
            }
            Stage::Hunt(_) => self.hunter_lost(id),
            Stage::Minimize(_) => self.minimizer_lost(id),
            Stage::Verify { .. } => self.not_verified(id),
            Stage::Sequence(_) => self.sequence_lost(id),
            Stage::Await { .. } | Stage::Checkable | Stage::Checking | Stage::Settled => {}
        }
    }

    /// Tells the user about a finding, once. With `--stop-on-crash` that ends fuzzing.
    pub(super) fn show_finding(&mut self, id: FindingId) {
        let found = &mut self.findings[id];
        if std::mem::replace(&mut found.is_shown, true) {
            return;
        }
        let finding = found.finding.clone();
        self.show(Notice::Finding(finding));
        if self.campaign.stop_on_crash && self.stop.is_none() {
            self.stop_fuzzing(End::Crash);
        }
    }

    /// Has a finding run in the plain build, unless that is too late.
    pub(super) fn check(&mut self, id: FindingId) {
        let is_wanted = !self.is_interrupted() && !self.is_alone();
        let found = &mut self.findings[id];
        found.stage = if is_wanted { Stage::Checking } else { Stage::Checkable };
        if let Some(worker) = found.worker {
            self.kill(worker);
        }
        if is_wanted {
            let Finding { test, failure, input, .. } = &self.findings[id].finding;
            let (test, kind, bucket) = (*test, failure.kind, failure.bucket);
            let input = input.clone();
            self.act(Action::CheckPlain { finding: id, test, kind, input, bucket });
        }
    }

    /// A finding was run in the plain build.
    pub(super) fn checked(&mut self, id: FindingId, verdict: PlainVerdict) {
        let Some(found) = self.findings.get(id) else { return };
        if !matches!(found.stage, Stage::Checking) {
            return;
        }
        self.findings[id].stage = Stage::Settled;
        match verdict {
            PlainVerdict::Fails => {}
            // One that did not fail again says nothing of the builds, and is in the cache already.
            PlainVerdict::Passes if self.findings[id].finding.reproducible.is_flaky() => {}
            PlainVerdict::Passes => {
                self.shelve(id, Shelf::Cache);
                self.show(Notice::PassesPlain(self.findings[id].finding.clone()));
            }
            PlainVerdict::Unknown(why) => {
                let test = Some(self.findings[id].finding.test);
                let text = format!("a finding could not be run in the plain build: {why}");
                self.show(Notice::Warning { test, text });
            }
        }
    }

    /// Moves a finding's file.
    fn shelve(&mut self, id: FindingId, shelf: Shelf) {
        let found = &mut self.findings[id];
        if std::mem::replace(&mut found.shelf, shelf) == shelf {
            return;
        }
        let Finding { test, failure, input, .. } = &found.finding;
        let (test, kind, input) = (*test, failure.kind, input.clone());
        self.act(Action::SaveFinding { finding: id, test, kind, input, replaces: None, shelf });
    }
}

/// An input, to be run once.
pub(super) fn replay(input: &Bytes, kind: JobKind) -> Parcel {
    let request = Request::Replay(Replay { times: 1, is_sequence: false });
    Parcel { request, freight: Freight::Input(input.clone()), kind }
}
