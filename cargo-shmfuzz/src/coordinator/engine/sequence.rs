//! A failure that needs earlier inputs: what its worker ran in its life is run again in fresh
//! workers, from the end backwards, then made smaller: fewer inputs, then each of them.
//!
//! A worker's life is on record only where that may be of use: when a finding of a fuzz test passes
//! in every fresh worker, the test's workers give way to others that keep a journal, until one of
//! these meets the same failure. Invariants: what is written as a sequence has failed in the finding's
//! bucket as it stands; each try has a fresh worker; waiting and trying are bounded in time.

use super::Engine;
use super::chore::CONFIRMATIONS;
use super::classify::{self, Meaning};
use super::finding::{Found, Stage};
use super::minimization::Fails;
use super::request::Parcel;
use super::worker::{Job, JobKind, Role};
use crate::coordinator::action::{Action, Freight, Shelf};
use crate::coordinator::campaign::{Bytes, FindingId, TestIdx, WorkerId};
use crate::coordinator::event::{Cause, Culprit, Death, Harvest};
use crate::coordinator::notice::{Failure, Limit, Notice, Reproducible};
use shmfuzz_runtime::bucket::Bucket;
use shmfuzz_runtime::journal::{self, Life};
use shmfuzz_runtime::message::{JobEnd, Replay, Replayed, Request};
use shmfuzz_runtime::minimize::{Minimizer, Scope};
use shmfuzz_runtime::record::InputKind;
use shmfuzz_runtime::sequence;
use std::collections::BTreeSet;
use std::time::Duration;

/// What a try costs, start included, where the clock must not be read.
const WORK_OF_TRY: Duration = Duration::from_millis(20);
/// Fresh workers in which what was reached is run before it counts as not failing after all.
const CHECKS: u32 = 3;
/// How many inputs a sequence may have, and bytes, that is kept.
const MOST_INPUTS: usize = 1000;
const MOST_BYTES: usize = 1 << 20;
/// Workers that may be lost over a sequence.
const LOSSES: u32 = 8;

/// A search for the shortest sequence of inputs that fails.
#[derive(Clone, Debug)]
pub(super) struct Sequence {
    /// What is known to fail; all that was run, until something is.
    inputs: Vec<Bytes>,
    kind: InputKind,
    step: Step,
    /// Time used by jobs and starts.
    pub(super) spent: Duration,
    /// How many tries were judged: the answer to an earlier one says nothing of the next.
    pub(super) n_tries: u32,
    n_losses: u32,
    /// Whether any try has failed as it should.
    pub(super) has_failed: bool,
}

/// What is tried next.
#[derive(Clone, Debug)]
enum Step {
    /// The last so many inputs, twice as many each time.
    Span(usize),
    /// To leave out so many inputs from this one on.
    Drop { size: usize, at: usize, has_dropped: bool },
    /// The last input as often as there are inputs.
    Unify,
    /// To put something smaller in the place of this input and of all that are equal to it.
    Shrink { nth: usize, smaller: Bytes, minimizer: Box<Minimizer> },
    /// The fewest inputs once more, which have passed so often since.
    Check { n_passed: u32 },
    /// Nothing.
    Over,
}

impl Sequence {
    /// Of all that a worker has run, with the input that failed at the end.
    pub(super) fn new(life: &Life, kind: InputKind) -> Self {
        let inputs: Vec<Bytes> = life.inputs().into_iter().map(Bytes::from).collect();
        // Alone, the last one passes.
        let step = if inputs.len() < 2 { Step::Over } else { Step::Span(2) };
        Self {
            inputs,
            kind,
            step,
            spent: Duration::ZERO,
            n_tries: 0,
            n_losses: 0,
            has_failed: false,
        }
    }

    /// Bytes that all inputs take on their way to a worker.
    fn packed_len(&self) -> usize {
        self.inputs.iter().map(|input| input.len() + 4).sum()
    }

    /// What to run next; none if nothing is left to try.
    fn candidate(&self) -> Option<Vec<&[u8]>> {
        let inputs = || self.inputs.iter().map(|input| &**input);
        match &self.step {
            Step::Span(n) => Some(inputs().skip(self.inputs.len().saturating_sub(*n)).collect()),
            Step::Drop { size, at, .. } => {
                Some(inputs().take(*at).chain(inputs().skip(self.end_of(*at, *size))).collect())
            }
            Step::Unify => {
                let last = self.inputs.last()?;
                Some(inputs().map(|_| &**last).collect())
            }
            Step::Shrink { nth, smaller, .. } => {
                let own = &*self.inputs[*nth];
                let place = |input| if input == own { &**smaller } else { input };
                Some(inputs().map(place).collect())
            }
            Step::Check { .. } => Some(inputs().collect()),
            Step::Over => None,
        }
    }

