//! What is known about every comparison of the program: whether its operands were equal in a
//! traced execution, and how often we tried to make them so. Pure.
//!
//! It owns a table of fixed size. Two comparisons may share a place in it by accident; then one of
//! them is taken for solved or tried too early, no worse. Whether it is solved is asked of a
//! comparison with a constant by its place in the program, and of others by their place and either
//! operand, since many keywords are compared in one place. Attempts at integers are counted by
//! place.

use super::hash::mix;
use super::trace::{Constant, Event, Operands};

const N_SLOTS: usize = 1 << 15;

/// How many attempts that were cut short count as one. They cannot count for nothing: where calls
/// are slow, there is never time for more, and the other comparisons must have their turn.
const N_PARTS: u16 = 4;

/// How far an attempt at a comparison went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// All that was to be tried was.
    Whole,
    /// There was no room for what it takes to find out what the comparison depends on.
    CutShort,
}

/// A comparison's place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(usize);

/// All comparisons.
#[derive(Debug)]
pub(super) struct Frontier {
    solved: Box<[bool]>,
    /// In parts.
    attempts: Box<[u16]>,
}

impl Default for Frontier {
    fn default() -> Self {
        Self { solved: vec![false; N_SLOTS].into(), attempts: vec![0; N_SLOTS].into() }
    }
}

fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(bytes.len() as u64, |hash, byte| mix(hash, u64::from(*byte)))
}

fn slot(event: &Event, word: u64) -> Slot {
    Slot(mix(mix(1, event.site), word) as usize % N_SLOTS)
}

/// The slots by which a comparison is known: a second one where either operand may be wanted.
fn slots(event: &Event) -> [Slot; 2] {
    match &event.operands {
        Operands::Int { a, constant: Constant::First, .. } => [slot(event, *a); 2],
        Operands::Int { a, b, .. } => {
            // Letter by letter, words meet the same letters again.
            let nth = u64::from(event.nth) << 32;
            [slot(event, *a ^ nth), slot(event, *b ^ nth)]
        }
        Operands::Bytes { a, b } => [slot(event, hash(a)), slot(event, hash(b))],
    }
}

/// The slots in which attempts at a comparison are counted.
fn slots_of_attempts(event: &Event) -> [Slot; 2] {
    match &event.operands {
        Operands::Int { constant: Constant::None, .. } => [slot(event, 0); 2],
        _ => slots(event),
    }
}

impl Frontier {
    /// A table without room, to stand in for one that is in use elsewhere.
    pub(super) fn empty() -> Self {
        Self { solved: Box::default(), attempts: Box::default() }
    }

    /// Takes in the outcome of a comparison.
    pub(super) fn note(&mut self, event: &Event) {
        if event.operands.are_equal() {
            for slot in slots(event) {
                self.solved[slot.0] = true;
            }
        }
    }

    /// Whether its operands were never equal in any traced execution, nor in this one.
    pub(super) fn is_unsolved(&self, event: &Event) -> bool {
        !event.operands.are_equal() && slots(event).iter().all(|slot| !self.solved[slot.0])
    }

    /// How often it was tried to solve it in vain, up to 255.
    pub(super) fn attempts(&self, event: &Event) -> u8 {
        u8::try_from(self.parts(event) / N_PARTS).unwrap_or(u8::MAX)
    }

    /// The same, counting also what was cut short: for whose turn it is.
    pub(super) fn parts(&self, event: &Event) -> u16 {
        let [first, second] = slots_of_attempts(event);
        self.attempts[first.0].min(self.attempts[second.0])
    }

    /// It was tried once more.
    pub(super) fn attempt(&mut self, event: &Event, attempt: Attempt) {
        let n = match attempt {
            Attempt::Whole => N_PARTS,
            Attempt::CutShort => 1,
        };
        let n = self.parts(event).saturating_add(n);
        for slot in slots_of_attempts(event) {
            self.attempts[slot.0] = self.attempts[slot.0].max(n);
        }
    }

    /// It was solved, and that led to others: what is compared in the same place is worth as much.
    pub(super) fn yielded(&mut self, event: &Event) {
        for slot in slots_of_attempts(event) {
            self.attempts[slot.0] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(site: u64, a: u64, b: u64, constant: Constant) -> Event {
        Event { site, nth: 0, operands: Operands::Int { a, b, width: 4, constant } }
    }

    fn bytes(a: &[u8], b: &[u8]) -> Event {
        Event { site: 1, nth: 0, operands: Operands::Bytes { a: a.into(), b: b.into() } }
    }

    #[test]
    fn a_comparison_is_solved_once_its_operands_were_equal() {
        let mut frontier = Frontier::default();
        let [open, other] = [int(1, 5, 9, Constant::First), int(1, 6, 9, Constant::First)];
        frontier.note(&open);
        frontier.note(&int(1, 9, 5, Constant::First));
        assert!(frontier.is_unsolved(&open) && frontier.is_unsolved(&other));
        frontier.note(&int(1, 5, 5, Constant::First));
        assert!(!frontier.is_unsolved(&open) && frontier.is_unsolved(&other));
        frontier.note(&int(2, 5, 5, Constant::None));
        assert!(!frontier.is_unsolved(&int(2, 5, 7, Constant::None)));
        assert!(!frontier.is_unsolved(&int(2, 7, 5, Constant::None)));
        assert!(frontier.is_unsolved(&int(2, 6, 7, Constant::None)));
    }

    #[test]
    fn keywords_compared_in_one_place_are_told_apart() {
        let mut frontier = Frontier::default();
        frontier.note(&bytes(b"alpha", b"alpha"));
        assert!(!frontier.is_unsolved(&bytes(b"alpha", b"gamma")));
        assert!(frontier.is_unsolved(&bytes(b"gamma", b"delta")));
        assert!(!frontier.is_unsolved(&bytes(b"beta", b"beta")));
    }

    #[test]
    fn attempts_are_counted() {
        let mut frontier = Frontier::default();
        let event = int(1, 5, 9, Constant::First);
        for _ in 0..300 {
            frontier.attempt(&event, Attempt::Whole);
        }
        assert_eq!(frontier.attempts(&event), 255);
        frontier.yielded(&event);
        assert_eq!(frontier.attempts(&event), 0);
        frontier.attempt(&int(2, 1, 2, Constant::None), Attempt::Whole);
        assert_eq!(frontier.attempts(&int(2, 3, 4, Constant::None)), 1);
        frontier.attempt(&bytes(b"a", b"b"), Attempt::Whole);
        assert_eq!(frontier.attempts(&bytes(b"a", b"b")), 1);
        assert_eq!(frontier.attempts(&bytes(b"a", b"c")), 0);
    }

    #[test]
    fn a_few_attempts_that_were_cut_short_count_as_one() {
        let mut frontier = Frontier::default();
        let event = int(1, 5, 9, Constant::First);
        let mut attempt = |attempt| {
            frontier.attempt(&event, attempt);
            (frontier.parts(&event), frontier.attempts(&event))
        };
        let counted: Vec<_> = (0..N_PARTS).map(|_| attempt(Attempt::CutShort)).collect();
        assert_eq!(counted, [(1, 0), (2, 0), (3, 0), (4, 1)]);
        assert_eq!(attempt(Attempt::Whole), (8, 2));
    }
}
