//! A finding is made smaller: in the process of its worker as long as that survives, else one try
//! after the other, with a fresh worker for each death.
//!
//! Invariants: an input counts as smaller only if it failed in the finding's bucket; what was
//! reached is run once more before it is written; each try is bounded in time, and so is the whole.

use super::Engine;
use super::chore;
use super::classify::{self, Meaning};
use super::finding::Stage;
use super::leak::Probe;
use super::request::{JOB, Parcel};
use super::worker::{Job, JobKind};
use crate::coordinator::action::{Action, Freight};
use crate::coordinator::campaign::{Bytes, FindingId, Test, WorkerId};
use crate::coordinator::event::{Cause, Culprit, Death, Harvest};
use crate::coordinator::notice::{Failure, Finding, Limit, Notice};
use shmfuzz_runtime::bucket::Bucket;
use shmfuzz_runtime::kind::FailureKind;
use shmfuzz_runtime::leak::{self, Verdict};
use shmfuzz_runtime::message::{JobEnd, Minimize, Minimized, Replayed, Request};
use shmfuzz_runtime::minimize::{Minimizer, Scope};
use shmfuzz_runtime::record::InputKind;
use shmfuzz_runtime::shape::Shape;
use std::time::Duration;

/// Setbacks after which a minimization is content with what it has.
const SETBACKS: u32 = 20;
/// Setbacks that a worker counts for which is lost without a word.
const LOSS: u32 = 4;
/// What a try costs where the clock must not be read.
const WORK_OF_TRY: Duration = Duration::from_millis(2);
/// How many calls in a row are another one.
const CALLS_OF_TRY: u32 = 16;
/// The least that a call may take before it counts as hanging in a minimization.
const LEAST_LIMIT: Duration = Duration::from_secs(1);
/// The same where hanging is the failure: each hang costs as much.
const LEAST_HANG: Duration = Duration::from_millis(250);
/// Which part of its timeout an input must hang for; what it comes to is then run in full.
const PART_OF_TIMEOUT: u32 = 8;

/// A minimization under way.
#[derive(Clone, Debug)]
pub(super) struct Minimization {
    /// The smallest input so far.
    pub(super) best: Bytes,
    /// Job time used.
    spent: Duration,
    /// Jobs that brought nothing, or ended their worker.
    setbacks: u32,
    /// How long one call may take.
    pub(super) limit: Duration,
    kind: InputKind,
    shape: Option<Shape>,
    way: Way,
}

/// Where candidates are made and judged.
#[derive(Clone, Debug)]
enum Way {
    /// In the worker, many a job: the failure leaves its process alive.
    Inside,
    /// Here, one a job.
    Outside(Box<Minimizer>),
    /// Here, one after some jobs that call it ever more often: what counts is how memory grows.
    Measured(Box<Minimizer>, Box<Probe>),
}

impl Minimization {
    /// Of a finding that has failed again, in so long a time if that may be known.
    pub(super) fn new(finding: &Finding, test: &Test, took: Option<Duration>) -> Self {
        let is_hang = finding.failure.kind == FailureKind::Timeout;
        let limit = match took {
            _ if is_hang => (test.timeout / PART_OF_TIMEOUT).max(LEAST_HANG),
            // What is smaller may be slower, but not by much.
            Some(took) => took.saturating_mul(10).max(LEAST_LIMIT),
            None => test.timeout,
        };
        let mut minimization = Self {
            // Of values, the shortest input, which the worker begins with as well.
            best: minimizer(&finding.input, test.kind, test.shape.as_ref()).best().into(),
            spent: Duration::ZERO,
            setbacks: 0,
            limit: limit.min(test.timeout),
            kind: test.kind,
            shape: test.shape.clone(),
            way: Way::Inside,
        };
        if !finding.failure.kind.is_recoverable() {
            minimization.go_outside();
        }
        minimization
    }

    /// Of a finding that leaks.
    pub(super) fn of_leak(finding: &Finding, test: &Test, probe: Probe) -> Self {
        let mut minimization = Self::new(finding, test, None);
        if let Way::Outside(minimizer) = minimization.way {
            minimization.way = Way::Measured(minimizer, Box::new(probe));
        }
        minimization
    }

