//! What the deaths of workers mean, and how soon others follow them.

use super::Engine;
use super::classify::{self, At, Meaning};
use super::mutant::Mutant;
use super::request::worker_did;
use super::test::FuzzTest;
use super::worker::{Job, JobKind, Role, State, Worker};
use crate::coordinator::campaign::{FindingId, TestIdx, WorkerId};
use crate::coordinator::event::{Cause, Culprit, Death, Harvest};
use crate::coordinator::notice::Failure;
use shmfuzz_runtime::entries::Origin;
use shmfuzz_runtime::layout::Phase;
use shmfuzz_runtime::message::{EXIT_CANNOT_START, EXIT_MUTATOR};
use std::time::Duration;

/// Most calls that are believed of a worker that died: the mapping may hold anything.
const MOST_CALLS: u64 = 1 << 32;
/// Workers in a row that may die before they are ready.
const DEAD_STARTS: u32 = 3;
/// How long a start waits at most after deaths.
const LONGEST_DELAY: Duration = Duration::from_secs(1);
/// How long it waits where no other fuzz test could use the time.
const LONGEST_DELAY_ALONE: Duration = Duration::from_millis(50);
/// How often the same input may be run when somebody else ends its worker.
const OUTSIDE_DEATHS: u32 = 2;

impl Engine {
    /// A worker's process has ended.
    pub(super) fn died(&mut self, id: WorkerId, death: &Death, mut harvest: Harvest) {
        name_seed(&mut harvest);
        if !self.is_mutated(Mutant::ForgetEntriesOfDead) {
            self.absorb(id, &mut harvest);
        }
        let Some(mut worker) = self.workers.remove(&id) else { return };
        let (idx, role) = (worker.test, worker.role);
        // One that was told to end may have a successor already.
        if let Role::Chore(finding) = role
            && self.findings[finding].worker == Some(id)
        {
            self.findings[finding].worker = None;
        }
        let job = match std::mem::replace(&mut worker.state, State::Idle) {
            State::Starting { since } => {
                self.charge(idx, role, since);
                return self.died_at_start(idx, role, death, At::Harness);
            }
            State::Idle => return self.died_idle(idx, role, death),
            // The fuzz test's own setup: no input was run, and each worker would go the same way.
            State::Busy(job) if harvest.phase == Some(Phase::SettingUp) => {
                self.charge(idx, role, job.since);
                return self.died_at_start(idx, role, death, At::Setup);
            }
            State::Busy(job) => job,
            State::Dying { job: Some(job), .. } => job,
            State::Dying { job: None, .. } => return,
        };
        let cost = self.charge(idx, role, job.since);
        match job.kind {
            JobKind::Fuzz { .. } => self.tests[idx.0].spent += cost,
            JobKind::Recall(_) => self.tests[idx.0].n_recalling -= 1,
            _ => {}
        }
        self.count_calls_of_lost(idx, &job.kind, &harvest);
        self.take_back(id, idx, &job.kind, &harvest);
        let rss_limit = self.campaign.tests[idx.0].rss_limit;
        match role {
            Role::Fuzzer => {
                self.note_growth(idx, worker.memory, death, &harvest);
                let meaning = classify::death(death, &harvest, rss_limit);
                self.fuzzer_died(&worker, &job.kind, meaning, death, harvest);
            }
            Role::Chore(finding) => self.chore_died(finding, &job, death, harvest),
        }
        if self.is_mutated(Mutant::KeepDead) {
            self.workers.insert(id, worker);
        }
    }

    /// Counts the calls of a job without a report. Only those of the fuzzing phase are the grant's.
    pub(super) fn count_calls_of_lost(&mut self, idx: TestIdx, kind: &JobKind, harvest: &Harvest) {
        let count = match self.is_mutated(Mutant::ForgetCallsOfDead) {
            true => 0,
            false => harvest.count.min(MOST_CALLS),
        };
        let extra = match kind {
            JobKind::Fuzz { granted } => {
                let extra = harvest.extra_count.min(count);
                self.count_execs(idx, *granted, count - extra);
                extra
            }
            _ => count,
        };
        self.tests[idx.0].count_extra(extra);
    }

    /// Before it was ready: the harness, or the machine.
    pub(super) fn died_at_start(&mut self, idx: TestIdx, role: Role, death: &Death, at: At) {
        self.back_off(idx);
        let state = &mut self.tests[idx.0];
        state.dead_starts += 1;
        // Where no worker was ever ready, to wait as long for two more of them tells nothing new.
        let is_new = at == At::Setup || state.n_counters.is_none();
        let is_hopeless = match death.cause {
            Cause::Exited(EXIT_CANNOT_START | EXIT_MUTATOR) => true,
            Cause::Unresponsive => is_new,
            _ => false,
        };
        if is_hopeless || state.dead_starts >= DEAD_STARTS {
            let why = classify::describe_start(&death.cause, at);
            return self.break_test(idx, why, death.output.clone());
        }
        if let Role::Chore(finding) = role {
            self.chore_lost(finding);
        }
    }

