//! Shrinking an input: which candidate to try next. Pure: who drives it runs the candidates and
//! says what came of them.
//!
//! In rounds until a round changes nothing: remove chunks, from half the input down to single
//! bytes; in short inputs, remove every range; make bytes simple. Invariants: the best input so
//! far only gets shorter, or simpler at the same length; text stays valid UTF-8; an end is
//! reached. The goals are those of Go's `internal/fuzz/minimize.go`.

use super::mutate::edit::{boundary_after, boundary_before, is_boundary};
use crate::record::InputKind;

/// What bytes are made, simplest first.
const SIMPLE: [u8; 5] = [b'0', b' ', b'A', b'a', 0];

/// Up to this length, every range is tried: their number grows with its square.
const RANGES_UP_TO: usize = 64;

/// How far to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Remove chunks, once.
    Shorten,
    /// Everything, as long as it helps.
    Full,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Remove `size` bytes that end at `end`, and go on to the left.
    Chunks { size: usize, end: usize },
    /// Remove `from..to`, the longest first.
    Ranges { from: usize, to: usize },
    /// Put `SIMPLE[choice]` in the place of the character at `at`.
    Simplify { at: usize, choice: usize },
    /// Nothing is left to try.
    Done,
}

/// A minimization under way.
#[derive(Debug)]
pub(super) struct Minimizer {
    kind: InputKind,
    scope: Scope,
    best: Vec<u8>,
    candidate: Vec<u8>,
    stage: Stage,
    /// Whether this round changed anything.
    changed: bool,
}

impl Minimizer {
    pub(super) fn new(input: &[u8], kind: InputKind, scope: Scope) -> Self {
        let mut minimizer = Self {
            kind,
            scope,
            best: input.to_vec(),
            candidate: Vec::with_capacity(input.len()),
            stage: Stage::Done,
            changed: false,
        };
        minimizer.begin_round();
        minimizer
    }

    /// The smallest input so far.
    pub(super) fn best(&self) -> &[u8] {
        &self.best
    }

    /// The next input to try; `None` if nothing is left. Asking again gives the same.
    pub(super) fn candidate(&mut self) -> Option<&[u8]> {
        while !self.propose() {
            if self.stage == Stage::Done {
                return None;
            }
            self.advance();
        }
        Some(&self.candidate)
    }

    /// The candidate still does what it must: it is the best now.
    pub(super) fn accept(&mut self) {
        std::mem::swap(&mut self.best, &mut self.candidate);
        self.changed = true;
        let len = self.best.len();
        match &mut self.stage {
            Stage::Chunks { size, end } => {
                *end = boundary_before(&self.best, end.saturating_sub(*size))
            }
            Stage::Ranges { to, .. } => *to = len,
            Stage::Simplify { at, choice } => (*at, *choice) = (*at + 1, 0),
            Stage::Done => {}
        }
    }

    /// The candidate does not.
    pub(super) fn reject(&mut self) {
        self.advance();
    }

    fn begin_round(&mut self) {
        self.changed = false;
        let len = self.best.len();
        self.stage = Stage::Chunks { size: len.div_ceil(2), end: len };
    }

    /// Whether bytes at `at` may be parted.
    fn parts_at(&self, at: usize) -> bool {
        self.kind == InputKind::Bytes || is_boundary(&self.best, at)
    }

    fn chunk_start(&self, size: usize, end: usize) -> usize {
        let start = end.saturating_sub(size);
        match self.kind {
            InputKind::Bytes => start,
            InputKind::Text => boundary_before(&self.best, start),
        }
    }

    fn character_end(&self, at: usize) -> usize {
        match self.kind {
            InputKind::Bytes => at + 1,
            InputKind::Text => boundary_after(&self.best, at + 1),
        }
    }

    /// Makes the candidate of the present stage; false if the stage has none here.
    fn propose(&mut self) -> bool {
        let (from, to, new): (usize, usize, &[u8]) = match self.stage {
            Stage::Chunks { size, end } if size > 0 && end > 0 => {
                (self.chunk_start(size, end), end, &[])
            }
            Stage::Ranges { from, to } if to > from && to <= self.best.len() => {
                if !self.parts_at(from) || !self.parts_at(to) {
                    return false;
                }
                (from, to, &[])
            }
            Stage::Simplify { at, choice } if at < self.best.len() => {
                let old = &self.best[at..self.character_end(at)];
                if choice >= SIMPLE.len() || old == &SIMPLE[choice..=choice] {
                    return false;
                }
                (at, at + old.len(), &SIMPLE[choice..=choice])
            }
            _ => return false,
        };
        self.candidate.clear();
        self.candidate.extend_from_slice(&self.best[..from]);
        self.candidate.extend_from_slice(new);
        self.candidate.extend_from_slice(&self.best[to..]);
        true
    }

