//! Passes over an input as bytes or text.
//!
//! In rounds until a round changes nothing: remove chunks, from half the input down to single
//! bytes; remove what stands between brackets and separators, repeated blocks, and blocks with the
//! length before them; in short inputs, remove every range; make bytes simple and numbers small; in
//! short inputs, put one byte in the place of two or three. At last, a bounded number of random
//! cuts and changes at once, which come past what no single edit does. Invariants: the best input so
//! far only gets shorter, or simpler at the same length; no candidate is proposed twice; text stays
//! valid UTF-8; an end is reached, where no single byte (of text: character) can be removed any
//! more. The goals are those of Go's
//! `internal/fuzz/minimize.go`; the removal by halves is delta debugging (A. Zeller, R. Hildebrandt,
//! "Simplifying and Isolating Failure-Inducing Input", 2002), that along the structure hierarchical
//! delta debugging (G. Misherghi, Z. Su, 2006).

use super::chance::Chance;
use super::edit::{Edits, boundary_after, boundary_before, is_boundary};
use super::simple::{self, Manner, SIMPLE};
use super::tried::Tried;
use super::{Scope, lengths, numbers, parts};
use crate::record::InputKind;

/// Tries spent on ranges in a round, about: how long the ranges are depends on the input's length.
const RANGE_TRIES: usize = 16 << 10;
/// Up to this length, two single bytes are removed together.
const PAIRS_UP_TO: usize = 48;
/// Up to this length, short ranges are replaced by one byte.
const SWAPS_UP_TO: usize = 32;

/// How far the passes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    Shorten,
    Full,
    /// What takes few tries: nothing by all bytes that can be typed, nor by chance.
    Rounds,
    /// Nothing but that, until it comes to something.
    Last,
}

/// What edits are listed in advance, of an input as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    Parts,
    Lengths,
    Numbers,
    Pairs,
    Swaps,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// Remove `size` bytes that end at `end`, and go on to the left.
    Chunks { size: usize, end: usize },
    /// The edits of a plan, from this one on.
    Planned { plan: Plan, next: usize },
    /// Remove `from..to`, the longest first.
    Ranges { from: usize, to: usize },
    /// Make all of the `size` bytes at `at` simple at once.
    Blank { size: usize, at: usize, manner: Manner },
    /// Put `SIMPLE[choice]` in the place of the character at `at`.
    Simplify { at: usize, choice: usize },
    /// Random edits, so many more of them in a row that come to nothing.
    Chance { left: usize },
    /// Nothing is left to try.
    Done,
}

/// A minimization of bytes or text under way.
#[derive(Clone, Debug)]
pub(super) struct Passes {
    kind: InputKind,
    extent: Extent,
    best: Vec<u8>,
    candidate: Vec<u8>,
    /// Whether the candidate was proposed and waits for what came of it.
    is_pending: bool,
    stage: Stage,
    /// The edits of a planned stage.
    plan: Vec<Edits>,
    chance: Chance,
    tried: Tried,
    n_tries: usize,
    /// Random edits of what is the last to be tried.
    n_random: usize,
    /// Whether this round changed anything.
    has_changed: bool,
}

impl Passes {
    /// Begins with an input that does what it must. Text must be valid UTF-8.
    pub(super) fn new(input: &[u8], kind: InputKind, scope: Scope) -> Self {
        let extent = match scope {
            Scope::Shorten => Extent::Shorten,
            Scope::Full => Extent::Full,
        };
        let mut passes = Self::idle(input, kind, extent);
        passes.begin_round();
        passes
    }

    /// The same of a part of an input, without what takes many tries.
    pub(super) fn rounds(input: &[u8], kind: InputKind) -> Self {
        let mut passes = Self::idle(input, kind, Extent::Rounds);
        passes.begin_round();
        passes
    }

    /// That, with at most so many random edits, until something comes of it.
    pub(super) fn last(input: &[u8], kind: InputKind, n_random: usize) -> Self {
        let mut passes = Self::idle(input, kind, Extent::Last);
        passes.n_random = n_random;
        passes.begin_plan(Plan::Swaps);
        passes
    }

    fn idle(input: &[u8], kind: InputKind, extent: Extent) -> Self {
        Self {
            kind,
            extent,
            best: input.to_vec(),
            candidate: Vec::with_capacity(input.len()),
            is_pending: false,
            stage: Stage::Done,
            plan: Vec::new(),
            chance: Chance::default(),
            tried: Tried::default(),
            n_tries: 0,
            n_random: 0,
            has_changed: false,
        }
    }

    /// The smallest input so far.
    pub(super) fn best(&self) -> &[u8] {
        &self.best
    }

