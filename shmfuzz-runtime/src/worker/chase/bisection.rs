//! Comparisons of which no operand is reported but only how they came out: what `Ord::cmp` makes of
//! two integers is a single instruction to the compiler, and what is seen of it is a `switch` over
//! less, equal and greater. So it is where a number is looked up in a sorted map.
//!
//! Of values it is known where each number stands. If one of them at its least makes the comparison
//! come out another way than at its greatest, what it is equal to lies between, and is found by
//! halving.

use super::super::trace::{Constant, Event, Operands};
use super::{Chase, Goal, Limits, Node, Stopped};
use crate::shape::Shape;
use crate::walk::{self, COUNT};
use std::cmp::Ordering;

/// How many numbers of an input are tried.
const MAX_NUMBERS: usize = 24;

/// How the bytes of a number are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Unsigned,
    Signed,
    Float,
    /// An address.
    BigEndian,
    /// How many elements there are, up to twice as many as now.
    Count,
}

/// A number in an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Number {
    at: usize,
    len: usize,
    kind: Kind,
    /// The largest rank that is tried.
    max: u128,
}

impl Number {
    fn new(at: usize, len: usize, kind: Kind) -> Self {
        Self { at, len, kind, max: u128::MAX >> (128 - 8 * len as u32) }
    }

    /// The bytes of the number of which so many are smaller.
    fn bytes(self, rank: u128) -> Vec<u8> {
        let sign = 1 << (8 * self.len as u32 - 1);
        let bits = match self.kind {
            Kind::Signed => rank ^ sign,
            Kind::Float if rank & sign == 0 => !rank,
            Kind::Float => rank ^ sign,
            Kind::BigEndian => rank.swap_bytes() >> (128 - 8 * self.len as u32),
            Kind::Unsigned | Kind::Count => rank,
        };
        bits.to_le_bytes()[..self.len].to_vec()
    }

    /// The input with that number; `None` if it cannot be made.
    fn put(self, input: &[u8], rank: u128, limits: Limits) -> Option<Vec<u8>> {
        let bytes = self.bytes(rank);
        if self.kind == Kind::Count {
            let old =
                input.get(self.at..)?.first_chunk().map(|count| u32::from_le_bytes(*count))?;
            let n = i128::try_from(rank).ok()? - i128::from(old);
            return limits.with_more(input, self.at, n);
        }
        let end = self.at + self.len;
        Some([&input[..self.at], &bytes, &input[end..]].concat())
    }
}

/// The numbers in an input; some of them, spread over it, if there are many.
fn numbers(shape: &Shape, input: &[u8]) -> Vec<Number> {
    let mut all = Vec::new();
    walk::walk(shape, input, 0, &mut |node| {
        let number = |at, len, kind| Number::new(node.start + at, len, kind);
        match node.shape {
            Shape::Unsigned(width) => all.push(number(0, *width, Kind::Unsigned)),
            Shape::Signed(width) => all.push(number(0, *width, Kind::Signed)),
            Shape::Float(width) => all.push(number(0, *width, Kind::Float)),
            Shape::Char => all.push(Number { max: 0x10_ffff, ..number(0, 4, Kind::Unsigned) }),
            Shape::Duration => {
                all.push(number(0, 8, Kind::Unsigned));
                all.push(Number { max: 999_999_999, ..number(8, 4, Kind::Unsigned) });
            }
            Shape::Ipv4 | Shape::Ipv6 => all.push(number(0, node.len(), Kind::BigEndian)),
            Shape::Ip => all.push(number(1, node.len() - 1, Kind::BigEndian)),
            Shape::Bytes | Shape::Text | Shape::List(_) | Shape::Map(..) => {
                let n = (node.len() - COUNT) as u128;
                all.push(Number { max: 2 * n + 16, ..number(0, COUNT, Kind::Count) });
            }
            _ => {}
        }
    });
    let n = all.len().min(MAX_NUMBERS);
    (0..n).map(|i| all[i * all.len() / n]).collect()
}

/// Whether it is a case of a `switch` over how a comparison came out.
fn is_of_order(operands: &Operands) -> bool {
    let Operands::Int { a, b, width, constant: Constant::First } = operands else { return false };
    let less = u64::MAX >> (64 - 8 * u32::from((*width).clamp(1, 8)));
    let is_order = |n: u64| n <= 1 || n == less;
    is_order(*a) && is_order(*b)
}