    /// Measures what is tried from the start.
    pub(super) fn begin_measurement(&mut self) {
        if let Way::Measured(_, probe) = &mut self.way {
            probe.begin();
        }
    }

    /// Whether what counts is how memory grows.
    pub(super) fn is_measured(&self) -> bool {
        matches!(self.way, Way::Measured(..))
    }

    /// Calls of the next request.
    fn n_calls(&self) -> u32 {
        match &self.way {
            Way::Measured(_, probe) => probe.times(),
            _ => 1,
        }
    }

    /// A request for what the minimization came to.
    pub(super) fn last(&self) -> Parcel {
        match &self.way {
            Way::Measured(_, probe) => probe.next(&self.best, JobKind::Replay),
            _ => chore::replay(&self.best, JobKind::Replay),
        }
    }

    /// The next request; none if nothing is left to try.
    pub(super) fn next(&mut self, bucket: Bucket, id: u64) -> Option<Parcel> {
        match &mut self.way {
            Way::Inside => {
                let budget_ms = JOB.as_millis() as u64;
                Some(Parcel {
                    request: Request::Minimize(Minimize { bucket, budget_ms, id }),
                    freight: Freight::Input(self.best.clone()),
                    kind: JobKind::Minimize,
                })
            }
            Way::Outside(minimizer) => {
                let candidate = Bytes::from(minimizer.candidate()?);
                Some(chore::replay(&candidate, JobKind::Try))
            }
            Way::Measured(minimizer, probe) => {
                let candidate = Bytes::from(minimizer.candidate()?);
                Some(probe.next(&candidate, JobKind::Try))
            }
        }
    }

    /// Whether something is left to try.
    fn has_more(&mut self) -> bool {
        match &mut self.way {
            Way::Inside => true,
            Way::Outside(minimizer) | Way::Measured(minimizer, _) => {
                minimizer.candidate().is_some()
            }
        }
    }

    /// From here on, each try is a job of its own.
    fn go_outside(&mut self) {
        let minimizer = minimizer(&self.best, self.kind, self.shape.as_ref());
        self.way = Way::Outside(Box::new(minimizer));
    }

    /// What came of a try.
    fn judge(&mut self, fails: Fails) {
        let minimizer = match &mut self.way {
            Way::Inside => return,
            Way::Outside(minimizer) => minimizer,
            Way::Measured(minimizer, probe) => {
                probe.begin();
                minimizer
            }
        };
        match fails {
            Fails::Alike => {
                minimizer.accept();
                self.best = minimizer.best().into();
            }
            Fails::Otherwise => minimizer.reject(),
        }
    }

    fn is_outside(&self) -> bool {
        !matches!(self.way, Way::Inside)
    }
}

fn minimizer(input: &[u8], kind: InputKind, shape: Option<&Shape>) -> Minimizer {
    Minimizer::new(input, kind, shape, Scope::Full)
}

/// How a candidate does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fails {
    /// In the finding's bucket.
    Alike,
    /// In another way, or not at all.
    Otherwise,
}

impl Engine {
    /// Whether a failure is the finding's. Where in its loop a hang was stopped is chance, so any
    /// hang is.
    pub(super) fn compare(&self, id: FindingId, failure: &Failure) -> Fails {
        let own = &self.findings[id].finding.failure;
        let is_alike = match own.kind {
            FailureKind::Timeout => failure.kind == FailureKind::Timeout,
            _ => failure.bucket == own.bucket,
        };
        if is_alike { Fails::Alike } else { Fails::Otherwise }
    }

    /// Accounts for a job of a minimization.
    pub(super) fn spend_on_minimization(&mut self, id: FindingId, job: &Job) {
        let calls = match &self.findings[id].stage {
            Stage::Minimize(minimization) => minimization.n_calls(),
            _ => 1,
        };
        let cost = match (self.campaign.by_work, &job.kind) {
            (true, JobKind::Try) => WORK_OF_TRY * (1 + calls / CALLS_OF_TRY),
            (true, _) => JOB,
            (false, _) => self.now.saturating_sub(job.since),
        };
        if let Stage::Minimize(minimization) = &mut self.findings[id].stage {
            minimization.spent += cost;
        }
    }

