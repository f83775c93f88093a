//! From operands of comparisons to edits of the input: where one operand stands in the input, in
//! some encoding, the other is put in its place. Pure.
//!
//! The idea is input-to-state correspondence (C. Aschermann et al., "REDQUEEN: Fuzzing with
//! Input-to-State Correspondence", 2019). What is not found in the input goes to the dictionary.

use super::dictionary::Dictionary;
use super::encodings::{self, Base64};
use super::frontier::Frontier;
use super::hash::{QuickMap, QuickSet, mix, mix_bytes};
use super::places::Places;
use super::trace::{Constant, Event, Operands, Trace};
use crate::record::InputKind;
use crate::shape::Shape;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

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

impl Edit {
    /// Bytes that it takes in memory, about.
    pub(super) fn size(&self) -> usize {
        /// What an allocator adds to a few bytes.
        const OVERHEAD: usize = 24;
        size_of::<Self>()
            + match self {
                Self::Replace { bytes, .. } => bytes.capacity() + OVERHEAD,
                Self::Resize(_) => 0,
            }
    }
}

/// The most edits for one input.
const MAX_EDITS: usize = 512;
/// The most insertions for one input.
const MAX_INSERTIONS: usize = 256;
/// The most comparisons that edits are made for.
const MAX_PAIRS: usize = 1280;
/// How many comparisons may share a constant, so that a loop does not take all of them.
const MAX_SHARED: u32 = 48;
/// The same for those that a place has made with many others, which a table would hold.
const MAX_SHARED_BY_OTHERS: u32 = 256;
/// What hashes of edits begin with: from a small one, few small numbers come back to it.
const SEED: u64 = 0x2545_f491_4f6c_dd1d;
/// What a comparison that was never equal yet tells more than one that was: as much as two bytes.
const UNSOLVED: usize = 8;

/// What is known about the input that was traced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traced<'a> {
    /// Its bytes.
    pub(super) input: &'a [u8],
    /// What they must stay.
    pub(super) kind: InputKind,
    /// What they are made of, if they are values.
    pub(super) shape: Option<&'a Shape>,
    /// Longest input that may be made.
    pub(super) max_len: usize,
}

/// The edits that the comparisons suggest. Those for telling values come first, which match by
/// accident least often, and those for comparisons that were never equal; among equals, each
/// comparison has its turn, so that a few of them, or the start of the input, do not take all the
/// room.
pub(super) fn edits(
    traced: Traced<'_>,
    trace: &Trace,
    frontier: &Frontier,
    dictionary: &mut Dictionary,
) -> Vec<Edit> {
    let pairs = pairs(trace, frontier);
    let mut found = Found::new(traced, pairs.len());
    for (number, event) in pairs.iter().enumerate() {
        found.begin(number, if frontier.is_unsolved(event) { UNSOLVED } else { 0 });
        found.pair(&event.operands, Ordering::Equal);
        if found.n_places == 0 {
            remember(&event.operands, dictionary);
        }
    }
    found.chosen()
}

/// Edits that put before something what others put in its place, each once: where an optional
/// token may stand, the next one is compared with it.
pub(super) fn insertions(traced: Traced<'_>, edits: &[Edit]) -> Vec<Edit> {
    let mut known = BTreeSet::new();
    let insertion = |edit: &Edit| match edit {
        Edit::Replace { at, removed, bytes }
            if *removed > 0 && known.insert((*at, bytes.clone())) =>
        {
            let fits = traced.input.len() + bytes.len() <= traced.max_len;
            fits.then(|| Edit::Replace { at: *at, removed: 0, bytes: bytes.clone() })
        }
        _ => None,
    };
    edits.iter().filter_map(insertion).take(MAX_INSERTIONS).collect()
}

/// The edits that may bring one comparison about, likely ones first.
pub(super) fn edits_of(traced: Traced<'_>, operands: &Operands, wanted: Ordering) -> Vec<Edit> {
    let mut found = Found::new(traced, 1);
    found.begin(0, 0);
    found.pair(operands, wanted);
    found.chosen()
}