    /// Where a part ends that may be left out: the last input must stay.
    fn end_of(&self, at: usize, size: usize) -> usize {
        (at + size).min(self.inputs.len() - 1)
    }

    /// The candidate has failed as it should, at its input of this number, from 1.
    fn failed(&mut self, nth: usize) {
        self.has_failed = true;
        self.n_tries += 1;
        let Some(candidate) = self.candidate() else { return };
        let n = nth.clamp(1, candidate.len());
        let is_cut = n < candidate.len();
        self.inputs = candidate.into_iter().take(n).map(Bytes::from).collect();
        self.step = match std::mem::replace(&mut self.step, Step::Over) {
            Step::Span(_) => self.begin_to_drop(),
            Step::Drop { size, at, .. } => self.drop_at(size, at, true),
            // What comes after the failure is not needed, and what comes before it may not be.
            Step::Unify | Step::Shrink { .. } if is_cut => self.begin_to_drop(),
            Step::Unify => self.shrink_from(0),
            Step::Shrink { nth, mut minimizer, .. } => {
                minimizer.accept();
                self.shrink(nth, minimizer)
            }
            Step::Check { .. } => self.begin_to_shrink(),
            Step::Over => Step::Over,
        };
    }

    /// The candidate has passed, or failed in another way.
    pub(super) fn passed(&mut self) {
        self.n_tries += 1;
        self.step = match std::mem::replace(&mut self.step, Step::Over) {
            Step::Span(n) if n < self.inputs.len() => Step::Span(n.saturating_mul(2)),
            Step::Drop { size, at, has_dropped } => self.drop_at(size, at + size, has_dropped),
            Step::Unify => self.shrink_from(0),
            Step::Shrink { nth, mut minimizer, .. } => {
                minimizer.reject();
                self.shrink(nth, minimizer)
            }
            Step::Check { n_passed } if n_passed + 1 < CHECKS => {
                Step::Check { n_passed: n_passed + 1 }
            }
            Step::Check { .. } => {
                self.has_failed = false;
                Step::Over
            }
            Step::Span(_) | Step::Over => Step::Over,
        };
    }

    fn begin_to_drop(&self) -> Step {
        self.drop_at((self.inputs.len() - 1).div_ceil(2), 0, false)
    }

    /// Goes through the sequence with ever smaller parts, and again as long as that helps.
    fn drop_at(&self, size: usize, at: usize, has_dropped: bool) -> Step {
        let n_others = self.inputs.len() - 1;
        match (at < n_others, size) {
            (true, _) => Step::Drop { size, at, has_dropped },
            (false, 2..) if n_others > 0 => {
                Step::Drop { size: size.div_ceil(2).min(n_others), at: 0, has_dropped: false }
            }
            (false, _) if has_dropped && n_others > 0 => {
                Step::Drop { size: 1, at: 0, has_dropped: false }
            }
            (false, _) => Step::Check { n_passed: 0 },
        }
    }

    fn begin_to_shrink(&self) -> Step {
        let are_equal = self.inputs.windows(2).all(|pair| pair[0] == pair[1]);
        if are_equal { self.shrink_from(0) } else { Step::Unify }
    }

    /// Makes the inputs smaller, from this one on.
    fn shrink_from(&self, nth: usize) -> Step {
        let is_done = |nth: &usize| self.inputs[..*nth].contains(&self.inputs[*nth]);
        let next = (nth..self.inputs.len()).find(|nth| !is_done(nth));
        let Some(nth) = next else { return Step::Over };
        let input = &self.inputs[nth];
        self.shrink(nth, Box::new(Minimizer::new(input, self.kind, Scope::Full)))
    }

    fn shrink(&self, nth: usize, mut minimizer: Box<Minimizer>) -> Step {
        match minimizer.candidate().map(Bytes::from) {
            Some(smaller) => Step::Shrink { nth, smaller, minimizer },
            None => self.shrink_from(nth + 1),
        }
    }
}

/// Inputs as they are packed, to be run once, one after the other.
fn replay(packed: Bytes, kind: JobKind) -> Parcel {
    let request = Request::Replay(Replay { times: 1, is_sequence: true });
    Parcel { request, freight: Freight::Input(packed), kind }
}

