//! Executions with the gate open: what an entry's comparisons suggest, and chains of edits.
//!
//! It owns how much of the worker's time goes into them. The measure is work, and where there is a
//! clock, what takes longer than its work says is charged as more of it.
//! Invariants: the gate is open during such an execution only; what one of them reaches is
//! admitted before the next one.

use super::admit::{Extra, Find, Step};
use super::budget::{CALL, Pace};
use super::chase::{Chase, Limits};
use super::code::Novelty;
use super::frontier::Frontier;
use super::random::Random;
use super::solve::{self, Edit, Traced};
use super::trace::{Event, Trace};
use super::{Tally, Worker, WorkerError, compare, sancov, tokens};
use crate::entries::Origin;
use crate::layout::Phase;
use crate::message::JobEnd;
use crate::turn::Turn;
use std::ops::ControlFlow;

/// What an execution with the gate open costs, in plain ones.
pub(super) const TRACED: u64 = 4;
/// Chases take one part in so many of the work, more of it while the search is stalled, beyond what
/// they are given for a start.
const SHARE: u64 = 8;
const SHARE_OF_STALLED: u64 = 5;
const START: u64 = 20_000_000;
/// Work without a new edge after which the search is stalled: about 0.1 s.
const STALLED: u64 = 100_000_000;
/// And which part of all work that must be: the longer a search, the rarer its edges.
const STALLED_PART: u64 = 3;
/// How often a comparison is tried before others are all that is tried; more while stalled.
const MAX_ATTEMPTS: u32 = 3;
/// The longest entry from which chains are searched for: each step copies it.
const MAX_CHASED: usize = 1 << 16;
/// How many mutations of an entry are mended in one chase.
const N_MUTANTS: usize = 32;
/// How much longer than the entry a comparison may make an input: what is right by its length is
/// easily too long for all that comes after. More with every doubling of a stall.
const MAX_GROWTH: usize = 1024;

/// What a chase does; -> how many executions it took.
type Hunt<'a> = dyn Fn(Chase<'_>) -> u64 + 'a;

/// What chases have cost, and how the search goes.
#[derive(Debug, Default)]
pub(super) struct Chasing {
    /// Work of chases.
    spent: u64,
    /// All work.
    total: u64,
    /// All work when the last edge was found.
    at_edge: u64,
    edges: u64,
}

impl Chasing {
    /// Takes in work done, and how many edges there are now.
    pub(super) fn spend(&mut self, cost: u64, edges: u64) {
        self.total = self.total.saturating_add(cost);
        if edges != self.edges {
            (self.edges, self.at_edge) = (edges, self.total);
        }
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.total - self.at_edge > self.patience()
    }

    /// Work without an edge after which the search is stalled. Reckoned from the work before it,
    /// so that it stays the same while the search is: else no stall could double.
    fn patience(&self) -> u64 {
        STALLED.max(self.at_edge / (STALLED_PART - 1))
    }

    /// Takes in work done with the gate open.
    pub(super) fn spend_traced(&mut self, cost: u64, edges: u64) {
        self.spent = self.spent.saturating_add(cost);
        self.spend(cost, edges);
    }

    /// Whether a comparison was tried often enough in vain.
    pub(super) fn is_given_up(&self, frontier: &Frontier, event: &Event) -> bool {
        frontier.is_unsolved(event) && u32::from(frontier.attempts(event)) >= MAX_ATTEMPTS
    }

    /// Whether the search is on a plateau: no edge in the later half of it.
    pub(super) fn is_on_plateau(&self) -> bool {
        let since = self.total - self.at_edge;
        since > (2 * STALLED).max(self.total / 2)
    }

    /// Whether it is the chases' turn.
    pub(super) fn is_due(&self) -> bool {
        let share = if self.is_stalled() { SHARE_OF_STALLED } else { SHARE };
        self.spent.saturating_mul(share) <= self.total.saturating_add(START)
    }

    /// How often the time after which the search is stalled has doubled; 0 unless it is.
    fn doublings(&self) -> u32 {
        let since = self.total - self.at_edge;
        (since / self.patience()).checked_ilog2().unwrap_or(0)
    }