/// The comparisons whose operands differ, each pair of operands once, unsolved ones first.
fn pairs<'t>(trace: &'t Trace, frontier: &Frontier) -> Vec<&'t Event> {
    let (mut integers, mut strings) = (QuickSet::default(), QuickSet::default());
    let mut shared = QuickMap::default();
    let others = trace.others.iter().map(|event| (event, MAX_SHARED_BY_OTHERS));
    let all = trace.events.iter().map(|event| (event, MAX_SHARED)).chain(others);
    let differing = all.filter(|(event, _)| !event.operands.are_equal());
    let (unsolved, solved): (Vec<_>, Vec<_>) =
        differing.partition(|(event, _)| frontier.is_unsolved(event));
    let mut pairs = Vec::new();
    for (event, max_shared) in unsolved.into_iter().chain(solved) {
        let is_new = match &event.operands {
            Operands::Int { a, b, width, .. } => {
                let n = shared.entry((*width, *a)).or_insert(0);
                *n += 1;
                *n <= max_shared && integers.insert((*width, *a, *b))
            }
            Operands::Bytes { a, b } => strings.insert((a, b)),
        };
        if is_new && pairs.len() < MAX_PAIRS {
            pairs.push(event);
        }
    }
    pairs
}

/// Puts what a comparison looked for into the dictionary.
fn remember(operands: &Operands, dictionary: &mut Dictionary) {
    match operands {
        Operands::Bytes { a, b } => {
            dictionary.add(a);
            dictionary.add(b);
        }
        Operands::Int { a, width, constant: Constant::First, .. } if *width > 1 && *a > 0xff => {
            dictionary.add(&a.to_le_bytes()[..usize::from(*width)]);
            dictionary.add(&a.to_be_bytes()[8 - usize::from(*width)..]);
        }
        Operands::Int { .. } => {}
    }
}

/// A change with what orders it. No two have the same rank, round and pair.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    /// Lower for values that tell more.
    rank: usize,
    /// Which one of its rank it is for its pair.
    round: usize,
    pair: usize,
    change: Change,
}

/// An edit, its bytes among all that were found: most are not chosen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    Replace { at: usize, removed: usize, start: usize, len: usize },
    Resize(usize),
}

