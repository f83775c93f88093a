//! Chains of dependent edits: from an input whose comparisons came out the wrong way to one where
//! they do not, each step checked by running it. Pure: who drives it runs the candidates.
//!
//! A comparison that was never equal is brought to equality by what costs least: an operand put
//! where the other one stands (input-to-state correspondence: C. Aschermann et al., "REDQUEEN",
//! 2019), then what the operands' dependence on single bytes, bits and the length says. Where an
//! edit turns an earlier comparison that had held (a length, a checksum), that one is made right
//! again first, in the edited input. What is solved leads to new comparisons, from which the
//! search goes on. Invariant: it ends, after at most [`Limits::n_runs`] executions.

mod affine;
mod bisection;
mod bits;
mod effects;
mod growth;
mod hashes;
mod model;
mod modular;
mod strings;
#[cfg(test)]
mod tests;

use super::frontier::{Attempt, Frontier};
use super::mutate::edit::Room;
use super::mutate::values;
use super::random::Random;
use super::solve::{self, Edit, Traced};
use super::structure::{self, Parts};
use super::trace::{Event, Operands, Trace};
use crate::area::Area;
use crate::canonical::canonical;
use crate::record::InputKind;
use crate::shape::Shape;
use effects::{Change, Effect, Effects};
use std::cmp::Ordering;
use std::ops::ControlFlow;

/// How many comparisons of one input are worked on.
const MAX_TARGETS: usize = 12;
/// How many of them are tried by cheap means before the first one by all.
const MAX_AT_ONCE: usize = 4;
/// How many of the last comparisons are tried where all are solved.
const MAX_AT_END: usize = 3;
/// How many edits of the first kind are tried for one comparison.
const MAX_EDITS: usize = 12;
/// How many comparisons that turned are made right after one edit.
const MAX_REPAIRS: usize = 6;
/// How deep repairs of repairs go.
const MAX_NESTED: u32 = 4;
/// How many steps follow each other.
const MAX_STEPS: u32 = 64;

/// The search must end: its budget is used up, or the job.
#[derive(Debug)]
pub(super) struct Stopped;

/// How far a search may go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// What inputs must stay.
    pub(super) kind: InputKind,
    /// What they are made of, if they are values.
    pub(super) shape: Option<&'static Shape>,
    /// Longest input that may be made, in bytes.
    pub(super) max_len: usize,
    /// The most executions.
    pub(super) n_runs: u64,
    /// Comparisons that were tried this often are left alone.
    pub(super) max_attempts: u8,
}

impl Limits {
    fn traced<'a>(&self, input: &'a [u8]) -> Traced<'a> {
        let Self { kind, shape, max_len, .. } = *self;
        Traced { input, kind, shape, max_len }
    }

    /// What edits may change of an input of values.
    fn parts(&self, input: &[u8]) -> Option<Parts> {
        self.shape.map(|shape| Parts::of(shape, input))
    }

    /// The input with so many elements more, or less, in the list whose count stands at `at`.
    fn with_more(&self, input: &[u8], at: usize, n: i128) -> Option<Vec<u8>> {
        let count = input.get(at..)?.first_chunk().map(|count| u32::from_le_bytes(*count))?;
        let new = u32::try_from(i128::from(count) + n).ok()?;
        let bytes = new.to_le_bytes().to_vec();
        let made = apply(input, &Edit::Replace { at, removed: bytes.len(), bytes }, self);
        (made != input).then_some(made)
    }
}

/// Runs an input with the gate open and fills in its trace; -> whether the search may go on.
pub(super) type Run<'a> = dyn FnMut(&[u8], &mut Trace) -> ControlFlow<()> + 'a;

/// An input and what its comparisons saw.
#[derive(Clone, Debug)]
struct Node {
    input: Vec<u8>,
    trace: Trace,
}