    fn advance(&mut self) {
        let len = self.best.len();
        self.stage = match self.stage {
            Stage::Chunks { size, end } if end > 0 => {
                Stage::Chunks { size, end: self.chunk_start(size.max(1), end) }
            }
            Stage::Chunks { size, .. } if size > 1 => Stage::Chunks { size: size / 2, end: len },
            Stage::Chunks { .. } if self.scope == Scope::Shorten => Stage::Done,
            Stage::Chunks { .. } if len <= RANGES_UP_TO => Stage::Ranges { from: 0, to: len },
            Stage::Chunks { .. } => Stage::Simplify { at: 0, choice: 0 },
            Stage::Ranges { from, to } if to > from + 1 => Stage::Ranges { from, to: to - 1 },
            Stage::Ranges { from, .. } if from + 1 < len => {
                Stage::Ranges { from: from + 1, to: len }
            }
            Stage::Ranges { .. } => Stage::Simplify { at: 0, choice: 0 },
            Stage::Simplify { at, choice } if at < len => {
                // What stands here already is as simple as it gets.
                let end = self.character_end(at);
                let is_simple = self.best[at..end] == SIMPLE[choice.min(SIMPLE.len() - 1)..][..1];
                if choice + 1 < SIMPLE.len() && !is_simple {
                    Stage::Simplify { at, choice: choice + 1 }
                } else {
                    Stage::Simplify { at: end, choice: 0 }
                }
            }
            Stage::Simplify { .. } if self.changed => {
                self.begin_round();
                self.stage
            }
            Stage::Simplify { .. } | Stage::Done => Stage::Done,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn minimize(input: &[u8], kind: InputKind, fails: impl Fn(&[u8]) -> bool) -> (Vec<u8>, usize) {
        assert!(fails(input));
        let mut minimizer = Minimizer::new(input, kind, Scope::Full);
        let mut n_tries = 0;
        while let Some(candidate) = minimizer.candidate() {
            n_tries += 1;
            if fails(candidate) {
                minimizer.accept()
            } else {
                minimizer.reject()
            }
            assert!(n_tries < 1_000_000, "an end is reached");
        }
        (minimizer.best().to_vec(), n_tries)
    }

    fn bytes(input: &[u8], fails: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        minimize(input, InputKind::Bytes, fails).0
    }

    fn text(input: &str, fails: impl Fn(&str) -> bool) -> String {
        let as_text = |input: &[u8]| fails(std::str::from_utf8(input).expect("valid UTF-8"));
        String::from_utf8(minimize(input.as_bytes(), InputKind::Text, as_text).0).unwrap()
    }

    fn n_ones(input: &[u8], one: u8) -> usize {
        input.iter().filter(|b| **b == one).count()
    }

    #[test]
    fn the_cases_of_go_come_out_as_in_go() {
        let ones = [[0, 0, 1, 0].as_slice(), &[1; 3], &[0, 1]].concat();
        assert_eq!(bytes(&ones, |b| n_ones(b, 1) >= 3), [1, 1, 1]);
        assert_eq!(bytes(&[1, 2, 3, 4, 5], |b| b.len() >= 2 && b != [1, 2]), b"00");
        let set = |b: &[u8]| b == [0, 1, 2, 3, 4, 5] || b == [0, 4, 5];
        assert_eq!(bytes(&[0, 1, 2, 3, 4, 5], set), [0, 4, 5]);
        assert_eq!(bytes("ปเปล่า".as_bytes(), |b| b.len() >= 3), b"000");
        assert_eq!(text("001010001000000000000000000", |t| n_ones(t.as_bytes(), b'1') >= 3), "111");
        assert_eq!(text("zzzzz", |t| t.len() == 5), "00000");
        let letter = |t: &str| t.chars().next().is_some_and(char::is_alphabetic);
        assert_eq!(text("ZZZZZ", letter), "A");
    }

    #[test]
    fn the_half_that_matters_is_found_in_few_tries() {
        let input = [[b'x'; 50], [b'!'; 50]].concat();
        let (best, n_tries) = minimize(&input, InputKind::Bytes, |b| n_ones(b, b'!') == 50);
        assert_eq!(best, [b'!'; 50]);
        assert!(n_tries < 5000, "{n_tries} tries");
    }

    #[test]
    fn text_shrinks_by_characters() {
        assert_eq!(text("añ€😀b", |t| t.chars().count() >= 2), "00");
        assert_eq!(text("añ€😀b", |t| t.contains('€')), "€");
    }

    #[test]
    fn asking_again_gives_the_same_candidate() {
        let mut minimizer = Minimizer::new(b"abcd", InputKind::Bytes, Scope::Shorten);
        let first = minimizer.candidate().unwrap().to_vec();
        assert_eq!(minimizer.candidate().unwrap(), first);
        minimizer.accept();
        assert_eq!(minimizer.best(), first);
    }

    proptest! {
        #[test]
        fn nothing_that_is_left_could_go(input in prop::collection::vec(0u8..4, 1..40), need in 0usize..10) {
            let need = need.min(n_ones(&input, 3));
            let best = bytes(&input, |b| n_ones(b, 3) >= need);
            prop_assert_eq!(best, vec![3; need]);
        }

        #[test]
        fn candidates_of_text_are_text(input in "[aß€😀]{0,20}", answers: Vec<bool>) {
            let mut minimizer = Minimizer::new(input.as_bytes(), InputKind::Text, Scope::Full);
            let mut answers = answers.into_iter();
            while let Some(candidate) = minimizer.candidate() {
                prop_assert!(std::str::from_utf8(candidate).is_ok());
                if answers.next().unwrap_or(false) { minimizer.accept() } else { minimizer.reject() }
            }
        }
    }
}