struct Found<'a> {
    traced: Traced<'a>,
    places: Places<'a>,
    candidates: Vec<Candidate>,
    /// What candidates put in the place of something.
    bytes: Vec<u8>,
    /// Hashes of the candidates' edits.
    known: QuickSet<u64>,
    /// How many edits one pair may bring.
    max_of_pair: usize,
    /// Whether there is one pair only, so that there is room for what is less likely.
    is_alone: bool,
    /// The present pair.
    pair: usize,
    /// How much more than others it tells.
    bonus: usize,
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
            places: Places::new(traced.input, traced.kind, traced.shape),
            candidates: Vec::new(),
            bytes: Vec::new(),
            known: QuickSet::default(),
            max_of_pair: (8 * MAX_EDITS / n_pairs.max(1)).clamp(16, MAX_EDITS),
            is_alone: n_pairs == 1,
            pair: 0,
            bonus: 0,
            n_of_pair: 0,
            rounds: BTreeMap::new(),
            n_places: 0,
        }
    }

    fn begin(&mut self, pair: usize, bonus: usize) {
        (self.pair, self.bonus, self.n_of_pair, self.n_places) = (pair, bonus, 0, 0);
        self.rounds.clear();
    }

    /// What may make the operands of one comparison stand to each other as wanted.
    fn pair(&mut self, operands: &Operands, wanted: Ordering) {
        match operands {
            Operands::Bytes { a, b } => {
                self.strings(b, a);
                self.strings(a, b);
            }
            Operands::Int { a, b, width, constant } => {
                self.parts(*b, *a, *width, wanted.reverse());
                if *constant == Constant::None {
                    self.parts(*a, *b, *width, wanted);
                }
            }
        }
    }

    /// `to` wherever `from` stands, also in letters of the other case, or encoded.
    fn strings(&mut self, from: &[u8], to: &[u8]) {
        let n_before = self.n_places;
        self.replace(from, [to]);
        self.replace_runs(from, to);
        let is_plain = self.n_places > n_before;
        if is_plain && self.is_alone {
            self.replace(from, encodings::escaped(to));
        }
        if from.len() >= encodings::MIN_LEN && (self.is_alone || !is_plain) {
            self.encoded(from, to);
        }
        for other in [from.to_ascii_uppercase(), from.to_ascii_lowercase()] {
            if other != from {
                self.replace(&other, [to]);
            }
        }
    }

    /// `to` wherever `from` stands in some encoding, in the same one.
    fn encoded(&mut self, from: &[u8], to: &[u8]) {
        for encode in encodings::ENCODINGS {
            if let (Some(from), Some(to)) = (encode(from), encode(to)) {
                self.replace(&from, [to]);
            }
        }
        let input = self.traced.input;
        for alphabet in encodings::ALPHABETS {
            for offset in 0..3 {
                let own = Base64::new(from, offset, alphabet);
                let places = self.find(&own.whole);
                if places.is_empty() {
                    continue;
                }
                let other = Base64::new(to, offset, alphabet);
                for number in places {
                    let over = other.over(&own, input, self.places.get(number));
                    let Some((at, removed, bytes)) = over else { continue };
                    if input.len() + bytes.len() <= self.traced.max_len + removed {
                        let bytes = self.keep(&bytes);
                        self.add(tells(&own.whole), at, removed, bytes);
                    }
                }
            }
        }
    }

    fn chosen(mut self) -> Vec<Edit> {
        if self.candidates.len() > MAX_EDITS {
            self.candidates.select_nth_unstable(MAX_EDITS);
            self.candidates.truncate(MAX_EDITS);
        }
        self.candidates.sort_unstable();
        let edit = |candidate: &Candidate| match candidate.change {
            Change::Replace { at, removed, start, len } => {
                Edit::Replace { at, removed, bytes: self.bytes[start..start + len].to_vec() }
            }
            Change::Resize(len) => Edit::Resize(len),
        };
        self.candidates.iter().map(edit).collect()
    }

    fn find(&mut self, value: &[u8]) -> Range<usize> {
        let places = self.places.find(value);
        self.n_places += places.len();
        places
    }

    /// Puts bytes among those of the candidates; -> where.
    fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    /// Adds the edit that puts some of `self.bytes` in the place of others.
    fn add(&mut self, tells: usize, at: usize, removed: usize, bytes: Range<usize>) {
        let hash = mix(mix(mix(SEED, at as u64), removed as u64), bytes.len() as u64);
        let hash = mix_bytes(hash, &self.bytes[bytes.clone()]);
        let (start, len) = (bytes.start, bytes.len());
        self.add_change(tells, hash, Change::Replace { at, removed, start, len });
    }

    fn add_change(&mut self, tells: usize, hash: u64, change: Change) {
        if self.n_of_pair == self.max_of_pair || !self.known.insert(hash) {
            return;
        }
        self.n_of_pair += 1;
        let rank = usize::MAX - tells - self.bonus;
        let round = self.rounds.entry(rank).or_insert(0);
        self.candidates.push(Candidate { rank, round: *round, pair: self.pair, change });
        *round += 1;
    }

    /// Each of `values` wherever `from` stands. They are made only if it stands somewhere.
    fn replace(&mut self, from: &[u8], values: impl IntoIterator<Item = impl AsRef<[u8]>>) {
        let places = self.find(from);
        if places.is_empty() || self.n_of_pair == self.max_of_pair {
            return;
        }
        for to in values {
            let to = to.as_ref();
            let is_text = self.traced.kind == InputKind::Bytes || std::str::from_utf8(to).is_ok();
            let is_too_long = self.traced.input.len() + to.len() > self.traced.max_len + from.len();
            if from == to || !is_text || is_too_long {
                continue;
            }
            let bytes = self.keep(to);
            for number in places.clone() {
                self.add(tells(from), self.places.get(number), from.len(), bytes.clone());
            }
        }
    }

    /// `to` in the place of each text that begins with `from`: what is ordered is compared up to the
    /// end of the shorter one.
    fn replace_runs(&mut self, from: &[u8], to: &[u8]) {
        for number in self.find(from) {
            let at = self.places.get(number);
            let Some(end) = self.places.end_of_run(at).filter(|end| *end > at + from.len()) else {
                continue;
            };
            let bytes = self.keep(to);
            self.add(tells(from), at, end - at, bytes);
        }
    }

    /// Also of the parts in which they differ: a compiler compares a small structure as one
    /// integer, of a tag and a number for one.
    fn parts(&mut self, from: u64, to: u64, width: u8, wanted: Ordering) {
        self.integers(from, to, width, wanted);
        let bits = 4 * u32::from(width);
        if bits < 16 || from == to {
            return;
        }
        let mask = (1 << bits) - 1;
        if from & mask == to & mask && (from | to) >> bits != 0 {
            self.parts(from >> bits, to >> bits, width / 2, wanted);
        } else if from >> bits == to >> bits && from >> bits != 0 {
            self.parts(from & mask, to & mask, width / 2, wanted);
        }
    }

    /// What stands to `to` as wanted, or else next to it, wherever `from` stands in some encoding.
    fn integers(&mut self, from: u64, to: u64, width: u8, wanted: Ordering) {
        let mask = u64::MAX >> (64 - 8 * u32::from(width.clamp(1, 8)));
        let [more, less] = [to.wrapping_add(1) & mask, to.wrapping_sub(1) & mask];
        let values = match wanted {
            Ordering::Equal => [to, more, less],
            Ordering::Greater => [more, to, less],
            Ordering::Less => [less, to, more],
        };
        for to in values.iter().filter(|to| **to != from) {
            self.resize(from, *to);
        }
        for n in [8usize, 4, 2, 1] {
            if n > usize::from(width).max(4) || !fits(from, n, width) {
                continue;
            }
            let fitting = || values.iter().filter(|to| fits(**to, n, width));
            let little = |value: u64| Short::new(value.to_le_bytes(), 0..n);
            self.replace(little(from).as_ref(), fitting().map(|to| little(*to)));
            // Big endian, of the lowest `n` bytes.
            let big = |value: u64| Short::new(value.to_be_bytes(), 8 - n..8);
            self.replace(big(from).as_ref(), fitting().map(|to| big(*to)));
        }
        for digits in [Digits::decimal, Digits::lower_hex, Digits::upper_hex] {
            self.replace(digits(from).as_ref(), values.map(digits));
        }
        self.characters(from, to);
    }

    /// A character in the place of another one, as text has them: in the other case, or encoded.
    fn characters(&mut self, from: u64, to: u64) {
        let character = |n: u64| u32::try_from(n).ok().and_then(char::from_u32);
        let (Some(from), Some(to)) = (character(from), character(to)) else { return };
        if from.is_ascii_alphabetic() && to.is_ascii() {
            let other = if from.is_ascii_lowercase() { 'A' } else { 'a' };
            let swapped = (from as u8 & 0x1f) - 1 + other as u8;
            self.replace(&[swapped], [[to as u8]]);
        }
        if !from.is_ascii() || !to.is_ascii() {
            let mut encoded = [0; 4];
            self.replace(from.encode_utf8(&mut encoded).as_bytes(), [to.to_string()]);
        }
    }

    fn resize(&mut self, from: u64, to: u64) {
        // The length of all values together is none that a program knows.
        let is_len = self.traced.shape.is_none() && from == self.traced.input.len() as u64;
        if let (true, Ok(to)) = (is_len, usize::try_from(to)) {
            if to <= self.traced.max_len {
                // As telling as two bytes of text.
                self.add_change(tells(b"17"), mix(!SEED, to as u64), Change::Resize(to));
            }
        }
    }
}

/// Some bytes, without an allocation: `SIZE` at most.
#[derive(Clone, Debug)]
struct Short<const SIZE: usize> {
    bytes: [u8; SIZE],
    used: Range<usize>,
}

impl<const SIZE: usize> Short<SIZE> {
    fn new(bytes: [u8; SIZE], used: Range<usize>) -> Self {
        Self { bytes, used }
    }
}

impl<const SIZE: usize> AsRef<[u8]> for Short<SIZE> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[self.used.clone()]
    }
}

/// Digits of an integer: it has 20 at most.
type Digits = Short<20>;

impl Digits {
    fn decimal(value: u64) -> Self {
        Self::of(value, 10, b"0123456789")
    }

    fn lower_hex(value: u64) -> Self {
        Self::of(value, 16, b"0123456789abcdef")
    }

    fn upper_hex(value: u64) -> Self {
        Self::of(value, 16, b"0123456789ABCDEF")
    }

    fn of(mut value: u64, base: u64, digits: &[u8]) -> Self {
        let mut bytes = [0; 20];
        let mut start = bytes.len();
        loop {
            start -= 1;
            bytes[start] = digits[(value % base) as usize];
            value /= base;
            if value == 0 {
                return Self::new(bytes, start..20);
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
mod tests;