/// A search under way.
pub(super) struct Chase<'a> {
    limits: Limits,
    frontier: &'a mut Frontier,
    run: &'a mut Run<'a>,
    n_left: u64,
}

impl<'a> Chase<'a> {
    pub(super) fn new(limits: Limits, frontier: &'a mut Frontier, run: &'a mut Run<'a>) -> Self {
        Self { limits, frontier, run, n_left: limits.n_runs }
    }

    /// Whether an input of this trace has comparisons to work on.
    pub(super) fn has_targets(trace: &Trace, frontier: &Frontier, max_attempts: u8) -> bool {
        trace.events.iter().any(|event| is_target(event, frontier, max_attempts))
    }

    /// Searches from an input and its trace; -> how many executions it took.
    pub(super) fn search(mut self, input: &[u8], trace: Trace) -> u64 {
        // Where the budget is used up, that is the end of it.
        let _ = self.search_all(Node { input: input.to_vec(), trace });
        self.limits.n_runs - self.n_left
    }

    fn search_all(&mut self, start: Node) -> Result<(), Stopped> {
        let shape = self.limits.shape;
        let variants = shape.map_or(Vec::new(), |shape| structure::variants(shape, &start.input));
        self.search_from(start)?;
        for variant in variants {
            if let Some(node) = self.attempt(variant)? {
                self.search_from(node)?;
            }
        }
        Ok(())
    }

    fn search_from(&mut self, start: Node) -> Result<(), Stopped> {
        let mut next = Some(start);
        for _ in 0..MAX_STEPS {
            let Some(node) = next else { break };
            next = self.step(&node)?;
        }
        Ok(())
    }

    /// Runs mutations of an input, and makes right in each what it broke: a length, a checksum, a
    /// count that had held. So what is nested grows on all its levels. -> how many executions it
    /// took.
    pub(super) fn mend_mutants(mut self, input: &[u8], trace: Trace, mutants: &[Vec<u8>]) -> u64 {
        let node = Node { input: input.to_vec(), trace };
        for mutant in mutants {
            if self.mend_mutant(&node, mutant.clone()).is_err() {
                break;
            }
        }
        self.limits.n_runs - self.n_left
    }

    fn mend_mutant(&mut self, node: &Node, mutant: Vec<u8>) -> Result<(), Stopped> {
        let kept = edited(&node.input, &mutant);
        let Some(mut now) = self.attempt(mutant)? else { return Ok(()) };
        for _ in 0..MAX_REPAIRS {
            let Some(idx) = node.trace.parting(&now.trace) else { break };
            let wanted = node.trace.events[idx].operands.order();
            let repair = Goal { idx, wanted, unlike: None, kept };
            match self.bring(&now, repair, 0)? {
                Some(repaired) if repaired.input != node.input => now = repaired,
                _ => break,
            }
        }
        Ok(())
    }

    /// Solves a comparison of a node; -> an input from which the search goes on: one that reached
    /// other comparisons, or that has all the rest of them still before it. Cheap means come
    /// first, but not of all targets: many are nothing that an input decides.
    fn step(&mut self, node: &Node) -> Result<Option<Node>, Stopped> {
        let targets = self.targets(&node.trace);
        let mut known = Known::default();
        if targets.is_empty() {
            return self.step_at_end(node);
        }
        for some in targets.chunks(MAX_AT_ONCE) {
            for means in [Means::Cheap, Means::All] {
                for idx in some.iter().copied() {
                    if let Some(next) = self.solve(node, &targets, idx, means, &mut known)? {
                        return Ok(Some(next));
                    }
                }
            }
        }
        Ok(known.spare)
    }