impl Engine {
    /// A finding has passed in every fresh worker: it may need what its worker ran before.
    pub(super) fn seek_sequence(&mut self, id: FindingId) {
        let idx = self.findings[id].finding.test;
        let is_wanted = !self.campaign.sequence_time.is_zero() && !self.is_alone();
        if !is_wanted || !self.gives_jobs() || self.stop.is_some() {
            return self.flaky(id);
        }
        if let Some(life) = self.findings[id].life.take() {
            self.findings[id].stage = self.sequence_of(idx, &life);
        } else if self.tests[idx.0].is_over() {
            self.flaky(id);
        } else {
            self.findings[id].stage = Stage::Await { since: self.clock_of_waits(idx) };
            self.retire_all(idx);
        }
    }

    /// What waits are measured by: time, and where the clock must not be read, work.
    fn clock_of_waits(&self, idx: TestIdx) -> Duration {
        if self.campaign.by_work { self.tests[idx.0].spent } else { self.now }
    }

    fn sequence_of(&self, idx: TestIdx, life: &Life) -> Stage {
        Stage::Sequence(Box::new(Sequence::new(life, self.campaign.tests[idx.0].kind)))
    }

    fn waiting(&self, idx: TestIdx) -> impl Iterator<Item = FindingId> {
        let is_waiting = move |found: &&Found| {
            found.finding.test == idx && matches!(found.stage, Stage::Await { .. })
        };
        self.findings.iter().filter(is_waiting).map(|found| found.finding.id)
    }

    /// The failures of a fuzz test that are waited for: new fuzzers keep a journal if there are any,
    /// and are not silent about them.
    pub(super) fn awaited(&self, idx: TestIdx) -> BTreeSet<Bucket> {
        self.waiting(idx).map(|id| self.findings[id].finding.failure.bucket).collect()
    }

    /// Bytes that a worker needs beyond those of its fuzz test: for its journal, or for the inputs that
    /// it is sent and keeps a copy of.
    pub(super) fn spare(&self, role: Role, has_journal: bool) -> u64 {
        let bytes = match role {
            Role::Fuzzer if has_journal => journal::CAPACITY,
            Role::Fuzzer => 0,
            Role::Chore(id) => match &self.findings[id].stage {
                Stage::Sequence(search) => 2 * search.packed_len(),
                _ => 0,
            },
        };
        bytes as u64
    }

    /// Ends a fuzz test's workers that keep no journal, as soon as they have no job.
    fn retire_all(&mut self, idx: TestIdx) {
        for id in self.workers.keys().copied().collect::<Vec<_>>() {
            let worker = &self.workers[&id];
            if worker.test == idx && worker.is_fuzzer() && worker.is_idle() {
                self.retire(id);
            }
        }
    }

    /// Ends a worker that does not wait for what is waited for, or whose journal is full; -> whether it
    /// was one.
    pub(super) fn retire(&mut self, id: WorkerId) -> bool {
        let Some(worker) = self.workers.get(&id) else { return false };
        let is_retired = worker.is_journal_full || worker.heeds != self.awaited(worker.test);
        if is_retired {
            self.kill(id);
        }
        is_retired
    }

    /// A worker cannot keep a journal: it fuzzes without one, and what is waited for is given up.
    pub(super) fn has_no_journal(&mut self, id: WorkerId, why: &str) {
        let Some(worker) = self.workers.get(&id) else { return };
        let idx = worker.test;
        let text = format!("the inputs before a failure cannot be put on record: {why}");
        self.warn_once(idx, "journal", text);
        self.end_waits_of(idx);
    }

    fn end_waits_of(&mut self, idx: TestIdx) {
        for id in self.waiting(idx).collect::<Vec<_>>() {
            self.flaky(id);
        }
    }

    /// The seeds and the corpus alone are more than a journal holds.
    pub(super) fn loading_fills_journal(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get(&id) else { return };
        let idx = worker.test;
        self.end_journal(id);
        self.end_waits_of(idx);
    }