    /// Between two jobs: a thread of the fuzz test, or somebody else. No input is to blame.
    fn died_idle(&mut self, idx: TestIdx, role: Role, death: &Death) {
        self.back_off(idx);
        let how = classify::describe(&death.cause);
        self.warn_once(idx, "idle", worker_did(&format!("{how} while it was idle")));
        match role {
            Role::Fuzzer => self.lost_for_nothing(idx, &how, &death.output),
            Role::Chore(finding) => self.chore_lost(finding),
        }
    }

    fn fuzzer_died(
        &mut self,
        worker: &Worker,
        kind: &JobKind,
        meaning: Meaning,
        death: &Death,
        mut harvest: Harvest,
    ) {
        let idx = worker.test;
        let output = &death.output;
        match (meaning, kind) {
            (Meaning::Asked, _) => {}
            (Meaning::Failure(failure), JobKind::Recall(nth)) => {
                self.sequence_is_known(idx, *nth, failure);
            }
            (Meaning::Failure(failure), JobKind::Attribute { first }) => {
                self.back_off(idx);
                self.seed_died(idx, *first, &harvest, Some(failure));
            }
            (Meaning::Failure(failure), JobKind::Load(_) | JobKind::Feed { .. }) => {
                self.back_off(idx);
                match self.at_fault(idx, kind.tags(), &harvest) {
                    Some(tag) => self.input_failed(idx, tag, failure, harvest.input.take()),
                    None => self.failure_found(idx, failure, harvest.take_culprit()),
                }
            }
            (Meaning::Failure(failure), _) => {
                self.back_off(idx);
                self.failure_found(idx, failure, harvest.take_culprit());
            }
            (Meaning::Outside(how), kind) => {
                self.back_off(idx);
                self.warn_once(idx, "outside", worker_did(&format!("{how} from outside")));
                self.pass_over_suspect(idx, kind, &harvest, OUTSIDE_DEATHS);
                if !self.came_to_something(idx, kind, &harvest) {
                    self.lost_for_nothing(idx, &how, output);
                }
            }
            // It was none of the inputs, and goes wrong in the next worker as well.
            (Meaning::Trouble(_), _) if death.cause == Cause::Exited(EXIT_MUTATOR) => {
                self.died_at_start(idx, worker.role, death, At::Mutator);
            }
            (Meaning::Trouble(how), kind) => {
                self.back_off(idx);
                self.warn_once(idx, "trouble", worker_did(&how));
                self.pass_over_suspect(idx, kind, &harvest, 1);
                if !self.came_to_something(idx, kind, &harvest) {
                    self.lost_for_nothing(idx, &how, output);
                }
            }
        }
    }

    /// Whether a worker that was lost made calls that need not be made again. Those of a load are,
    /// unless the input to pass over is known.
    fn came_to_something(&self, idx: TestIdx, kind: &JobKind, harvest: &Harvest) -> bool {
        let is_known = match kind {
            JobKind::Load(_) | JobKind::Feed { .. } => {
                self.at_fault(idx, kind.tags(), harvest).is_some()
            }
            _ => true,
        };
        harvest.count > 0 && is_known
    }

    /// No failure can be pinned on the input that was being loaded, but it may well be its fault:
    /// it is not given to worker after worker.
    fn pass_over_suspect(&mut self, idx: TestIdx, kind: &JobKind, harvest: &Harvest, limit: u32) {
        match kind {
            JobKind::Attribute { first } if limit == 1 => {
                self.seed_died(idx, *first, harvest, None);
            }
            JobKind::Load(_) | JobKind::Feed { .. } => {
                let Some(tag) = self.at_fault(idx, kind.tags(), harvest) else { return };
                let Some(input) = self.tests[idx.0].pool.get_mut(tag) else { return };
                input.n_outside_deaths += 1;
                if input.n_outside_deaths >= limit {
                    self.drop_input(idx, tag);
                    let text = "an input of the corpus is left out: workers are lost over it";
                    self.warn_once(idx, "suspect", text.to_owned());
                }
            }
            _ => {}
        }
    }

