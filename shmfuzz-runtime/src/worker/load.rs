//! The loading job: inputs that exist already, once each, in order; and entries that another worker
//! has run, which are taken over as they are.
//!
//! Invariant: an input whose features are known is not run here to learn them again.

use super::admit::{Extra, Find, Step};
use super::budget::{Budget, CALL};
use super::queue::Entry;
use super::{Tally, Worker, WorkerError};
use crate::entries::{self, Origin};
use crate::message::{JobEnd, Load, Loaded, Source};
use crate::record::InputKind;
use crate::turn::Turn;
use std::sync::atomic::Ordering;

impl Worker {
    pub(super) fn load(&mut self, turn: &mut Turn, ask: Load) -> Result<Loaded, WorkerError> {
        if ask.source == Source::Known {
            return self.adopt(turn);
        }
        let inputs = self.inputs_of(turn, ask.source)?;
        // The attribute's seeds are made by code of the fuzz test, instrumented like the rest of it.
        self.coverage.clear();
        let mut tally = Tally::new(Budget::new(self.measure, ask.budget_ms));
        let mut loaded = Loaded {
            end: JobEnd::Done,
            n_run: ask.first.min(inputs.len()),
            n_invalid: 0,
            first_moved: None,
            execs: 0,
            coverage: self.coverage_so_far(),
        };
        if let Some(end) = self.publish(turn)? {
            loaded.end = end;
        } else if let Some(end) = self.load_until(turn, &inputs, &mut loaded, &mut tally)? {
            loaded.end = end;
        }
        loaded.end = self.or_journal_full(loaded.end);
        if loaded.end != JobEnd::Failed {
            self.mapping.header().loading.store(-1, Ordering::Relaxed);
        }
        loaded.first_moved = self.coverage.first_moved();
        loaded.execs = tally.execs + tally.extra_execs;
        loaded.coverage = self.coverage_so_far();
        Ok(loaded)
    }

    /// Queues entries that another worker of this build has run, where they reach what is new here.
    fn adopt(&mut self, turn: &mut Turn) -> Result<Loaded, WorkerError> {
        let entries = entries::read_known(self.mapping, turn);
        for known in &entries {
            let edges_before = self.coverage.edges();
            let features = self.coverage.adopt(&known.features);
            if features.is_empty() {
                continue;
            }
            // Its edges are no news to its finder, which has shortened it already.
            let mut entry = Entry::new(&known.input, &features, known.origin);
            entry.work = known.work;
            // Its finder has tried its edits, and searched for chains from it: what ends the process
            // there would end this one, too, first of all.
            entry.is_chased = true;
            entry.is_worked_on = true;
            self.length.found(known.input.len());
            let idx = self.queue.push(entry);
            // What a new worker begins with has had its first picks in another one's life.
            if self.has_fuzzed && self.coverage.edges() > edges_before {
                self.schedule.add(idx);
            }
        }
        Ok(Loaded {
            end: self.publish(turn)?.unwrap_or(JobEnd::Done),
            n_run: entries.len(),
            n_invalid: 0,
            first_moved: self.coverage.first_moved(),
            execs: 0,
            coverage: self.coverage_so_far(),
        })
    }

    fn load_until(
        &mut self,
        turn: &mut Turn,
        inputs: &[(Origin, Vec<u8>)],
        loaded: &mut Loaded,
        tally: &mut Tally,
    ) -> Step {
        let first = loaded.n_run;
        for (origin, input) in &inputs[first..] {
            if self.is_stopped() {
                return Ok(Some(JobEnd::Stopped));
            }
            // At least one input a request, so that any budget gets to the end.
            if loaded.n_run > first && tally.budget.is_over() {
                return Ok(None);
            }
            let capacity = self.mapping.capacity().map_err(WorkerError::Mapping)?;
            if input.len() > capacity {
                return Ok(Some(JobEnd::NeedsCapacity { bytes: input.len() }));
            }
            self.mapping.header().loading.store(tag(*origin), Ordering::Relaxed);
            loaded.n_run += 1;
            let is_valid =
                self.test.record.kind == InputKind::Bytes || std::str::from_utf8(input).is_ok();
            if !is_valid {
                loaded.n_invalid += 1;
                continue;
            }
            let end = self.run_once(turn, input, *origin, tally)?;
            if end.is_some() {
                return Ok(end);
            }
        }
        Ok(None)
    }

    /// What there is to run.
    pub(super) fn inputs_of(
        &self,
        turn: &mut Turn,
        source: Source,
    ) -> Result<Vec<(Origin, Vec<u8>)>, WorkerError> {
        Ok(match source {
            Source::Inbox => entries::read_inbox(self.mapping, turn)
                .into_iter()
                .map(|inbox| (Origin::Inbox(inbox.tag), inbox.input))
                .collect(),
            Source::InputArea { tag } => {
                let input = self.mapping.value_copy(turn).map_err(WorkerError::Mapping)?;
                vec![(Origin::Inbox(tag), input)]
            }
            Source::Known => Vec::new(),
            Source::Attribute => {
                let mut seeds = Vec::new();
                (self.test.seeds)(&mut |seed| {
                    seeds.push((Origin::Attribute(seeds.len() as u32), seed.to_vec()));
                });
                seeds
            }
        })
    }

    /// Runs one input once, and queues it if it reaches something new.
    pub(super) fn run_once(
        &mut self,
        turn: &mut Turn,
        input: &[u8],
        origin: Origin,
        tally: &mut Tally,
    ) -> Step {
        if let Some(end) = self.warm_up(turn, input, tally)? {
            return Ok(Some(end));
        }
        match self.call_of_phase(turn, input, tally)? {
            Extra::Failed => return Ok(Some(JobEnd::Failed)),
            Extra::Not => {
                tally.budget.spend(CALL, 1);
                return Ok(None);
            }
            Extra::Kept => {}
        }
        let work = self.coverage.merge();
        tally.budget.spend(work + CALL, 1);
        if self.coverage.fresh().is_empty() {
            return Ok(None);
        }
        self.admit(turn, Find { origin, parent: None, work }, tally)
    }

    /// Makes the worker's first call apart. What is initialised once, by whatever input comes
    /// first, would make that input look unstable for good: it is run twice, and only the second
    /// call counts.
    pub(super) fn warm_up(&mut self, turn: &mut Turn, input: &[u8], tally: &mut Tally) -> Step {
        if self.coverage.first_moved().is_some() {
            return Ok(None);
        }
        if let Extra::Failed = self.extra_call(turn, input, tally)? {
            return Ok(Some(JobEnd::Failed));
        }
        self.code.note_first_call(&self.coverage.reached());
        self.coverage.clear();
        Ok(None)
    }
}

/// How the header names an input that is being loaded.
pub(super) fn tag(origin: Origin) -> i64 {
    match origin {
        Origin::Inbox(tag) => i64::try_from(tag).unwrap_or(-1),
        Origin::Attribute(index) => i64::from(index),
        Origin::Mutation => -1,
    }
}
