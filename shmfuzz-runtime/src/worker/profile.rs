//! The value profile: for comparisons that do not yield to anything else, the inputs that came
//! nearest to equality. Pure.
//!
//! The idea is libFuzzer's `-use_value_profile`; here it is bounded, and used on plateaus only: a
//! comparison keeps its best few inputs by either measure of distance, which are mutated with the
//! gate open. Invariant: there are at most [`MAX_PLACES`] places with [`N_BEST`] inputs each.

use super::random::Random;
use super::trace::{Event, Operands};
use std::rc::Rc;

/// How many comparisons are followed, counted once for each measure.
const MAX_PLACES: usize = 128;
/// How many inputs are kept of each.
const N_BEST: usize = 4;
/// How many picks without a better input make a comparison give its place to another.
const MAX_IDLE: u32 = 64;
/// Inputs longer than this are not kept.
const MAX_LEN: usize = 1 << 16;

/// An input that came near.
#[derive(Clone, Debug)]
pub(super) struct Near {
    /// The input.
    pub(super) input: Rc<[u8]>,
    /// The entry that it was made from.
    pub(super) parent: usize,
    distance: u32,
}

/// What is called near. Each has its own best inputs: a few wrong bits may be the highest ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Measure {
    /// Few bits differ.
    Bits,
    /// The difference is small.
    Difference,
}

#[derive(Debug)]
struct Place {
    site: u64,
    nth: u32,
    measure: Measure,
    /// The nearest first.
    best: Vec<Near>,
    /// Picks since the last better input.
    n_idle: u32,
}

/// The comparisons that are followed.
#[derive(Debug, Default)]
pub(super) struct Profile {
    places: Vec<Place>,
}

/// How far operands are from being equal: the bits that differ, or those of the difference of
/// numbers; of strings, 8 for each byte from the first wrong one on, but for that one's bits.
fn distance(operands: &Operands, measure: Measure) -> u32 {
    match (operands, measure) {
        (Operands::Int { a, b, .. }, Measure::Bits) => (a ^ b).count_ones(),
        (Operands::Int { a, b, .. }, Measure::Difference) => {
            u64::BITS - a.abs_diff(*b).leading_zeros()
        }
        (Operands::Bytes { a, b }, _) => {
            let Some(first) = a.iter().zip(b).position(|(x, y)| x != y) else { return 0 };
            8 * (a.len() - first - 1) as u32 + (a[first] ^ b[first]).count_ones()
        }
    }
}

impl Profile {
    /// Takes in a comparison of an execution of `input`.
    pub(super) fn note(&mut self, event: &Event, input: &[u8], parent: usize) {
        let measures = match &event.operands {
            _ if event.operands.are_equal() => {
                // Solved, for what it is worth: what the input reached is known by now.
                let is_its = |place: &Place| (place.site, place.nth) == (event.site, event.nth);
                self.places.retain(|place| !is_its(place));
                return;
            }
            Operands::Int { .. } => &[Measure::Bits, Measure::Difference][..],
            Operands::Bytes { .. } => &[Measure::Bits],
        };
        if input.len() <= MAX_LEN {
            for measure in measures {
                self.note_by(*measure, event, input, parent);
            }
        }
    }

    fn note_by(&mut self, measure: Measure, event: &Event, input: &[u8], parent: usize) {
        let distance = distance(&event.operands, measure);
        let is_it = |place: &Place| {
            (place.site, place.nth, place.measure) == (event.site, event.nth, measure)
        };
        let at = self.places.iter().position(is_it);
        let Some(at) = at.or_else(|| self.room(event, measure)) else { return };
        let place = &mut self.places[at];
        let before = |near: &Near| (near.distance, near.input.len()) <= (distance, input.len());
        let rank = place.best.partition_point(before);
        if rank == N_BEST || place.best.iter().any(|near| &near.input[..] == input) {
            return;
        }
        if place.best.first().is_none_or(|near| distance < near.distance) {
            place.n_idle = 0;
        }
        place.best.insert(rank, Near { input: input.into(), parent, distance });
        place.best.truncate(N_BEST);
    }

