//! Where values stand in an input: an index of its positions, made once for all values. Pure.
//!
//! Invariant: what all searches together cost is bounded, whatever the input and the values are.

use super::mutate::edit::is_boundary;
use crate::record::InputKind;
use std::collections::BTreeMap;
use std::rc::Rc;

/// In how many places of the input one value is found at most.
const MAX_PLACES: usize = 8;
/// How many positions are compared for all values together: about a millisecond. Without it,
/// thousands of operands looked for in a long input take minutes.
const MAX_VISITS: usize = 1 << 20;
/// How many positions are compared for one value: a part of them, spread evenly, beyond that.
const MAX_VISITS_OF_ONE: usize = 1 << 14;
/// How much of an input has an index.
const MAX_INDEXED: usize = 1 << 20;

/// Positions of an input, by the two bytes that stand there.
#[derive(Debug)]
pub(super) struct Places<'a> {
    input: &'a [u8],
    kind: InputKind,
    /// Every position, by the byte there, then by the one after it.
    order: Vec<u32>,
    /// Where in `order` each byte begins.
    starts: [usize; 257],
    n_visits_left: usize,
    known: BTreeMap<Vec<u8>, Rc<[usize]>>,
}

impl<'a> Places<'a> {
    pub(super) fn new(input: &'a [u8], kind: InputKind) -> Self {
        let all = (0..input.len().min(MAX_INDEXED) as u32).collect::<Vec<_>>();
        let (by_second, _) = sorted(&all, |at| second(input, at));
        let (order, starts) = sorted(&by_second, |at| input[at]);
        let known = BTreeMap::new();
        Self { input, kind, order, starts, n_visits_left: MAX_VISITS, known }
    }

    /// Where `value` stands, from left to right; some of the places, spread over the input, if
    /// there are many. In text, whole characters only.
    pub(super) fn find(&mut self, value: &[u8]) -> Rc<[usize]> {
        if let Some(places) = self.known.get(value) {
            return places.clone();
        }
        if value.is_empty() || value.len() > self.input.len() || self.n_visits_left == 0 {
            return Rc::from([]);
        }
        let (offset, range) = self.rarest(value);
        let stride = range.len().div_ceil(MAX_VISITS_OF_ONE).max(1);
        let visits = (range.len() / stride + 1).min(self.n_visits_left);
        self.n_visits_left -= visits;
        let starts = self.order[range].iter().step_by(stride).take(visits);
        let mut places: Vec<usize> = starts
            .filter_map(|at| (*at as usize).checked_sub(offset))
            .filter(|at| self.input[*at..].starts_with(value) && self.is_whole(*at, value.len()))
            .collect();
        places.sort_unstable();
        let n = places.len();
        let spread = (0..n.min(MAX_PLACES)).map(|i| places[i * n / n.min(MAX_PLACES)]);
        let places: Rc<[usize]> = spread.collect();
        self.known.insert(value.to_vec(), places.clone());
        places
    }

    fn is_whole(&self, at: usize, len: usize) -> bool {
        self.kind == InputKind::Bytes
            || (is_boundary(self.input, at) && is_boundary(self.input, at + len))
    }

    /// The two bytes of the value that stand in the fewest positions: their offset in the value,
    /// and the positions. Most values of integers begin or end with zeros, which are everywhere.
    fn rarest(&self, value: &[u8]) -> (usize, std::ops::Range<usize>) {
        /// So few that looking for fewer does not pay.
        const FEW: usize = 8;
        let mut best = (0, self.range(value[0], value.get(1).copied()));
        for offset in 1..value.len().saturating_sub(1) {
            if best.1.len() <= FEW {
                break;
            }
            let range = self.range(value[offset], Some(value[offset + 1]));
            if range.len() < best.1.len() {
                best = (offset, range);
            }
        }
        best
    }

    /// The part of `order` of the positions where these bytes stand.
    fn range(&self, first: u8, next: Option<u8>) -> std::ops::Range<usize> {
        let (start, end) = (self.starts[usize::from(first)], self.starts[usize::from(first) + 1]);
        let Some(next) = next else { return start..end };
        let part = &self.order[start..end];
        let from = part.partition_point(|at| second(self.input, *at as usize) < next);
        let to = part.partition_point(|at| second(self.input, *at as usize) <= next);
        start + from..start + to
    }
}

/// The byte after a position; 0 after the last one.
fn second(input: &[u8], at: usize) -> u8 {
    input.get(at + 1).copied().unwrap_or(0)
}

/// The positions in the order of their keys, equal ones as they were; and where each key begins.
fn sorted(positions: &[u32], key: impl Fn(usize) -> u8) -> (Vec<u32>, [usize; 257]) {
    let mut starts = [0; 257];
    for at in positions {
        starts[usize::from(key(*at as usize)) + 1] += 1;
    }
    for i in 1..starts.len() {
        starts[i] += starts[i - 1];
    }
    let mut next = starts;
    let mut order = vec![0; positions.len()];
    for at in positions {
        let place = &mut next[usize::from(key(*at as usize))];
        order[*place] = *at;
        *place += 1;
    }
    (order, starts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn searches_cost_no_more_than_their_bound() {
        let input = vec![b'x'; 1 << 20];
        let mut places = Places::new(&input, InputKind::Bytes);
        // Billions of bytes would be looked at without the bound.
        for n in 1..2000 {
            places.find(&vec![b'x'; n]);
        }
        assert_eq!(places.n_visits_left, 0);
        assert!(places.find(b"xy").is_empty());
    }

    #[test]
    fn places_are_spread_over_the_input() {
        let input = vec![b'x'; 1000];
        let mut places = Places::new(&input, InputKind::Bytes);
        for value in [&b"x"[..], b"xxx"] {
            let found = places.find(value);
            assert_eq!((found.len(), found[0]), (MAX_PLACES, 0));
            assert!(found[MAX_PLACES - 1] > 800, "{found:?}");
        }
    }

    proptest! {
        #[test]
        fn every_value_is_found_where_it_stands(
            input in prop::collection::vec(0u8..3, 0..40), value in prop::collection::vec(0u8..3, 1..5),
        ) {
            let mut places = Places::new(&input, InputKind::Bytes);
            let all: Vec<usize> =
                (0..input.len()).filter(|at| input[*at..].starts_with(&value)).collect();
            let found = places.find(&value);
            prop_assert!(found.iter().all(|at| all.contains(at)));
            prop_assert!(found.is_sorted());
            prop_assert_eq!(found.len(), all.len().min(MAX_PLACES));
            prop_assert_eq!(places.find(&value), found);
        }
    }
}
