//! From operands of comparisons to edits of the input: where one operand stands in the input, in
//! some encoding, the other is put in its place. Pure.
//!
//! The idea is input-to-state correspondence (C. Aschermann et al., "REDQUEEN: Fuzzing with
//! Input-to-State Correspondence", 2019). What is not found in the input goes to the dictionary.

use super::compare::{Constant, Pair};
use super::dictionary::Dictionary;
use crate::record::InputKind;
use std::collections::BTreeSet;

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
/// In how many places of the input one value is looked for.
const MAX_PLACES: usize = 8;
/// How many bytes of the input are looked at for all values together: about a millisecond. Without
/// it, thousands of operands looked for in a long input take minutes.
const MAX_SCANNED: usize = 1 << 20;

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

/// The edits that the comparisons suggest, those for long values first: they match by accident
/// least often.
pub(super) fn edits(traced: Traced<'_>, pairs: &[Pair], dictionary: &mut Dictionary) -> Vec<Edit> {
    let mut found = Found { traced, edits: BTreeSet::new(), n_places: 0, to_scan: MAX_SCANNED };
    for pair in pairs {
        if found.to_scan == 0 {
            break;
        }
        match pair {
            Pair::Bytes { a, b } => {
                found.n_places = 0;
                found.replace(a, b);
                found.replace(b, a);
                if found.n_places == 0 {
                    dictionary.add(a);
                    dictionary.add(b);
                }
            }
            Pair::Int { a, b, width, constant } => {
                found.n_places = 0;
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
    let mut edits: Vec<Edit> = found.edits.into_iter().map(|(_, edit)| edit).collect();
    edits.truncate(MAX_EDITS);
    edits
}

struct Found<'a> {
    traced: Traced<'a>,
    /// With a rank, by which they are ordered: the longest first.
    edits: BTreeSet<(usize, Edit)>,
    /// Places found for the present pair.
    n_places: usize,
    /// How many bytes may still be looked at.
    to_scan: usize,
}

impl Found<'_> {
    fn add(&mut self, rank: usize, edit: Edit) {
        self.edits.insert((usize::MAX - rank, edit));
    }

    /// `to` wherever `from` stands.
    fn replace(&mut self, from: &[u8], to: &[u8]) {
        let input = self.traced.input;
        if from.is_empty() || from == to || from.len() > input.len() {
            return;
        }
        let is_text = self.traced.kind == InputKind::Text;
        if is_text && std::str::from_utf8(to).is_err() {
            return;
        }
        let scanned = input.len().min(self.to_scan);
        self.to_scan -= scanned;
        // The first byte rules most places out before anything is called.
        let places = input[..scanned].windows(from.len()).enumerate();
        let places = places.filter(|(_, window)| window[0] == from[0] && *window == from);
        let places: Vec<usize> = places
            .map(|(at, _)| at)
            .filter(|at| {
                let fits = |at| super::mutate::edit::is_boundary(input, at);
                !is_text || (fits(*at) && fits(at + from.len()))
            })
            .take(MAX_PLACES)
            .collect();
        self.n_places += places.len();
        if input.len() - from.len() + to.len() > self.traced.max_len {
            return;
        }
        for at in places {
            let edit = Edit::Replace { at, removed: from.len(), bytes: to.to_vec() };
            self.add(from.len(), edit);
        }
    }

    /// `to`, one more and one less wherever `from` stands as an integer of any width and order, or
    /// in decimal digits, or as the input's length.
    fn integers(&mut self, from: u64, to: u64, width: u8) {
        let mask = u64::MAX >> (64 - 8 * u32::from(width.clamp(1, 8)));
        for to in [to, to.wrapping_add(1) & mask, to.wrapping_sub(1) & mask] {
            if from == to {
                continue;
            }
            for n in [8usize, 4, 2, 1] {
                if n <= usize::from(width).max(4) && fits(from, n, width) && fits(to, n, width) {
                    self.replace(&from.to_le_bytes()[..n], &to.to_le_bytes()[..n]);
                    // Big endian, of the lowest `n` bytes.
                    self.replace(&from.to_be_bytes()[8 - n..], &to.to_be_bytes()[8 - n..]);
                }
            }
            self.replace(from.to_string().as_bytes(), to.to_string().as_bytes());
            self.resize(from, to);
        }
    }

    fn resize(&mut self, from: u64, to: u64) {
        let is_len = from == self.traced.input.len() as u64;
        if let (true, Ok(to)) = (is_len, usize::try_from(to)) {
            if to <= self.traced.max_len {
                // As specific as a match of two bytes.
                self.add(2, Edit::Resize(to));
            }
        }
    }
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
        let pairs: Vec<Pair> = (0..100_000).map(|n| int(n + 1_000_000, n, 8)).collect();
        let traced = Traced { input: &input, kind: InputKind::Bytes, max_len: 1 << 20 };
        let mut found = Found { traced, edits: BTreeSet::new(), n_places: 0, to_scan: MAX_SCANNED };
        found.replace(b"xy", b"yx");
        assert_eq!(found.to_scan, 0);
        // Two hundred billion bytes would be looked at without the bound.
        assert_eq!(edits(traced, &pairs, &mut Dictionary::default()), []);
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