    /// How often a comparison may have been tried.
    fn max_attempts(&self) -> u8 {
        (MAX_ATTEMPTS + 2 * self.doublings()).min(200) as u8
    }

    /// How much longer than an entry an input may be made, in bytes.
    fn max_growth(&self) -> usize {
        MAX_GROWTH << (2 * self.doublings()).min(16)
    }
}

/// What a call counts as.
#[derive(Clone, Copy, Debug)]
enum Call {
    /// A new input that is tried.
    OfPhase,
    /// An entry that is run again.
    Extra,
}

impl Worker {
    /// Runs an entry with the gate open, and turns what comparisons saw into edits.
    pub(super) fn trace(&mut self, turn: &mut Turn, idx: usize, tally: &mut Tally) -> Step {
        let phase = self.executor.phase();
        self.executor.set_phase(Phase::Tracing);
        let input = self.start_of(idx);
        let mut trace = Trace::default();
        let extra = self.run_traced(turn, &input, &mut trace, Call::Extra, tally);
        self.coverage.clear();
        for event in &trace.events {
            self.frontier.note(event);
        }
        let traced = Traced {
            input: &input,
            kind: self.test.record.kind,
            shape: self.form.shape,
            max_len: self.length.max().min(input.len() + self.chasing.max_growth()),
        };
        let mut edits = solve::edits(traced, &trace, &self.frontier, &mut self.dictionary);
        if self.queue.get(idx).has_new_edge {
            edits.extend(solve::insertions(traced, &edits));
        }
        edits.extend(self.token_edits(idx, traced));
        self.keep_edits(idx, edits);
        // Libraries that read code are instrumented like the user's: what they have moved is no
        // coverage of the input that is run next.
        self.coverage.clear();
        if let Extra::Failed = extra? {
            return Ok(Some(JobEnd::Failed));
        }
        self.executor.restore_phase(phase);
        Ok(None)
    }

    /// Whether an entry that is picked is to be traced first. One whose edits were given up is mostly
    /// mutated without them: with a fifth of the entries' edits kept, to trace the others each time
    /// cost more than half of all calls on regex.
    pub(super) fn wants_trace(&self, idx: usize, random: &mut Random) -> bool {
        const ONE_IN: u32 = 16;
        let entry = self.queue.get(idx);
        entry.edits.is_none() && (!entry.has_lost_edits || random.one_in(ONE_IN))
    }

    /// Gives an entry its edits. Others, which have had theirs for longest, may lose them for it.
    fn keep_edits(&mut self, idx: usize, edits: Vec<Edit>) {
        let n_bytes = edits.iter().map(Edit::size).sum();
        let entry = self.queue.get_mut(idx);
        entry.n_edits_tried = match entry.is_worked_on {
            true => edits.len(),
            false => entry.n_edits_tried.min(edits.len()),
        };
        entry.edits = Some(edits.into());
        for idx in self.hoard.add(idx, n_bytes) {
            let entry = self.queue.get_mut(idx);
            let n_edits = entry.edits.take().map_or(0, |edits| edits.len());
            entry.is_worked_on |= entry.n_edits_tried >= n_edits;
            entry.has_lost_edits = true;
        }
    }