    /// A seed of the attribute ended the process, so new workers begin behind it.
    fn seed_died(&mut self, idx: TestIdx, first: u32, harvest: &Harvest, failure: Option<Failure>) {
        let ran = harvest.input.clone().filter(|_| harvest.raw_in_mem);
        let last = self.tests[idx.0].n_seeds.saturating_sub(1);
        let named = harvest.loading.and_then(|tag| u32::try_from(tag).ok());
        let seed = named.filter(|seed| (first..=last).contains(seed)).unwrap_or(first);
        if !self.is_mutated(Mutant::RunFatalSeedAgain) {
            let state = &mut self.tests[idx.0];
            state.first_seed = state.first_seed.max(seed.saturating_add(1));
        }
        match failure {
            // What is traced was run before, and lived.
            Some(failure) if harvest.phase == Some(Phase::Tracing) => {
                self.failure_found(idx, failure, Culprit { input: ran, life: None });
            }
            Some(failure) => self.attribute_failed(idx, seed, failure, ran),
            None => {}
        }
    }

    /// The input of a load that was being run: by its tag, else by its bytes.
    pub(super) fn at_fault(
        &self,
        idx: TestIdx,
        tags: &[usize],
        harvest: &Harvest,
    ) -> Option<usize> {
        let named = harvest.loading.and_then(|tag| usize::try_from(tag).ok());
        if self.is_mutated(Mutant::TrustTags) {
            return named.inspect(|tag| assert!(self.tests[idx.0].pool.get(*tag).is_some()));
        }
        let pool = &self.tests[idx.0].pool;
        let has_bytes = |tag: &&usize| {
            let bytes = pool.get(**tag).map(|input| &*input.bytes);
            bytes.is_some() && bytes == harvest.input.as_deref()
        };
        named
            .filter(|tag| tags.contains(tag))
            .or_else(|| tags.iter().filter(|_| harvest.raw_in_mem).find(has_bytes).copied())
    }

    fn chore_died(&mut self, id: FindingId, job: &Job, death: &Death, mut harvest: Harvest) {
        if let JobKind::Sequence(_) = job.kind {
            return self.sequence_died(id, job, death, harvest);
        }
        if let JobKind::Minimize | JobKind::Try = job.kind {
            self.spend_on_minimization(id, job);
            return self.minimizer_died(id, job, death, harvest);
        }
        let found = &self.findings[id];
        let (idx, is_confirming) = (found.finding.test, found.is_confirming());
        let is_replay = job.kind == JobKind::Replay;
        let meaning = classify::death(death, &harvest, self.campaign.tests[idx.0].rss_limit);
        match meaning {
            // A job that was cut short says nothing.
            Meaning::Asked => {}
            Meaning::Failure(failure) if is_replay && is_confirming => {
                self.failed_again(id, failure, self.now.saturating_sub(job.since));
            }
            Meaning::Failure(failure) if is_replay && self.is_verified_by(id, &failure) => {
                self.verified(id, &failure);
            }
            Meaning::Failure(failure) => {
                self.failure_found(idx, failure, harvest.take_culprit());
                self.chore_lost(id);
            }
            Meaning::Outside(_) | Meaning::Trouble(_) => self.chore_lost(id),
        }
    }

    /// Workers that die without a job done are replaced more and more slowly, so that a fuzz test
    /// that always dies leaves the machine to the others. One that has it to itself waits less.
    pub(super) fn back_off(&mut self, idx: TestIdx) {
        let is_rival = |(i, test): (usize, &FuzzTest)| i != idx.0 && !test.is_over();
        let longest = match self.tests.iter().enumerate().any(is_rival) {
            true => LONGEST_DELAY,
            false => LONGEST_DELAY_ALONE,
        };
        let state = &mut self.tests[idx.0];
        state.deaths = state.deaths.saturating_add(1);
        if !self.campaign.by_work {
            state.not_before = self.now + delay(state.deaths).min(longest);
        }
    }
}

/// A worker that does not say which of the attribute's seeds it runs has at least passed those
/// that it has logged. To pass over too few seeds costs a death each, to pass over too many would
/// lose them.
fn name_seed(harvest: &mut Harvest) {
    let seeds = harvest.entries.iter().filter_map(|entry| match entry.origin {
        Origin::Attribute(seed) => Some(u64::from(seed)),
        Origin::Mutation | Origin::Inbox(_) => None,
    });
    if let (None, Some(last)) = (harvest.loading, seeds.max()) {
        harvest.loading = Some(last.saturating_add(1));
    }
}

/// How long to wait after so many deaths in a row.
fn delay(deaths: u32) -> Duration {
    const FIRST: Duration = Duration::from_millis(5);
    FIRST.saturating_mul(1 << deaths.saturating_sub(1).min(10)).min(LONGEST_DELAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_a_second() {
        let delays = [1, 2, 3, 8, 9, 1000].map(|n| delay(n).as_millis());
        assert_eq!(delays, [5, 10, 20, 640, 1000, 1000]);
    }
}