    /// Accounts for the start of a worker. Where the clock must not be read, tries stand for it.
    pub(super) fn spend_on_start(&mut self, id: FindingId, cost: Duration) {
        match &mut self.findings[id].stage {
            _ if self.campaign.by_work => {}
            Stage::Minimize(minimization) => minimization.spent += cost,
            Stage::Sequence(sequence) => sequence.spent += cost,
            _ => {}
        }
    }

    /// Ends a minimization that has nothing left to try.
    pub(super) fn end_if_smallest(&mut self, id: FindingId) {
        let Stage::Minimize(minimization) = &mut self.findings[id].stage else { return };
        if !minimization.has_more() {
            self.enough(id, Limit::Smallest);
        }
    }

    /// A job of a minimization has ended.
    pub(super) fn minimized(&mut self, id: FindingId, minimized: Minimized, mut harvest: Harvest) {
        let idx = self.findings[id].finding.test;
        self.tests[idx.0].count_extra(minimized.execs);
        let Stage::Minimize(minimization) = &mut self.findings[id].stage else { return };
        if minimized.end == JobEnd::Failed {
            let failure = classify::words(&harvest);
            let place = failure.place;
            self.failure_found(idx, failure, harvest.take_culprit());
            // Its worker was not told that the place is silent: another one will be.
            if self.tests[idx.0].silence.buckets().contains(&place)
                && let Some(worker) = self.findings[id].worker
            {
                self.kill(worker);
            }
            return self.set_back(id, 1);
        }
        if !minimized.reproduced {
            return self.enough(id, Limit::Setbacks);
        }
        if let Some(input) = harvest.input.filter(|i| i.len() <= minimization.best.len()) {
            minimization.best = input.into();
        }
        match minimized.execs {
            _ if minimized.end == JobEnd::Done => self.enough(id, Limit::Smallest),
            0 if !self.is_late(id) => self.set_back(id, 1),
            _ => self.end_if_late(id),
        }
    }

    /// A try has not ended its process.
    pub(super) fn tried(&mut self, id: FindingId, replayed: Replayed, mut harvest: Harvest) {
        let idx = self.findings[id].finding.test;
        self.tests[idx.0].count_extra(replayed.execs);
        if replayed.end == JobEnd::Failed {
            let failure = classify::words(&harvest);
            let fails = self.compare(id, &failure);
            if fails == Fails::Otherwise {
                self.failure_found(idx, failure, harvest.take_culprit());
            }
            return self.judge_try(id, fails);
        }
        // One that was asked to stop before it began says nothing.
        if replayed.end == JobEnd::Done {
            self.judge_try(id, Fails::Otherwise);
        }
    }

    /// Calls of what may leak were made.
    pub(super) fn try_measured(
        &mut self,
        worker: WorkerId,
        id: FindingId,
        replayed: Replayed,
        harvest: &Harvest,
        took: Duration,
    ) {
        let idx = self.findings[id].finding.test;
        self.tests[idx.0].count_extra(replayed.execs);
        let verdict = self.look_at_memory(id, replayed, harvest, took);
        match verdict {
            Verdict::Call(_) => self.end_if_late(id),
            Verdict::Leaks(_) => {
                // It holds what leaked.
                self.kill(worker);
                self.judge_try(id, Fails::Alike);
            }
            Verdict::Steady => {
                self.kill_if_full(worker, id, harvest);
                self.judge_try(id, Fails::Otherwise);
            }
        }
    }

    /// Ends a worker in which there is little left to grow by.
    fn kill_if_full(&mut self, worker: WorkerId, id: FindingId, harvest: &Harvest) {
        let Stage::Minimize(minimization) = &self.findings[id].stage else { return };
        let Way::Measured(_, probe) = &minimization.way else { return };
        if harvest.resident.is_none_or(|resident| probe.is_much(resident)) {
            self.kill(worker);
        }
    }

