//! The value profile: for comparisons that do not yield to anything else, the inputs that came
//! nearest to equality. Pure.
//!
//! The idea is libFuzzer's `-use_value_profile`; here it is bounded, and used on plateaus only: a
//! comparison keeps its best few inputs, which are mutated with the gate open. Invariant: there
//! are at most [`MAX_PLACES`] comparisons with [`N_BEST`] inputs each.

use super::random::Random;
use super::trace::{Event, Operands};
use std::rc::Rc;

/// How many comparisons are followed.
const MAX_PLACES: usize = 64;
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

#[derive(Debug)]
struct Place {
    site: u64,
    nth: u32,
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
/// numbers, whichever are fewer; of strings, 8 for each byte from the first wrong one on, but for
/// that one's bits that are right.
fn distance(operands: &Operands) -> u32 {
    match operands {
        Operands::Int { a, b, .. } => {
            (a ^ b).count_ones().min(u64::BITS - a.abs_diff(*b).leading_zeros())
        }
        Operands::Bytes { a, b } => {
            let Some(first) = a.iter().zip(b).position(|(x, y)| x != y) else { return 0 };
            8 * (a.len() - first - 1) as u32 + (a[first] ^ b[first]).count_ones()
        }
    }
}

impl Profile {
    /// Takes in a comparison of an execution of `input`; -> whether it came nearer to equality than
    /// any before.
    pub(super) fn note(&mut self, event: &Event, input: &[u8], parent: usize) -> bool {
        let distance = distance(&event.operands);
        let is_it = |place: &Place| (place.site, place.nth) == (event.site, event.nth);
        let at = self.places.iter().position(is_it);
        if distance == 0 {
            // Solved, for what it is worth: the input was run, and kept if it reached anything.
            if let Some(at) = at {
                self.places.swap_remove(at);
            }
            return false;
        }
        let Some(at) = at.or_else(|| self.room(event)) else { return false };
        let place = &mut self.places[at];
        let rank = place
            .best
            .partition_point(|near| (near.distance, near.input.len()) <= (distance, input.len()));
        let is_known = place.best.iter().any(|near| &near.input[..] == input);
        if rank == N_BEST || is_known || input.len() > MAX_LEN {
            return false;
        }
        let is_nearest = place.best.first().is_none_or(|near| distance < near.distance);
        if is_nearest {
            place.n_idle = 0;
        }
        place.best.insert(rank, Near { input: input.into(), parent, distance });
        place.best.truncate(N_BEST);
        is_nearest
    }

    /// A place for a new comparison, if there is one.
    fn room(&mut self, event: &Event) -> Option<usize> {
        if self.places.len() == MAX_PLACES {
            let idle = self.places.iter().position(|place| place.n_idle > MAX_IDLE)?;
            self.places.swap_remove(idle);
        }
        self.places.push(Place { site: event.site, nth: event.nth, best: Vec::new(), n_idle: 0 });
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
        let of = |a: u64, b: u64| distance(&int(1, a, b).operands);
        assert_eq!((of(8, 8), of(8, 9), of(0, 0xff), of(0x7fff, 0x8000)), (0, 1, 8, 1));
        let strings = |a: &[u8], b: &[u8]| distance(&Operands::Bytes { a: a.into(), b: b.into() });
        assert_eq!(strings(b"abc", b"abc"), 0);
        assert!(strings(b"abc", b"abx") < strings(b"abc", b"axc"));
        assert!(strings(b"abc", b"abb") < strings(b"abc", b"abx"));
    }

    #[test]
    fn the_nearest_inputs_are_kept() {
        let mut profile = Profile::default();
        let mut random = Random::from_state(1, 1);
        assert!(profile.pick(&mut random).is_none());
        assert!(profile.note(&int(1, 0, 0xff), b"far", 0));
        assert!(profile.note(&int(1, 0, 0x0f), b"nearer", 1));
        assert!(!profile.note(&int(1, 0, 0x3f), b"between", 2));
        for i in 0..20u8 {
            profile.note(&int(1, 0, 1), &[i], 3);
        }
        assert_eq!(profile.places[0].best.len(), N_BEST);
        assert!(profile.places[0].best.iter().all(|near| near.distance == 1));
        assert_eq!(profile.pick(&mut random).map(|near| near.parent), Some(3));
        assert!(!profile.note(&int(1, 7, 7), b"solved", 4));
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
        assert!(!profile.note(&int(999, 0, 3), b"x", 0));
        for _ in 0..2 * MAX_PLACES * MAX_IDLE as usize {
            profile.pick(&mut random);
        }
        assert!(profile.note(&int(999, 0, 3), b"x", 0));
        assert_eq!(profile.places.len(), MAX_PLACES);
    }
}
