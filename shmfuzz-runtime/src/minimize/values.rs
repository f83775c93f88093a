//! Passes over an input as the values that it holds: each becomes simpler as its type allows.
//!
//! In rounds until a round changes nothing: each value, the outer ones first, becomes the simplest one
//! of its type; lists lose elements, from half of them down to single ones; numbers are searched for the
//! smallest that does, text and bytes are made smaller by their own [`Passes`], choices become others;
//! several elements go together. The same for values that are there more than once, all of
//! them at a time; then pairs of integers whose difference or sum counts, or that count
//! elements. At last, what takes many tries: a bounded number of random edits of text and bytes.
//!
//! Invariants: the best input so far is the shortest one of its values; it only gets
//! simpler, by what `order` says; no candidate is proposed twice. Passes over the bytes of the
//! input as a whole come to nothing more here: they tear values, and find others by chance only.
//!
//! What a type becomes is said by `search`, and by what it calls, in one `match` each.

mod counts;
mod listed;
mod lists;
mod numbers;
mod order;
mod pairs;
mod search;
mod target;
#[cfg(test)]
mod tests;

use super::Scope;
use super::tried::Tried;
use crate::canonical::canonical;
use crate::shape::Shape;
use counts::Counts;
use pairs::Pairs;
use search::{Pass, Search};
use target::Target;

/// Which values are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Company {
    /// Each by itself.
    Alone,
    /// All that are equal.
    Equal,
}

/// The passes over values, in order: what removes much first, and what is equal before it may
/// differ.
const PASSES: [(Company, Pass); 7] = [
    (Company::Alone, Pass::Clear),
    (Company::Alone, Pass::Cut),
    (Company::Equal, Pass::Clear),
    (Company::Equal, Pass::Cut),
    (Company::Equal, Pass::Refine),
    (Company::Alone, Pass::Refine),
    (Company::Alone, Pass::Rearrange),
];
/// What is tried where a round of them has changed nothing.
const LAST: (Company, Pass) = (Company::Alone, Pass::Last);

#[derive(Clone, Debug)]
enum Stage {
    /// A pass over the targets, at this one, with what is left to search for there. Of which
    /// number, `None` is [`LAST`].
    Each {
        pass: Option<usize>,
        at: usize,
        searches: Vec<Search>,
    },
    Pairs(Pairs),
    Counts(Counts),
    Done,
}

/// A minimization of values under way.
#[derive(Clone, Debug)]
pub(super) struct Values {
    shape: Shape,
    scope: Scope,
    best: Vec<u8>,
    /// What orders the best one.
    key: Vec<u8>,
    candidate: Vec<u8>,
    candidate_key: Vec<u8>,
    /// Whether the candidate was proposed and waits for what came of it.
    is_pending: bool,
    /// Whether it is another way to write what was meant: then values are not where they were.
    is_rewritten: bool,
    targets: Vec<Target>,
    stage: Stage,
    tried: Tried,
    n_rounds: u32,
    /// Whether this round changed anything.
    has_changed: bool,
}

impl Values {
    /// Begins with an input that does what it must.
    pub(super) fn new(input: &[u8], shape: &Shape, scope: Scope) -> Self {
        let best = canonical(shape, input);
        let mut values = Self {
            shape: shape.clone(),
            scope,
            key: order::key(shape, &best),
            best,
            candidate: Vec::new(),
            candidate_key: Vec::new(),
            is_pending: false,
            is_rewritten: false,
            targets: Vec::new(),
            stage: Stage::Done,
            tried: Tried::default(),
            n_rounds: 0,
            has_changed: false,
        };
        values.begin_round();
        values
    }

    /// The smallest input so far.
    pub(super) fn best(&self) -> &[u8] {
        &self.best
    }

    /// The next input to try; `None` if nothing is left.
    pub(super) fn candidate(&mut self) -> Option<&[u8]> {
        while !self.is_pending {
            if matches!(self.stage, Stage::Done) {
                return None;
            }
            if !self.propose() {
                self.advance();
            } else if self.is_news() {
                self.is_pending = true;
            } else {
                self.answer(false);
            }
        }
        Some(&self.candidate)
    }

    /// The candidate still does what it must: it is the best now.
    pub(super) fn accept(&mut self) {
        debug_assert!(self.is_pending, "nothing was proposed");
        self.is_pending = false;
        self.has_changed = true;
        self.answer(true);
    }

    /// The candidate does not.
    pub(super) fn reject(&mut self) {
        debug_assert!(self.is_pending, "nothing was proposed");
        self.is_pending = false;
        self.answer(false);
    }

    fn begin_round(&mut self) {
        self.has_changed = false;
        self.n_rounds += 1;
        self.begin_pass(Some(if self.scope == Scope::Shorten { 1 } else { 0 }));
    }

    fn begin_pass(&mut self, pass: Option<usize>) {
        self.list_targets(pass_of(pass).0);
        self.stage = Stage::Each { pass, at: 0, searches: Vec::new() };
        self.begin_target();
    }

    fn list_targets(&mut self, company: Company) {
        self.targets = match company {
            Company::Alone => target::alone(&self.shape, &self.best),
            Company::Equal => target::equal(&self.shape, &self.best),
        };
    }

