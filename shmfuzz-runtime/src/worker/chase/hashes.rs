//! Integers that are hashes taken byte by byte, of the kind of FNV, djb2, and sdbm: each byte goes
//! into the hash by `xor` or a sum, before or after it is multiplied with a constant.
//!
//! Every byte's step can be undone, once the constant is known: what one of the last bytes does to
//! the hash tells it. The model is checked against the effects of all bytes before it is believed.
//! Then the hashes that some bytes lead to are met by those that the wanted one goes back to.

use super::super::hash::mix;
use super::super::trace::{Constant, Operands};
use super::effects::{self, Effect};
use super::modular::inverse;
use super::{Chase, Goal, Node, Stopped};
use crate::record::InputKind;

/// How many bytes are hashed at most.
const MAX_BYTES: usize = 64;
/// How many hashes are remembered to be met.
const MAX_MET: usize = 1 << 19;
/// How many words are tried whether they meet them: of 2^32 hashes, one in 2^16 does.
const MAX_WORDS: usize = 1 << 20;
/// What that costs, in executions.
const PRICE: u64 = 1000;
/// How many bytes of such a word are searched for.
const MAX_SEARCHED: usize = 8;

/// How a byte goes into a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mix {
    /// `(hash ^ byte) * factor`: FNV-1a.
    XorFirst,
    /// `hash * factor ^ byte`: FNV-1, and a form of djb2.
    XorLast,
    /// `hash * factor + byte`: djb2, sdbm, and what Java has.
    AddLast,
}

/// A step of a hash, modulo a power of two.
#[derive(Clone, Copy, Debug)]
struct Model {
    mix: Mix,
    factor: u64,
    mask: u64,
}

impl Model {
    fn step(self, hash: u64, byte: u8) -> u64 {
        let byte = u64::from(byte);
        self.mask
            & match self.mix {
                Mix::XorFirst => (hash ^ byte).wrapping_mul(self.factor),
                Mix::XorLast => hash.wrapping_mul(self.factor) ^ byte,
                Mix::AddLast => hash.wrapping_mul(self.factor).wrapping_add(byte),
            }
    }

    /// The hash before a byte; `back` is the inverse of the factor.
    fn undo(self, back: u64, hash: u64, byte: u8) -> u64 {
        let byte = u64::from(byte);
        self.mask
            & match self.mix {
                Mix::XorFirst => hash.wrapping_mul(back) ^ byte,
                Mix::XorLast => (hash ^ byte).wrapping_mul(back),
                Mix::AddLast => hash.wrapping_sub(byte).wrapping_mul(back),
            }
    }

    fn hash(self, start: u64, bytes: &[u8]) -> u64 {
        bytes.iter().fold(start, |hash, byte| self.step(hash, *byte))
    }

    /// What the hash was before these bytes, if it is `end` after them.
    fn start(self, end: u64, bytes: &[u8]) -> u64 {
        let back = inverse(self.factor);
        bytes.iter().rev().fold(end, |hash, byte| self.undo(back, hash, *byte))
    }

    /// Other bytes that lead from `start` to `end`. Of a narrow hash there are many such words,
    /// and any does; of a wide one the word itself is searched for.
    fn solve(self, start: u64, end: u64, bytes: &[u8], kind: InputKind) -> Option<Vec<u8>> {
        let n = bytes.len();
        if self.mask > u64::from(u32::MAX) {
            return alphabets(n, kind).into_iter().find_map(|alphabet| {
                let ends = self.ends(end, &alphabet, n / 2);
                self.meet(start, (&alphabet, n - n / 2), &ends)
            });
        }
        // Small factors lead many words to one hash: more of the bytes are needed.
        let (alphabet, n_last) = if n < 6 { (all(kind), 2) } else { (letters(), 3) };
        let ends = self.ends(end, &alphabet, n_last);
        let n_first = n - n_last;
        let (fixed, searched) = bytes[..n_first].split_at(n_first.saturating_sub(MAX_SEARCHED));
        let from = self.hash(start, fixed);
        let found = self.meet(from, (&all(kind), searched.len()), &ends)?;
        Some([fixed, &found].concat())
    }