    /// Solves one of the last comparisons, although others in their places are solved: what is
    /// nested goes through the same code on every level, and each has to be made right anew.
    fn step_at_end(&mut self, node: &Node) -> Result<Option<Node>, Stopped> {
        let events = node.trace.events.iter().enumerate().rev();
        let is_open = |event: &Event| {
            !event.operands.are_equal() && event.nth > 0 && !is_of_capacity(&event.operands)
        };
        let last = events.filter(|(_, event)| is_open(event)).map(|(idx, _)| idx);
        let last: Vec<usize> = last.take(MAX_AT_END).collect();
        let mut effects = None;
        for idx in last.iter().copied() {
            let goal = Goal { idx, wanted: Ordering::Equal, unlike: None, kept: (0, 0) };
            let mut solved = self.by_places(node, goal, 0)?;
            if solved.is_none() {
                let effects = match &effects {
                    Some(effects) => effects,
                    None => effects.insert(self.effects(node, &last)?),
                };
                solved = self.by_model(node, goal, effects)?;
            }
            let Some(solved) = solved else { continue };
            if has_more(&solved.trace, &node.trace) {
                return Ok(Some(solved));
            }
        }
        Ok(None)
    }

    /// Solves one comparison of a node, as [`step`](Self::step) does. The effects on all targets
    /// are looked for once, when they are needed.
    fn solve(
        &mut self,
        node: &Node,
        targets: &[usize],
        idx: usize,
        means: Means,
        known: &mut Known,
    ) -> Result<Option<Node>, Stopped> {
        let event = &node.trace.events[idx];
        let goal = Goal { idx, wanted: Ordering::Equal, unlike: None, kept: (0, 0) };
        let tried = self.by_means(node, targets, goal, means, known);
        if means == Means::Cheap {
            let attempt = tried.as_ref().map_or(Attempt::CutShort, |(_, attempt)| *attempt);
            self.frontier.attempt(event, attempt);
        }
        let (Some(solved), _) = tried? else { return Ok(None) };
        let mended = self.mend(node, solved, goal)?;
        // Not of every candidate: what one solved that reached nothing else is still to solve.
        for event in &mended.trace.events {
            self.frontier.note(event);
        }
        if self.leads_on(&mended.trace, &node.trace) {
            self.frontier.yielded(event);
            return Ok(Some(mended));
        }
        let is_left =
            |other: &usize| mended.trace.find(&node.trace.events[*other], *other).is_some();
        if targets.len() > 1 && targets.iter().all(is_left) {
            return Ok(Some(mended));
        }
        if known.spare.is_none() && has_more(&mended.trace, &node.trace) {
            known.spare = Some(mended);
        }
        Ok(None)
    }

    /// Reaches a goal by some means; -> what became of it, and whether all of them were tried.
    fn by_means(
        &mut self,
        node: &Node,
        targets: &[usize],
        goal: Goal<'_>,
        means: Means,
        known: &mut Known,
    ) -> Result<(Option<Node>, Attempt), Stopped> {
        if means == Means::Cheap {
            if let Some(solved) = self.by_places(node, goal, 0)? {
                return Ok((Some(solved), Attempt::Whole));
            }
        }
        let effects = match &known.effects {
            Some(effects) => effects,
            // The other targets may be solved without them.
            None if self.n_left < effects::least_runs(node.input.len()) => {
                return Ok((None, Attempt::CutShort));
            }
            None => known.effects.insert(self.effects(node, targets)?),
        };
        let solved = match means {
            Means::Cheap => self.by_model(node, goal, effects)?,
            Means::All => self.by_all(node, goal, effects)?,
        };
        Ok((solved, Attempt::Whole))
    }

    /// The comparisons to work on: those tried least often, and of these the last ones, which are
    /// nearest to where the input was given up.
    fn targets(&self, trace: &Trace) -> Vec<usize> {
        let max = self.limits.max_attempts;
        let mut targets: Vec<usize> = (0..trace.events.len())
            .filter(|idx| is_target(&trace.events[*idx], self.frontier, max))
            .collect();
        targets.sort_by_key(|idx| (self.frontier.parts(&trace.events[*idx]), usize::MAX - idx));
        targets.truncate(MAX_TARGETS);
        targets
    }