    /// Edits from the code of the functions in which an entry reached new edges. Not where it was
    /// another hit of a known edge: there are many of those, and what comes next is known.
    fn token_edits(&mut self, idx: usize, traced: Traced<'_>) -> Vec<Edit> {
        let entry = self.queue.get(idx);
        if !entry.has_new_edge {
            return Vec::new();
        }
        let reached = self.code.tokens_of(&entry.features);
        let mut initial = self.code.initial_tokens();
        let n_edges = self.coverage.edges();
        if self.code.wants_look(n_edges) {
            let entries = (0..self.queue.len()).map(|idx| &self.queue.get(idx).features);
            let mut owned: Vec<u32> =
                entries.flat_map(|features| features.iter().map(|feature| feature / 8)).collect();
            owned.sort_unstable();
            let found = self.code.look(n_edges, &owned, |counter| self.coverage.has_moved(counter));
            initial.extend(found.into_iter().map(|tokens| (tokens, Novelty::New)));
        }
        for (tokens, novelty) in reached.iter().chain(&initial) {
            if *novelty == Novelty::New {
                tokens.constants.iter().for_each(|token| self.dictionary.add(token));
                tokens.names.iter().for_each(|token| self.dictionary.add_name(token));
            }
        }
        let constants = reached.iter().flat_map(|(tokens, _)| &tokens.constants);
        let constants: Vec<&[u8]> = constants.map(|token| &**token).collect();
        // What was read just now is tried first.
        let mut found: Vec<_> = reached.iter().chain(&initial).collect();
        found.sort_by_key(|(_, novelty)| *novelty == Novelty::Known);
        let names = found.iter().flat_map(|(tokens, _)| &tokens.names);
        let names: Vec<&[u8]> = names.map(|token| &**token).collect();
        tokens::edits(traced, &names, &constants)
    }

    /// Whether chains of edits from this entry should be searched for now: once for each entry,
    /// again when nothing else finds anything.
    pub(super) fn wants_chase(&self, idx: usize) -> bool {
        let is_first = !self.queue.get(idx).is_chased;
        let is_short = self.queue.get(idx).input.len() <= MAX_CHASED;
        is_short && (is_first || self.chasing.is_stalled()) && self.chasing.is_due()
    }

    /// Searches for chains of edits from an entry, in so many executions at most.
    pub(super) fn chase(
        &mut self,
        turn: &mut Turn,
        random: &mut Random,
        idx: usize,
        max_execs: u64,
        tally: &mut Tally,
    ) -> Step {
        let phase = self.executor.phase();
        self.executor.set_phase(Phase::Tracing);
        let is_first = !std::mem::replace(&mut self.queue.get_mut(idx).is_chased, true);
        let start = self.pace.start();
        let input = self.start_of(idx);
        let mut trace = Trace::default();
        let extra = self.run_traced(turn, &input, &mut trace, Call::Extra, tally)?;
        self.coverage.clear();
        if let Extra::Failed = extra {
            return Ok(Some(JobEnd::Failed));
        }
        self.follow(&trace, &input, idx);
        let limits = self.limits(idx, max_execs)?;
        // What is there to solve comes first; later on, what is solved is carried along as often.
        let has_targets = Chase::has_targets(&trace, &self.frontier, limits.max_attempts);
        let solves = is_first || has_targets && random.one_in(2);
        let mut n_runs = 0;
        let mut end = Ok(None);
        if solves {
            // Without a target, what comes last is tried by cheap means.
            let n_most = if has_targets { limits.n_runs } else { limits.n_runs / 2 };
            let limits = Limits { n_runs: n_most, ..limits };
            let hunt = |chase: Chase<'_>| chase.search(&input, trace.clone());
            (n_runs, end) = self.run_chase(turn, idx, tally, (limits, &hunt));
        }
        if !(solves && has_targets) && matches!(end, Ok(None)) && !self.must_end(tally) {
            let mutants = self.mutants(turn, random, &input)?;
            let limits = Limits { n_runs: limits.n_runs - n_runs, ..limits };
            let hunt = |chase: Chase<'_>| chase.mend_mutants(&input, trace.clone(), &mutants);
            let (n_more, end_of_it) = self.run_chase(turn, idx, tally, (limits, &hunt));
            (n_runs, end) = (n_runs + n_more, end_of_it);
        }
        let cost = TRACED * (self.queue.get(idx).work + CALL);
        let cost = self.pace.cost_of(n_runs * cost, Pace::nanos_since(start));
        self.chasing.spend_traced(cost, self.coverage.edges());
        if let Ok(None) = end {
            self.executor.restore_phase(phase);
        }
        end
    }

    fn must_end(&self, tally: &Tally) -> bool {
        self.is_stopped() || tally.budget.is_over()
    }