    /// The hashes from which `n` bytes of an alphabet lead to `end`.
    fn ends(self, end: u64, alphabet: &[u8], n: usize) -> Ends<'_> {
        let back = inverse(self.factor);
        let n_words = alphabet.len().checked_pow(n as u32).filter(|n| *n <= MAX_MET);
        let mut word = vec![0; n];
        let mut hashes: Vec<(u64, u32)> = (0..n_words.unwrap_or(0))
            .map(|number| {
                spell(number, alphabet, &mut word);
                let undo = |hash, byte: &u8| self.undo(back, hash, *byte);
                (word.iter().rev().fold(end, undo), number as u32)
            })
            .collect();
        hashes.sort_unstable();
        Ends { alphabet, n, hashes }
    }

    /// Some bytes, so many of an alphabet, that lead from `start` to one of the ends, and those
    /// from there.
    fn meet(self, start: u64, some: (&[u8], usize), ends: &Ends<'_>) -> Option<Vec<u8>> {
        let (alphabet, n) = some;
        let n_all = alphabet.len().checked_pow(n as u32).filter(|n| *n <= MAX_WORDS);
        let mut word = vec![0; n];
        for number in 0..n_all.unwrap_or(MAX_WORDS) {
            // All of them, or some without an order.
            let number = if n_all.is_some() { number } else { mix(0, number as u64) as usize };
            spell(number, alphabet, &mut word);
            let hash = self.hash(start, &word);
            if let Ok(at) = ends.hashes.binary_search_by_key(&hash, |(hash, _)| *hash) {
                let mut last = vec![0; ends.n];
                spell(ends.hashes[at].1 as usize, ends.alphabet, &mut last);
                return Some([word, last].concat());
            }
        }
        None
    }
}

/// The hashes that words of an alphabet lead on from. No map of the standard library: those take
/// random numbers, which are to be the test's own.
#[derive(Debug)]
struct Ends<'a> {
    alphabet: &'a [u8],
    /// How many bytes the words have.
    n: usize,
    /// In order, each with the number of its word.
    hashes: Vec<(u64, u32)>,
}

/// The word of a number: its digits are letters of the alphabet.
fn spell(number: usize, alphabet: &[u8], word: &mut [u8]) {
    let mut rest = number;
    for byte in word {
        *byte = alphabet[rest % alphabet.len()];
        rest /= alphabet.len();
    }
}

/// The bytes that words of this length are searched among: fewer for longer ones.
fn alphabets(n: usize, kind: InputKind) -> Vec<Vec<u8>> {
    let all = [all(kind), letters(), (b'a'..=b'z').collect(), (b'A'..=b'Z').collect()].into_iter();
    let half = n.div_ceil(2) as u32;
    let mut fit = all.filter(|some| some.len().checked_pow(half).is_some_and(|n| n <= MAX_MET));
    match fit.next() {
        // Lower case is half of what there is, then.
        Some(widest) if widest.len() < 30 => [widest].into_iter().chain(fit).collect(),
        Some(widest) => vec![widest],
        None => Vec::new(),
    }
}

/// What words are made of.
fn letters() -> Vec<u8> {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (0..=0x7f).filter(is_letter).collect()
}

/// All bytes that an input may have anywhere.
fn all(kind: InputKind) -> Vec<u8> {
    (0..=if kind == InputKind::Text { 0x7f } else { 0xff }).collect()
}

/// One of the operands.
type Side = fn(&Operands) -> u64;

/// The value that depends on the input, the one that it is compared with, and the mask of both.
fn sides(operands: &Operands, effects: &[Effect]) -> Option<(Side, u64, u64)> {
    fn first(operands: &Operands) -> u64 {
        if let Operands::Int { a, .. } = operands { *a } else { 0 }
    }
    fn second(operands: &Operands) -> u64 {
        if let Operands::Int { b, .. } = operands { *b } else { 0 }
    }
    let Operands::Int { a, b, width: width @ (4 | 8), constant } = operands else { return None };
    let mask = u64::MAX >> (64 - 8 * u32::from(*width));
    let is_fixed =
        |side: Side| effects.iter().all(|effect| side(&effect.operands) == side(operands));
    match constant {
        _ if is_fixed(first) => Some((second, *a, mask)),
        Constant::None if is_fixed(second) => Some((first, *b, mask)),
        _ => None,
    }
}

