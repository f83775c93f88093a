//! Lengths of what was decoded: comparisons whose operands grow with the input, but not by one for
//! each byte, and only where what is inserted is valid.
//!
//! What stands there already is repeated, in units of the smallest size that keeps the way to the
//! comparison; how many are needed is approached from how many bytes a few of them bring.

use super::super::trace::Operands;
use super::affine;
use super::effects::{Change, Effects};
use super::{Chase, Goal, Limits, Node, Stopped};
use crate::record::InputKind;

/// The sizes of units, in bytes: of single characters, UTF-16 or hexadecimal digits, UTF-32 or
/// Base64, and the rest.
const UNITS: [usize; 4] = [1, 2, 4, 3];
/// How many units show what they bring.
const N_SHOWN: i64 = 4;
/// How many places in the input are tried.
const MAX_PLACES: usize = 3;
/// How often a number of units is corrected.
const MAX_STEPS: usize = 6;
/// The largest length that is taken for one, in bytes.
const MAX_LENGTH: u64 = 1 << 12;

/// What units are made of.
#[derive(Clone, Copy, Debug)]
enum Fill {
    /// The bytes before the place.
    Repeated,
    /// The shortest character, as far as that is known.
    Blank,
}

/// What can be inserted, and what it brings.
#[derive(Clone, Copy, Debug)]
struct Filler {
    at: usize,
    unit: usize,
    fill: Fill,
    /// By how much one unit makes the difference of the operands grow.
    slope: f64,
}

impl Filler {
    /// The input with so many units more, or less; `None` if there are not so many to take away,
    /// or if it is too long.
    fn apply(self, input: &[u8], n: i64, limits: Limits) -> Option<Vec<u8>> {
        if limits.shape.is_some() {
            let is_only = self.unit == 1 && matches!(self.fill, Fill::Repeated);
            return limits.with_more(input, self.at, i128::from(n)).filter(|_| is_only);
        }
        let (head, tail) = input.split_at_checked(self.at)?;
        let len = self.unit.checked_mul(usize::try_from(n.unsigned_abs()).ok()?)?;
        if n >= 0 && len > limits.max_len.saturating_sub(input.len()) {
            return None;
        }
        if n < 0 {
            return Some([&head[..head.len().checked_sub(len)?], tail].concat());
        }
        let blank = if limits.kind == InputKind::Text { b'a' } else { 0 };
        let own = &head[head.len().saturating_sub(self.unit)..];
        let filling: Vec<u8> = match self.fill {
            Fill::Repeated if !own.is_empty() => own.iter().copied().cycle().take(len).collect(),
            Fill::Repeated => vec![b'0'; len],
            Fill::Blank => vec![blank; len],
        };
        Some([head, &filling, tail].concat())
    }
}

