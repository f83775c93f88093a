//! What the answers of workers mean.

use super::Engine;
use super::absorb::Integrity;
use super::classify;
use super::forecast::Point;
use super::mutant::Mutant;
use super::pool::PoolOrigin;
use super::request;
use super::stats;
use super::worker::{Job, JobKind, Role, State};
use crate::coordinator::campaign::{TestIdx, WorkerId};
use crate::coordinator::event::Harvest;
use crate::coordinator::notice::{Failure, Notice};
use shmfuzz_runtime::layout::MAX_VALUE_LEN;
use shmfuzz_runtime::message::{Coverage, Fuzzed, Hello, JobEnd, Loaded, Reply};

/// Jobs in a row that bring nothing before a worker is replaced, or an input is passed over.
const STALLS: u32 = 100;
/// Most counters that a binary can have: features are numbered in 32 bits.
const MAX_COUNTERS: u64 = 1 << 29;

impl Engine {
    /// A worker has said hello.
    pub(super) fn started(&mut self, id: WorkerId, hello: Hello) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let State::Starting { since } = worker.state else { return };
        worker.state = State::Idle;
        let (idx, role) = (worker.test, worker.role);
        if hello.n_counters == 0 {
            let why = "the instrumentation put no counter into this binary, so nothing can be \
                       seen of what an input reaches: fuzzing would be blind";
            return self.break_test(idx, why.to_owned(), String::new());
        }
        if hello.n_counters > MAX_COUNTERS {
            return self.reject(id, "it claims more counters than a binary can have");
        }
        let cost = self.charge(idx, role, since);
        if let Role::Chore(finding) = role {
            self.spend_on_start(finding, cost);
        }
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.slice_left = worker.slice_left.saturating_sub(cost).max(request::JOB);
        }
        let state = &mut self.tests[idx.0];
        if state.n_counters.is_none() {
            state.n_counters = Some(hello.n_counters);
            state.n_seeds = hello.n_seeds;
            let (n_on_disk, corpus) = state.pool.n_cached();
            let seeds = n_on_disk - corpus + hello.n_seeds as usize;
            let (counters, workers) = (hello.n_counters, self.campaign.jobs);
            let tokens = self.campaign.tests[idx.0].tokens.len();
            self.show(Notice::Start { test: idx, seeds, corpus, tokens, counters, workers });
            self.name_long_inputs(idx);
        }
        self.carry_on(id);
    }

    /// Says that inputs on disk are longer than those that are made.
    fn name_long_inputs(&mut self, idx: TestIdx) {
        let test = &self.campaign.tests[idx.0];
        let max = test.max_len;
        let n = test.corpus.iter().filter(|input| input.bytes.len() > max).count();
        if n > 0 {
            let text = format!(
                "{n} of the inputs on disk are longer than {max} bytes, the limit of those that \
                 are made: each is run once as it is, and mutated up to there"
            );
            self.warn_once(idx, "long", text);
        }
    }

    /// A worker has answered.
    pub(super) fn answered(&mut self, id: WorkerId, reply: Reply, mut harvest: Harvest) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let (idx, role) = (worker.test, worker.role);
        worker.memory.look(&harvest);
        let job = match std::mem::replace(&mut worker.state, State::Idle) {
            State::Busy(job) => Some(job),
            // The answer crossed the order to end: what it brings is taken, and no more.
            State::Dying { since, job } => {
                worker.state = State::Dying { since, job: None };
                job
            }
            other => {
                worker.state = other;
                return self.reject(id, "it answered without being asked");
            }
        };
        let Some(job) = job else { return };
        let integrity = self.absorb(id, &mut harvest);
        let cost = self.charge(idx, role, job.since);
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.slice_left = worker.slice_left.saturating_sub(cost);
        }
        match job.kind {
            JobKind::Fuzz { .. } => self.tests[idx.0].spent += cost,
            JobKind::Recall(_) => self.tests[idx.0].n_recalling -= 1,
            _ => {}
        }
        match role {
            Role::Fuzzer => {
                let slow = harvest.slow.take();
                self.judge(id, &job, reply, harvest);
                self.note_slow(idx, slow);
            }
            Role::Chore(finding) => self.judge_chore(id, finding, &job, reply, harvest),
        }
        if let JobKind::Load(tags) = &job.kind {
            self.tests[idx.0].pool.release(tags, id);
        }
        self.tests[idx.0].pool.settle();
        if integrity == Integrity::Damaged {
            self.replace(id, "wrote over the mapping");
        }
        self.carry_on(id);
    }

    fn judge(&mut self, id: WorkerId, job: &Job, reply: Reply, harvest: Harvest) {
        let Some(idx) = self.workers.get(&id).map(|w| w.test) else { return };
        match (&job.kind, reply) {
            (JobKind::Setup, Reply::Ready {}) => {
                if let Some(worker) = self.workers.get_mut(&id) {
                    worker.is_set_up = true;
                }
                self.tests[idx.0].dead_starts = 0;
            }
            (JobKind::Attribute { first }, Reply::Loaded(loaded)) => {
                self.loaded_attribute(id, *first, &loaded, harvest);
            }
            (JobKind::Load(_) | JobKind::Feed { .. }, Reply::Loaded(loaded)) => {
                self.loaded(id, &job.kind, &loaded, harvest);
            }
            (JobKind::Time(suspect), Reply::Replayed(replayed)) => {
                let took = self.now.saturating_sub(job.since);
                self.timed(id, suspect.clone(), took, replayed, harvest);
            }
            (JobKind::Fuzz { granted }, Reply::Fuzzed(fuzzed)) => {
                self.fuzzed(id, *granted, &fuzzed, harvest);
            }
            (JobKind::Recall(nth), Reply::Replayed(replayed)) => {
                self.recalled(id, *nth, replayed, &harvest);
            }
            (kind, _) => {
                if let JobKind::Fuzz { .. } = kind {
                    self.count_calls_of_lost(idx, kind, &harvest);
                }
                self.reject(id, "its answer does not belong to the request");
            }
        }
    }

    fn loaded_attribute(
        &mut self,
        id: WorkerId,
        first: u32,
        loaded: &Loaded,
        mut harvest: Harvest,
    ) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let idx = worker.test;
        let n_seeds = self.tests[idx.0].n_seeds;
        let next = match u32::try_from(loaded.n_run) {
            Ok(next) if next >= first && next <= n_seeds => next,
            _ => return self.reject(id, "it ran seeds that do not exist"),
        };
        worker.next_seed = next;
        self.count_load(id, loaded);
        match loaded.end {
            JobEnd::Failed if next > first => {
                let failure = classify::words(&harvest);
                self.attribute_failed(idx, next - 1, failure, harvest.input.take());
            }
            JobEnd::NeedsCapacity { bytes } => self.make_room(id, bytes),
            _ => {}
        }
        if self.stalled(id, u64::from(next - first)) {
            let Some(worker) = self.workers.get_mut(&id) else { return };
            worker.next_seed += 1;
        }
    }

    pub(super) fn count_load(&mut self, id: WorkerId, loaded: &Loaded) {
        let Some(idx) = self.workers.get(&id).map(|w| w.test) else { return };
        let state = &mut self.tests[idx.0];
        state.count_extra(loaded.execs);
        if loaded.execs > 0 {
            state.dead_starts = 0;
        }
        if loaded.n_invalid > 0 {
            let text = "inputs of the corpus are not valid for the fuzz test's input type; they \
                        are passed over";
            self.warn_once(idx, "invalid", text.to_owned());
        }
        if loaded.end == JobEnd::JournalFull {
            self.loading_fills_journal(id);
        }
        self.note_coverage(id, loaded.first_moved, loaded.coverage);
    }

    fn fuzzed(
        &mut self,
        id: WorkerId,
        granted: Option<u64>,
        fuzzed: &Fuzzed,
        mut harvest: Harvest,
    ) {
        let Some(idx) = self.workers.get(&id).map(|w| w.test) else { return };
        let is_over = granted.is_some_and(|granted| fuzzed.execs > granted);
        self.count_execs(idx, granted, fuzzed.execs);
        let state = &mut self.tests[idx.0];
        state.count_extra(fuzzed.extra_execs);
        state.deaths = 0;
        if is_over {
            return self.reject(id, "it made more calls than it was given");
        }
        self.note_coverage(id, fuzzed.first_moved, fuzzed.coverage);
        for (silent, times) in &fuzzed.silenced {
            // No call fails twice.
            self.tests[idx.0].silence.passed_over(*silent, (*times).min(fuzzed.execs));
        }
        match fuzzed.end {
            JobEnd::Failed => {
                let failure = classify::words(&harvest);
                self.failure_found(idx, failure, harvest.take_culprit());
            }
            JobEnd::LargeEntry => self.take_large(id, &mut harvest),
            JobEnd::NeedsCapacity { bytes } => self.make_room(id, bytes),
            JobEnd::JournalFull => self.end_journal(id),
            JobEnd::Done | JobEnd::Stopped | JobEnd::LogFull => {}
        }
        if self.stalled(id, fuzzed.execs) {
            self.replace(id, "made no call of the fuzz test");
        }
    }

    /// Counts calls of the fuzzing phase against their grant.
    pub(super) fn count_execs(&mut self, idx: TestIdx, granted: Option<u64>, execs: u64) {
        let state = &mut self.tests[idx.0];
        let execs = state.budget.settle(granted, execs);
        state.execs = state.execs.saturating_add(execs);
        if execs > 0 {
            state.fruitless = 0;
            state.dead_starts = 0;
        }
        let (execs, found, spent) = (state.execs, state.new_entries, state.spent);
        state.curve.advance(Point { execs, found, spent });
        state.promise = state.curve.forecast(1).map(|forecast| forecast.next_minute);
        self.look_for_plateau(idx);
    }

    /// Ends the fuzzing of a test for which little is left to find, where that was asked for.
    fn look_for_plateau(&mut self, idx: TestIdx) {
        let Some(limit) = self.campaign.until_plateau else { return };
        let (state, jobs) = (&mut self.tests[idx.0], self.campaign.jobs);
        if state.is_over() || !state.curve.is_flat(limit, jobs) {
            return;
        }
        state.is_at_plateau = true;
        let elapsed = self.now.saturating_sub(self.begun);
        let stats = stats::figures(elapsed, state, jobs);
        self.show(Notice::Plateau { test: idx, stats });
    }

    fn note_coverage(&mut self, id: WorkerId, first_moved: Option<u64>, coverage: Coverage) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        worker.coverage = coverage;
        let idx = worker.test;
        let state = &mut self.tests[idx.0];
        state.edges = state.edges.max(coverage.edges.min(state.n_counters.unwrap_or(0)));
        let checked = (coverage.checked, coverage.flickering.min(coverage.checked));
        state.checked = state.checked.max(checked);
        if first_moved == Some(0) {
            let why = "no counter moved when the first input was run: the code that the fuzz \
                       test calls is not instrumented";
            self.break_test(idx, why.to_owned(), String::new());
        }
    }

    /// Grows the worker's input area with its next request.
    pub(super) fn make_room(&mut self, id: WorkerId, bytes: usize) {
        if bytes > MAX_VALUE_LEN {
            return self.reject(id, "it wants a larger input than any mapping can hold");
        }
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.room = Some(bytes);
        }
    }

    /// Counts jobs that brought nothing; whether there were too many in a row.
    pub(super) fn stalled(&mut self, id: WorkerId, progress: u64) -> bool {
        let Some(worker) = self.workers.get_mut(&id) else { return false };
        worker.stalls = if progress > 0 { 0 } else { worker.stalls + 1 };
        let is_stalled = worker.stalls >= STALLS;
        if is_stalled {
            worker.stalls = 0;
        }
        is_stalled
    }

    /// An input of the pool failed: it is never run again. What is committed is known, not found.
    /// `ran` is what stood in the input area: an entry may have been shrunk since it was sent.
    pub(super) fn input_failed(
        &mut self,
        idx: TestIdx,
        tag: usize,
        failure: Failure,
        ran: Option<Vec<u8>>,
    ) {
        let Some(input) = self.tests[idx.0].pool.get(tag) else { return };
        let name = match &input.origin {
            PoolOrigin::Seed(name) => Some(name.clone()),
            PoolOrigin::Attribute(seed) => Some(format!("seed#{seed}")),
            PoolOrigin::Cache | PoolOrigin::Found(_) => None,
        };
        let is_as_sent = ran.as_ref().is_none_or(|ran| **ran == *input.bytes);
        let ran = ran.unwrap_or_else(|| input.bytes.to_vec());
        self.drop_input(idx, tag);
        match name {
            Some(name) if is_as_sent => self.seed_failed(idx, name, failure),
            // Other bytes than the seed's: the tag is not believed, but the failure is.
            _ => self.failure_found(idx, failure, ran.into()),
        }
    }

    /// One of the attribute's seeds failed, or what a worker made of it: a seed that was logged with
    /// other bytes than those that ran is not known to fail, and a failure of others is a finding.
    pub(super) fn attribute_failed(
        &mut self,
        idx: TestIdx,
        seed: u32,
        failure: Failure,
        ran: Option<Vec<u8>>,
    ) {
        let logged = self.tests[idx.0].pool.attribute(seed);
        let is_other = |ran: &Vec<u8>| logged.is_some_and(|seed| *seed.bytes != **ran);
        match ran.filter(is_other) {
            Some(ran) => self.failure_found(idx, failure, ran.into()),
            None => self.seed_failed(idx, format!("seed#{seed}"), failure),
        }
    }

    /// A committed seed failed: said once, and its bucket is silent from now on.
    pub(super) fn seed_failed(&mut self, test: TestIdx, seed: String, failure: Failure) {
        if self.is_mutated(Mutant::SeedIsFinding) {
            return self.failure_found(test, failure, seed.into_bytes().into());
        }
        self.note_failure(test, &failure);
        if self.tests[test.0].known.insert(seed.clone()) {
            self.show(Notice::Known { test, seed, failure });
        }
    }

    /// Gives a worker that is idle now its next request, if its slice is not over and nobody more
    /// urgent waits.
    fn carry_on(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get(&id) else { return };
        if !worker.is_idle() || worker.slice_left.is_zero() || !self.gives_jobs() {
            return;
        }
        match worker.role {
            Role::Chore(finding) => self.serve(id, finding),
            Role::Fuzzer if self.may_fuzz(worker.test) && !self.is_chore_waiting() => self.ask(id),
            Role::Fuzzer => {}
        }
    }
}