    /// The next input to try; `None` if nothing is left. Asking again gives the same, until
    /// [`Passes::accept`] or [`Passes::reject`] says what came of it.
    pub(super) fn candidate(&mut self) -> Option<&[u8]> {
        while !self.is_pending {
            if self.stage == Stage::Done {
                return None;
            }
            if self.propose() && self.is_news() {
                self.is_pending = true;
                self.n_tries += 1;
            } else {
                self.advance();
            }
        }
        Some(&self.candidate)
    }

    /// The candidate still does what it must: it is the best now.
    pub(super) fn accept(&mut self) {
        debug_assert!(self.is_pending, "nothing was proposed");
        self.is_pending = false;
        std::mem::swap(&mut self.best, &mut self.candidate);
        self.has_changed = true;
        let (len, removed) = (self.best.len(), self.candidate.len() - self.best.len());
        if self.extent == Extent::Last {
            self.stage = Stage::Done;
            return;
        }
        match &mut self.stage {
            Stage::Chunks { size, end } => {
                *end = boundary_before(&self.best, end.saturating_sub(*size));
            }
            Stage::Planned { plan, .. } => {
                let plan = *plan;
                self.begin_plan(plan);
                // What is larger was tried a moment ago; the next round comes back to it.
                let first = self.plan.partition_point(|edits| edits.n_removed() > removed);
                self.stage = Stage::Planned { plan, next: first };
            }
            Stage::Ranges { to, .. } => *to = (*to).min(len),
            Stage::Blank { size, at, manner } => {
                (*at, *manner) = (
                    boundary_after(&self.best, (*at + *size).saturating_sub(removed)),
                    Manner::Zero,
                );
            }
            Stage::Simplify { at, choice } => (*at, *choice) = (*at + 1, 0),
            Stage::Chance { .. } => self.begin_round(),
            Stage::Done => {}
        }
    }

    /// The candidate does not.
    pub(super) fn reject(&mut self) {
        debug_assert!(self.is_pending, "nothing was proposed");
        self.is_pending = false;
        self.advance();
    }

    fn begin_round(&mut self) {
        self.has_changed = false;
        let len = self.best.len();
        self.stage = Stage::Chunks { size: len.div_ceil(2), end: len };
    }

    fn begin_plan(&mut self, plan: Plan) {
        self.plan = match plan {
            Plan::Parts => parts::edits(&self.best),
            Plan::Lengths if self.kind == InputKind::Bytes => lengths::edits(&self.best),
            Plan::Lengths => Vec::new(),
            Plan::Numbers => numbers::edits(&self.best),
            Plan::Pairs if self.best.len() <= PAIRS_UP_TO => parts::pairs(self.best.len()),
            Plan::Swaps if self.best.len() <= SWAPS_UP_TO => parts::swaps(self.best.len()),
            Plan::Pairs | Plan::Swaps => Vec::new(),
        };
        // Stable: of the same size, in the order in which they are listed.
        self.plan.sort_by_key(|edits| std::cmp::Reverse(edits.n_removed()));
        self.stage = Stage::Planned { plan, next: 0 };
    }

    fn begin_chance(&mut self) {
        /// Random edits in a row that come to nothing, at least and at most.
        const LEAST: usize = 1000;
        const MOST: usize = 20_000;
        // In proportion to what was tried before, so that a slow fuzz test does not wait for luck.
        self.stage = match self.extent {
            Extent::Last => Stage::Chance { left: self.n_random },
            _ => Stage::Chance { left: (2 * self.n_tries).clamp(LEAST, MOST) },
        };
    }

