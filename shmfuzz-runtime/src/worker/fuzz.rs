//! The fuzzing job: pick an entry, mutate and run it for a while, and again.
//!
//! Invariants: per call there is no lock, system call or allocation here, and the clock
//! is read when the calls of a pick pass a power of two only; the header says
//! which entry and which random numbers the present pick began with; calls of the phase are
//! counted exactly.

use super::admit::{Find, Step};
use super::again::{Again, Batch, Ended};
use super::budget::{Budget, CALL, FAILURE, Pace};
use super::coverage::Blocks;
use super::dictionary::Dictionary;
use super::execute::Outcome;
use super::mutate::favour::{Choices, Used};
use super::mutate::{self, Context};
use super::random::Random;
use super::solve::Edit;
use super::{Form, Tally, Worker, WorkerError, structure};
use crate::area::Area;
use crate::canonical::canonical;
use crate::entries::Origin;
use crate::fuzz_test::FuzzTest;
use crate::message::{Fuzz, Fuzzed, JobEnd};
use crate::record::InputKind;
use crate::shape::Shape;
use crate::turn::Turn;
use std::ops::Range;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// What an empty queue begins with: valid as bytes and as text.
const FIRST_INPUTS: [&[u8]; 4] = [b"", b"0", b"a1 B", b"01234567"];
/// How many of the user's generator.
const N_GENERATED: u64 = 64;

/// The inputs that an empty queue begins with: of values, simple ones and such as have some of
/// everything, those that the types were seen to make, and those that the user makes.
pub(super) fn first_inputs(
    test: &FuzzTest,
    shape: Option<&Shape>,
    own: mutate::Own,
) -> Vec<Rc<[u8]>> {
    let simple = match shape {
        Some(shape) => structure::first_inputs(shape).into_iter().map(Rc::from).collect(),
        None => FIRST_INPUTS.map(Rc::from).to_vec(),
    };
    let examples = test.structure.map_or(&[][..], |structure| structure.examples());
    let made = (0..N_GENERATED).filter_map(|number| Some(own.made(number)?.into()));
    let examples = examples.iter().map(|input| Rc::from(&input[..]));
    simple.into_iter().chain(examples).chain(made).collect()
}

/// An entry to mutate, and what for.
#[derive(Clone, Debug)]
pub(super) struct Pick {
    /// The entry's number.
    idx: Option<usize>,
    input: Rc<[u8]>,
    donor: Rc<[u8]>,
    edits: Rc<[Edit]>,
    /// Those of them that mutations draw from.
    drawn_edits: Range<usize>,
    /// How often each mutator is chosen.
    choices: Choices,
    /// How many edits are to be passed over.
    pub(super) n_edits_tried: usize,
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
    /// Whether its calls were made before: they are none of the phase.
    is_again: bool,
}

/// The most edits that the mutations of one pick draw from. Drawn from all of an entry's, each
/// would come from memory that no call before has read, which took 5 % of the time of fast tests.
const N_DRAWN_EDITS: usize = 64;

/// Which of so many edits a pick draws from: neighbours, each part of them as often.
fn drawn_edits(n: usize, random: &mut Random) -> Range<usize> {
    let n_parts = n.div_ceil(N_DRAWN_EDITS).max(1);
    let part = random.index(n_parts);
    part * n / n_parts..(part + 1) * n / n_parts
}

/// What the inputs of a pick are made from.
#[derive(Debug)]
struct Source<'a> {
    input: &'a [u8],
    /// What is tried one by one.
    edits: &'a [Edit],
    context: Context<'a>,
    hard_limit: usize,
}

impl<'a> Source<'a> {
    fn of(pick: &'a Pick, form: Form, dictionary: &'a Dictionary) -> Self {
        let Form { kind, shape, own } = form;
        let (limit, donor, choices) = (pick.limit, &pick.donor, &*pick.choices);
        let edits = &pick.edits[pick.drawn_edits.clone()];
        Self {
            input: &pick.input,
            edits: &pick.edits,
            context: Context { kind, shape, own, limit, donor, dictionary, edits, choices },
            hard_limit: pick.hard_limit,
        }
    }

    /// Makes the next input; `None` if it is the next edit's turn, and that changes nothing: it may
    /// fit the input no more, or run into the limit.
    #[inline]
    fn make_input(
        &self,
        area: &mut Area<'_>,
        random: &mut Random,
        n_tried: &mut usize,
    ) -> Option<Used> {
        area.assign(self.input);
        let Some(edit) = self.edits.get(*n_tried) else {
            return Some(mutate::mutate(area, random, &self.context));
        };
        *n_tried += 1;
        let exact = Context { limit: self.hard_limit, ..self.context };
        mutate::apply(area, random, edit, &exact).then(Used::default)
    }
}

impl Pick {
    /// Makes it a pick of calls to be run again, so many.
    pub(super) fn limit_again(&mut self, n_calls: u64) {
        (self.max_execs, self.max_cost) = (n_calls, u64::MAX);
        (self.start, self.is_again) = (None, true);
    }
}

