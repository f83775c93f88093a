//! New entries: into the queue, into the log before anything else, then examined and traced.
//!
//! Invariant: the calls made here are counted apart from those of the job's own phase.

use super::budget::{CALL, Pace};
use super::execute::Outcome;
use super::minimize::{Minimizer, Scope};
use super::queue::Entry;
use super::solve::{self, Traced};
use super::{Tally, Worker, WorkerError, compare, sancov};
use crate::entries::{self, EntryChange, LogEntry, LogFull, Origin};
use crate::layout::Phase;
use crate::message::JobEnd;
use crate::turn::Turn;

/// Inputs shorter than this are not trimmed.
const TRIM_FROM: usize = 5;
/// The most calls to trim one entry.
const TRIM_CALLS: u64 = 200;

/// What a step came to: it is done, or the job must end.
pub(super) type Step = Result<Option<JobEnd>, WorkerError>;

/// Where a new entry comes from, and what it cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Find {
    pub(super) origin: Origin,
    pub(super) parent: Option<u64>,
    pub(super) work: u64,
}

/// How a call ended that is no run of mutations.
pub(super) enum Extra {
    /// The counters hold its coverage.
    Kept,
    /// The counters are cleared.
    Not,
    /// It failed, and the failure is reported.
    Failed,
}

impl Worker {
    /// Queues the input in the input area, whose features were just merged, and publishes it. What
    /// was loaded is examined when it is first picked: while the header names an input that is
    /// being loaded, nothing else may run, or that input is blamed for what the other does.
    pub(super) fn admit(&mut self, turn: &mut Turn, find: Find, tally: &mut Tally) -> Step {
        let input = self.mapping.value_ref(turn).map_err(WorkerError::Mapping)?;
        let mut entry = Entry::new(input, self.coverage.fresh(), find.origin);
        (entry.parent, entry.work) = (find.parent, find.work);
        entry.has_new_edge = self.coverage.n_fresh_edges() > 0;
        self.length.found(input.len());
        let idx = self.queue.push(entry);
        self.schedule.add(idx);
        self.unpublished.push_back((idx, EntryChange::New));
        match self.publish(turn)? {
            Some(end) => Ok(Some(end)),
            None if find.origin == Origin::Mutation => self.examine(turn, idx, tally),
            None => Ok(None),
        }
    }

    /// Publishes what the log has room for.
    pub(super) fn publish(&mut self, turn: &mut Turn) -> Step {
        while let Some((idx, change)) = self.unpublished.front().copied() {
            let entry = self.queue.get(idx);
            let log_entry = LogEntry {
                change,
                id: idx as u64,
                parent: entry.parent,
                origin: entry.origin,
                work: entry.work,
                features: &entry.features[..],
                input: &entry.input[..],
            };
            match entries::append(self.mapping, turn, &log_entry) {
                Ok(()) => {}
                Err(LogFull::ForNow) => return Ok(Some(JobEnd::LogFull)),
                Err(LogFull::Forever) => {
                    let input = entry.input.clone();
                    self.mapping.set_value(turn, &input).map_err(WorkerError::Mapping)?;
                    self.unpublished.pop_front();
                    return Ok(Some(JobEnd::LargeEntry));
                }
            }
            self.unpublished.pop_front();
        }
        Ok(None)
    }

    /// Makes a call beside those of the phase. Kept coverage is left in the counters.
    pub(super) fn extra_call(
        &mut self,
        turn: &mut Turn,
        input: &[u8],
        tally: &mut Tally,
    ) -> Result<Extra, WorkerError> {
        tally.extra_execs += 1;
        self.executor.count_extra();
        self.call_once(turn, input, tally)
    }

    /// Makes one of the phase's calls. Kept coverage is left in the counters.
    pub(super) fn call_of_phase(
        &mut self,
        turn: &mut Turn,
        input: &[u8],
        tally: &mut Tally,
    ) -> Result<Extra, WorkerError> {
        tally.execs += 1;
        self.call_once(turn, input, tally)
    }

    fn call_once(
        &mut self,
        turn: &mut Turn,
        input: &[u8],
        tally: &mut Tally,
    ) -> Result<Extra, WorkerError> {
        let mut area = self.mapping.input_area(turn).map_err(WorkerError::Mapping)?;
        area.assign(input);
        let outcome = self.executor.call(&area);
        self.coverage.called();
        Ok(match outcome {
            Outcome::Kept => Extra::Kept,
            Outcome::Rejected => {
                self.coverage.clear();
                Extra::Not
            }
            Outcome::Failed(words) => {
                self.coverage.clear();
                if let Some(known) = self.silent.known(&words) {
                    tally.silence(known);
                    Extra::Not
                } else {
                    self.silent.add(words.bucket());
                    self.executor.report(&words, &area);
                    Extra::Failed
                }
            }
        })
    }

