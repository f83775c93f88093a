//! The survey: inputs that exist already, some times each, to see which counters do not come back.
//!
//! It owns what it counts within one job; nothing is queued. What it
//! reports is bounded.

use super::admit::Extra;
use super::budget::{Budget, Measure};
use super::flicker::differences;
use super::{Tally, Worker, WorkerError, sancov};
use crate::message::{Flickering, JobEnd, MAX_FLICKERING, Survey, Surveyed};
use crate::record::InputKind;
use crate::turn::Turn;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

/// By counter, how many inputs made it flicker.
type Count = BTreeMap<u32, u32>;

impl Worker {
    pub(super) fn survey(&mut self, turn: &mut Turn, ask: Survey) -> Result<Surveyed, WorkerError> {
        let inputs = self.inputs_of(turn, ask.source)?;
        self.coverage.clear();
        let mut tally = Tally::new(Budget::new(Measure::Clock, ask.budget_ms));
        let (mut n_run, mut end, mut count) =
            (ask.first.min(inputs.len()), JobEnd::Done, Count::default());
        let first = n_run;
        for (origin, input) in &inputs[first..] {
            let capacity = self.mapping.capacity().map_err(WorkerError::Mapping)?;
            if self.is_stopped() {
                end = JobEnd::Stopped;
            } else if input.len() > capacity {
                end = JobEnd::NeedsCapacity { bytes: input.len() };
            }
            if end != JobEnd::Done || (n_run > first && tally.budget.is_over()) {
                break;
            }
            self.mapping.header().loading.store(super::load::tag(*origin), Ordering::Relaxed);
            n_run += 1;
            let is_bytes = self.test.record.kind == InputKind::Bytes;
            if !is_bytes && std::str::from_utf8(input).is_err() {
                continue;
            }
            if self.survey_input(turn, input, ask.times, &mut tally, &mut count)? == Met::Failure {
                end = JobEnd::Failed;
                break;
            }
        }
        if end != JobEnd::Failed {
            self.mapping.header().loading.store(-1, Ordering::Relaxed);
        }
        Ok(self.surveyed(end, n_run, &tally, &count))
    }

    fn surveyed(&self, end: JobEnd, n_run: usize, tally: &Tally, count: &Count) -> Surveyed {
        let flickering = count.iter().take(MAX_FLICKERING).map(|(counter, n_inputs)| {
            let pc = self.coverage.place(*counter).and_then(|(run, at)| sancov::pc(run, at));
            Flickering { counter: *counter, pc, n_inputs: *n_inputs }
        });
        Surveyed {
            end,
            n_run,
            execs: tally.execs + tally.extra_execs,
            flickering: flickering.collect(),
            coverage: self.coverage_so_far(),
        }
    }

    /// Runs one input so many times, and counts which counters were not the same each time.
    fn survey_input(
        &mut self,
        turn: &mut Turn,
        input: &[u8],
        times: u32,
        tally: &mut Tally,
        count: &mut Count,
    ) -> Result<Met, WorkerError> {
        if self.warm_up(turn, input, tally)?.is_some() {
            return Ok(Met::Failure);
        }
        let (mut first, mut differing) = (None, BTreeSet::new());
        for _ in 0..times {
            match self.call_of_phase(turn, input, tally)? {
                Extra::Failed => return Ok(Met::Failure),
                Extra::Not => {}
                Extra::Kept => {
                    let reached = self.coverage.reached();
                    self.flicker.check(&reached);
                    self.coverage.merge();
                    match &first {
                        None => first = Some(reached),
                        Some(first) => differences(first, &reached, |feature| {
                            self.flicker.differs(feature);
                            differing.insert(feature / 8);
                        }),
                    }
                }
            }
        }
        for counter in differing {
            *count.entry(counter).or_default() += 1;
        }
        Ok(Met::Nothing)
    }
}

/// What the runs of an input met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Met {
    Nothing,
    /// A failure, which is reported.
    Failure,
}