    /// Lets a chase from an entry go on until it ends or the job does; -> how many executions it
    /// took.
    fn run_chase(
        &mut self,
        turn: &mut Turn,
        idx: usize,
        tally: &mut Tally,
        (limits, hunt): (Limits, &Hunt<'_>),
    ) -> (u64, Step) {
        let mut frontier = std::mem::replace(&mut self.frontier, Frontier::empty());
        let mut end = Ok(None);
        let mut run = |input: &[u8], trace: &mut Trace| {
            let step = self.run_candidate(turn, idx, input, trace, tally);
            match step {
                Ok(None) if !self.must_end(tally) => ControlFlow::Continue(()),
                step => {
                    end = step;
                    ControlFlow::Break(())
                }
            }
        };
        let n_runs = hunt(Chase::new(limits, &mut frontier, &mut run));
        self.frontier = frontier;
        (n_runs, end)
    }

    /// Mutations of an entry, to be mended.
    fn mutants(
        &mut self,
        turn: &mut Turn,
        random: &mut Random,
        input: &[u8],
    ) -> Result<Vec<Vec<u8>>, WorkerError> {
        let donor = self.queue.get(random.index(self.queue.len())).input.clone();
        (0..N_MUTANTS).map(|_| self.mutated(turn, random, input, &donor)).collect()
    }

    /// How far a chase from an entry may go.
    fn limits(&self, idx: usize, max_execs: u64) -> Result<Limits, WorkerError> {
        let capacity = self.mapping.capacity().map_err(WorkerError::Mapping)?;
        let entry = self.queue.get(idx);
        let (len, cost) = (entry.input.len(), TRACED * (entry.work + CALL));
        // Longer ones for longer stalls: repairs of repairs take thousands of executions.
        // Values are tried in several variants.
        let n_first: u64 = if self.form.shape.is_some() { 4 } else { 2 };
        let n_picks = n_first << self.chasing.doublings().min(6);
        let n_runs = (n_picks * self.pace.pick_cost() / cost).clamp(16, 1 << 14);
        Ok(Limits {
            kind: self.form.kind,
            shape: self.form.shape,
            max_len: self.length.max().min(capacity).min(len + self.chasing.max_growth()),
            n_runs: n_runs.min(max_execs),
            max_attempts: self.chasing.max_attempts(),
        })
    }

    /// Runs one candidate of a chase, and admits it if it reaches something new.
    pub(super) fn run_candidate(
        &mut self,
        turn: &mut Turn,
        parent: usize,
        input: &[u8],
        trace: &mut Trace,
        tally: &mut Tally,
    ) -> Step {
        tally.input_bytes += input.len() as u64;
        match self.run_traced(turn, input, trace, Call::OfPhase, tally)? {
            Extra::Failed => return Ok(Some(JobEnd::Failed)),
            Extra::Not => {
                tally.budget.spend(TRACED * CALL, 1);
                return Ok(None);
            }
            Extra::Kept => {}
        }
        let work = self.coverage.merge();
        tally.budget.spend(TRACED * (work + CALL), 1);
        if self.coverage.fresh().is_empty() {
            return Ok(None);
        }
        let find = Find { origin: Origin::Mutation, parent: Some(parent as u64), work };
        self.admit(turn, find, tally)
    }

    /// Makes a call with the gate open. Kept coverage is left in the counters.
    fn run_traced(
        &mut self,
        turn: &mut Turn,
        input: &[u8],
        trace: &mut Trace,
        call: Call,
        tally: &mut Tally,
    ) -> Result<Extra, WorkerError> {
        sancov::open_gate();
        let extra = match call {
            Call::OfPhase => self.call_of_phase(turn, input, tally),
            Call::Extra => self.extra_call(turn, input, tally),
        };
        sancov::close_gate();
        compare::drain(trace);
        extra
    }
}

#[cfg(test)]
mod tests {
    use super::super::frontier::Attempt;
    use super::super::trace::{Constant, Operands};
    use super::*;

    const MS: u64 = 1_000_000;

    /// A search that found its last edge after so much work, and has done so much since.
    fn stalled(at_edge: u64, since: u64) -> Chasing {
        let mut chasing = Chasing::default();
        chasing.spend(at_edge, 1);
        chasing.spend(since, 1);
        chasing
    }

