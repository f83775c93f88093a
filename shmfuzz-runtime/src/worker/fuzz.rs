//! The fuzzing job: pick an entry, mutate and run it for a while, and again.
//!
//! Invariants: per call there is no lock, system call or allocation here, and the clock
//! is read when the calls of a pick pass a power of two only; the header says
//! which entry and which random numbers the present pick began with; calls of the phase are
//! counted exactly.

use super::admit::{Find, Step};
use super::budget::{Budget, CALL, FAILURE, Pace};
use super::execute::Outcome;
use super::mutate::{self, Context};
use super::random::Random;
use super::solve::Edit;
use super::{Tally, Worker, WorkerError};
use crate::entries::Origin;
use crate::message::{Fuzz, Fuzzed, JobEnd};
use crate::record::InputKind;
use crate::turn::Turn;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// What an empty queue begins with: valid as bytes and as text.
const FIRST_INPUTS: [&[u8]; 4] = [b"", b"0", b"a1 B", b"01234567"];

/// An entry to mutate, and what for.
#[derive(Debug)]
struct Pick {
    input: Rc<[u8]>,
    donor: Rc<[u8]>,
    edits: Rc<[Edit]>,
    /// How many edits are to be passed over.
    n_edits_tried: usize,
    max_execs: u64,
    max_cost: u64,
    /// Cost of a call whose counters are not summed.
    usual_cost: u64,
    /// Longest input to make by chance, in bytes.
    limit: usize,
    /// Longest input to make where a comparison says what it should be, in bytes.
    hard_limit: usize,
    /// When its first call began, where there is a clock.
    start: Option<Instant>,
}

/// Why a run of mutations ended.
enum Burst {
    /// Its budget is used up.
    Over,
    /// The input in the input area reached something new, with this work.
    Found(u64),
    /// A failure was reported.
    Failed,
}

impl Worker {
    pub(super) fn fuzz(&mut self, turn: &mut Turn, ask: Fuzz) -> Result<Fuzzed, WorkerError> {
        for bucket in &ask.silent {
            self.silent.add(*bucket);
        }
        self.has_fuzzed = true;
        let header = self.mapping.header();
        let mut random = Random::from_state(
            header.rand_state.load(Ordering::Relaxed),
            header.rand_inc.load(Ordering::Relaxed),
        );
        let mut tally = Tally::new(Budget::new(self.measure, ask.budget_ms));
        let max_execs = ask.max_execs.unwrap_or(u64::MAX);
        let end = self.fuzz_until(turn, &mut random, max_execs, &mut tally)?;
        self.store_random(&random);
        if end != JobEnd::Failed {
            header.entry.store(-1, Ordering::Relaxed);
        }
        Ok(Fuzzed {
            end,
            execs: tally.execs,
            extra_execs: tally.extra_execs,
            silenced: tally.silenced,
            rejected: tally.rejected,
            input_bytes: tally.input_bytes,
            first_moved: self.coverage.first_moved(),
            coverage: self.coverage_so_far(),
        })
    }

    fn fuzz_until(
        &mut self,
        turn: &mut Turn,
        random: &mut Random,
        max_execs: u64,
        tally: &mut Tally,
    ) -> Result<JobEnd, WorkerError> {
        if let Some(end) = self.publish(turn)? {
            return Ok(end);
        }
        loop {
            if self.is_stopped() {
                return Ok(JobEnd::Stopped);
            }
            if tally.execs >= max_execs || tally.budget.is_over() {
                return Ok(JobEnd::Done);
            }
            if let Some(end) = self.make_room()? {
                return Ok(end);
            }
            if let Some(end) = self.pick_and_run(turn, random, max_execs, tally)? {
                return Ok(end);
            }
        }
    }

    fn store_random(&self, random: &Random) {
        let header = self.mapping.header();
        let (state, inc) = random.state();
        header.rand_state.store(state, Ordering::Relaxed);
        header.rand_inc.store(inc, Ordering::Relaxed);
    }

    /// Asks for a larger input area when inputs may become longer than it. Once for each size: the
    /// coordinator may have none to give.
    fn make_room(&mut self) -> Step {
        let capacity = self.mapping.capacity().map_err(WorkerError::Mapping)?;
        Ok(self.length.ask(capacity).map(|bytes| JobEnd::NeedsCapacity { bytes }))
    }

    fn pick_and_run(
        &mut self,
        turn: &mut Turn,
        random: &mut Random,
        max_execs: u64,
        tally: &mut Tally,
    ) -> Step {
        self.store_random(random);
        if self.queue.len() == 0 && self.n_first_tried < FIRST_INPUTS.len() {
            return self.run_first_input(turn, tally);
        }
        let idx = self.schedule.pick(&self.queue, random);
        let header = self.mapping.header();
        header.entry.store(idx.map_or(-1, |idx| idx as i64), Ordering::Relaxed);
        if let Some(idx) = idx {
            if !self.queue.get(idx).is_examined {
                if let Some(end) = self.examine(turn, idx, tally)? {
                    return Ok(Some(end));
                }
            }
            if self.queue.get(idx).edits.is_none() {
                if let Some(end) = self.trace(turn, idx, tally)? {
                    return Ok(Some(end));
                }
            }
            // By chance, so that one whose chains always end the process is mutated, too.
            if self.wants_chase(idx) && random.one_in(2) {
                if let Some(end) = self.chase(turn, idx, max_execs - tally.execs, tally)? {
                    return Ok(Some(end));
                }
            }
        }
        let mut pick = self.prepare(idx, random, max_execs - tally.execs)?;
        let (execs_before, start) = (tally.execs, self.pace.start());
        pick.start = start;
        let (burst, cost) = self.burst(turn, random, &mut pick, tally)?;
        let execs = tally.execs - execs_before;
        self.pace.learn(cost, Pace::nanos_since(start));
        self.length.called(execs);
        tally.budget.spend(cost, execs);
        self.chasing.spend(cost, self.coverage.edges());
        if let Some(idx) = idx {
            let entry = self.queue.get_mut(idx);
            (entry.n_edits_tried, entry.n_picks) = (pick.n_edits_tried, entry.n_picks + 1);
        }
        match burst {
            Burst::Over => Ok(None),
            Burst::Failed => Ok(Some(JobEnd::Failed)),
            Burst::Found(work) => {
                let parent = idx.map(|idx| idx as u64);
                self.admit(turn, Find { origin: Origin::Mutation, parent, work }, tally)
            }
        }
    }

