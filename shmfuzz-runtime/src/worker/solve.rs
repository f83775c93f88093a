//! From operands of comparisons to edits of the input: where one operand stands in the input, in
//! some encoding, the other is put in its place. Pure.
//!
//! The idea is input-to-state correspondence (C. Aschermann et al., "REDQUEEN: Fuzzing with
//! Input-to-State Correspondence", 2019). What is not found in the input goes to the dictionary.

use super::compare::{Constant, Pair};
use super::dictionary::Dictionary;
use super::places::Places;
use crate::record::InputKind;
use std::collections::{BTreeMap, BTreeSet};

/// A change of the input that a comparison suggests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Edit {
    /// Other bytes in the place of some.
    Replace {
        /// Where, in bytes.
        at: usize,
        /// How many bytes go.
        removed: usize,
        /// What comes.
        bytes: Vec<u8>,
    },
    /// Another length.
    Resize(usize),
}

/// The most edits for one input.
const MAX_EDITS: usize = 512;

/// What is known about the input that was traced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traced<'a> {
    /// Its bytes.
    pub(super) input: &'a [u8],
    /// What they must stay.
    pub(super) kind: InputKind,
    /// Longest input that may be made.
    pub(super) max_len: usize,
}

/// The edits that the comparisons suggest. Those for telling values come first, which match by
/// accident least often; among equals, each comparison has its turn, so that a few of them, or the
/// start of the input, do not take all the room.
pub(super) fn edits(traced: Traced<'_>, pairs: &[Pair], dictionary: &mut Dictionary) -> Vec<Edit> {
    let mut found = Found::new(traced, pairs.len());
    for (number, pair) in pairs.iter().enumerate() {
        found.begin(number);
        match pair {
            Pair::Bytes { a, b } => {
                found.replace(a, &[b]);
                found.replace(b, &[a]);
                if found.n_places == 0 {
                    dictionary.add(a);
                    dictionary.add(b);
                }
            }
            Pair::Int { a, b, width, constant } => {
                found.integers(*b, *a, *width);
                if *constant == Constant::None {
                    found.integers(*a, *b, *width);
                }
                if found.n_places == 0 && *constant == Constant::First && *width > 1 && *a > 0xff {
                    dictionary.add(&a.to_le_bytes()[..usize::from(*width)]);
                    dictionary.add(&a.to_be_bytes()[8 - usize::from(*width)..]);
                }
            }
        }
    }
    found.chosen()
}

/// An edit with what orders it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    /// Lower for values that tell more.
    rank: usize,
    /// Which one of its rank it is for its pair.
    round: usize,
    pair: usize,
    edit: Edit,
}

struct Found<'a> {
    traced: Traced<'a>,
    places: Places<'a>,
    candidates: Vec<Candidate>,
    known: BTreeSet<Edit>,
    /// How many edits one pair may bring.
    max_of_pair: usize,
    /// The present pair.
    pair: usize,
    /// How many edits it has brought.
    n_of_pair: usize,
    /// How many of each rank.
    rounds: BTreeMap<usize, usize>,
    /// Places found for it.
    n_places: usize,
}

impl<'a> Found<'a> {
    fn new(traced: Traced<'a>, n_pairs: usize) -> Self {
        Self {
            traced,
            places: Places::new(traced.input, traced.kind),
            candidates: Vec::new(),
            known: BTreeSet::new(),
            max_of_pair: (8 * MAX_EDITS / n_pairs.max(1)).clamp(16, MAX_EDITS),
            pair: 0,
            n_of_pair: 0,
            rounds: BTreeMap::new(),
            n_places: 0,
        }
    }

    fn begin(&mut self, pair: usize) {
        (self.pair, self.n_of_pair, self.n_places) = (pair, 0, 0);
        self.rounds.clear();
    }

    fn chosen(mut self) -> Vec<Edit> {
        self.candidates.sort_unstable();
        self.candidates.truncate(MAX_EDITS);
        self.candidates.into_iter().map(|candidate| candidate.edit).collect()
    }

    fn add(&mut self, tells: usize, edit: Edit) {
        if self.n_of_pair == self.max_of_pair || !self.known.insert(edit.clone()) {
            return;
        }
        self.n_of_pair += 1;
        let rank = usize::MAX - tells;
        let round = self.rounds.entry(rank).or_insert(0);
        self.candidates.push(Candidate { rank, round: *round, pair: self.pair, edit });
        *round += 1;
    }

