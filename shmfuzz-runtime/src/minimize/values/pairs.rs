//! Two integers that only fail together: both nearer to 0 by the same amount, as where their
//! difference counts, or one at the cost of the other, as where their sum does.

use super::numbers::{self, Number, Scale};
use super::target::Target;
use crate::shape::Shape;

/// Pairs that are looked at in a round, about.
const MOST: usize = 1000;

/// How the two change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// Both magnitudes become less.
    Both,
    /// What the first one loses goes to the second one.
    Over,
}

/// By how much: at first by 1, as a probe; then by all; then by halves of what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Amount {
    Probe,
    All,
    /// So much is too much.
    Below(u128),
}

/// Goes over all pairs of integers that are near each other.
#[derive(Clone, Debug)]
pub(super) struct Pairs {
    /// Integers never change their length, so that they stay where they are.
    integers: Vec<Target>,
    reach: usize,
    first: usize,
    second: usize,
    manner: Manner,
    amount: Amount,
}

impl Pairs {
    /// Of all integers in an input, in order.
    pub(super) fn new(targets: &[Target]) -> Self {
        let is_integer = |target: &&Target| {
            matches!(target.shape, Shape::Unsigned(_) | Shape::Signed(_) | Shape::Duration)
        };
        let integers: Vec<_> = targets.iter().filter(is_integer).cloned().collect();
        Self {
            reach: (MOST / integers.len().max(1)).max(1),
            integers,
            first: 0,
            second: 1,
            manner: Manner::Both,
            amount: Amount::Probe,
        }
    }

    /// The next input to try.
    pub(super) fn next(&mut self, input: &[u8]) -> Option<Vec<u8>> {
        while self.first + 1 < self.integers.len() {
            if self.second >= self.integers.len() || self.second > self.first + self.reach {
                (self.first, self.second) = (self.first + 1, self.first + 2);
                continue;
            }
            match self.change(input) {
                Some(new) => return Some(new),
                None => self.pass_over(input),
            }
        }
        None
    }

    /// There is no such change: the second one may have no room for as much.
    fn pass_over(&mut self, input: &[u8]) {
        match self.amount {
            Amount::All => self.amount = Amount::Below(self.most(input)),
            Amount::Below(much) if much > 1 => self.amount = Amount::Below(much / 2),
            Amount::Probe | Amount::Below(_) => self.advance(),
        }
    }

    fn change(&self, input: &[u8]) -> Option<Vec<u8>> {
        let (one, other) = (&self.integers[self.first], &self.integers[self.second]);
        let (old, old_other) = (one.value(input), other.value(input));
        let a = numbers::read(&one.shape, Scale::Plain, old)?;
        let b = numbers::read(&other.shape, Scale::Plain, old_other)?;
        let all = match self.manner {
            Manner::Both => a.magnitude.min(b.magnitude),
            Manner::Over => a.magnitude,
        };
        let by = match self.amount {
            Amount::Probe => 1,
            Amount::All => all,
            Amount::Below(much) => much / 2,
        };
        if by == 0 || by > all {
            return None;
        }
        let less = Number { magnitude: a.magnitude - by, ..a };
        let changed = match self.manner {
            Manner::Both => Number { magnitude: b.magnitude - by, ..b },
            Manner::Over if b.magnitude == 0 => Number { magnitude: by, ..a },
            Manner::Over if a.is_negative == b.is_negative => {
                Number { magnitude: b.magnitude.checked_add(by)?, ..b }
            }
            Manner::Over => return None,
        };
        let less = numbers::write(&one.shape, Scale::Plain, less, old)?;
        let changed = numbers::write(&other.shape, Scale::Plain, changed, old_other)?;
        let mut new = input.to_vec();
        new[one.start()..][..less.len()].copy_from_slice(&less);
        new[other.start()..][..changed.len()].copy_from_slice(&changed);
        Some(new)
    }

    /// What came of it, for the input that was changed.
    pub(super) fn answer(&mut self, old: &[u8], fails: bool) {
        self.amount = match (self.amount, fails) {
            (Amount::Probe, true) => Amount::All,
            (Amount::All, false) => Amount::Below(self.most(old)),
            (Amount::Below(much), true) => Amount::Below(much - much / 2),
            (Amount::Below(much), false) => Amount::Below(much / 2),
            (Amount::Probe, false) | (Amount::All, true) => return self.advance(),
        };
    }

    fn most(&self, input: &[u8]) -> u128 {
        let magnitude = |at: usize| {
            let target = &self.integers[at];
            let number = numbers::read(&target.shape, Scale::Plain, target.value(input));
            number.map_or(0, |number| number.magnitude)
        };
        match self.manner {
            Manner::Both => magnitude(self.first).min(magnitude(self.second)),
            Manner::Over => magnitude(self.first),
        }
    }

    fn advance(&mut self) {
        self.amount = Amount::Probe;
        match self.manner {
            Manner::Both => self.manner = Manner::Over,
            Manner::Over => (self.manner, self.second) = (Manner::Both, self.second + 1),
        }
    }
}