impl Chase<'_> {
    /// An input whose hash is the wanted one, if the operand is a hash of the bytes that matter.
    pub(super) fn by_hash(
        &mut self,
        node: &Node,
        goal: Goal<'_>,
        effects: &[Effect],
    ) -> Result<Option<Vec<u8>>, Stopped> {
        let event = &node.trace.events[goal.idx];
        let bytes: Vec<(usize, i8, &Operands)> = effects::of_bytes(effects).collect();
        let ats: Vec<usize> = bytes.iter().map(|(at, ..)| *at).collect();
        let (Some(from), Some(to)) = (ats.iter().min(), ats.iter().max()) else { return Ok(None) };
        // One after the other, and enough of them to tell a hash from a number.
        if to - from + 1 != ats.len() || !(3..=MAX_BYTES).contains(&ats.len()) {
            return Ok(None);
        }
        let Some((side, wanted, mask)) = sides(&event.operands, effects) else { return Ok(None) };
        let word = &node.input[*from..=*to];
        let now = side(&event.operands);
        // What the lowest bit of each of the last two bytes does.
        let mut flipped = [0; 2];
        for (i, flipped) in flipped.iter_mut().enumerate() {
            let mut input = node.input.clone();
            input[*to - i] ^= 1;
            let Some(trace) = self.run(&input)? else { return Ok(None) };
            let Some(at) = trace.find(event, goal.idx) else { return Ok(None) };
            *flipped = side(&trace.events[at].operands);
        }
        let last = u64::from(node.input[*to]);
        let steps = [
            (Mix::XorFirst, flipped[0].wrapping_sub(now)),
            (Mix::XorLast, (flipped[1] ^ last).wrapping_sub(now ^ last)),
            (Mix::AddLast, flipped[1].wrapping_sub(now)),
        ];
        for (mix, grown) in steps {
            for factor in [grown, grown.wrapping_neg()].map(|factor| factor & mask) {
                let model = Model { mix, factor, mask };
                // A sum or `xor` of bytes is solved by cheaper means.
                if factor % 2 == 0 || factor == 1 || factor == mask {
                    continue;
                }
                let start = model.start(now, word);
                let is_right = bytes.iter().all(|(at, step, operands)| {
                    let mut word = word.to_vec();
                    word[at - from] = word[at - from].wrapping_add_signed(*step);
                    model.hash(start, &word) == side(operands)
                });
                if !is_right {
                    continue;
                }
                self.n_left = self.n_left.saturating_sub(PRICE);
                let found = model.solve(start, wanted, word, self.limits.kind);
                return Ok(found
                    .map(|found| [&node.input[..*from], &found, &node.input[*to + 1..]].concat()));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_with_a_hash_are_found() {
        let fnv = Model { mix: Mix::XorFirst, factor: 0x0100_0193, mask: u32::MAX.into() };
        let sdbm = Model { mix: Mix::AddLast, factor: 65_599, mask: u32::MAX.into() };
        let wide = Model { mix: Mix::XorLast, factor: 0x100_0000_01b3, mask: u64::MAX };
        for (model, start, word) in [
            (fnv, 0x811c_9dc5, &b"SEND"[..]),
            (fnv, 0x811c_9dc5, b"longer words"),
            (sdbm, 0, b"words"),
            (wide, 0xcbf2_9ce4_8422_2325, b"verb"),
            (wide, 0xcbf2_9ce4_8422_2325, b"Verb_1"),
        ] {
            let end = model.hash(start, word);
            assert_eq!(model.start(end, word), start);
            let other = vec![b'x'; word.len()];
            let found = model.solve(start, end, &other, InputKind::Bytes).expect("there is one");
            assert_eq!(model.hash(start, &found), end);
        }
    }
}