    /// Whether the candidate is simpler, valid, and was not tried before.
    fn is_news(&mut self) -> bool {
        // Removal alone cannot come to anything else, nor to the same input twice in one pass.
        if self.extent == Extent::Shorten {
            return true;
        }
        let is_valid =
            self.kind == InputKind::Bytes || std::str::from_utf8(&self.candidate).is_ok();
        is_valid
            && simple::is_simpler(&self.candidate, &self.best)
            && self.tried.is_first(&self.candidate)
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

    /// The longest range that is removed as a whole.
    fn reach(&self) -> usize {
        let len = self.best.len();
        (RANGE_TRIES / len.max(1)).min(len)
    }

    /// Makes the candidate of the present stage; false if the stage has none here.
    fn propose(&mut self) -> bool {
        let (from, to, new): (usize, usize, &[u8]) = match &self.stage {
            Stage::Chunks { size, end } if *size > 0 && *end > 0 => {
                (self.chunk_start(*size, *end), *end, &[])
            }
            Stage::Ranges { from, to } if to > from && *to <= self.best.len() => {
                if !self.parts_at(*from) || !self.parts_at(*to) {
                    return false;
                }
                (*from, *to, &[])
            }
            Stage::Simplify { at, choice } if *at < self.best.len() => {
                if *choice >= SIMPLE.len() {
                    return false;
                }
                (*at, self.character_end(*at), &SIMPLE[*choice..=*choice])
            }
            Stage::Blank { size, at, manner } if *at < self.best.len() => {
                let to = boundary_after(&self.best, at + size);
                return simple::blank(&self.best, *at..to, *manner, self.kind, &mut self.candidate);
            }
            Stage::Planned { next, .. } => {
                let Some(edits) = self.plan.get(*next) else { return false };
                return edits.apply(&self.best, &mut self.candidate);
            }
            Stage::Chance { .. } => return self.chance.change(&self.best, &mut self.candidate),
            _ => return false,
        };
        self.candidate.clear();
        self.candidate.extend_from_slice(&self.best[..from]);
        self.candidate.extend_from_slice(new);
        self.candidate.extend_from_slice(&self.best[to..]);
        true
    }

    fn advance(&mut self) {
        let (len, reach) = (self.best.len(), self.reach());
        match self.stage {
            Stage::Chunks { size, end } if end > 0 => {
                self.stage = Stage::Chunks { size, end: self.chunk_start(size.max(1), end) };
            }
            Stage::Chunks { size, .. } if size > 1 => {
                self.stage = Stage::Chunks { size: size / 2, end: len };
            }
            Stage::Chunks { .. } if self.extent == Extent::Shorten => self.stage = Stage::Done,
            Stage::Chunks { .. } => self.begin_plan(Plan::Parts),
            Stage::Planned { plan, next } if next < self.plan.len() => {
                self.stage = Stage::Planned { plan, next: next + 1 };
            }
            Stage::Planned { plan: Plan::Parts, .. } => self.begin_plan(Plan::Lengths),
            Stage::Planned { plan: Plan::Lengths, .. } => {
                self.stage = Stage::Ranges { from: 0, to: reach };
            }
            Stage::Ranges { from, to } if to > from + 1 => {
                self.stage = Stage::Ranges { from, to: to - 1 };
            }
            Stage::Ranges { from, .. } if from + 1 < len && reach > 1 => {
                self.stage = Stage::Ranges { from: from + 1, to: len.min(from + 1 + reach) };
            }
            Stage::Ranges { .. } => {
                self.stage = Stage::Blank { size: len.max(2), at: 0, manner: Manner::Zero };
            }
            Stage::Blank { size, at, manner: Manner::Zero } if at < len => {
                self.stage = Stage::Blank { size, at, manner: Manner::Kind };
            }
            Stage::Blank { size, at, .. } if at < len => {
                let at = boundary_after(&self.best, at + size);
                self.stage = Stage::Blank { size, at, manner: Manner::Zero };
            }
            Stage::Blank { size, .. } if size > 3 => {
                self.stage = Stage::Blank { size: size / 2, at: 0, manner: Manner::Zero };
            }
            Stage::Blank { .. } => self.stage = Stage::Simplify { at: 0, choice: 0 },
            Stage::Simplify { at, choice } if at < len => {
                // What stands here already is as simple as it gets.
                let end = self.character_end(at);
                let is_simple = self.best[at..end] == SIMPLE[choice.min(SIMPLE.len() - 1)..][..1];
                self.stage = if choice + 1 < SIMPLE.len() && !is_simple {
                    Stage::Simplify { at, choice: choice + 1 }
                } else {
                    Stage::Simplify { at: end, choice: 0 }
                };
            }
            Stage::Simplify { .. } => self.begin_plan(Plan::Numbers),
            Stage::Planned { plan: Plan::Numbers, .. } => self.begin_plan(Plan::Pairs),
            Stage::Planned { plan: Plan::Pairs, .. } if self.has_changed => self.begin_round(),
            Stage::Planned { plan: Plan::Pairs, .. } if self.extent == Extent::Rounds => {
                self.stage = Stage::Done;
            }
            Stage::Planned { plan: Plan::Pairs, .. } => self.begin_plan(Plan::Swaps),
            Stage::Planned { plan: Plan::Swaps, .. } if self.has_changed => self.begin_round(),
            Stage::Planned { plan: Plan::Swaps, .. } => self.begin_chance(),
            Stage::Chance { left } if left > 0 => self.stage = Stage::Chance { left: left - 1 },
            Stage::Chance { .. } | Stage::Done => self.stage = Stage::Done,
        }
    }
}