    /// Lists what is searched for at the present target.
    fn begin_target(&mut self) {
        let Stage::Each { pass, at, searches } = &mut self.stage else { return };
        if let Some(target) = self.targets.get(*at) {
            let value = target.value(&self.best);
            *searches = match self.scope {
                Scope::Full => search::begin(pass_of(*pass).1, &target.shape, value),
                Scope::Shorten => search::begin_to_shorten(&target.shape, value),
            };
            // The first one is taken from the end.
            searches.reverse();
        }
    }

    /// Makes the candidate of the present stage; false if there is none left at its target.
    fn propose(&mut self) -> bool {
        match &mut self.stage {
            Stage::Each { at, searches, .. } => {
                let Some(target) = self.targets.get(*at) else { return false };
                let value = target.value(&self.best);
                while let Some(search) = searches.last_mut() {
                    if let Some(new) = search.next(&target.shape, value) {
                        target.replaced(&self.best, &new, &mut self.candidate);
                        return true;
                    }
                    searches.pop();
                }
                false
            }
            Stage::Pairs(pairs) => put(pairs.next(&self.best), &mut self.candidate),
            Stage::Counts(counts) => put(counts.next(&self.best), &mut self.candidate),
            Stage::Done => false,
        }
    }

    /// Whether the candidate, written by its shortest bytes, is simpler and was not tried before.
    fn is_news(&mut self) -> bool {
        let rewritten = canonical(&self.shape, &self.candidate);
        self.is_rewritten = rewritten != self.candidate;
        self.candidate = rewritten;
        if self.candidate.len() > self.best.len() {
            return false;
        }
        self.candidate_key = order::key(&self.shape, &self.candidate);
        let is_shorter = self.candidate.len() < self.best.len();
        (is_shorter || self.candidate_key < self.key) && self.tried.is_first(&self.candidate)
    }

    /// Says to what made the candidate what came of it.
    fn answer(&mut self, fails: bool) {
        let is_same_len = self.candidate.len() == self.best.len();
        match &mut self.stage {
            Stage::Each { at, searches, .. } => {
                let target = &self.targets[*at];
                if let Some(search) = searches.last_mut() {
                    search.answer(&target.shape, target.value(&self.best), fails);
                }
            }
            Stage::Pairs(pairs) => pairs.answer(&self.best, fails),
            Stage::Counts(counts) => counts.answer(),
            Stage::Done => {}
        }
        if !fails {
            return;
        }
        std::mem::swap(&mut self.best, &mut self.candidate);
        std::mem::swap(&mut self.key, &mut self.candidate_key);
        self.settle(is_same_len);
    }

    /// Finds the present target again, after a change.
    fn settle(&mut self, is_same_len: bool) {
        match &self.stage {
            Stage::Each { pass: None, .. } => self.begin_round(),
            Stage::Each { pass, at, .. } => {
                let (pass, at) = (*pass, *at);
                if self.is_rewritten || !is_same_len || !self.targets[at].is_leaf() {
                    let old = self.targets[at].clone();
                    self.list_targets(pass_of(pass).0);
                    let is_still = self.targets.get(at).is_some_and(|new| new.is_still(&old));
                    if self.is_rewritten || !is_still {
                        self.stage = Stage::Each { pass, at, searches: Vec::new() };
                    }
                }
            }
            Stage::Pairs(_) if self.is_rewritten => self.begin_pairs(),
            Stage::Counts(_) => self.begin_counts(),
            Stage::Pairs(_) | Stage::Done => {}
        }
    }

    fn begin_pairs(&mut self) {
        self.stage = Stage::Pairs(Pairs::new(&target::alone(&self.shape, &self.best)));
    }

    fn begin_counts(&mut self) {
        let targets = target::alone(&self.shape, &self.best);
        self.stage = Stage::Counts(Counts::new(&targets, &self.best));
    }

    /// Goes on to the next target or stage.
    fn advance(&mut self) {
        let n_targets = self.targets.len();
        match &mut self.stage {
            Stage::Each { at, .. } if *at + 1 < n_targets => {
                *at += 1;
                self.begin_target();
            }
            Stage::Each { .. } if self.scope == Scope::Shorten => self.stage = Stage::Done,
            Stage::Each { pass: None, .. } => self.stage = Stage::Done,
            Stage::Each { pass: Some(pass), .. } if *pass + 1 < PASSES.len() => {
                let next = *pass + 1;
                self.begin_pass(Some(next));
            }
            Stage::Each { .. } if self.n_rounds <= PAIRS_IN_ROUNDS => self.begin_pairs(),
            Stage::Each { .. } | Stage::Pairs(_) => self.begin_counts(),
            Stage::Counts(_) if self.has_changed && self.n_rounds < MOST_ROUNDS => {
                self.begin_round();
            }
            Stage::Counts(_) => self.begin_pass(None),
            Stage::Done => {}
        }
    }
}

/// After so many rounds it is enough: hardly any input needs ten, but one whose values may be traded for
/// each other can go on for very long.
const MOST_ROUNDS: u32 = 100;
/// In so many rounds, pairs are looked at: what one of them loses, the other one may gain, and get rid
/// of again, for very long.
const PAIRS_IN_ROUNDS: u32 = 20;

fn pass_of(pass: Option<usize>) -> (Company, Pass) {
    pass.map_or(LAST, |pass| PASSES[pass])
}

fn put(new: Option<Vec<u8>>, candidate: &mut Vec<u8>) -> bool {
    let Some(new) = new else { return false };
    *candidate = new;
    true
}
