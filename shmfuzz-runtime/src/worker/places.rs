//! Where values stand in an input: an index of its positions, made once for all values. Pure.
//!
//! Invariant: what all searches together cost is bounded, whatever the input and the values are.

use super::hash::QuickMap;
use super::mutate::edit::is_boundary;
use super::structure::Parts;
use crate::record::InputKind;
use crate::shape::Shape;
use std::ops::Range;

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
    /// What of it may be found, if it is made of values.
    parts: Option<Parts>,
    /// Every position, by the byte there, then by the one after it.
    order: Vec<u32>,
    /// Where in `order` each byte begins.
    starts: [usize; 257],
    /// A bit for every two bytes of which some stand next to each other: most values that are
    /// looked for stand nowhere.
    neighbours: Box<[u64; 1024]>,
    n_visits_left: usize,
    /// What was found, one value after the other.
    found: Vec<usize>,
    /// Which part of it is a value's.
    known: QuickMap<Box<[u8]>, Range<usize>>,
}

impl<'a> Places<'a> {
    pub(super) fn new(input: &'a [u8], kind: InputKind, shape: Option<&Shape>) -> Self {
        let all = (0..input.len().min(MAX_INDEXED) as u32).collect::<Vec<_>>();
        let (by_second, _) = sorted(&all, |at| second(input, at));
        let (order, starts) = sorted(&by_second, |at| input[at]);
        let mut neighbours = Box::new([0; 1024]);
        for pair in input.windows(2) {
            let (word, bit) = bit_of(pair[0], pair[1]);
            neighbours[word] |= bit;
        }
        let n_visits_left = MAX_VISITS;
        let (found, known) = (Vec::new(), QuickMap::default());
        let parts = shape.map(|shape| Parts::of(shape, input));
        Self { input, kind, parts, order, starts, neighbours, n_visits_left, found, known }
    }

    /// Where `value` stands, from left to right; some of the places, spread over the input, if
    /// there are many. In text, whole characters only. What comes back is asked for by
    /// [`Places::get`].
    pub(super) fn find(&mut self, value: &[u8]) -> Range<usize> {
        if !self.may_stand(value) {
            return 0..0;
        }
        if let Some(places) = self.known.get(value) {
            return places.clone();
        }
        if self.n_visits_left == 0 {
            return 0..0;
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
        let start = self.found.len();
        self.found.extend((0..n.min(MAX_PLACES)).map(|i| places[i * n / n.min(MAX_PLACES)]));
        self.known.insert(value.into(), start..self.found.len());
        start..self.found.len()
    }

    /// One of the places found.
    ///
    /// # Panics
    /// If [`Places::find`] gave no such number.
    pub(super) fn get(&self, number: usize) -> usize {
        self.found[number]
    }

    /// Where the text ends that begins at a place, if the input is made of values.
    pub(super) fn end_of_run(&self, start: usize) -> Option<usize> {
        self.parts.as_ref()?.end_of_run(start)
    }

    /// Whether a value's bytes stand in the input two by two.
    fn may_stand(&self, value: &[u8]) -> bool {
        let is_there = |pair: &[u8]| {
            let (word, bit) = bit_of(pair[0], pair[1]);
            self.neighbours[word] & bit != 0
        };
        match value {
            [] => false,
            [byte] => self.starts[usize::from(*byte)] < self.starts[usize::from(*byte) + 1],
            _ => value.len() <= self.input.len() && value.windows(2).all(is_there),
        }
    }

    fn is_whole(&self, at: usize, len: usize) -> bool {
        if let Some(parts) = &self.parts {
            return parts.may_begin(at);
        }
        self.kind == InputKind::Bytes
            || (is_boundary(self.input, at) && is_boundary(self.input, at + len))
    }

    /// The two bytes of the value that stand in the fewest positions: their offset in the value,
    /// and the positions. Most values of integers begin or end with zeros, which are everywhere.
    fn rarest(&self, value: &[u8]) -> (usize, Range<usize>) {
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
    fn range(&self, first: u8, next: Option<u8>) -> Range<usize> {
        let (start, end) = (self.starts[usize::from(first)], self.starts[usize::from(first) + 1]);
        let Some(next) = next else { return start..end };
        let part = &self.order[start..end];
        let from = part.partition_point(|at| second(self.input, *at as usize) < next);
        let to = part.partition_point(|at| second(self.input, *at as usize) <= next);
        start + from..start + to
    }
}

/// The place of the bit of two neighbours.
fn bit_of(first: u8, second: u8) -> (usize, u64) {
    (usize::from(first) << 2 | usize::from(second >> 6), 1 << (second & 63))
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

    fn found(places: &mut Places<'_>, value: &[u8]) -> Vec<usize> {
        let numbers = places.find(value);
        numbers.map(|number| places.get(number)).collect()
    }

    #[test]
    fn searches_cost_no_more_than_their_bound() {
        let input = vec![b'x'; 1 << 20];
        let mut places = Places::new(&input, InputKind::Bytes, None);
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
        let mut places = Places::new(&input, InputKind::Bytes, None);
        for value in [&b"x"[..], b"xxx"] {
            let found = found(&mut places, value);
            assert_eq!((found.len(), found[0]), (MAX_PLACES, 0));
            assert!(found[MAX_PLACES - 1] > 800, "{found:?}");
        }
    }

    proptest! {
        #[test]
        fn every_value_is_found_where_it_stands(
            input in prop::collection::vec(0u8..3, 0..40), value in prop::collection::vec(0u8..3, 1..5),
        ) {
            let mut places = Places::new(&input, InputKind::Bytes, None);
            let all: Vec<usize> =
                (0..input.len()).filter(|at| input[*at..].starts_with(&value)).collect();
            let again = found(&mut places, &value);
            let found = found(&mut places, &value);
            prop_assert!(found.iter().all(|at| all.contains(at)));
            prop_assert!(found.is_sorted());
            prop_assert_eq!(found.len(), all.len().min(MAX_PLACES));
            prop_assert_eq!(again, found);
        }
    }
}