    /// The same of what the minimization came to.
    pub(super) fn measured_once_more(
        &mut self,
        worker: WorkerId,
        id: FindingId,
        replayed: Replayed,
        harvest: &Harvest,
        took: Duration,
    ) {
        let verdict = self.look_at_memory(id, replayed, harvest, took);
        match verdict {
            Verdict::Call(_) => {}
            Verdict::Leaks(bytes) => {
                let failure = self.findings[id].finding.failure.clone();
                self.verified(id, &Failure { message: leak::message(bytes), ..failure });
            }
            Verdict::Steady => {
                self.kill(worker);
                self.not_verified(id);
            }
        }
    }

    fn look_at_memory(
        &mut self,
        id: FindingId,
        replayed: Replayed,
        harvest: &Harvest,
        took: Duration,
    ) -> Verdict {
        let found = &mut self.findings[id];
        let idx = found.finding.test;
        let (Stage::Minimize(minimization) | Stage::Verify { minimization, .. }) = &mut found.stage
        else {
            return Verdict::Steady;
        };
        let Way::Measured(_, probe) = &mut minimization.way else { return Verdict::Steady };
        let verdict = probe.look(replayed, harvest, took);
        if replayed.end == JobEnd::Failed {
            let culprit = Culprit { input: harvest.input.clone(), life: None };
            self.failure_found(idx, classify::words(harvest), culprit);
        }
        verdict
    }

    /// The worker of a minimization has died over it: of what it was to try, as it should, or of
    /// something else.
    pub(super) fn minimizer_died(
        &mut self,
        id: FindingId,
        job: &Job,
        death: &Death,
        mut harvest: Harvest,
    ) {
        let idx = self.findings[id].finding.test;
        let test = &self.campaign.tests[idx.0];
        let limit = self.findings[id].try_limit().unwrap_or(test.timeout);
        let is_cut_short = matches!(death.cause, Cause::TimedOut(_)) && limit < test.timeout;
        let death = match death.cause {
            // As it will be said of what is written.
            Cause::TimedOut(_) => {
                &Death { cause: Cause::TimedOut(test.timeout), output: death.output.clone() }
            }
            _ => death,
        };
        let fails = match classify::death(death, &harvest, test.rss_limit) {
            Meaning::Asked => return,
            // That the limit is passed says nothing of how memory grows.
            Meaning::Failure(failure)
                if failure.kind == FailureKind::Oom && self.findings[id].is_measured() =>
            {
                Fails::Otherwise
            }
            Meaning::Failure(failure) if self.compare(id, &failure) == Fails::Alike => Fails::Alike,
            // It may have come to an end, had it been let.
            Meaning::Failure(_) if is_cut_short => Fails::Otherwise,
            Meaning::Failure(failure) => {
                self.failure_found(idx, failure, harvest.take_culprit());
                Fails::Otherwise
            }
            Meaning::Outside(_) | Meaning::Trouble(_) => {
                self.set_back(id, LOSS);
                Fails::Otherwise
            }
        };
        if job.kind == JobKind::Try {
            return self.judge_try(id, fails);
        }
        self.minimizer_lost(id);
    }

    /// A worker that made and judged its candidates itself was lost, and with it what it had tried:
    /// from now on that is kept here.
    pub(super) fn minimizer_lost(&mut self, id: FindingId) {
        let Stage::Minimize(minimization) = &mut self.findings[id].stage else { return };
        if minimization.is_outside() {
            return self.set_back(id, LOSS);
        }
        minimization.go_outside();
        self.set_back(id, 1);
    }

    fn judge_try(&mut self, id: FindingId, fails: Fails) {
        let Stage::Minimize(minimization) = &mut self.findings[id].stage else { return };
        minimization.judge(fails);
        self.end_if_smallest(id);
        self.end_if_late(id);
    }

    fn is_late(&self, id: FindingId) -> bool {
        let Stage::Minimize(minimization) = &self.findings[id].stage else { return false };
        minimization.spent >= self.campaign.minimize_time || !self.gives_jobs()
    }

    fn end_if_late(&mut self, id: FindingId) {
        if self.is_late(id) {
            self.enough(id, Limit::Time);
        }
    }

