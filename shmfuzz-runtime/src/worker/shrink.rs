//! The minimizing job: drives the pure [`Minimizer`] in slices, over calls of the body.
//!
//! Invariants: a candidate counts only if it fails in the bucket that is asked for; another
//! failure that was not known ends the slice, reported, and the minimization can go on; the best
//! input so far stands in the input area when a slice ends otherwise.

use super::budget::{Budget, CALL, FAILURE};
use super::execute::Outcome;
use super::{Form, Worker, WorkerError};
use crate::bucket::Bucket;
use crate::message::{JobEnd, Minimize, Minimized};
use crate::minimize::{Minimizer, Scope};
use crate::turn::Turn;

/// A minimization between its slices.
#[derive(Debug)]
pub(super) struct Shrinking {
    id: u64,
    minimizer: Minimizer,
}

/// What a candidate did.
enum Tried {
    Same,
    Other,
    NewFailure,
}

impl Worker {
    pub(super) fn minimize(
        &mut self,
        turn: &mut Turn,
        ask: Minimize,
    ) -> Result<Minimized, WorkerError> {
        let mut budget = Budget::new(self.measure, ask.budget_ms);
        let mut done = Minimized { end: JobEnd::Done, execs: 0, reproduced: true };
        let mut shrinking = match self.shrinking.take().filter(|old| old.id == ask.id) {
            Some(shrinking) => shrinking,
            None => {
                let input = self.mapping.value_copy(turn).map_err(WorkerError::Mapping)?;
                done.execs += 1;
                match self.try_input(turn, &input, ask.bucket)? {
                    Tried::Same => {}
                    Tried::Other => {
                        done.reproduced = false;
                        return Ok(done);
                    }
                    Tried::NewFailure => {
                        return Ok(Minimized { end: JobEnd::Failed, reproduced: false, ..done });
                    }
                }
                let Form { kind, shape, .. } = self.form;
                let minimizer = Minimizer::new(&input, kind, shape, Scope::Full);
                Shrinking { id: ask.id, minimizer }
            }
        };
        let minimizer = &mut shrinking.minimizer;
        let end = self.shrink_until(turn, ask.bucket, minimizer, &mut budget, &mut done);
        if matches!(end, Ok(JobEnd::Done | JobEnd::Stopped)) {
            self.mapping.set_value(turn, minimizer.best()).map_err(WorkerError::Mapping)?;
        }
        self.shrinking = Some(shrinking);
        done.end = end?;
        Ok(done)
    }

    fn shrink_until(
        &mut self,
        turn: &mut Turn,
        bucket: Bucket,
        minimizer: &mut Minimizer,
        budget: &mut Budget,
        done: &mut Minimized,
    ) -> Result<JobEnd, WorkerError> {
        loop {
            if self.is_stopped() || budget.is_over() {
                return Ok(JobEnd::Stopped);
            }
            let Some(candidate) = minimizer.candidate() else { return Ok(JobEnd::Done) };
            done.execs += 1;
            budget.spend(CALL + FAILURE, 1);
            match self.try_input(turn, candidate, bucket)? {
                Tried::Same => minimizer.accept(),
                Tried::Other => minimizer.reject(),
                Tried::NewFailure => {
                    minimizer.reject();
                    return Ok(JobEnd::Failed);
                }
            }
        }
    }

    fn try_input(
        &mut self,
        turn: &mut Turn,
        input: &[u8],
        bucket: Bucket,
    ) -> Result<Tried, WorkerError> {
        let mut area = self.mapping.input_area(turn).map_err(WorkerError::Mapping)?;
        area.assign(input);
        let outcome = self.executor.call(&area);
        self.coverage.called();
        self.coverage.clear();
        let Outcome::Failed(words) = outcome else { return Ok(Tried::Other) };
        // A smaller input may well come to the same place in another way, but not in one that is
        // known to be another failure's.
        let is_others = words.trail != 0 && self.silent.has(words.bucket());
        if words.bucket_any_way() == bucket && !is_others {
            return Ok(Tried::Same);
        }
        if self.silent.known(&words).is_some() {
            return Ok(Tried::Other);
        }
        self.silent.add(words.bucket());
        self.executor.report(&words, &area);
        Ok(Tried::NewFailure)
    }
}