    /// Each of `values` wherever `from` stands.
    fn replace(&mut self, from: &[u8], values: &[impl AsRef<[u8]>]) {
        let places = self.places.find(from);
        self.n_places += places.len();
        for to in values.iter().map(AsRef::as_ref) {
            let is_text = self.traced.kind == InputKind::Bytes || std::str::from_utf8(to).is_ok();
            let is_too_long = self.traced.input.len() + to.len() > self.traced.max_len + from.len();
            if from == to || !is_text || is_too_long {
                continue;
            }
            for at in &*places {
                let edit = Edit::Replace { at: *at, removed: from.len(), bytes: to.to_vec() };
                self.add(tells(from), edit);
            }
        }
    }

    /// `to`, or one more or less, wherever `from` stands in some encoding.
    fn integers(&mut self, from: u64, to: u64, width: u8) {
        let mask = u64::MAX >> (64 - 8 * u32::from(width.clamp(1, 8)));
        let values = [to, to.wrapping_add(1) & mask, to.wrapping_sub(1) & mask];
        for to in values.iter().filter(|to| **to != from) {
            self.resize(from, *to);
        }
        for n in [8usize, 4, 2, 1] {
            if n > usize::from(width).max(4) || !fits(from, n, width) {
                continue;
            }
            let fitting = values.iter().filter(|to| fits(**to, n, width));
            let little: Vec<[u8; 8]> = fitting.clone().map(|to| to.to_le_bytes()).collect();
            let little: Vec<&[u8]> = little.iter().map(|bytes| &bytes[..n]).collect();
            self.replace(&from.to_le_bytes()[..n], &little);
            // Big endian, of the lowest `n` bytes.
            let big: Vec<[u8; 8]> = fitting.map(|to| to.to_be_bytes()).collect();
            let big: Vec<&[u8]> = big.iter().map(|bytes| &bytes[8 - n..]).collect();
            self.replace(&from.to_be_bytes()[8 - n..], &big);
        }
        self.replace(from.to_string().as_bytes(), &values.map(|to| to.to_string()));
    }

    fn resize(&mut self, from: u64, to: u64) {
        let is_len = from == self.traced.input.len() as u64;
        if let (true, Ok(to)) = (is_len, usize::try_from(to)) {
            if to <= self.traced.max_len {
                // As telling as two bytes of text.
                self.add(tells(b"17"), Edit::Resize(to));
            }
        }
    }
}

/// How unlikely a value is to stand somewhere by accident. What fills integers up is everywhere.
fn tells(value: &[u8]) -> usize {
    let n_telling = value.iter().filter(|byte| !matches!(byte, 0 | 0xff)).count();
    4 * n_telling + (value.len() - n_telling).min(3)
}

