//! What comparisons depend on: one execution for each byte that is changed by one, one for each
//! place where a byte is inserted.
//!
//! Long inputs are changed a stretch at a time first, and only the stretches that matter are
//! looked at byte by byte. An execution that does not reach a comparison tells nothing about it.

use super::super::trace::{Event, Operands, Trace};
use super::{Chase, Node, Stopped};
use crate::record::InputKind;

/// Inputs up to this length are looked at byte by byte.
const MAX_SINGLE: usize = 96;
/// Into how many stretches longer ones are divided.
const N_STRETCHES: usize = 64;
/// How many bytes of the stretches that matter are looked at.
const MAX_BYTES: usize = 256;
/// In how many places a byte is inserted.
const MAX_INSERTED: usize = 48;

/// What was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The byte at this place, by one up or down.
    Byte {
        /// The place.
        at: usize,
        /// 1 or -1.
        step: i8,
    },
    /// A byte was inserted at this place.
    Inserted {
        /// The place.
        at: usize,
    },
}

/// One change and the operands after it.
#[derive(Clone, Debug)]
pub(super) struct Effect {
    /// What was changed.
    pub(super) change: Change,
    /// The operands then; other ones than before.
    pub(super) operands: Operands,
}

/// The effects on the comparisons that were looked at, and on those that come before them.
#[derive(Debug)]
pub(super) struct Effects {
    targets: Vec<usize>,
    /// By comparison.
    effects: Vec<Vec<Effect>>,
    /// Targets that some change made away with.
    lost: Vec<usize>,
}

impl Effects {
    fn new(targets: &[usize], n_events: usize) -> Self {
        let last = targets.iter().max().map_or(n_events, |last| last + 1);
        Self { targets: targets.to_vec(), effects: vec![Vec::new(); last], lost: Vec::new() }
    }

    /// The changes that have an effect on the comparison at `idx`.
    pub(super) fn of(&self, idx: usize) -> &[Effect] {
        self.effects.get(idx).map_or(&[], |effects| effects)
    }

    /// Whether nothing that was changed mattered to the comparison at `idx`.
    pub(super) fn is_out_of_reach(&self, idx: usize) -> bool {
        self.of(idx).is_empty() && !self.lost.contains(&idx)
    }

    fn note(&mut self, before: &Trace, now: &Trace, change: Change) {
        let pairs = before.events.iter().zip(&now.events);
        let n_same = pairs.clone().take_while(|(own, theirs)| own.is_same(theirs)).count();
        for (idx, (own, theirs)) in pairs.take(n_same).enumerate() {
            let is_wanted =
                matches!(own.operands, Operands::Int { .. }) || self.targets.contains(&idx);
            if own.operands != theirs.operands && is_wanted {
                if let Some(effects) = self.effects.get_mut(idx) {
                    effects.push(Effect { change, operands: theirs.operands.clone() });
                }
            }
        }
        for target in self.targets.iter().filter(|target| **target >= n_same) {
            let event = &before.events[*target];
            match now.find(event, *target).map(|at| &now.events[at].operands) {
                Some(operands) if *operands == event.operands => {}
                Some(operands) => {
                    self.effects[*target].push(Effect { change, operands: operands.clone() });
                }
                None if !self.lost.contains(target) => self.lost.push(*target),
                None => {}
            }
        }
    }
}

/// The places of the bytes that were changed, by how much each, and the operands after it.
pub(super) fn of_bytes(effects: &[Effect]) -> impl Iterator<Item = (usize, i8, &Operands)> {
    effects.iter().filter_map(|effect| match effect.change {
        Change::Byte { at, step } => Some((at, step, &effect.operands)),
        Change::Inserted { .. } => None,
    })
}

/// The operands of `event` in another trace, if they are other ones.
fn changed<'t>(event: &Event, idx: usize, now: &'t Trace) -> Option<&'t Operands> {
    let at = now.find(event, idx)?;
    let operands = &now.events[at].operands;
    (*operands != event.operands).then_some(operands)
}

impl Chase<'_> {
    /// Looks for the effects of every byte, and of the length, on the comparisons at `targets`.
    pub(super) fn effects(&mut self, node: &Node, targets: &[usize]) -> Result<Effects, Stopped> {
        let mut effects = Effects::new(targets, node.trace.events.len());
        for at in self.bytes_that_matter(node, targets)? {
            let Some((byte, step)) = step(&node.input, at, self.limits.kind) else { continue };
            let mut changed = node.input.clone();
            changed[at] = byte;
            if let Some(trace) = self.run(&changed)? {
                effects.note(&node.trace, &trace, Change::Byte { at, step });
            }
        }
        // From the end: what is appended concerns the length alone.
        let len = node.input.len();
        let stride = len.div_ceil(MAX_INSERTED).max(1);
        for at in (0..=len).rev().step_by(stride) {
            let byte = node.input[..at].last().copied().unwrap_or(b'0');
            let byte =
                if byte.is_ascii() || self.limits.kind == InputKind::Bytes { byte } else { b'0' };
            let inserted = [&node.input[..at], &[byte], &node.input[at..]].concat();
            if let Some(trace) = self.run(&inserted)? {
                effects.note(&node.trace, &trace, Change::Inserted { at });
            }
        }
        Ok(effects)
    }

    fn bytes_that_matter(&mut self, node: &Node, targets: &[usize]) -> Result<Vec<usize>, Stopped> {
        let len = node.input.len();
        if len <= MAX_SINGLE {
            return Ok((0..len).collect());
        }
        let stretch = len.div_ceil(N_STRETCHES);
        let mut bytes = Vec::new();
        for start in (0..len).step_by(stretch) {
            let end = (start + stretch).min(len);
            let mut input = node.input.clone();
            for (at, byte) in input.iter_mut().enumerate().take(end).skip(start) {
                if let Some((changed, _)) = step(&node.input, at, self.limits.kind) {
                    *byte = changed;
                }
            }
            let Some(trace) = self.run(&input)? else { continue };
            let matters = targets.iter().any(|target| {
                let event = &node.trace.events[*target];
                trace.find(event, *target).is_none() || changed(event, *target, &trace).is_some()
            });
            if matters {
                bytes.extend(start..end);
            }
        }
        // The last ones first: the first ones are mostly what leads to all of the comparisons.
        bytes.reverse();
        bytes.truncate(MAX_BYTES);
        Ok(bytes)
    }
}

/// The byte at a place changed by one, within its class of characters; and by how much.
pub(super) fn step(input: &[u8], at: usize, kind: InputKind) -> Option<(u8, i8)> {
    let byte = input[at];
    if kind == InputKind::Text && !byte.is_ascii() {
        return None;
    }
    let step: i8 = if matches!(byte, b'9' | b'z' | b'Z' | 0x7e..=0x7f | 0xff) { -1 } else { 1 };
    Some((byte.wrapping_add_signed(step), step))
}