    /// Whether a trace has comparisons to work on that the other one has not.
    fn leads_on(&self, trace: &Trace, before: &Trace) -> bool {
        let max = self.limits.max_attempts;
        trace.events.iter().enumerate().any(|(idx, event)| {
            is_target(event, self.frontier, max) && before.find(event, idx).is_none()
        })
    }

    /// Runs a candidate; `None` if the test may not be given it.
    fn run(&mut self, input: &[u8]) -> Result<Option<Trace>, Stopped> {
        let is_fit = input.len() <= self.limits.max_len
            && (self.limits.kind == InputKind::Bytes || std::str::from_utf8(input).is_ok());
        if !is_fit {
            return Ok(None);
        }
        if self.n_left == 0 {
            return Err(Stopped);
        }
        self.n_left -= 1;
        let mut trace = Trace::default();
        if (self.run)(input, &mut trace).is_break() {
            return Err(Stopped);
        }
        Ok(Some(trace))
    }

    fn attempt(&mut self, input: Vec<u8>) -> Result<Option<Node>, Stopped> {
        // Made whole, so that all that the program reads is there to be changed.
        let whole = self.limits.shape.map(|shape| canonical(shape, &input));
        let input = whole.filter(|whole| whole.len() <= self.limits.max_len).unwrap_or(input);
        Ok(self.run(&input)?.map(|trace| Node { input, trace }))
    }

    /// Runs a candidate that is made for a goal; -> what became of it if the goal is reached, also
    /// where other comparisons had to be made right first.
    fn try_for(
        &mut self,
        node: &Node,
        goal: Goal<'_>,
        input: Vec<u8>,
        nested: u32,
    ) -> Result<Option<Node>, Stopped> {
        let Some(mut candidate) = self.attempt(input)? else { return Ok(None) };
        for _ in 0..MAX_REPAIRS {
            if goal.is_reached(&node.trace, &candidate.trace) {
                return Ok(Some(candidate));
            }
            let parting = node.trace.parting(&candidate.trace).filter(|idx| *idx < goal.idx);
            let Some(idx) = parting.filter(|_| nested > 0) else { break };
            let repair = Goal {
                idx,
                wanted: node.trace.events[idx].operands.order(),
                unlike: Some(&node.trace.events[goal.idx]),
                kept: edited(&node.input, &candidate.input),
            };
            let Some(repaired) = self.bring(&candidate, repair, nested - 1)? else { break };
            candidate = repaired;
        }
        // It may have gone another way, to where there is more to do.
        let event = &node.trace.events[goal.idx];
        let is_gone = candidate.trace.find(event, goal.idx).is_none();
        Ok(Some(candidate).filter(|now| is_gone && self.leads_on(&now.trace, &node.trace)))
    }

    /// Reaches a goal by all that is known of its comparison.
    fn by_all(
        &mut self,
        node: &Node,
        goal: Goal<'_>,
        effects: &Effects,
    ) -> Result<Option<Node>, Stopped> {
        if let Some(reached) = self.by_growth(node, goal, effects)? {
            return Ok(Some(reached));
        }
        if let Some(reached) = self.by_bisection(node, goal)? {
            return Ok(Some(reached));
        }
        if effects.is_out_of_reach(goal.idx) {
            return Ok(None);
        }
        if let Some(reached) = self.by_places(node, goal, MAX_NESTED)? {
            return Ok(Some(reached));
        }
        self.by_effects(node, goal, effects, MAX_NESTED)
    }

    /// Reaches a goal by all means.
    fn bring(&mut self, node: &Node, goal: Goal<'_>, nested: u32) -> Result<Option<Node>, Stopped> {
        if let Some(reached) = self.by_places(node, goal, nested)? {
            return Ok(Some(reached));
        }
        let effects = self.effects(node, &[goal.idx])?;
        self.by_effects(node, goal, &effects, nested)
    }