    /// A minimization that meets too many obstacles ends.
    fn set_back(&mut self, id: FindingId, by: u32) {
        let Stage::Minimize(minimization) = &mut self.findings[id].stage else { return };
        minimization.setbacks += by;
        if minimization.setbacks >= SETBACKS {
            self.enough(id, Limit::Setbacks);
        } else if minimization.spent >= self.campaign.minimize_time {
            self.enough(id, Limit::Time);
        }
    }

    /// The minimization is over: what it came to is run once more before it is written.
    pub(super) fn enough(&mut self, id: FindingId, limit: Limit) {
        let found = &mut self.findings[id];
        let Stage::Minimize(minimization) = &found.stage else { return };
        if minimization.best == found.finding.input {
            return self.cannot_shrink(id, limit);
        }
        let mut minimization = minimization.clone();
        let mut used = None;
        if let Way::Measured(_, probe) = &mut minimization.way {
            probe.begin();
            used = found.worker;
        }
        found.stage = Stage::Verify { minimization, tries: 0, limit };
        // What leaks is measured in a worker that has not leaked yet.
        if let Some(worker) = used {
            self.kill(worker);
        }
    }

    /// Whether a worker that died over a smaller input did so as it should.
    pub(super) fn is_verified_by(&self, id: FindingId, failure: &Failure) -> bool {
        let found = &self.findings[id];
        matches!(found.stage, Stage::Verify { .. })
            && !found.is_measured()
            && self.compare(id, failure) == Fails::Alike
    }

    /// What the minimization came to failed once more.
    pub(super) fn verified(&mut self, id: FindingId, failure: &Failure) {
        if self.compare(id, failure) == Fails::Otherwise {
            return self.cannot_shrink(id, Limit::Setbacks);
        }
        let found = &mut self.findings[id];
        let Stage::Verify { minimization, limit, .. } = &found.stage else { return };
        let (best, limit) = (minimization.best.clone(), *limit);
        // What it counts as stays: a hang was stopped elsewhere in its loop.
        let own = &found.finding.failure;
        let (bucket, silent) = (own.bucket, own.silent);
        found.finding.failure = Failure { bucket, silent, ..failure.clone() };
        let old = std::mem::replace(&mut found.finding.input, best);
        let (test, kind, shelf) = (found.finding.test, failure.kind, found.shelf);
        let finding = found.finding.clone();
        let (input, before) = (finding.input.clone(), old.len());
        let replaces = Some(old);
        self.act(Action::SaveFinding { finding: id, test, kind, input, replaces, shelf });
        self.show(Notice::Minimized { finding, before, limit });
        self.check(id);
    }

    /// It did not. An input that was only slow may hang for a part of its timeout: then what hangs
    /// for longer is looked for.
    pub(super) fn not_verified(&mut self, id: FindingId) {
        let gives_jobs = self.gives_jobs();
        let minimize_time = self.campaign.minimize_time;
        let found = &mut self.findings[id];
        let timeout = self.campaign.tests[found.finding.test.0].timeout;
        let Stage::Verify { tries, minimization, .. } = &mut found.stage else { return };
        let is_hang = found.finding.failure.kind == FailureKind::Timeout;
        if is_hang && gives_jobs && minimization.limit < timeout {
            let mut again = minimization.clone();
            again.limit = (again.limit * 3).min(timeout);
            again.best = found.finding.input.clone();
            if again.spent < minimize_time {
                again.go_outside();
                found.stage = Stage::Minimize(again);
                return;
            }
        }
        if let Way::Measured(_, probe) = &mut minimization.way {
            probe.begin();
        }
        *tries += 1;
        if *tries >= chore::TRIES || !gives_jobs {
            self.cannot_shrink(id, Limit::Setbacks);
        }
    }

    /// It stays as it is.
    pub(super) fn cannot_shrink(&mut self, id: FindingId, limit: Limit) {
        let finding = self.findings[id].finding.clone();
        let before = finding.input.len();
        self.show(Notice::Minimized { finding, before, limit });
        self.check(id);
    }
}