/// Whether a value of `width` bytes is `n` bytes long, zero- or sign-extended.
fn fits(value: u64, n: usize, width: u8) -> bool {
    if n >= usize::from(width) {
        return n == usize::from(width) || n >= 8 || value < 1 << (8 * n);
    }
    let (bits, shift) = (8 * n as u32, 64 - 8 * u32::from(width));
    let signed = ((value << shift) as i64) >> shift;
    value < 1 << bits || (-(1i64 << (bits - 1))..0).contains(&signed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn int(a: u64, b: u64, width: u8) -> Pair {
        Pair::Int { a, b, width, constant: Constant::First }
    }

    fn of(input: &[u8], pairs: &[Pair]) -> Vec<Edit> {
        let traced = Traced { input, kind: InputKind::Bytes, max_len: 64 };
        edits(traced, pairs, &mut Dictionary::default())
    }

    fn of_long(input: &[u8], pairs: &[Pair]) -> Vec<Edit> {
        let traced = Traced { input, kind: InputKind::Bytes, max_len: 8192 };
        edits(traced, pairs, &mut Dictionary::default())
    }

    fn replace(at: usize, removed: usize, bytes: &[u8]) -> Edit {
        Edit::Replace { at, removed, bytes: bytes.to_vec() }
    }

    #[test]
    fn operands_are_replaced_in_every_encoding() {
        let input = b"ab\x78\x56\x34\x12..\x12\x34\x56\x78";
        let edits = of(input, &[int(0xdead_beef, 0x1234_5678, 4)]);
        assert!(edits.contains(&replace(2, 4, b"\xef\xbe\xad\xde")));
        assert!(edits.contains(&replace(8, 4, b"\xde\xad\xbe\xef")));
        assert!(of(b"len=17;", &[int(4096, 17, 8)]).contains(&replace(4, 2, b"4096")));
        assert!(of(b"x\x80x", &[int(0x7f, 0xffff_ff80, 4)]).contains(&replace(1, 1, b"\x7f")));
        assert!(
            of(b"x}", &[int(u64::from(b'{'), u64::from(b'}'), 4)]).contains(&replace(1, 1, b"{"))
        );
    }

    #[test]
    fn lengths_are_made_right() {
        let edits = of(b"abc", &[int(19, 3, 8)]);
        assert!(edits.contains(&Edit::Resize(19)));
        assert!(edits.contains(&Edit::Resize(20)));
        assert!(!of(b"abc", &[int(65, 3, 8)]).contains(&Edit::Resize(65)));
    }

    #[test]
    fn strings_are_replaced_or_remembered() {
        let pair = Pair::Bytes { a: b"alpha".to_vec(), b: b"12345".to_vec() };
        assert_eq!(of(b"0123456", std::slice::from_ref(&pair)), [replace(1, 5, b"alpha")]);
        let mut dictionary = Dictionary::default();
        let traced = Traced { input: b"none", kind: InputKind::Bytes, max_len: 64 };
        assert_eq!(edits(traced, &[pair], &mut dictionary), []);
        assert_eq!(dictionary.len(), 2);
    }

    #[test]
    fn long_inputs_and_many_operands_take_no_more_than_their_bound() {
        let input = vec![b'x'; 1 << 20];
        let pairs: Vec<Pair> = (0..5000).map(|n| int(n + 1_000_000, n, 8)).collect();
        let traced = Traced { input: &input, kind: InputKind::Bytes, max_len: 1 << 20 };
        // Ten billion bytes and more would be looked at without the bound.
        assert!(edits(traced, &pairs, &mut Dictionary::default()).len() <= MAX_EDITS);
    }

    #[test]
    fn every_comparison_has_its_turn() {
        // Each value stands in many places, and there are more pairs than edits for all of them.
        let input: Vec<u8> = (0..4096u32).map(|i| b'0' + (i % 40) as u8).collect();
        let pairs: Vec<Pair> = (0..40).map(|n| int(0x80 + n, u64::from(b'0') + n, 1)).collect();
        let edits = of_long(&input, &pairs);
        assert_eq!(edits.len(), MAX_EDITS);
        for n in 0..40 {
            let is_for = |edit: &&Edit| matches!(edit, Edit::Replace { bytes, .. } if bytes[..] == [0x80 + n]);
            assert!(edits.iter().filter(is_for).count() >= 4);
        }
        let is_late = |edit: &&Edit| matches!(edit, Edit::Replace { at, .. } if *at > 3000);
        assert!(edits.iter().filter(is_late).count() > 50);
    }

    #[test]
    fn long_matches_come_first() {
        let pair = Pair::Bytes { a: b"alpha".to_vec(), b: b"12345".to_vec() };
        let edits = of(b"12345", &[int(u64::from(b'x'), u64::from(b'1'), 1), pair]);
        assert_eq!(edits[0], replace(0, 5, b"alpha"));
    }

    proptest! {
        #[test]
        fn edits_of_text_keep_it_text(input: String, a: Vec<u8>, x: u64, y: u64, width in 1u8..=8) {
            let input = input.as_bytes();
            let part = &input[..input.len().min(3)];
            let pairs = [
                Pair::Bytes { a, b: part.to_vec() },
                int(x, u64::from(input.first().copied().unwrap_or(0)), width),
                int(y, input.len() as u64, 8),
            ];
            let traced = Traced { input, kind: InputKind::Text, max_len: 64 };
            for edit in edits(traced, &pairs, &mut Dictionary::default()) {
                if let Edit::Replace { at, removed, bytes } = edit {
                    let made = [&input[..at], &bytes, &input[at + removed..]].concat();
                    prop_assert!(String::from_utf8(made).is_ok());
                }
            }
        }
    }
}