    /// By an operand in the place of the other one.
    fn by_places(
        &mut self,
        node: &Node,
        goal: Goal<'_>,
        nested: u32,
    ) -> Result<Option<Node>, Stopped> {
        let traced = self.limits.traced(&node.input);
        let event = &node.trace.events[goal.idx];
        for edit in solve::edits_of(traced, &event.operands, goal.wanted).iter().take(MAX_EDITS) {
            let candidate = apply(&node.input, edit, &self.limits);
            if let Some(reached) = self.try_for(node, goal, candidate, nested)? {
                return Ok(Some(reached));
            }
        }
        Ok(None)
    }

    /// By what the operands depend on.
    fn by_effects(
        &mut self,
        node: &Node,
        goal: Goal<'_>,
        effects: &Effects,
        nested: u32,
    ) -> Result<Option<Node>, Stopped> {
        let event = &node.trace.events[goal.idx];
        let effects: Vec<Effect> =
            effects.of(goal.idx).iter().filter(|e| !goal.keeps(e)).cloned().collect();
        let effects = &effects[..];
        match &event.operands {
            Operands::Int { .. } => {
                // Tens of milliseconds of reckoning: not for the repairs of a chain.
                if goal.wanted == Ordering::Equal && nested == MAX_NESTED {
                    if let Some(candidate) = self.by_hash(node, goal, effects)? {
                        if let Some(reached) = self.try_for(node, goal, candidate, nested)? {
                            return Ok(Some(reached));
                        }
                    }
                }
                for candidate in affine::candidates(node, goal, effects, self.limits) {
                    if let Some(reached) = self.try_for(node, goal, candidate, nested)? {
                        return Ok(Some(reached));
                    }
                }
                if goal.wanted != Ordering::Equal {
                    return Ok(None);
                }
                match self.by_bits(node, goal, effects)? {
                    Some(candidate) => self.try_for(node, goal, candidate, nested),
                    None => Ok(None),
                }
            }
            Operands::Bytes { .. } => self.by_characters(node, goal, effects),
        }
    }

    /// Makes right what had been equal in `before` and is not any more, as long as the goal stays
    /// reached: a checksum that comes after what was edited, for one. Best effort.
    fn mend(&mut self, before: &Node, mut now: Node, goal: Goal<'_>) -> Result<Node, Stopped> {
        let mut n_repairs = 0;
        for (idx, event) in before.trace.events.iter().enumerate() {
            if idx == goal.idx || !event.operands.are_equal() || n_repairs == MAX_REPAIRS {
                continue;
            }
            let at = now.trace.find(event, idx);
            let Some(at) = at.filter(|at| !now.trace.events[*at].operands.are_equal()) else {
                continue;
            };
            n_repairs += 1;
            let repair = Goal { idx: at, wanted: Ordering::Equal, unlike: None, kept: (0, 0) };
            if let Some(mended) = self.by_places(&now, repair, 0)? {
                if goal.is_reached(&before.trace, &mended.trace) {
                    now = mended;
                }
            }
        }
        Ok(now)
    }
}

fn is_target(event: &Event, frontier: &Frontier, max_attempts: u8) -> bool {
    frontier.is_unsolved(event)
        && frontier.attempts(event) < max_attempts
        && !is_of_capacity(&event.operands)
}

/// Whether it checks a size against the largest one of all, as every growing collection does: no
/// input is that large.
fn is_of_capacity(operands: &Operands) -> bool {
    let Operands::Int { a, b, width: 8, .. } = operands else { return false };
    let is_largest = |n: u64| n >= 1 << 56 && (n | 15).count_ones() == 64 - n.leading_zeros();
    let is_size = |n: u64| n < 1 << 32;
    is_largest(*a) && is_size(*b) || is_largest(*b) && is_size(*a)
}