    fn prepare(
        &self,
        idx: Option<usize>,
        random: &mut Random,
        max_execs: u64,
    ) -> Result<Pick, WorkerError> {
        let capacity = self.mapping.capacity().map_err(WorkerError::Mapping)?;
        let max_cost = self.pace.pick_cost();
        let limit = self.length.now().min(capacity);
        let Some(idx) = idx else {
            let input = FIRST_INPUTS[random.index(FIRST_INPUTS.len())];
            let input = &input[..input.len().min(self.length.max())];
            return Ok(Pick {
                input: input.into(),
                donor: Rc::from([]),
                edits: Rc::from([]),
                n_edits_tried: 0,
                max_execs: max_execs.min(self.pace.pick_calls(0)).min(1000),
                max_cost,
                usual_cost: CALL,
                limit: limit.max(input.len()),
                hard_limit: limit,
                start: None,
            });
        };
        let donor = self.queue.get(random.index(self.queue.len())).input.clone();
        let entry = self.queue.get(idx);
        let input = self.start_of(idx);
        Ok(Pick {
            donor,
            edits: entry.edits.clone().unwrap_or_else(|| Rc::from([])),
            n_edits_tried: entry.n_edits_tried,
            max_execs: max_execs.min(self.pace.pick_calls(entry.nanos)),
            max_cost,
            usual_cost: entry.work + CALL,
            // A long entry may be changed, but not made longer.
            limit: limit.max(input.len()),
            hard_limit: self.length.max().min(capacity),
            input,
            start: None,
        })
    }

    /// What is mutated of an entry: no more of it than inputs may be long.
    pub(super) fn start_of(&self, idx: usize) -> Rc<[u8]> {
        let input = &self.queue.get(idx).input;
        let max = self.length.max();
        if input.len() <= max {
            return input.clone();
        }
        match self.test.record.kind {
            InputKind::Bytes => input[..max].into(),
            InputKind::Text => input[..mutate::edit::boundary_before(input, max)].into(),
        }
    }

    /// Mutates and runs until something happens or the pick's budget is used up; -> what it cost.
    fn burst(
        &mut self,
        turn: &mut Turn,
        random: &mut Random,
        pick: &mut Pick,
        tally: &mut Tally,
    ) -> Result<(Burst, u64), WorkerError> {
        let mut area = self.mapping.input_area(turn).map_err(WorkerError::Mapping)?;
        let context = Context {
            kind: self.test.record.kind,
            limit: pick.limit,
            donor: &pick.donor,
            dictionary: &self.dictionary,
            edits: &pick.edits,
        };
        let exact = Context { limit: pick.hard_limit, ..context };
        let (mut cost, mut execs) = (0, 0);
        let mut burst = Burst::Over;
        let stop = &self.mapping.header().stop;
        while execs < pick.max_execs
            && cost < pick.max_cost
            && stop.load(Ordering::Relaxed) == 0
            && !(execs.is_power_of_two() && Pace::is_overdue(pick.start))
        {
            area.assign(&pick.input);
            match pick.edits.get(pick.n_edits_tried) {
                Some(edit) => {
                    pick.n_edits_tried += 1;
                    // It may fit this input no more, or run into the limit.
                    if !mutate::apply(&mut area, random, edit, &exact) {
                        continue;
                    }
                }
                None => mutate::mutate(&mut area, random, &context),
            }
            execs += 1;
            tally.input_bytes += area.len() as u64;
            let outcome = self.executor.call(&area);
            self.coverage.called();
            match outcome {
                Outcome::Kept => {
                    let work = self.coverage.merge();
                    cost += work + CALL;
                    if !self.coverage.fresh().is_empty() {
                        burst = Burst::Found(work);
                        break;
                    }
                }
                Outcome::Rejected => {
                    self.coverage.clear();
                    tally.rejected += 1;
                    cost += pick.usual_cost;
                }
                Outcome::Failed(words) => {
                    self.coverage.clear();
                    cost += pick.usual_cost + FAILURE;
                    if let Some(known) = self.silent.known(&words) {
                        tally.silence(known);
                        continue;
                    }
                    self.silent.add(words.bucket());
                    self.executor.report(&words, &area);
                    burst = Burst::Failed;
                    break;
                }
            }
        }
        tally.execs += execs;
        Ok((burst, cost))
    }

    /// Runs the next of the inputs that an empty queue begins with.
    fn run_first_input(&mut self, turn: &mut Turn, tally: &mut Tally) -> Step {
        let input = FIRST_INPUTS[self.n_first_tried];
        self.n_first_tried += 1;
        self.mapping.header().entry.store(-1, Ordering::Relaxed);
        let capacity = self.mapping.capacity().map_err(WorkerError::Mapping)?;
        if input.len() > capacity.min(self.length.max()) {
            return Ok(None);
        }
        tally.input_bytes += input.len() as u64;
        self.run_once(turn, input, Origin::Mutation, tally)
    }
}