    /// Runs an entry a second time, to see whether its features come back, and trims it if so.
    pub(super) fn examine(&mut self, turn: &mut Turn, idx: usize, tally: &mut Tally) -> Step {
        let phase = self.executor.phase();
        self.executor.set_phase(Phase::Tracing);
        let (input, features) = {
            let entry = self.queue.get_mut(idx);
            entry.is_examined = true;
            (entry.input.clone(), entry.features.clone())
        };
        if let Some(end) = self.warm_up(turn, &input, tally)? {
            return Ok(Some(end));
        }
        let start = self.pace.start();
        let is_stable = match self.extra_call(turn, &input, tally)? {
            Extra::Failed => return Ok(Some(JobEnd::Failed)),
            Extra::Not => false,
            Extra::Kept => {
                let is_stable = self.coverage.holds(&features);
                // What flickers is noted as seen: it is no find of the next input.
                self.coverage.merge();
                is_stable
            }
        };
        let nanos = Pace::nanos_since(start);
        let entry = self.queue.get_mut(idx);
        (entry.is_stable, entry.nanos) = (is_stable, nanos);
        tally.budget.spend(entry.work + CALL, 1);
        let end = if is_stable { self.trim(turn, idx, tally)? } else { None };
        if end.is_none() {
            self.executor.restore_phase(phase);
        }
        Ok(end)
    }

    /// Removes what a new entry does not need for its features, within a small budget. Not for one
    /// more hit of an edge: there are many of those, and they soon give way to others.
    fn trim(&mut self, turn: &mut Turn, idx: usize, tally: &mut Tally) -> Step {
        let (input, features, cost) = {
            let entry = self.queue.get(idx);
            (entry.input.clone(), entry.features.clone(), entry.work + CALL)
        };
        let is_slow = self.queue.get(idx).nanos > Pace::PICK / 8;
        if input.len() < TRIM_FROM || !self.queue.get(idx).has_new_edge || is_slow {
            return Ok(None);
        }
        let n_calls = (2 * self.pace.pick_cost() / cost.max(1)).min(TRIM_CALLS);
        let mut minimizer = Minimizer::new(&input, self.test.record.kind, Scope::Shorten);
        for _ in 0..n_calls {
            if self.is_stopped() {
                break;
            }
            let Some(candidate) = minimizer.candidate() else { break };
            let holds = match self.extra_call(turn, candidate, tally)? {
                Extra::Failed => return Ok(Some(JobEnd::Failed)),
                Extra::Not => false,
                Extra::Kept => self.coverage.holds(&features),
            };
            // Not merged: what a candidate reaches beyond the entry is not seen, and found later.
            self.coverage.clear();
            tally.budget.spend(cost, 1);
            if holds { minimizer.accept() } else { minimizer.reject() }
        }
        if minimizer.best().len() == input.len() {
            return Ok(None);
        }
        self.shorten(turn, idx, minimizer.best(), tally)
    }

    /// Puts a shorter input in an entry's place, measured anew: work and time are its own. What it
    /// reaches beyond the entry becomes the entry's, since nobody else has it.
    fn shorten(&mut self, turn: &mut Turn, idx: usize, input: &[u8], tally: &mut Tally) -> Step {
        let features = self.queue.get(idx).features.clone();
        let start = self.pace.start();
        match self.extra_call(turn, input, tally)? {
            Extra::Failed => return Ok(Some(JobEnd::Failed)),
            Extra::Not => return Ok(None),
            Extra::Kept => {}
        }
        let nanos = Pace::nanos_since(start);
        if !self.coverage.holds(&features) {
            self.coverage.clear();
            return Ok(None);
        }
        let work = self.coverage.merge();
        tally.budget.spend(work + CALL, 1);
        let entry = self.queue.get_mut(idx);
        (entry.input, entry.work, entry.nanos) = (input.into(), work, nanos);
        entry.features = [&features, self.coverage.fresh()].concat().into();
        self.unpublished.push_back((idx, EntryChange::Smaller));
        self.publish(turn)
    }

    /// Runs an entry with the gate open, and turns what comparisons saw into edits.
    pub(super) fn trace(&mut self, turn: &mut Turn, idx: usize, tally: &mut Tally) -> Step {
        let phase = self.executor.phase();
        self.executor.set_phase(Phase::Tracing);
        let input = self.start_of(idx);
        sancov::open_gate();
        let extra = self.extra_call(turn, &input, tally);
        sancov::close_gate();
        self.coverage.clear();
        let pairs = compare::drain();
        let traced = Traced {
            input: &input,
            kind: self.test.record.kind,
            max_len: self.length.max().min(input.len() + 1024),
        };
        let edits = solve::edits(traced, &pairs, &mut self.dictionary);
        self.queue.get_mut(idx).edits = Some(edits.into());
        if let Extra::Failed = extra? {
            return Ok(Some(JobEnd::Failed));
        }
        self.executor.restore_phase(phase);
        Ok(None)
    }
}
