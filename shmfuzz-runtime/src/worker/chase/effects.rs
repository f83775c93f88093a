//! What comparisons depend on: one execution for each byte that is changed by one, one for each
//! place where a byte is inserted.
//!
//! Long inputs are changed a stretch at a time first, and only the stretches that matter are
//! looked at byte by byte. An execution that does not reach a comparison tells nothing about it.
//! Invariant: however many comparisons there are, what is known of them takes no more than
//! [`MAX_SIZE`], and as much again in reserve for what comes.

use super::super::structure::Parts;
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
/// How much the effects on all comparisons take, in bytes. Those on targets take less than a tenth
/// of it.
const MAX_SIZE: usize = 1 << 24;

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
    /// A byte was inserted at this place; in values, an element in the list whose count stands
    /// there.
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

impl Effect {
    /// What it takes, in bytes.
    fn size(&self) -> usize {
        let strings = match &self.operands {
            Operands::Int { .. } => 0,
            Operands::Bytes { a, b } => a.len() + b.len(),
        };
        size_of::<Self>() + strings
    }
}

/// The effects on the comparisons that were looked at, and those of single bytes on the integers
/// that are compared before them.
#[derive(Debug)]
pub(super) struct Effects {
    targets: Vec<usize>,
    /// By comparison; `None` where there were too many.
    effects: Vec<Option<Vec<Effect>>>,
    /// Targets that some change made away with.
    lost: Vec<usize>,
    /// What the effects take, in bytes, and how much that may be.
    size: usize,
    max_size: usize,
}

impl Effects {
    fn new(targets: &[usize], n_events: usize, max_size: usize) -> Self {
        let last = targets.iter().max().map_or(n_events, |last| last + 1);
        let effects = vec![Some(Vec::new()); last];
        Self { targets: targets.to_vec(), effects, lost: Vec::new(), size: 0, max_size }
    }

    /// The changes that have an effect on the comparison at `idx`; none if they were dropped.
    pub(super) fn of(&self, idx: usize) -> &[Effect] {
        self.effects.get(idx).and_then(Option::as_deref).unwrap_or_default()
    }

    /// Whether nothing that was changed mattered to the comparison at `idx`.
    pub(super) fn is_out_of_reach(&self, idx: usize) -> bool {
        self.of(idx).is_empty() && !self.lost.contains(&idx)
    }

    fn note(&mut self, before: &Trace, now: &Trace, change: Change) {
        let pairs = before.events.iter().zip(&now.events);
        let n_same = pairs.clone().take_while(|(own, theirs)| own.is_same(theirs)).count();
        for (idx, (own, theirs)) in pairs.take(n_same).enumerate() {
            // What comes before a target is repaired by single bytes.
            let is_of_byte =
                matches!((&own.operands, change), (Operands::Int { .. }, Change::Byte { .. }));
            if own.operands != theirs.operands && (is_of_byte || self.targets.contains(&idx)) {
                self.add(idx, Effect { change, operands: theirs.operands.clone() });
            }
        }
        let mut reached = Vec::new();
        for target in self.targets.iter().filter(|target| **target >= n_same) {
            let event = &before.events[*target];
            match now.find(event, *target).map(|at| &now.events[at].operands) {
                Some(operands) if *operands == event.operands => {}
                Some(operands) => reached.push((*target, operands.clone())),
                None if !self.lost.contains(target) => self.lost.push(*target),
                None => {}
            }
        }
        for (target, operands) in reached {
            self.add(target, Effect { change, operands });
        }
    }

    fn add(&mut self, idx: usize, effect: Effect) {
        let Some(Some(own)) = self.effects.get_mut(idx) else { return };
        self.size += effect.size();
        own.push(effect);
        while self.size > self.max_size {
            let Some(idx) = self.widest() else { return };
            let dropped = self.effects[idx].take().unwrap_or_default();
            self.size -= dropped.iter().map(Effect::size).sum::<usize>();
        }
    }