    /// Which part of so much work chases take where they are made as soon as they are due, each of
    /// so much. An edge is found with each piece of work, or none is.
    fn share(finds_edges: bool, of_chase: u64) -> f64 {
        let mut chasing = Chasing::default();
        for n in 0..200_000 {
            let edges = if finds_edges { n } else { 0 };
            match chasing.is_due() {
                true => chasing.spend_traced(of_chase, edges),
                false => chasing.spend(100_000, edges),
            }
        }
        chasing.spent as f64 / chasing.total as f64
    }

    #[test]
    fn chases_take_their_share_and_more_of_it_while_the_search_is_stalled() {
        for of_chase in [10_000, 100_000, 10 * MS] {
            let shares = [share(true, of_chase), share(false, of_chase)];
            assert!((0.124..0.129).contains(&shares[0]), "{of_chase}: {shares:?}");
            assert!((0.199..0.204).contains(&shares[1]), "{of_chase}: {shares:?}");
        }
        let mut chasing = Chasing::default();
        assert!(chasing.is_due(), "a start is given");
        chasing.spend_traced(START, 1);
        assert!(!chasing.is_due());
    }

    #[test]
    fn a_search_is_stalled_after_a_while_without_an_edge_and_a_part_of_all_its_work() {
        assert!(!Chasing::default().is_stalled());
        assert!(!stalled(0, STALLED).is_stalled() && stalled(0, STALLED + 1).is_stalled());
        // Of a long search, a third.
        let long = 20 * STALLED;
        assert!(!stalled(long, long / 2).is_stalled() && stalled(long, long / 2 + 3).is_stalled());
        let mut found = stalled(long, long);
        found.spend(1, 2);
        assert!(!found.is_stalled() && found.doublings() == 0);
    }

    #[test]
    fn the_longer_a_stall_the_more_is_tried() {
        let doublings = |at_edge, since| stalled(at_edge, since).doublings();
        for at_edge in [0, 2 * STALLED, 20 * STALLED] {
            let first = STALLED.max(at_edge / 2);
            assert_eq!(doublings(at_edge, first / 2), 0);
            for n in 1..10 {
                assert_eq!(doublings(at_edge, (first << n) - 1), n - 1, "{at_edge}");
                assert_eq!(doublings(at_edge, first << n), n, "{at_edge}");
            }
        }
        let [fresh, late] = [stalled(0, 0), stalled(0, STALLED << 5)];
        assert_eq!((fresh.max_attempts(), late.max_attempts()), (3, 13));
        assert_eq!((fresh.max_growth(), late.max_growth()), (MAX_GROWTH, MAX_GROWTH << 10));
        let last = stalled(0, u64::MAX);
        assert_eq!((last.max_attempts(), last.max_growth()), (77, MAX_GROWTH << 16));
    }

    #[test]
    fn a_plateau_takes_longer_than_a_stall() {
        assert!(!stalled(0, 2 * STALLED).is_on_plateau());
        assert!(stalled(0, 2 * STALLED + 1).is_on_plateau());
        let long = 20 * STALLED;
        assert!(stalled(long, long - 1).is_stalled() && !stalled(long, long - 1).is_on_plateau());
        assert!(stalled(long, long + 1).is_on_plateau());
    }

    #[test]
    fn comparisons_are_given_up_after_a_few_attempts_until_they_are_solved() {
        let (chasing, mut frontier) = (Chasing::default(), Frontier::default());
        let event = |b| {
            let operands = Operands::Int { a: 5, b, width: 4, constant: Constant::First };
            Event { site: 1, nth: 0, operands }
        };
        for n in 0..MAX_ATTEMPTS {
            assert!(!chasing.is_given_up(&frontier, &event(9)), "{n}");
            frontier.attempt(&event(9), Attempt::Whole);
        }
        assert!(chasing.is_given_up(&frontier, &event(9)));
        frontier.note(&event(5));
        assert!(!chasing.is_given_up(&frontier, &event(9)));
    }
}
