//! New entries: into the queue, into the log before anything else, then examined and traced.
//!
//! Invariant: the calls made here are counted apart from those of the job's own phase.

use super::budget::{CALL, Pace};
use super::execute::Outcome;
use super::flicker::{Reached, differences};
use super::queue::Entry;
use super::{Form, Tally, Worker, WorkerError};
use crate::entries::{self, EntryChange, LogEntry, LogFull, Origin};
use crate::layout::Phase;
use crate::message::JobEnd;
use crate::minimize::{Minimizer, Scope};
use crate::turn::Turn;

/// Inputs shorter than this are not trimmed.
const TRIM_FROM: usize = 5;
/// As many of the inputs that exist already have their edits tried one by one.
const MAX_SEEDS: usize = 64;
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
        self.unpublished.push_back((idx, EntryChange::New));
        let end = match self.publish(turn)? {
            Some(end) => Some(end),
            None if find.origin == Origin::Mutation => self.examine(turn, idx, tally)?,
            // A few of what is loaded are run again at once, so that much is known of stability
            // when loading is over, and a corpus is still run once.
            None if idx.is_power_of_two() => self.measure(turn, idx, tally)?,
            None => None,
        };
        let entry = self.queue.get_mut(idx);
        // An earlier campaign has left a large corpus, and tried the edits of its entries.
        entry.is_worked_on = find.origin != Origin::Mutation && idx >= MAX_SEEDS;
        // What does not come back is not worth first picks.
        if entry.has_new_edge && !entry.features.is_empty() {
            self.schedule.add(idx);
        }
        Ok(end)
    }

    /// Publishes what the log has room for.
    pub(super) fn publish(&mut self, turn: &mut Turn) -> Step {
        while let Some((idx, change)) = self.unpublished.front().copied() {
            let entry = self.queue.get(idx);
            let has_content = change != EntryChange::Flickering;
            let log_entry = LogEntry {
                change,
                id: idx as u64,
                parent: entry.parent,
                origin: entry.origin,
                work: entry.work,
                features: if has_content { &entry.features[..] } else { &[] },
                input: if has_content { &entry.input[..] } else { &[] },
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
        // Code of the standard library that grows a vector may be one instance for the worker and
        // for instrumented code: what the worker has done since is no coverage of this call.
        self.coverage.clear_kept();
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

    /// Runs an entry again, to see whether its features come back, and trims it if so. One of which
    /// none does is not worth keeping: what it has reached is noted as seen, and that is all.
    pub(super) fn examine(&mut self, turn: &mut Turn, idx: usize, tally: &mut Tally) -> Step {
        let phase = self.executor.phase();
        self.executor.set_phase(Phase::Tracing);
        self.queue.get_mut(idx).is_examined = true;
        let mut end = self.measure(turn, idx, tally)?;
        if end.is_none() && self.queue.get(idx).is_stable {
            end = self.trim(turn, idx, tally)?;
        } else if end.is_none() {
            let entry = self.queue.get(idx);
            if entry.features.is_empty() && entry.origin == Origin::Mutation {
                self.unpublished.push_back((idx, EntryChange::Flickering));
                end = self.publish(turn)?;
            }
        }
        if end.is_none() {
            self.executor.restore_phase(phase);
        }
        Ok(end)
    }

    /// Runs an entry again, once or twice, notes what flickers, and leaves the entry those of its
    /// features that have come back each time.
    fn measure(&mut self, turn: &mut Turn, idx: usize, tally: &mut Tally) -> Step {
        /// Entries of which the first are all run a third time, and later on one in so many.
        const THIRD_RUNS: u64 = 16;
        let (input, features, work) = {
            let entry = self.queue.get(idx);
            (entry.input.clone(), entry.features.clone(), entry.work)
        };
        if let Some(end) = self.warm_up(turn, &input, tally)? {
            return Ok(Some(end));
        }
        let start = self.pace.start();
        let again = self.extra_call(turn, &input, tally)?;
        let nanos = Pace::nanos_since(start);
        tally.budget.spend(work + CALL, 1);
        let mut kept = features.to_vec();
        let Extra::Kept = again else {
            if let Extra::Failed = again {
                return Ok(Some(JobEnd::Failed));
            }
            self.keep_features(idx, Vec::new(), nanos);
            return Ok(None);
        };
        let reached = self.note_run(&mut kept);
        self.n_measured += 1;
        let is_odd = kept.len() < features.len() || !self.coverage.fresh().is_empty();
        let is_sampled = self.n_measured < THIRD_RUNS || self.n_measured % THIRD_RUNS == 0;
        if is_odd || is_sampled {
            tally.budget.spend(work + CALL, 1);
            match self.extra_call(turn, &input, tally)? {
                Extra::Failed => return Ok(Some(JobEnd::Failed)),
                Extra::Not => kept.clear(),
                Extra::Kept => {
                    let third = self.note_run(&mut kept);
                    differences(&reached, &third, |feature| self.flicker.differs(feature));
                }
            }
        }
        self.keep_features(idx, kept, nanos);
        Ok(None)
    }

    /// Takes note of what a run of an input has reached that was run before, when it reached
    /// `kept`; -> all of it. What flickers is noted as seen: it is no find of the next input.
    fn note_run(&mut self, kept: &mut Vec<u32>) -> Reached {
        let reached = self.coverage.reached();
        self.flicker.check(&reached);
        kept.retain(|feature| {
            let came_back = reached.binary_search(feature).is_ok();
            if !came_back {
                self.flicker.differs(*feature);
            }
            came_back
        });
        self.coverage.merge();
        for feature in self.coverage.fresh() {
            self.flicker.differs(*feature);
        }
        reached
    }

    fn keep_features(&mut self, idx: usize, kept: Vec<u32>, nanos: u64) {
        let entry = self.queue.get_mut(idx);
        (entry.is_stable, entry.nanos) = (kept.len() == entry.features.len(), nanos);
        entry.features = kept.into();
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
        let Form { kind, shape, .. } = self.form;
        let mut minimizer = Minimizer::new(&input, kind, shape, Scope::Shorten);
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
        if minimizer.best().len() >= input.len() {
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
}
