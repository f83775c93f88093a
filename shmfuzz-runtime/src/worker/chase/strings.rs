//! Strings that are compared after they were decoded, folded or shifted: each of their characters
//! is searched for on its own.
//!
//! The effects say which byte of the input moves which byte of an operand; its 256 values are
//! tried until that byte is the wanted one.

use super::super::trace::{Event, Operands, Trace};
use super::effects::{self, Effect};
use super::{Chase, Goal, Node, Stopped};
use crate::record::InputKind;

/// How many bytes are equal from the start on.
fn n_equal(operands: &Operands) -> usize {
    match operands {
        Operands::Bytes { a, b } => a.iter().zip(b).take_while(|(x, y)| x == y).count(),
        Operands::Int { a, b, .. } => usize::from(a == b),
    }
}

/// Whether two pairs of strings differ at `at`.
fn differ_at(before: &Operands, now: &Operands, at: usize) -> bool {
    match (before, now) {
        (Operands::Bytes { a, b }, Operands::Bytes { a: x, b: y }) => {
            a.get(at) != x.get(at) || b.get(at) != y.get(at)
        }
        _ => false,
    }
}

fn operands_in<'t>(trace: &'t Trace, event: &Event, hint: usize) -> Option<&'t Operands> {
    trace.find(event, hint).map(|at| &trace.events[at].operands)
}

impl Chase<'_> {
    /// Searches for the bytes of the strings at `goal`, from left to right.
    pub(super) fn by_characters(
        &mut self,
        node: &Node,
        goal: Goal<'_>,
        effects: &[Effect],
    ) -> Result<Option<Node>, Stopped> {
        let event = &node.trace.events[goal.idx];
        let mut best = node.clone();
        loop {
            let Some(now) = operands_in(&best.trace, event, goal.idx) else { return Ok(None) };
            let n = n_equal(now);
            // What moves the first wrong byte; what moves it alone comes first.
            let mut places: Vec<(usize, usize)> = Vec::new();
            for (at, _, operands) in effects::of_bytes(effects) {
                if differ_at(&event.operands, operands, n) {
                    let n_before = (0..n).filter(|i| differ_at(&event.operands, operands, *i));
                    places.push((n_before.count(), at));
                }
            }
            places.sort_unstable();
            let mut better = None;
            for (_, at) in places.into_iter().take(4) {
                better = self.better_byte(&best, goal, (event, n), at)?;
                if better.is_some() {
                    break;
                }
            }
            let Some(better) = better else { return Ok(None) };
            if goal.is_reached(&node.trace, &better.trace) {
                return Ok(Some(better));
            }
            best = better;
        }
    }

    /// An input with another byte at `at`, and more than `n` bytes of the strings equal.
    fn better_byte(
        &mut self,
        best: &Node,
        goal: Goal<'_>,
        (event, n): (&Event, usize),
        at: usize,
    ) -> Result<Option<Node>, Stopped> {
        let top = if self.limits.kind == InputKind::Text { 0x7f } else { 0xff };
        // What is right if the character was shifted, or combined with a key.
        let own = best.input[at];
        let likely = match operands_in(&best.trace, event, goal.idx) {
            Some(Operands::Bytes { a, b }) if n < a.len().min(b.len()) => {
                let (x, y) = (a[n], b[n]);
                let grown = y.wrapping_sub(x);
                vec![own ^ x ^ y, own.wrapping_add(grown), own.wrapping_sub(grown)]
            }
            _ => Vec::new(),
        };
        let mut likely: Vec<u8> =
            likely.into_iter().filter(|byte| *byte <= top && *byte != own).collect();
        likely.dedup();
        let rest = (0..=top).filter(|byte| !likely.contains(byte) && *byte != own);
        for byte in likely.iter().copied().chain(rest) {
            let mut input = best.input.clone();
            input[at] = byte;
            let Some(trace) = self.run(&input)? else { continue };
            let is_better = operands_in(&trace, event, goal.idx)
                .is_some_and(|operands| n_equal(operands) > n || operands.are_equal());
            if is_better {
                return Ok(Some(Node { input, trace }));
            }
        }
        Ok(None)
    }
}