impl Chase<'_> {
    /// Searches for the number for which the comparison at `goal` comes out equal.
    pub(super) fn by_bisection(
        &mut self,
        node: &Node,
        goal: Goal<'_>,
    ) -> Result<Option<Node>, Stopped> {
        let Some(shape) = self.limits.shape else { return Ok(None) };
        let event = &node.trace.events[goal.idx];
        if goal.wanted != Ordering::Equal || !is_of_order(&event.operands) {
            return Ok(None);
        }
        for number in numbers(shape, &node.input) {
            if let Some(reached) = self.bisect(node, event, number)? {
                return Ok(Some(reached));
            }
        }
        Ok(None)
    }

    fn bisect(
        &mut self,
        node: &Node,
        event: &Event,
        number: Number,
    ) -> Result<Option<Node>, Stopped> {
        let (mut low, mut high) = (0, number.max);
        let at_low = match self.outcome(node, event, number, low)? {
            Outcome::Reached(reached) => return Ok(Some(reached)),
            Outcome::Order(order) => order,
        };
        match self.outcome(node, event, number, high)? {
            Outcome::Reached(reached) => return Ok(Some(reached)),
            Outcome::Order(order) if order == at_low => return Ok(None),
            Outcome::Order(_) => {}
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            match self.outcome(node, event, number, middle)? {
                Outcome::Reached(reached) => return Ok(Some(reached)),
                Outcome::Order(order) if order == at_low => low = middle,
                Outcome::Order(_) => high = middle,
            }
        }
        Ok(None)
    }

    /// How the comparison comes out with another number. In a sorted map, it may be the one that is
    /// compared earlier or later then.
    fn outcome(
        &mut self,
        node: &Node,
        event: &Event,
        number: Number,
        rank: u128,
    ) -> Result<Outcome, Stopped> {
        let Some(input) = number.put(&node.input, rank, self.limits) else {
            return Ok(Outcome::Order(None));
        };
        let Some(now) = self.attempt(input)? else { return Ok(Outcome::Order(None)) };
        let is_equal = |now: &&Event| now.site == event.site && now.operands.are_equal();
        if now.trace.events.iter().any(|now| is_equal(&now)) {
            return Ok(Outcome::Reached(now));
        }
        let own = now.trace.find(event, 0).map(|at| &now.trace.events[at].operands);
        Ok(Outcome::Order(own.and_then(|operands| match operands {
            Operands::Int { b, .. } => Some(*b),
            Operands::Bytes { .. } => None,
        })))
    }
}

/// What came of a number.
#[derive(Debug)]
enum Outcome {
    Reached(Node),
    /// What the comparison was, if it was made.
    Order(Option<u64>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Reader, Value};
    use proptest::prelude::*;

    fn value<T: Value>(kind: Kind, rank: u128) -> T {
        let number = Number::new(0, size_of::<T>(), kind);
        T::take(&mut Reader::new(&number.bytes(rank)))
    }

    proptest! {
        #[test]
        fn numbers_are_ordered_by_their_ranks(x: u32, y: u32) {
            let ranks = [u128::from(x), u128::from(y)];
            let [a, b] = ranks.map(|rank| value::<u32>(Kind::Unsigned, rank));
            prop_assert_eq!(a.cmp(&b), x.cmp(&y));
            let [a, b] = ranks.map(|rank| value::<i32>(Kind::Signed, rank));
            prop_assert_eq!(a.cmp(&b), x.cmp(&y));
            let [a, b] = ranks.map(|rank| value::<f32>(Kind::Float, rank));
            prop_assert_eq!(a.total_cmp(&b), x.cmp(&y));
            let [a, b] = ranks.map(|rank| value::<std::net::Ipv4Addr>(Kind::BigEndian, rank));
            prop_assert_eq!(a.cmp(&b), x.cmp(&y));
        }
    }

    #[test]
    fn numbers_are_found_in_values() {
        let shape = Shape::of(<(Vec<u16>, i8)>::TREE);
        let input = [2, 0, 0, 0, 1, 0, 2, 0, 9];
        let places: Vec<(usize, usize, Kind)> = numbers(&shape, &input)
            .into_iter()
            .map(|number| (number.at, number.len, number.kind))
            .collect();
        let expected = [
            (4, 2, Kind::Unsigned),
            (6, 2, Kind::Unsigned),
            (0, 4, Kind::Count),
            (8, 1, Kind::Signed),
        ];
        assert_eq!(places, expected);
    }

    #[test]
    fn outcomes_are_told_from_other_numbers() {
        let int = |a, b, constant| Operands::Int { a, b, width: 1, constant };
        assert!(is_of_order(&int(0, 0xff, Constant::First)));
        assert!(!is_of_order(&int(0, 0xff, Constant::None)));
        assert!(!is_of_order(&int(0, 2, Constant::First)));
    }
}
