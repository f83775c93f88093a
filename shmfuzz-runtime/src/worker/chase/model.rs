//! Repairs without further looking: what the bytes of an input did to each of its comparisons says
//! what to write into which of them, when an edit has turned one that had held.
//!
//! So a field that grows takes along the lengths of all that it lies in, in an execution or two a
//! level. What is inserted or cut moves the bytes behind it; the rest is as it was. A repair that
//! is wrong does not get further than what it was made from, and is dropped.

use super::super::solve;
use super::super::trace::Operands;
use super::affine::{self, Weight};
use super::effects::{self, Effects};
use super::{Chase, Goal, MAX_EDITS, Node, Stopped, apply, edited, resized};
use std::collections::BTreeSet;

/// How many comparisons that turned are made right after one edit.
const MAX_LEVELS: usize = 12;
/// How many ways are tried for each.
const MAX_WAYS: usize = 4;
/// How many bytes are looked at again for one comparison.
const MAX_LOOKED_AT: usize = 8;
/// How many edits of an integer are tried with as many bytes after it.
const MAX_LENGTHS: usize = 6;
/// How many bytes these are at most.
const MAX_GROWTH: u64 = 1024;

/// Where the bytes of an input stand after an edit.
#[derive(Clone, Copy, Debug)]
struct Moved {
    /// What is before it stays.
    start: usize,
    /// What was behind it is moved.
    end: usize,
    by: isize,
}

impl Moved {
    fn new(before: &[u8], now: &[u8]) -> Self {
        let (start, end) = edited(before, now);
        let by = now.len() as isize - before.len() as isize;
        Self { start, end: end.wrapping_add_signed(-by), by }
    }

    /// Where a byte stands now; `None` if it was edited.
    fn place(self, at: usize) -> Option<usize> {
        match at {
            at if at < self.start => Some(at),
            at if at < self.end => None,
            at => at.checked_add_signed(self.by),
        }
    }
}

impl Chase<'_> {
    /// Reaches a goal by an edit of which all that it turns is made right from what is known.
    pub(super) fn by_model(
        &mut self,
        node: &Node,
        goal: Goal<'_>,
        effects: &Effects,
    ) -> Result<Option<Node>, Stopped> {
        for input in self.edits_of_goal(node, goal, effects) {
            let moved = Moved::new(&node.input, &input);
            let Some(mut now) = self.attempt(input)? else { continue };
            let mut written = BTreeSet::new();
            for _ in 0..MAX_LEVELS {
                if goal.is_reached(&node.trace, &now.trace) {
                    return Ok(Some(now));
                }
                let parting = node.trace.parting(&now.trace).filter(|idx| *idx < goal.idx);
                let Some(idx) = parting else { break };
                let Some(better) = self.next_level(node, &now, (idx, moved), effects, &written)?
                else {
                    break;
                };
                let places = now.input.iter().zip(&better.input).enumerate();
                written.extend(places.filter(|(_, (x, y))| x != y).map(|(at, _)| at));
                now = better;
            }
        }
        Ok(None)
    }

    /// The input with the comparison at `idx` as it had been in `node`, if it gets further so.
    fn next_level(
        &mut self,
        node: &Node,
        now: &Node,
        (idx, moved): (usize, Moved),
        effects: &Effects,
        written: &BTreeSet<usize>,
    ) -> Result<Option<Node>, Stopped> {
        let before = &node.trace.events[idx].operands;
        let is_free = |at: &usize| !written.contains(at);
        let weights = effects::of_bytes(effects.of(idx)).filter_map(|(at, step, operands)| {
            let at = moved.place(at).filter(is_free)?;
            affine::weight(before, operands, at, step)
        });
        if let Some(better) = self.by_known(node, now, idx, weights.collect())? {
            return Ok(Some(better));
        }
        // A byte whose change ended the way before: what it does now. Those first that the last
        // comparisons before this one depend on.
        let mut bytes = Vec::new();
        'all: for event in (0..=idx).rev() {
            for (at, ..) in effects::of_bytes(effects.of(event)) {
                let Some(at) = moved.place(at).filter(is_free) else { continue };
                if !bytes.contains(&at) {
                    bytes.push(at);
                }
                if bytes.len() == MAX_LOOKED_AT {
                    break 'all;
                }
            }
        }
        let Some(event) = now.trace.events.get(idx) else { return Ok(None) };
        let mut weights = Vec::new();
        for at in bytes {
            let Some((byte, step)) = effects::step(&now.input, at, self.limits.kind) else {
                continue;
            };
            let mut changed = now.input.clone();
            changed[at] = byte;
            let Some(trace) = self.run(&changed)? else { continue };
            let then = trace.events.get(idx).filter(|then| then.is_same(event));
            weights.extend(
                then.and_then(|then| affine::weight(&event.operands, &then.operands, at, step)),
            );
        }
        self.by_known(node, now, idx, weights)
    }

    /// By what bytes count in the comparison at `idx`.
    fn by_known(
        &mut self,
        node: &Node,
        now: &Node,
        idx: usize,
        weights: Vec<Weight>,
    ) -> Result<Option<Node>, Stopped> {
        let Some(event) = now.trace.events.get(idx) else { return Ok(None) };
        let order = node.trace.events[idx].operands.order();
        let ways =
            affine::by_weights(&now.input, weights, &event.operands, order, self.limits.kind);
        for input in ways.into_iter().take(MAX_WAYS) {
            let Some(better) = self.attempt(input)? else { continue };
            if node.trace.parting(&better.trace).is_none_or(|parting| parting > idx) {
                return Ok(Some(better));
            }
        }
        Ok(None)
    }

    /// What may reach a goal if nothing were in the way.
    fn edits_of_goal(&self, node: &Node, goal: Goal<'_>, effects: &Effects) -> Vec<Vec<u8>> {
        let limits = self.limits;
        let traced =
            solve::Traced { input: &node.input, kind: limits.kind, max_len: limits.max_len };
        let operands = &node.trace.events[goal.idx].operands;
        let edits = solve::edits_of(traced, operands, goal.wanted);
        let mut made: Vec<Vec<u8>> = edits
            .iter()
            .take(MAX_EDITS)
            .map(|edit| apply(&node.input, edit, limits.kind))
            .collect();
        made.extend(affine::candidates(node, goal, effects.of(goal.idx), limits));
        // A length is made right together with what it is the length of.
        if let Operands::Int { a, b, .. } = operands {
            let n = a.abs_diff(*b);
            if n <= MAX_GROWTH {
                let lengths = made.iter().filter(|made| made.len() == node.input.len());
                let grown = lengths.take(MAX_LENGTHS).flat_map(|length| {
                    let (_, end) = edited(&node.input, length);
                    let (head, tail) = length.split_at(end);
                    let filled = resized(&[], n as usize, limits.kind);
                    let cut = tail.get(n as usize..).map(|tail| [head, tail].concat());
                    let grown = [
                        Some([head, &filled, tail].concat()).filter(|_| a > b || cut.is_none()),
                        cut.filter(|_| a < b),
                    ];
                    let at_end =
                        (a > b && !tail.is_empty()).then(|| [length, &filled[..]].concat());
                    grown.into_iter().chain([at_end]).flatten()
                });
                let grown: Vec<Vec<u8>> = grown.collect();
                made.extend(grown);
            }
        }
        let mut known = BTreeSet::from([node.input.clone()]);
        made.retain(|input| known.insert(input.clone()));
        made
    }
}