impl Chase<'_> {
    /// Makes two lengths equal.
    pub(super) fn by_growth(
        &mut self,
        node: &Node,
        goal: Goal<'_>,
        effects: &Effects,
    ) -> Result<Option<Node>, Stopped> {
        let operands = &node.trace.events[goal.idx].operands;
        match operands {
            Operands::Int { a, b, width: 8, .. } if *a.max(b) <= MAX_LENGTH => {}
            _ => return Ok(None),
        }
        let mut fillers = Vec::new();
        for at in places(node, goal, effects, self.limits) {
            for fill in [Fill::Repeated, Fill::Blank] {
                fillers.extend(self.filler(node, goal, at, fill)?);
            }
            if !fillers.is_empty() {
                break;
            }
        }
        fillers.sort_by(|x, y| y.slope.abs().total_cmp(&x.slope.abs()));
        let mut best = node.clone();
        for filler in fillers {
            let Some((reached, now)) = self.fill_up(best, node, goal, filler)? else {
                return Ok(None);
            };
            if reached {
                return Ok(Some(now));
            }
            best = now;
        }
        Ok(None)
    }

    /// What can be inserted at a place.
    fn filler(
        &mut self,
        node: &Node,
        goal: Goal<'_>,
        at: usize,
        fill: Fill,
    ) -> Result<Option<Filler>, Stopped> {
        let Some(before) = difference(node, node, goal) else { return Ok(None) };
        for unit in UNITS {
            let filler = Filler { at, unit, fill, slope: 0.0 };
            let mut is_valid = true;
            let mut grown = 0;
            for n in [1, N_SHOWN] {
                let input = filler.apply(&node.input, n, self.limits);
                let now = match input {
                    Some(input) if is_valid => self.attempt(input)?,
                    _ => None,
                };
                let then = now.and_then(|now| difference(node, &now, goal));
                is_valid &= then.is_some();
                grown = then.unwrap_or(before) - before;
            }
            if is_valid {
                let slope = grown as f64 / N_SHOWN as f64;
                return Ok((grown != 0).then_some(Filler { slope, ..filler }));
            }
        }
        Ok(None)
    }

    /// Inserts, or takes away, as many units as bring the goal nearest; -> whether it is reached,
    /// and what came nearest.
    fn fill_up(
        &mut self,
        start: Node,
        node: &Node,
        goal: Goal<'_>,
        filler: Filler,
    ) -> Result<Option<(bool, Node)>, Stopped> {
        let Some(before) = difference(node, &start, goal) else { return Ok(None) };
        let (mut best, mut left) = ((before.abs(), start.clone()), before);
        let (mut n, mut known) = (0i64, vec![0]);
        for _ in 0..MAX_STEPS {
            let more = -(left as f64) / filler.slope;
            n = n.saturating_add(match more.abs() < 1.0 {
                true => more.signum() as i64,
                false => more.round() as i64,
            });
            if known.contains(&n) {
                break;
            }
            known.push(n);
            let Some(input) = filler.apply(&start.input, n, self.limits) else { break };
            let Some(now) = self.attempt(input)? else { break };
            if goal.is_reached(&node.trace, &now.trace) {
                return Ok(Some((true, now)));
            }
            let Some(then) = difference(node, &now, goal) else { break };
            left = then;
            // What is left must be for another filler to insert: what it would take away is not
            // its own.
            if then.abs() < best.0 && (then as f64) * filler.slope < 0.0 {
                best = (then.abs(), now);
            }
        }
        Ok(Some((false, best.1)))
    }
}

/// The difference of the operands that the goal is about, in another input.
fn difference(node: &Node, now: &Node, goal: Goal<'_>) -> Option<i128> {
    let event = &node.trace.events[goal.idx];
    let at = now.trace.find(event, goal.idx)?;
    affine::difference(&now.trace.events[at].operands).map(|(difference, _)| difference)
}

/// Where to insert: where that is known to count, at the end, before the last byte, which may be a
/// closing one, and in the middle.
fn places(node: &Node, goal: Goal<'_>, effects: &Effects, limits: Limits) -> Vec<usize> {
    let len = node.input.len();
    let known = effects.of(goal.idx).iter().filter_map(|effect| match effect.change {
        Change::Inserted { at } => Some(at),
        Change::Byte { .. } => None,
    });
    let mut places: Vec<usize> = known.take(1).collect();
    let likely = match limits.parts(&node.input) {
        Some(parts) => parts.counts,
        None => vec![len, len.saturating_sub(1), len / 8 * 4],
    };
    for at in likely {
        if !places.contains(&at) {
            places.push(at);
        }
    }
    places.truncate(MAX_PLACES);
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fillers_stay_within_the_input_and_its_limit() {
        let limits =
            Limits { kind: InputKind::Bytes, shape: None, max_len: 10, n_runs: 1, max_attempts: 1 };
        let filler = Filler { at: 3, unit: 2, fill: Fill::Repeated, slope: 1.0 };
        let apply = |n| filler.apply(b"abcd", n, limits);
        assert_eq!(apply(2).as_deref(), Some(&b"abcbcbcd"[..]));
        assert_eq!(apply(-1).as_deref(), Some(&b"ad"[..]));
        assert_eq!(
            (apply(3).map(|input| input.len()), apply(4), apply(-2)),
            (Some(10), None, None)
        );
        assert_eq!((apply(i64::MAX), apply(i64::MIN)), (None, None));
        let behind = Filler { at: 5, ..filler };
        assert_eq!(behind.apply(b"abcd", 1, limits), None);
    }
}
