//! Who runs jobs: the campaign's slots are filled with fuzz tests and findings by their share of
//! time, and workers that wait are kept in bounds.

use super::Engine;
use super::mutant::Mutant;
use super::share::{self, Claim};
use super::worker::{self, Role, State, Worker};
use crate::coordinator::campaign::{FindingId, TestIdx, WorkerId};

/// Who may get a slot.
#[derive(Clone, Copy, Debug)]
enum Claimant {
    Test(TestIdx),
    Finding(FindingId),
}

/// Workers that may wait for their next slice, per job and at least, if they hold no more memory
/// together than the campaign allows: some hold megabytes, others gigabytes. Each that is ended
/// costs its fuzz test a start and a baseline when its turn comes again.
const IDLE_PER_JOB: usize = 4;
const IDLE_LEAST: usize = 64;

impl Engine {
    /// Puts workers to work while slots are free.
    pub(super) fn fill_slots(&mut self) {
        let jobs = self.campaign.jobs.max(1) + usize::from(self.is_mutated(Mutant::OneJobMore));
        while self.gives_jobs() && self.n_active() < jobs {
            let n_before = self.n_active();
            match self.choose() {
                None => break,
                Some(Claimant::Finding(id)) => self.work_on(id),
                Some(Claimant::Test(idx)) => self.fuzz(idx),
            }
            if self.n_active() == n_before {
                break;
            }
        }
        self.bound_idle();
    }

    /// Whether new jobs are given out.
    pub(super) fn gives_jobs(&self) -> bool {
        self.state == super::State::Running
    }

    /// Whether a worker of a fuzz test may be given a job.
    pub(super) fn may_fuzz(&self, idx: TestIdx) -> bool {
        let state = &self.tests[idx.0];
        let is_wanted = !state.is_broken && !state.is_at_plateau;
        self.stop.is_none() && is_wanted && state.budget.has_left()
    }

    /// Whether the only free slot is wanted for a finding.
    pub(super) fn is_chore_waiting(&self) -> bool {
        self.n_active() + 1 >= self.campaign.jobs && self.urgent().is_some()
    }

    /// How many workers hold a slot.
    pub(super) fn n_active(&self) -> usize {
        self.workers.values().filter(|w| w.is_active()).count()
    }

    /// Findings may take half of the slots, so that a flood of them leaves room for fuzzing.
    fn chore_limit(&self) -> usize {
        (self.campaign.jobs / 2).max(1)
    }

    fn urgent(&self) -> Option<FindingId> {
        if worker::n_active_chores(&self.workers) >= self.chore_limit() {
            return None;
        }
        let mut waiting = self.findings.iter().filter(|f| f.is_urgent()).map(|f| f.finding.id);
        waiting.find(|id| !worker::is_served(&self.workers, &self.findings, *id))
    }

    /// Who gets the next slot. Findings that wait for a short job go first, but never twice in a
    /// row while a test can be fuzzed: each of them may bring another one about.
    fn choose(&mut self) -> Option<Claimant> {
        let mut claims = self.test_claims();
        let is_turn = !self.is_chore_last || claims.is_empty();
        if let Some(id) = self.urgent().filter(|_| is_turn) {
            self.is_chore_last = true;
            return Some(Claimant::Finding(id));
        }
        if worker::n_active_chores(&self.workers) < self.chore_limit() {
            let shrinking = self.findings.iter().filter(|f| f.is_open() && !f.is_urgent());
            claims.extend(shrinking.take(self.chore_limit()).filter_map(|found| {
                let id = found.finding.id;
                let is_served = worker::is_served(&self.workers, &self.findings, id);
                let who = Claimant::Finding(id);
                (!is_served).then_some(Claim { who, used: found.used, n_running: 0, price: 1.0 })
            }));
        }
        let (who, used) = self.clock.pick(claims)?;
        self.is_chore_last = matches!(who, Claimant::Finding(_));
        match who {
            Claimant::Test(idx) => self.tests[idx.0].used = used,
            Claimant::Finding(id) => self.findings[id].used = used,
        }
        Some(who)
    }

    fn test_claims(&self) -> Vec<Claim<Claimant>> {
        let mut n_running = vec![0; self.tests.len()];
        let mut has_idle = vec![false; self.tests.len()];
        for worker in self.workers.values().filter(|w| w.is_fuzzer()) {
            n_running[worker.test.0] += usize::from(worker.is_active());
            has_idle[worker.test.0] |= worker.is_idle();
        }
        let mean = self.mean_promise();
        let claim = |(i, test): (usize, &super::FuzzTest)| {
            let idx = TestIdx(i);
            // Only a start must wait after deaths: workers that live go on.
            let has_work = !test.pool.is_waiting() && !self.must_wait_for_recall(idx);
            let can_run = has_work && (has_idle[i] || self.now >= test.not_before);
            let who = Claimant::Test(idx);
            (can_run && self.may_fuzz(idx)).then_some(Claim {
                who,
                used: test.used,
                n_running: n_running[i],
                price: share::price(test.promise, mean),
            })
        };
        self.tests.iter().enumerate().filter_map(claim).collect()
    }

    /// Gives a slice to a fuzz test: to its worker that waited least, or to a new one.
    fn fuzz(&mut self, idx: TestIdx) {
        let can_be_asked = |state: &State| match state {
            State::Idle => true,
            State::Busy(_) => self.is_mutated(Mutant::AskTwice),
            _ => false,
        };
        let waiting = self
            .workers
            .iter()
            .filter(|(_, w)| w.test == idx && w.is_fuzzer() && can_be_asked(&w.state))
            .max_by_key(|(_, w)| w.last_used)
            .map(|(id, _)| *id);
        let slice = share::slice(self.tests[idx.0].used);
        let id = waiting.unwrap_or_else(|| self.spawn(idx, Role::Fuzzer));
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.slice_left = slice;
        }
        if waiting.is_some() {
            self.ask(id);
        }
    }

    /// Ends workers that wait for nothing, and those that waited longest if there are too many.
    fn bound_idle(&mut self) {
        let is_useless = |engine: &Self, id: &WorkerId| {
            let worker = &engine.workers[id];
            worker.is_fuzzer() && (engine.stop.is_some() || engine.tests[worker.test.0].is_over())
        };
        let idle = self.workers.iter().filter(|(_, w)| w.is_idle());
        // Those of findings are few, and what they hold may be what is measured.
        let memory = |worker: &Worker| if worker.is_fuzzer() { worker.memory.last } else { 0 };
        let mut idle: Vec<(u64, WorkerId, u64)> =
            idle.map(|(id, w)| (w.last_used, *id, memory(w))).collect();
        idle.sort_unstable_by(|a, b| b.cmp(a));
        let limit = self.campaign.jobs.saturating_mul(IDLE_PER_JOB).max(IDLE_LEAST);
        let most = self.campaign.idle_memory.unwrap_or(u64::MAX);
        let mut held = 0u64;
        for (i, (_, id, memory)) in idle.into_iter().enumerate() {
            let with_it = held.saturating_add(memory);
            if i >= limit || with_it > most || is_useless(self, &id) {
                self.kill(id);
            } else {
                held = with_it;
            }
        }
    }
}
