//! Integers that are sums: of bytes with fixed weights (an integer of either byte order, decimal
//! digits, a sum over bytes), or of a length and a constant. Pure.
//!
//! The difference of the operands is taken for `d + sum of weight * byte`; the weights are what
//! changing each byte by one did. The bytes that make it 0 are found greedily, the largest weight
//! first, as the digits of a number are.

use super::super::trace::Operands;
use super::effects::{Change, Effect};
use super::{Goal, Limits, Node, modular, resized};
use crate::record::InputKind;
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// A byte and what it counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weight {
    /// Where it stands.
    pub(super) at: usize,
    /// By how much the difference grows when it grows by one.
    pub(super) weight: i128,
}

/// The operands' difference, as a signed integer of the operands' width.
pub(super) fn difference(operands: &Operands) -> Option<(i128, u32)> {
    let Operands::Int { a, b, width, .. } = operands else { return None };
    let bits = 8 * u32::from(*width).clamp(1, 8);
    Some((signed(i128::from(*a) - i128::from(*b), bits), bits))
}

/// `value` modulo 2^bits, as the signed integer nearest to 0.
pub(super) fn signed(value: i128, bits: u32) -> i128 {
    let low = value.rem_euclid(1 << bits);
    if low >= 1 << (bits - 1) { low - (1 << bits) } else { low }
}

/// In how many lists a difference is taken for one of lengths.
const MAX_COUNTS: usize = 2;
/// The most inputs that are tried for one comparison.
const MAX_CANDIDATES: usize = 16;

/// Inputs for which the comparison should come out as wanted, likely ones first.
pub(super) fn candidates(
    node: &Node,
    goal: Goal<'_>,
    effects: &[Effect],
    limits: Limits,
) -> Vec<Vec<u8>> {
    let Some((now, bits)) = difference(&node.trace.events[goal.idx].operands) else {
        return Vec::new();
    };
    let wanted = difference_of(goal.wanted);
    let (mut weights, mut inserted) = (Vec::new(), Vec::new());
    for effect in effects {
        let Some((then, _)) = difference(&effect.operands) else { continue };
        let grown = signed(then - now, bits);
        match effect.change {
            _ if grown == 0 => {}
            Change::Byte { at, step } => {
                weights.push(Weight { at, weight: grown * i128::from(step) });
            }
            Change::Inserted { at } => inserted.push(Weight { at, weight: grown }),
        }
    }
    let mut made = Vec::new();
    // By another length, at each place where that counts: some.
    let n = inserted.len();
    for i in (0..n).step_by(n.div_ceil(4).max(1)) {
        made.extend(by_length(&node.input, inserted[i], wanted - now, limits));
    }
    made.extend(by_sorted_weights(&node.input, weights, wanted - now, bits, limits.kind));
    // The guess costs repairs, so it comes last; there is room for it.
    made.truncate(MAX_CANDIDATES - 2);
    made.extend(by_guess(&node.input, wanted - now, limits));
    // Not by cutting off what was just put there.
    let mut known = BTreeSet::from([node.input.clone()]);
    made.retain(|input| input.len() >= goal.kept.1 && known.insert(input.clone()));
    made
}

fn difference_of(wanted: Ordering) -> i128 {
    match wanted {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    }
}

/// What a byte counts, by one change of it.
pub(super) fn weight(before: &Operands, now: &Operands, at: usize, step: i8) -> Option<Weight> {
    let ((before, bits), (now, _)) = (difference(before)?, difference(now)?);
    let grown = signed(now - before, bits);
    (grown != 0).then_some(Weight { at, weight: grown * i128::from(step) })
}

/// Inputs with other bytes for which these operands should come out as wanted, likely ones first.
pub(super) fn by_weights(
    input: &[u8],
    weights: Vec<Weight>,
    operands: &Operands,
    wanted: Ordering,
    kind: InputKind,
) -> Vec<Vec<u8>> {
    let Some((now, bits)) = difference(operands) else { return Vec::new() };
    by_sorted_weights(input, weights, difference_of(wanted) - now, bits, kind)
}

fn by_sorted_weights(
    input: &[u8],
    mut weights: Vec<Weight>,
    grow: i128,
    bits: u32,
    kind: InputKind,
) -> Vec<Vec<u8>> {
    let mut made = Vec::new();
    if weights.is_empty() {
        return made;
    }
    // Large weights first; a byte that stands last in the input counts least among equals.
    weights.sort_by_key(|weight| (-weight.weight.abs(), weight.at));
    let modulus = 1i128 << bits;
    for grow in [grow, grow + modulus, grow - modulus] {
        for range in [Range::Same, Range::Any] {
            made.extend(by_bytes(input, &weights, grow, range, kind));
        }
        // One byte alone, in case the others are no part of the number.
        for weight in weights.iter().take(4) {
            let alone = std::slice::from_ref(weight);
            made.extend(by_bytes(input, alone, grow, Range::Any, kind));
        }
    }
    made.extend(modular::candidates(input, &weights, grow, bits, kind));
    made
}