/// What a comparison is solved by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Means {
    /// An operand in the place of the other one, and what is known of single bytes.
    Cheap,
    /// Searches of their own.
    All,
}

/// What is known of a node in one step.
#[derive(Debug, Default)]
struct Known {
    /// The effects on the targets, once they are needed.
    effects: Option<Effects>,
    /// Where a target was solved, and comparisons reached that are solved elsewhere.
    spare: Option<Node>,
}

/// Whether a trace has comparisons that the other one has not.
fn has_more(trace: &Trace, before: &Trace) -> bool {
    let mut events = trace.events.iter().enumerate();
    events.any(|(idx, event)| before.find(event, idx).is_none())
}

/// How a comparison of a node's trace shall come out.
#[derive(Clone, Copy, Debug)]
struct Goal<'g> {
    idx: usize,
    wanted: Ordering,
    /// What another comparison must not be again: else a repair undoes what it repairs.
    unlike: Option<&'g Event>,
    /// Bytes that are to be left alone, from one place to another: those just edited.
    kept: (usize, usize),
}

impl Goal<'_> {
    fn keeps(self, effect: &Effect) -> bool {
        match effect.change {
            Change::Byte { at, .. } => (self.kept.0..self.kept.1).contains(&at),
            // What is taken away there ends at the place.
            Change::Inserted { at } => (self.kept.0 + 1..=self.kept.1).contains(&at),
        }
    }

    fn is_reached(self, before: &Trace, now: &Trace) -> bool {
        let found = |event, hint| now.find(event, hint).map(|at| &now.events[at].operands);
        let is_undone =
            self.unlike.is_some_and(|event| found(event, self.idx) == Some(&event.operands));
        let own = found(&before.events[self.idx], self.idx);
        !is_undone && own.is_some_and(|own| own.order() == self.wanted)
    }
}

/// The part of `now` that is other than in `before`.
fn edited(before: &[u8], now: &[u8]) -> (usize, usize) {
    let start = before.iter().zip(now).take_while(|(x, y)| x == y).count();
    let most = before.len().min(now.len()) - start;
    let same = before.iter().rev().zip(now.iter().rev()).take(most);
    (start, now.len() - same.take_while(|(x, y)| x == y).count())
}

/// The input after an edit.
fn apply(input: &[u8], edit: &Edit, limits: &Limits) -> Vec<u8> {
    match (edit, limits.shape) {
        (edit, Some(shape)) => apply_to_values(input, edit, shape, limits.max_len),
        (Edit::Replace { at, removed, bytes }, None) => {
            [&input[..*at], bytes, &input[*at + *removed..]].concat()
        }
        (Edit::Resize(len), None) => resized(input, *len, limits.kind),
    }
}

/// The same of values; the input as it is, if it cannot be made.
fn apply_to_values(input: &[u8], edit: &Edit, shape: &Shape, max_len: usize) -> Vec<u8> {
    let mut buffer = vec![0; max_len.max(input.len())];
    let mut area = Area::over(&mut buffer, 0);
    area.assign(input);
    match edit {
        Edit::Replace { at, removed, bytes } => {
            values::replace(&mut area, shape, (*at, *removed), bytes, Room(max_len));
        }
        Edit::Resize(len) => {
            let mut random = Random::from_state(*len as u64, 1);
            values::resize_some(&mut area, shape, &mut random, *len, Room(max_len));
        }
    }
    area.as_slice().to_vec()
}

/// The input cut, or filled up with bytes that differ, so that they can be told apart later.
fn resized(input: &[u8], len: usize, kind: InputKind) -> Vec<u8> {
    let mut made = input[..len.min(input.len())].to_vec();
    while made.len() < len {
        let byte = match kind {
            InputKind::Bytes => 0x80_usize.wrapping_add(made.len().wrapping_mul(37)) as u8,
            InputKind::Text => b'a' + (made.len() % 26) as u8,
        };
        made.push(byte);
    }
    made
}