    /// The comparison whose effects are dropped next: none of the targets, but the one that most
    /// changes matter to. It is a checksum or a loop over all of the input, and takes the room of
    /// many lengths and tags, which depend on a byte or two. The earliest of those alike: what is
    /// near the targets is of more use to them.
    fn widest(&self) -> Option<usize> {
        let known = self.effects.iter().enumerate().rev();
        let known = known.filter(|(idx, _)| !self.targets.contains(idx));
        let known = known.filter_map(|(idx, own)| Some((idx, own.as_ref()?.len())));
        known.filter(|(_, n)| *n > 0).max_by_key(|(_, n)| *n).map(|(idx, _)| idx)
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
        let mut effects = Effects::new(targets, node.trace.events.len(), MAX_SIZE);
        let parts = self.limits.parts(&node.input);
        for at in self.bytes_that_matter(node, targets, parts.as_ref())? {
            let Some((byte, step)) = step(&node.input, at, self.limits.kind) else { continue };
            let mut changed = node.input.clone();
            changed[at] = byte;
            if let Some(trace) = self.run(&changed)? {
                effects.note(&node.trace, &trace, Change::Byte { at, step });
            }
        }
        for at in parts.iter().flat_map(|parts| parts.counts.iter().rev().take(MAX_INSERTED)) {
            let Some(grown) = self.limits.with_more(&node.input, *at, 1) else { continue };
            if let Some(trace) = self.run(&grown)? {
                effects.note(&node.trace, &trace, Change::Inserted { at: *at });
            }
        }
        if parts.is_some() {
            return Ok(effects);
        }
        // From the end: what is appended concerns the length alone.
        let len = node.input.len();
        for at in insertions(len) {
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

    fn bytes_that_matter(
        &mut self,
        node: &Node,
        targets: &[usize],
        parts: Option<&Parts>,
    ) -> Result<Vec<usize>, Stopped> {
        let len = node.input.len();
        // A count or a tag is not changed alone.
        let is_free = |at: &usize| parts.is_none_or(|parts| parts.is_of_value(*at));
        if len <= MAX_SINGLE {
            return Ok((0..len).filter(is_free).collect());
        }
        let stretch = len.div_ceil(N_STRETCHES);
        let mut bytes = Vec::new();
        for start in (0..len).step_by(stretch) {
            let end = (start + stretch).min(len);
            let mut input = node.input.clone();
            for (at, byte) in input.iter_mut().enumerate().take(end).skip(start) {
                let step = step(&node.input, at, self.limits.kind);
                if let Some((changed, _)) = step.filter(|_| is_free(&at)) {
                    *byte = changed;
                }
            }
            let Some(trace) = self.run(&input)? else { continue };
            let matters = targets.iter().any(|target| {
                let event = &node.trace.events[*target];
                trace.find(event, *target).is_none() || changed(event, *target, &trace).is_some()
            });
            if matters {
                bytes.extend((start..end).filter(is_free));
            }
        }
        // The last ones first: the first ones are mostly what leads to all of the comparisons.
        bytes.reverse();
        bytes.truncate(MAX_BYTES);
        Ok(bytes)
    }
}

/// Where bytes are inserted into an input of this length.
fn insertions(len: usize) -> impl Iterator<Item = usize> {
    (0..=len).rev().step_by(len.div_ceil(MAX_INSERTED).max(1))
}

/// How many executions it takes at least to look for the effects on comparisons of an input of
/// this length; where parts of it are text of more than a byte a character, fewer.
pub(super) fn least_runs(len: usize) -> u64 {
    let n_changed = match len {
        0..=MAX_SINGLE => len,
        _ => len.div_ceil(len.div_ceil(N_STRETCHES)),
    };
    (n_changed + insertions(len).count()) as u64
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

#[cfg(test)]
mod tests {
    use super::super::super::trace::Constant;
    use super::*;

    fn trace(all: &[Operands]) -> Trace {
        let event = |(site, operands): (usize, &Operands)| Event {
            site: site as u64,
            nth: 0,
            operands: operands.clone(),
        };
        Trace { events: all.iter().enumerate().map(event).collect(), ..Trace::default() }
    }

    fn int(a: u64) -> Operands {
        Operands::Int { a, b: 0, width: 4, constant: Constant::None }
    }

    fn byte(at: usize) -> Change {
        Change::Byte { at, step: 1 }
    }

    fn places(effects: &Effects, idx: usize) -> Vec<usize> {
        of_bytes(effects.of(idx)).map(|(at, ..)| at).collect()
    }

    #[test]
    fn effects_are_known_of_targets_and_of_integers_before_them() {
        let bytes = |text: &[u8]| Operands::Bytes { a: text.into(), b: (*b"abc").into() };
        let before = trace(&[int(1), bytes(b"xyz"), int(2), bytes(b"xyz"), int(3)]);
        let mut effects = Effects::new(&[3], 5, MAX_SIZE);
        let all = trace(&[int(9), bytes(b"xya"), int(2), bytes(b"xyb"), int(9)]);
        effects.note(&before, &all, byte(7));
        effects.note(&before, &all, Change::Inserted { at: 8 });
        assert_eq!(effects.of(0).len(), 1, "of a byte alone");
        assert_eq!(effects.of(3).len(), 2);
        assert_eq!(of_bytes(effects.of(3)).collect::<Vec<_>>(), [(7, 1, &bytes(b"xyb"))]);
        for idx in [1, 2, 4, 5] {
            assert!(effects.of(idx).is_empty(), "{idx}");
        }
        // Another way, on which the target is made later, or not at all.
        assert!(!effects.is_out_of_reach(3));
        let mut late = all.clone();
        late.events.insert(1, Event { site: 9, nth: 0, operands: int(0) });
        late.events[4].operands = bytes(b"new");
        effects.note(&before, &late, byte(6));
        assert_eq!((places(&effects, 0), places(&effects, 3)), (vec![7, 6], vec![7, 6]));
        let mut unreached = Effects::new(&[3, 2], 5, MAX_SIZE);
        assert!(unreached.is_out_of_reach(3));
        unreached.note(&before, &trace(&[int(1)]), byte(0));
        assert!(!unreached.is_out_of_reach(3) && unreached.of(3).is_empty());
    }

    #[test]
    fn where_room_is_short_what_depends_on_most_bytes_is_dropped() {
        // A tag, checksums that every byte moves, a length of two bytes; and a target like these.
        const N: usize = 200;
        let operands = |at: usize| {
            let mut all = vec![int(1); N + 3];
            all[0] = int(if at == 5 { 9 } else { 1 });
            all[1..=N].fill(int(7 + at as u64));
            all[N + 1] = int(if at < 2 { 9 } else { 1 });
            all[N + 2] = int(7 + at as u64);
            trace(&all)
        };
        let before = operands(1 << 20);
        let max_size = 50 * N * size_of::<Effect>();
        let mut effects = Effects::new(&[N + 2], N + 3, max_size);
        for at in 0..N {
            effects.note(&before, &operands(at), byte(at));
            assert!(effects.size <= max_size, "{} bytes", effects.size);
        }
        assert_eq!((places(&effects, 0), places(&effects, N + 1)), (vec![5], vec![0, 1]));
        let kept: Vec<usize> = (1..=N).filter(|idx| !effects.of(*idx).is_empty()).collect();
        assert_eq!(kept, (N + 1 - kept.len()..=N).collect::<Vec<_>>(), "the last ones");
        assert!((40..50).contains(&kept.len()), "{kept:?}");
        assert!(kept.iter().all(|idx| places(&effects, *idx).len() == N), "whole, or not at all");
        assert_eq!(places(&effects, N + 2).len(), N, "of a target, all are kept");
        let held = effects.effects.iter().flatten().flatten().map(Effect::size).sum::<usize>();
        assert_eq!(effects.size, held);
    }

    #[test]
    fn targets_keep_their_effects_where_there_is_no_room() {
        let text = |at: u8| Operands::Bytes { a: [at; 64].into(), b: [7; 64].into() };
        let before = trace(&[int(1), text(200)]);
        let mut effects = Effects::new(&[1], 2, 0);
        for at in 0..100 {
            effects.note(&before, &trace(&[int(2 + u64::from(at)), text(at)]), byte(at.into()));
        }
        assert_eq!((effects.of(0).len(), effects.of(1).len()), (0, 100));
        assert_eq!(effects.size, 100 * (size_of::<Effect>() + 128));
        // As many as there can be of them, each with all that can be changed.
        let most = super::super::MAX_TARGETS * (MAX_BYTES + MAX_INSERTED + 1) * effects.size / 100;
        assert!(most < MAX_SIZE / 10, "{most} bytes");
    }
}