    /// A worker's life is longer than its journal.
    pub(super) fn end_journal(&mut self, id: WorkerId) {
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.is_journal_full = true;
        }
    }

    /// Whether a failure is one that is waited for; its search begins then.
    pub(super) fn is_met_again(
        &mut self,
        idx: TestIdx,
        failure: &Failure,
        culprit: &Culprit,
    ) -> bool {
        let Some(life) = &culprit.life else { return false };
        let is_it = |id: &FindingId| self.compare(*id, failure) == Fails::Alike;
        let Some(id) = self.waiting(idx).find(is_it) else { return false };
        self.note_failure(idx, failure);
        let found = &mut self.findings[id];
        found.used = found.used.max(self.clock.floor());
        self.findings[id].stage = self.sequence_of(idx, life);
        true
    }

    /// Gives up findings that were waited for long enough.
    pub(super) fn end_waits(&mut self) {
        let limit = self.campaign.sequence_time;
        let is_over = |found: &Found| match found.stage {
            Stage::Await { since } => {
                let idx = found.finding.test;
                let waited = self.clock_of_waits(idx).saturating_sub(since);
                let is_fuzzed = self.gives_jobs() && !self.tests[idx.0].is_over();
                waited >= limit || !is_fuzzed || self.stop.is_some()
            }
            _ => false,
        };
        for id in self.findings.ids(is_over) {
            self.flaky(id);
        }
    }

    /// A committed sequence that nobody has run yet, for a worker that has run nothing.
    pub(super) fn recall(&mut self, idx: TestIdx) -> Option<Parcel> {
        let nth = self.tests[idx.0].n_sequences_run;
        let committed = self.campaign.tests[idx.0].sequences.get(nth)?;
        let state = &mut self.tests[idx.0];
        (state.n_sequences_run, state.n_recalling) =
            (state.n_sequences_run + 1, state.n_recalling + 1);
        Some(replay(committed.packed.clone(), JobKind::Recall(nth)))
    }

    /// Whether a fuzz test has no job for another worker until what is recalled is known.
    pub(super) fn must_wait_for_recall(&self, idx: TestIdx) -> bool {
        let (state, n_all) = (&self.tests[idx.0], self.campaign.tests[idx.0].sequences.len());
        state.n_recalling > 0 && state.n_sequences_run >= n_all
    }

    /// A committed sequence has not ended its process. Another worker goes on: this one has run
    /// what it would not have met.
    pub(super) fn recalled(
        &mut self,
        worker: WorkerId,
        nth: usize,
        replayed: Replayed,
        harvest: &Harvest,
    ) {
        let Some(idx) = self.workers.get(&worker).map(|worker| worker.test) else { return };
        let extra = &mut self.tests[idx.0].extra_execs;
        *extra = extra.saturating_add(replayed.execs);
        self.kill(worker);
        if replayed.end == JobEnd::Failed {
            self.sequence_is_known(idx, nth, classify::words(harvest));
        }
    }

    /// A committed sequence fails, as it did before.
    pub(super) fn sequence_is_known(&mut self, idx: TestIdx, nth: usize, failure: Failure) {
        let name = self.campaign.tests[idx.0].sequences[nth].name.clone();
        self.seed_failed(idx, name, failure);
    }

    /// The next request of a search for a sequence; none if it is over.
    pub(super) fn sequence_parcel(&self, id: FindingId) -> Option<Parcel> {
        let Stage::Sequence(sequence) = &self.findings[id].stage else { return None };
        let mut packed = Vec::new();
        sequence.candidate()?.into_iter().for_each(|input| sequence::pack(&mut packed, input));
        Some(replay(packed.into(), JobKind::Sequence(sequence.n_tries)))
    }

    /// A try has not ended its process.
    pub(super) fn sequence_replayed(
        &mut self,
        worker: WorkerId,
        id: FindingId,
        job: &Job,
        replayed: Replayed,
        mut harvest: Harvest,
    ) {
        let idx = self.findings[id].finding.test;
        let extra = &mut self.tests[idx.0].extra_execs;
        *extra = extra.saturating_add(replayed.execs);
        // Another try wants a process that has run nothing.
        self.kill(worker);
        if replayed.end == JobEnd::Failed {
            let failure = classify::words(&harvest);
            let fails = self.compare(id, &failure);
            if fails == Fails::Otherwise {
                self.failure_found(idx, failure.clone(), harvest.take_culprit());
            }
            self.take_words(id, fails, failure);
            return self.judge_sequence(id, job, fails, replayed.execs);
        }
        match replayed.end {
            JobEnd::Done => self.judge_sequence(id, job, Fails::Otherwise, replayed.execs),
            // It was told to, by the engine or by what it ran.
            _ => self.sequence_lost(id),
        }
    }

    /// The worker of a try has died over it.
    pub(super) fn sequence_died(
        &mut self,
        id: FindingId,
        job: &Job,
        death: &Death,
        mut harvest: Harvest,
    ) {
        let idx = self.findings[id].finding.test;
        let rss_limit = self.campaign.tests[idx.0].rss_limit;
        let n_run = harvest.count;
        match classify::death(death, &harvest, rss_limit) {
            Meaning::Asked => {}
            Meaning::Failure(failure) => {
                let fails = self.compare(id, &failure);
                let is_hang = matches!(death.cause, Cause::TimedOut(_));
                if fails == Fails::Otherwise && !is_hang {
                    self.failure_found(idx, failure.clone(), harvest.take_culprit());
                }
                self.take_words(id, fails, failure);
                self.judge_sequence(id, job, fails, n_run);
            }
            Meaning::Outside(_) | Meaning::Trouble(_) => self.sequence_lost(id),
        }
    }

    /// What is said of a finding belongs to the inputs that are written.
    fn take_words(&mut self, id: FindingId, fails: Fails, again: Failure) {
        let failure = &mut self.findings[id].finding.failure;
        if fails == Fails::Alike && again.bucket == failure.bucket {
            failure.message = again.message;
            failure.output = again.output;
            if !again.stack.frames.is_empty() {
                failure.stack = again.stack;
            }
        }
    }

    /// A worker was lost over a try without saying anything about it. That costs a part of the time.
    pub(super) fn sequence_lost(&mut self, id: FindingId) {
        let limit = self.campaign.sequence_time;
        let Stage::Sequence(sequence) = &mut self.findings[id].stage else { return };
        sequence.n_losses += 1;
        sequence.spent += limit / LOSSES;
        if sequence.n_losses >= LOSSES || sequence.spent >= limit {
            self.end_sequence(id);
        }
    }

    fn judge_sequence(&mut self, id: FindingId, job: &Job, fails: Fails, n_run: u64) {
        let cost = match self.campaign.by_work {
            true => WORK_OF_TRY,
            false => self.now.saturating_sub(job.since),
        };
        let limit = self.campaign.sequence_time;
        let Stage::Sequence(sequence) = &mut self.findings[id].stage else { return };
        sequence.spent += cost;
        if job.kind != JobKind::Sequence(sequence.n_tries) {
            return;
        }
        match fails {
            Fails::Alike => sequence.failed(usize::try_from(n_run).unwrap_or(usize::MAX)),
            Fails::Otherwise => sequence.passed(),
        }
        let is_short = matches!(sequence.step, Step::Unify | Step::Shrink { .. });
        let is_single = is_short && sequence.inputs.len() == 1;
        let is_over = is_single || matches!(sequence.step, Step::Over);
        if is_over || sequence.spent >= limit || !self.gives_jobs() {
            self.end_sequence(id);
        } else if is_short && !self.findings[id].is_shown {
            self.tell_sequence(id);
        }
    }

    /// Writes the sequence that has failed last, and tells the user: its inputs are made smaller
    /// later.
    fn tell_sequence(&mut self, id: FindingId) {
        let found = &mut self.findings[id];
        let Stage::Sequence(search) = &found.stage else { return };
        let n_inputs = search.inputs.len();
        let file = Bytes::from(sequence::to_file(&search.inputs));
        let before = std::mem::replace(&mut found.finding.input, file.clone());
        if before == file {
            return;
        }
        found.finding.reproducible = Reproducible::InSequence { n_inputs };
        found.shelf = Shelf::Testdata;
        let (test, kind) = (found.finding.test, found.finding.failure.kind);
        let (shelf, replaces) = (Shelf::Testdata, Some(before.clone()));
        self.act(Action::SaveFinding { finding: id, test, kind, input: file, replaces, shelf });
        let found = &self.findings[id];
        if found.is_shown {
            let (finding, before) = (found.finding.clone(), before.len());
            let limit = match &found.stage {
                Stage::Sequence(search) if matches!(search.step, Step::Over) => Limit::Smallest,
                _ => Limit::Time,
            };
            return self.show(Notice::Minimized { finding, before, limit });
        }
        self.show_finding(id);
    }

    /// Writes the shortest sequence that has failed, or gives the search up.
    pub(super) fn end_sequence(&mut self, id: FindingId) {
        let Stage::Sequence(search) = &self.findings[id].stage else { return };
        // The sources are no place for what is larger, and each `cargo test` would run it.
        let is_small = search.inputs.len() <= MOST_INPUTS && search.packed_len() <= MOST_BYTES;
        if !search.has_failed || !is_small {
            return self.flaky(id);
        }
        if let [input] = &search.inputs[..] {
            // One that failed alone after all: it does so rarely.
            let is_own = **input == *self.findings[id].finding.input;
            if is_own {
                let (failures, runs) = (1, CONFIRMATIONS + 1);
                self.findings[id].finding.reproducible = Reproducible::Sometimes { failures, runs };
            }
            return self.flaky(id);
        }
        self.tell_sequence(id);
        self.check(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use shmfuzz_runtime::sequence::pack;

    fn life(inputs: &[Vec<u8>]) -> Sequence {
        Sequence::new(&Life::of(inputs), InputKind::Bytes)
    }

    /// Searches with a process that fails as the function says: at the input of which number, from
    /// 1; -> what is left if it fails at all, and how many tries it took.
    fn search(
        mut sequence: Sequence,
        fails_at: impl Fn(&[&[u8]]) -> Option<usize>,
    ) -> (Option<Vec<Bytes>>, usize) {
        let mut n_tries = 0;
        while let Some(candidate) = sequence.candidate() {
            n_tries += 1;
            match fails_at(&candidate) {
                Some(nth) => sequence.failed(nth),
                None => sequence.passed(),
            }
        }
        (sequence.has_failed.then_some(sequence.inputs), n_tries)
    }

    /// At the input in which something is there for the so-manieth time.
    fn nth_hit(inputs: &[&[u8]], n: usize, is_hit: impl Fn(&[u8]) -> bool) -> Option<usize> {
        let hits = inputs.iter().enumerate().filter(|(_, input)| is_hit(input));
        hits.map(|(i, _)| i + 1).nth(n - 1)
    }

    #[test]
    fn many_inputs_take_few_tries() {
        let input = |i: usize| if i % 1000 == 999 { b"..hit".to_vec() } else { vec![b'x'; i % 7] };
        let inputs: Vec<_> = (0..50_000).map(input).collect();
        let is_hit = |input: &[u8]| input.contains(&b'h');
        let (left, n_tries) = search(life(&inputs), |run| nth_hit(run, 4, is_hit));
        let expected = [b"h"; 4].map(|input| Bytes::from(&input[..]));
        assert_eq!(left.unwrap(), expected);
        assert!(n_tries < 150, "{n_tries}");
    }

    #[test]
    fn what_does_not_fail_again_is_given_up() {
        let inputs = vec![b"a".to_vec(); 100];
        let (left, n_tries) = search(life(&inputs), |_| None);
        assert_eq!((left, n_tries), (None, 7), "2, 4 .. 64, all");
        assert_eq!(search(life(&inputs[..1]), |_| Some(1)), (None, 0), "it passes alone");
        let n_failures = std::cell::Cell::new(0);
        let fails_once = |run: &[&[u8]]| (n_failures.replace(1) == 0).then_some(run.len());
        assert_eq!(search(life(&inputs), fails_once).0, None, "it is checked in the end");
    }

    proptest! {
        #[test]
        fn what_is_left_is_what_it_takes(
            inputs in prop::collection::vec(prop::collection::vec(b'a'..b'e', 0..4), 2..60),
            n in 1usize..5,
        ) {
            let is_hit = |input: &[u8]| input.contains(&b'd');
            let fails_at = |run: &[&[u8]]| nth_hit(run, n, is_hit);
            let all: Vec<&[u8]> = inputs.iter().map(|input| &input[..]).collect();
            // The process ends with the failure.
            let end = fails_at(&all);
            let ran = &inputs[..end.unwrap_or(inputs.len())];
            let (left, _) = search(life(ran), fails_at);
            match end {
                Some(_) if ran.len() > 1 => {
                    let expected = vec![Bytes::from(&b"d"[..]); n];
                    // One that fails alone was found with the two that are tried first.
                    prop_assert_eq!(left.unwrap(), expected);
                }
                _ => prop_assert_eq!(left, None),
            }
        }

        #[test]
        fn inputs_go_to_workers_as_they_are(inputs in prop::collection::vec(any::<Vec<u8>>(), 2..9)) {
            let sequence = life(&inputs);
            let Step::Span(2) = sequence.step else { panic!("{:?}", sequence.step) };
            let mut packed = Vec::new();
            sequence.candidate().unwrap().into_iter().for_each(|input| pack(&mut packed, input));
            let last: Vec<&[u8]> = inputs[inputs.len() - 2..].iter().map(|i| &i[..]).collect();
            prop_assert!(sequence::unpack(&packed).flatten().eq(last));
        }
    }
}
