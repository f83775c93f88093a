//! The last resort on a plateau: mutations with the gate open, of the inputs that came nearest to
//! making a comparison equal that nothing else solves.

use super::admit::Step;
use super::budget::{CALL, Pace};
use super::mutate::{self, Context};
use super::random::Random;
use super::trace::Trace;
use super::traced::TRACED;
use super::{Tally, Worker, WorkerError};
use crate::turn::Turn;

/// The most executions of one climb.
const MAX_RUNS: u64 = 512;

impl Worker {
    /// Follows the comparisons of an execution that do not yield.
    pub(super) fn follow(&mut self, trace: &Trace, input: &[u8], parent: usize) {
        for event in &trace.events {
            if event.operands.are_equal() || self.chasing.is_given_up(&self.frontier, event) {
                self.profile.note(event, input, parent);
            }
        }
    }

    /// Whether it is time for a climb.
    pub(super) fn wants_climb(&self) -> bool {
        self.chasing.is_on_plateau() && self.chasing.is_due()
    }

    /// Mutates one of the nearest inputs for a while, in so many executions at most.
    pub(super) fn climb(
        &mut self,
        turn: &mut Turn,
        random: &mut Random,
        max_execs: u64,
        tally: &mut Tally,
    ) -> Step {
        let Some(near) = self.profile.pick(random) else { return Ok(None) };
        let entry = self.queue.get(near.parent);
        let cost = TRACED * (entry.work + CALL);
        let n_runs = (self.pace.pick_cost() / cost).clamp(1, MAX_RUNS).min(max_execs);
        let donor = self.queue.get(random.index(self.queue.len())).input.clone();
        let mut trace = Trace::default();
        let start = self.pace.start();
        let (mut n_made, mut end) = (0, None);
        for _ in 0..n_runs {
            let input = self.mutated(turn, random, &near.input, &donor)?;
            end = self.run_candidate(turn, near.parent, &input, &mut trace, tally)?;
            self.follow(&trace, &input, near.parent);
            n_made += 1;
            if end.is_some() || self.is_stopped() || tally.budget.is_over() {
                break;
            }
        }
        let cost = self.pace.cost_of(n_made * cost, Pace::nanos_since(start));
        self.chasing.spend_traced(cost, self.coverage.edges());
        Ok(end)
    }

    /// A mutation of an input, made in the input area like any other.
    pub(super) fn mutated(
        &mut self,
        turn: &mut Turn,
        random: &mut Random,
        input: &[u8],
        donor: &[u8],
    ) -> Result<Vec<u8>, WorkerError> {
        let mut area = self.mapping.input_area(turn).map_err(WorkerError::Mapping)?;
        let limit = self.length.now().min(area.capacity()).max(input.len());
        let context = Context {
            kind: self.form.kind,
            shape: self.form.shape,
            own: self.form.own,
            limit,
            donor,
            dictionary: &self.dictionary,
            edits: &[],
            choices: &self.favour.choices(),
        };
        area.assign(input);
        mutate::mutate(&mut area, random, &context);
        let made = area.as_slice().to_vec();
        self.forget_own_mutators();
        Ok(made)
    }
}