    /// A place for a new comparison, if there is one.
    fn room(&mut self, event: &Event, measure: Measure) -> Option<usize> {
        if self.places.len() == MAX_PLACES {
            let idle = self.places.iter().position(|place| place.n_idle > MAX_IDLE)?;
            self.places.swap_remove(idle);
        }
        let (site, nth) = (event.site, event.nth);
        self.places.push(Place { site, nth, measure, best: Vec::new(), n_idle: 0 });
        Some(self.places.len() - 1)
    }

    /// An input to mutate, of any of the comparisons.
    pub(super) fn pick(&mut self, random: &mut Random) -> Option<Near> {
        let idx = random.index(self.places.len());
        let place = self.places.get_mut(idx)?;
        place.n_idle = place.n_idle.saturating_add(1);
        place.best.get(random.index(place.best.len())).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::trace::Constant;

    fn int(site: u64, a: u64, b: u64) -> Event {
        let operands = Operands::Int { a, b, width: 4, constant: Constant::First };
        Event { site, nth: 0, operands }
    }

    #[test]
    fn distances_shrink_towards_equality() {
        let by = |measure, a, b| distance(&int(1, a, b).operands, measure);
        let bits = |a, b| by(Measure::Bits, a, b);
        let difference = |a, b| by(Measure::Difference, a, b);
        assert_eq!((bits(8, 8), bits(8, 9), bits(0, 0xff), bits(0x7fff, 0x8000)), (0, 1, 8, 16));
        assert_eq!((difference(8, 8), difference(9, 8), difference(0x7fff, 0x8000)), (0, 1, 1));
        let strings = |a: &[u8], b: &[u8]| {
            distance(&Operands::Bytes { a: a.into(), b: b.into() }, Measure::Bits)
        };
        assert_eq!(strings(b"abc", b"abc"), 0);
        assert!(strings(b"abc", b"abx") < strings(b"abc", b"axc"));
        assert!(strings(b"abc", b"abb") < strings(b"abc", b"abx"));
    }

    #[test]
    fn the_nearest_inputs_are_kept_by_each_measure() {
        let mut profile = Profile::default();
        let mut random = Random::from_state(1, 1);
        assert!(profile.pick(&mut random).is_none());
        profile.note(&int(1, 0x7fff, 0x8000), b"next", 0);
        profile.note(&int(1, 0x7fff, 0xffff), b"one bit", 0);
        let firsts: Vec<&[u8]> = profile.places.iter().map(|place| &*place.best[0].input).collect();
        assert_eq!(firsts, [&b"one bit"[..], b"next"]);
        for i in 0..20u8 {
            profile.note(&int(1, 0, 1), &[i], 3);
        }
        for place in &profile.places {
            assert_eq!(place.best.len(), N_BEST);
            assert!(place.best.iter().all(|near| near.distance == 1 || near.parent == 0));
        }
        assert!(profile.pick(&mut random).is_some());
        profile.note(&int(1, 7, 7), b"solved", 4);
        assert!(profile.pick(&mut random).is_none(), "what is solved is not followed");
    }

    #[test]
    fn comparisons_that_bring_nothing_make_room() {
        let mut profile = Profile::default();
        let mut random = Random::from_state(1, 1);
        for site in 0..2 * MAX_PLACES as u64 {
            profile.note(&int(site, 0, 3), b"x", 0);
        }
        assert_eq!(profile.places.len(), MAX_PLACES);
        let has = |profile: &Profile, site| profile.places.iter().any(|place| place.site == site);
        profile.note(&int(999, 0, 3), b"x", 0);
        assert!(!has(&profile, 999));
        for _ in 0..2 * MAX_PLACES * MAX_IDLE as usize {
            profile.pick(&mut random);
        }
        profile.note(&int(999, 0, 3), b"x", 0);
        assert!(has(&profile, 999));
        assert_eq!(profile.places.len(), MAX_PLACES);
    }
}