/// Why a run of mutations ended.
#[derive(Debug)]
pub(super) enum Burst {
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
        let end = self.or_journal_full(end);
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

    /// How a job has ended that may have ended for its journal.
    pub(super) fn or_journal_full(&self, end: JobEnd) -> JobEnd {
        match end {
            JobEnd::Done | JobEnd::Stopped if self.executor.is_journal_full() => {
                JobEnd::JournalFull
            }
            end => end,
        }
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
            if let Some(again) = self.again.pop() {
                if let Some(end) = self.run_again(turn, again, tally)? {
                    return Ok(end);
                }
                continue;
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
        if self.begins() {
            return self.run_first_input(turn, tally);
        }
        let idx = self.schedule.pick(&self.queue, random);
        let header = self.mapping.header();
        header.entry.store(idx.map_or(-1, |idx| idx as i64), Ordering::Relaxed);
        if let Some(idx) = idx {
            // What another worker found in a larger input area waits until there is room.
            let capacity = self.mapping.capacity().map_err(WorkerError::Mapping)?;
            let entry = self.queue.get(idx);
            if !entry.is_examined && entry.input.len() <= capacity {
                if let Some(end) = self.examine(turn, idx, tally)? {
                    return Ok(Some(end));
                }
            }
            if self.wants_trace(idx, random) {
                if let Some(end) = self.trace(turn, idx, tally)? {
                    return Ok(Some(end));
                }
            }
            // By chance, so that one whose chains always end the process is mutated, too.
            if self.wants_chase(idx) && random.one_in(2) {
                if let Some(end) = self.chase(turn, random, idx, max_execs - tally.execs, tally)? {
                    return Ok(Some(end));
                }
            }
        }
        if self.wants_climb() && random.one_in(4) {
            return self.climb(turn, random, max_execs - tally.execs, tally);
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
            self.queue.get_mut(idx).n_edits_tried = pick.n_edits_tried;
        }
        self.end_burst(turn, idx, burst, tally)
    }

    fn end_burst(
        &mut self,
        turn: &mut Turn,
        idx: Option<usize>,
        burst: Burst,
        tally: &mut Tally,
    ) -> Step {
        match burst {
            Burst::Over => Ok(None),
            Burst::Failed => Ok(Some(JobEnd::Failed)),
            Burst::Found(work) => {
                let parent = idx.map(|idx| idx as u64);
                self.admit(turn, Find { origin: Origin::Mutation, parent, work }, tally)
            }
        }
    }

    /// Runs calls once more of which one, at least, has reached something new.
    fn run_again(&mut self, turn: &mut Turn, again: Again, tally: &mut Tally) -> Step {
        let Again { mut pick, mut random, mut dictionary } = again;
        self.store_random(&random);
        let idx = pick.idx;
        self.mapping.header().entry.store(idx.map_or(-1, |idx| idx as i64), Ordering::Relaxed);
        std::mem::swap(&mut self.dictionary, &mut dictionary);
        let (n_calls, before) = (pick.max_execs, tally.extra_execs);
        let result = self.burst(turn, &mut random, &mut pick, tally);
        std::mem::swap(&mut self.dictionary, &mut dictionary);
        let (burst, cost) = result?;
        let made = tally.extra_execs - before;
        tally.budget.spend(cost, made);
        if made < n_calls {
            // The rest may have reached something else.
            self.again.push(Batch::begin(&random, pick.n_edits_tried).again(
                &pick,
                &dictionary,
                n_calls - made,
            ));
        }
        self.end_burst(turn, idx, burst, tally)
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
        let Some(entry_idx) = idx else {
            let input = self.first_inputs[random.index(self.first_inputs.len())].clone();
            let input = &input[..input.len().min(self.length.max())];
            return Ok(Pick {
                idx,
                input: input.into(),
                donor: Rc::from([]),
                edits: Rc::from([]),
                drawn_edits: 0..0,
                choices: self.favour.choices(),
                n_edits_tried: 0,
                max_execs: max_execs.min(self.pace.pick_calls(0)).min(1000),
                max_cost,
                usual_cost: CALL,
                limit: limit.max(input.len()),
                hard_limit: limit,
                start: None,
                is_again: false,
            });
        };
        let donor = self.queue.get(random.index(self.queue.len())).input.clone();
        let entry = self.queue.get(entry_idx);
        let input = self.start_of(entry_idx);
        let edits = entry.edits.clone().unwrap_or_else(|| Rc::from([]));
        Ok(Pick {
            idx,
            donor,
            drawn_edits: drawn_edits(edits.len(), random),
            edits,
            choices: self.favour.choices(),
            n_edits_tried: entry.n_edits_tried,
            max_execs: max_execs.min(self.pace.pick_calls(entry.nanos)),
            max_cost,
            usual_cost: entry.work + CALL,
            // A long entry may be changed, but not made longer.
            limit: limit.max(input.len()),
            hard_limit: self.length.max().min(capacity),
            input,
            start: None,
            is_again: false,
        })
    }

    /// What is mutated of an entry: no more of it than inputs may be long.
    pub(super) fn start_of(&self, idx: usize) -> Rc<[u8]> {
        let input = &self.queue.get(idx).input;
        let capacity = self.mapping.capacity().unwrap_or(0);
        let max = self.length.max().min(capacity);
        if let Some(shape) = self.form.shape {
            let whole = canonical(shape, &input[..input.len().min(max)]);
            if whole == **input {
                return input.clone();
            }
            if whole.len() <= max {
                return whole.into();
            }
        }
        if input.len() <= max {
            return input.clone();
        }
        match self.test.record.kind {
            InputKind::Bytes => input[..max].into(),
            InputKind::Text => input[..mutate::edit::boundary_before(input, max)].into(),
        }
    }

    /// Forgets what functions of the user's that change inputs have touched: they are instrumented like
    /// the rest of the fuzz test.
    pub(super) fn forget_own_mutators(&mut self) {
        self.coverage.clear_if(self.form.own.is_some());
    }

    /// How many calls a batch has, and which blocks are looked at after each of them; those are cleared,
    /// as for any call. One call where functions of the user's touch counters between calls, which must
    /// be forgotten in all blocks.
    fn begin_batches(&mut self, usual_cost: u64) -> (u64, Blocks) {
        let n_batch = match self.form.own.is_some() {
            true => 1,
            false => self.patience.n_calls(usual_cost, self.coverage.n_counters()),
        };
        let blocks = if n_batch == 1 { Blocks::All } else { Blocks::Hot };
        self.coverage.clear_of(blocks);
        (n_batch, blocks)
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
        let (n_batch, blocks) = self.begin_batches(pick.usual_cost);
        let source = Source::of(pick, self.form, &self.dictionary);
        let mut n_tried = pick.n_edits_tried;
        let mut batch = Batch::begin(random, n_tried);
        let (mut cost, mut execs, mut n_bytes) = (0, 0, 0);
        let (mut burst, mut hit) = (Burst::Over, false);
        let stop = &self.mapping.header().stop;
        while execs < pick.max_execs
            && cost < pick.max_cost
            && stop.load(Ordering::Relaxed) == 0
            && !(execs.is_power_of_two() && Pace::is_overdue(pick.start))
        {
            let Some(used) = source.make_input(&mut area, random, &mut n_tried) else { continue };
            self.coverage.clear_if(self.form.own.is_some());
            execs += 1;
            batch.n_calls += 1;
            n_bytes += area.len() as u64;
            if pick.is_again {
                self.executor.count_extra();
            }
            let cost_before = cost;
            let outcome = self.executor.call(&area);
            self.coverage.called();
            if let Outcome::Kept = outcome {
                let work = self.coverage.merge_of(blocks);
                cost += work + CALL;
                if !self.coverage.fresh().is_empty() {
                    self.favour.found(&used);
                    burst = Burst::Found(work);
                    break;
                }
            } else {
                self.coverage.clear_of(blocks);
                cost += pick.usual_cost;
                if let Outcome::Failed(words) = &outcome {
                    cost += FAILURE;
                    if tally.is_news(words, &mut self.silent) {
                        self.executor.report(words, &area);
                        burst = Burst::Failed;
                        break;
                    }
                } else {
                    tally.rejected += u64::from(!pick.is_again);
                }
            }
            if !pick.is_again {
                self.favour.used(&used, cost - cost_before);
            }
            if batch.n_calls >= n_batch {
                if blocks == Blocks::Hot && self.coverage.warm() {
                    hit = true;
                    break;
                }
                batch = Batch::begin(random, n_tried);
            }
        }
        pick.n_edits_tried = n_tried;
        self.patience.learn(execs);
        if blocks == Blocks::Hot {
            burst = self.end_batch(&area, pick, Ended { batch, hit, burst }, tally);
        }
        match pick.is_again {
            true => tally.extra_execs += execs,
            false => {
                (tally.execs, tally.input_bytes) =
                    (tally.execs + execs, tally.input_bytes + n_bytes)
            }
        }
        Ok((burst, cost))
    }

    /// Runs the next of the inputs that an empty queue begins with.
    fn run_first_input(&mut self, turn: &mut Turn, tally: &mut Tally) -> Step {
        let input = self.first_inputs[self.n_first_tried].clone();
        self.n_first_tried += 1;
        self.mapping.header().entry.store(-1, Ordering::Relaxed);
        let capacity = self.mapping.capacity().map_err(WorkerError::Mapping)?;
        if input.len() > capacity.min(self.length.max()) {
            return Ok(None);
        }
        tally.input_bytes += input.len() as u64;
        self.run_once(turn, &input, Origin::Mutation, tally)
    }

    /// Whether one of the first inputs is next. Of values all are run once one was: one may have what
    /// another one's choices leave out.
    fn begins(&self) -> bool {
        let has_begun = self.form.shape.is_some() && self.n_first_tried > 0;
        (self.queue.len() == 0 || has_begun) && self.n_first_tried < self.first_inputs.len()
    }
}