/// The difference taken for one of lengths, although no effect of the length was seen: where it is
/// compared with a field of the input first, any other length ends there.
fn by_guess(input: &[u8], grow: i128, limits: Limits) -> Vec<Vec<u8>> {
    const MAX_GUESSED: u128 = 1024;
    let n = grow.unsigned_abs();
    if n == 0 || n > MAX_GUESSED {
        return Vec::new();
    }
    if let Some(parts) = limits.parts(input) {
        let counts = parts.counts.iter().take(MAX_COUNTS);
        return counts
            .flat_map(|at| [grow, -grow].map(|n| limits.with_more(input, *at, n)))
            .flatten()
            .collect();
    }
    let kind = limits.kind;
    let longer = resized(input, input.len() + n as usize, kind);
    let shorter = input.len().checked_sub(n as usize).map(|len| resized(input, len, kind));
    [longer].into_iter().chain(shorter).collect()
}

/// An input that is longer or shorter, where the length counts `weight` a byte.
fn by_length(input: &[u8], place: Weight, grow: i128, limits: Limits) -> Option<Vec<u8>> {
    if grow % place.weight != 0 {
        return None;
    }
    let n = grow / place.weight;
    let at = place.at;
    if limits.shape.is_some() {
        return limits.with_more(input, at, n);
    }
    if n > 0 {
        let n = usize::try_from(n).ok().filter(|n| *n <= 1 << 16)?;
        let filled = resized(&[], n, limits.kind);
        return Some([&input[..at], &filled, &input[at..]].concat());
    }
    let n = usize::try_from(-n).ok()?;
    let start = at.checked_sub(n)?;
    Some([&input[..start], &input[at..]].concat())
}

/// Which values bytes may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Range {
    /// Digits stay digits.
    Same,
    /// All that the kind of input allows.
    Any,
}

fn bounds(byte: u8, range: Range, kind: InputKind) -> (i128, i128) {
    match (range, kind) {
        (Range::Same, _) if byte.is_ascii_digit() => (0x30, 0x39),
        (Range::Same, _) if byte.is_ascii_lowercase() => (0x61, 0x7a),
        (_, InputKind::Text) => (0, 0x7f),
        (_, InputKind::Bytes) => (0, 0xff),
    }
}

/// The input with bytes such that their weighted sum grows by `grow`.
pub(super) fn by_bytes(
    input: &[u8],
    weights: &[Weight],
    grow: i128,
    range: Range,
    kind: InputKind,
) -> Option<Vec<u8>> {
    // As digits counted from the end of each byte's range where the sum is smallest.
    let mut rest = grow;
    for Weight { at, weight } in weights {
        let (low, high) = bounds(input[*at], range, kind);
        let least = if *weight > 0 { low } else { high };
        rest += weight * (i128::from(input[*at]) - least);
    }
    if rest < 0 {
        return None;
    }
    let mut made = input.to_vec();
    for Weight { at, weight } in weights {
        let (low, high) = bounds(input[*at], range, kind);
        let digit = (rest / weight.abs()).min(high - low);
        rest -= digit * weight.abs();
        made[*at] = if *weight > 0 { low + digit } else { high - digit } as u8;
    }
    (rest == 0).then_some(made)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn differences_are_those_of_their_width() {
        assert_eq!(signed(0x1_0000_0001, 32), 1);
        assert_eq!(signed(0xffff_ffff, 32), -1);
        assert_eq!(signed(-0x80, 8), -0x80);
    }

    #[test]
    fn a_length_is_made_right_where_it_counts() {
        let kind = InputKind::Text;
        let limits = Limits { kind, shape: None, max_len: 10, n_runs: 1, max_attempts: 1 };
        let place = Weight { at: 2, weight: -1 };
        assert_eq!(by_length(b"abcd", place, 1, limits), Some(b"acd".to_vec()));
        assert_eq!(by_length(b"abcd", place, -2, limits), Some(b"ababcd".to_vec()));
        assert_eq!(by_length(b"abcd", Weight { at: 2, weight: 2 }, 3, limits), None);
        assert_eq!(by_length(b"abcd", Weight { at: 1, weight: 1 }, -3, limits), None);
    }

    proptest! {
        #[test]
        fn integers_of_any_form_are_solved(start: u32, wanted: u32, form in 0usize..3) {
            let weights: Vec<Weight> = match form {
                0 => (0..4).map(|i| Weight { at: i, weight: 1 << (8 * i) }).rev().collect(),
                1 => (0..4).map(|i| Weight { at: i, weight: 1 << (24 - 8 * i) }).collect(),
                _ => (0..10).map(|i| Weight { at: i, weight: 10i128.pow(9 - i as u32) }).collect(),
            };
            let write = |n: u32| match form {
                0 => n.to_le_bytes().to_vec(),
                1 => n.to_be_bytes().to_vec(),
                _ => format!("{n:010}").into_bytes(),
            };
            let grow = i128::from(wanted) - i128::from(start);
            let made = by_bytes(&write(start), &weights, grow, Range::Same, InputKind::Bytes);
            // Letters among the bytes may be kept as letters.
            let any = by_bytes(&write(start), &weights, grow, Range::Any, InputKind::Bytes);
            if form == 2 {
                prop_assert_eq!(made, Some(write(wanted)));
            } else {
                prop_assert_eq!(any, Some(write(wanted)));
            }
        }
    }
}
