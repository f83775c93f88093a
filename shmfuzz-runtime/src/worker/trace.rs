//! What the comparisons of one execution saw, in order. Pure.
//!
//! It owns the identity of a comparison: the place in the program that makes it, and how many
//! times that place had been reached before in the same execution. Two executions that take the
//! same way have the same identities, whatever their operands are, so that traces of related
//! inputs can be laid side by side.

use std::cmp::Ordering;

/// Which operand is a constant of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Constant {
    /// Neither, as far as is known.
    None,
    /// The first one.
    First,
}

/// The operands of one comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operands {
    /// Integers, zero-extended.
    Int {
        /// First operand.
        a: u64,
        /// Second operand.
        b: u64,
        /// Width in bytes.
        width: u8,
        /// Whether one is a constant.
        constant: Constant,
    },
    /// Byte strings of equal length: their start, or what begins at their first difference.
    Bytes {
        /// First operand.
        a: Box<[u8]>,
        /// Second operand.
        b: Box<[u8]>,
    },
}

impl Operands {
    /// How the first operand stands to the second one. Integers are taken as unsigned: what the
    /// program takes them for is not known.
    pub(super) fn order(&self) -> Ordering {
        match self {
            Self::Int { a, b, .. } => a.cmp(b),
            Self::Bytes { a, b } => a.cmp(b),
        }
    }

    /// Whether they are equal.
    pub(super) fn are_equal(&self) -> bool {
        self.order() == Ordering::Equal
    }
}

/// One comparison of an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// The place that makes it: the same number in every execution of this program.
    pub(super) site: u64,
    /// How often the place had been reached before in this execution.
    pub(super) nth: u32,
    /// What was compared.
    pub(super) operands: Operands,
}

impl Event {
    /// Whether it is the same comparison, with the same operands or others.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (self.site, self.nth) == (other.site, other.nth)
    }
}

/// The comparisons of one execution, in order; of places that are reached often, the first ones
/// and the last ones, and of those that compare strings the first ones and each further pair of
/// short strings once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Trace {
    /// In the order in which they were made.
    pub(super) events: Vec<Event>,
    /// Pairs of large integers from between the first and the last ones of a place, some of them,
    /// each once. Apart, since which ones they are depends on the operands: among the others, they
    /// would keep traces from being laid side by side.
    pub(super) others: Vec<Event>,
}

impl Trace {
    /// The comparison with the identity of `event`; `hint` is where it stood in another trace.
    pub(super) fn find(&self, event: &Event, hint: usize) -> Option<usize> {
        let is_it = |idx: &usize| self.events.get(*idx).is_some_and(|own| own.is_same(event));
        if is_it(&hint) {
            return Some(hint);
        }
        // Executions that differ a little have it near.
        let near = hint.saturating_sub(64)..self.events.len().min(hint + 64);
        near.into_iter()
            .find(is_it)
            .or_else(|| self.events.iter().position(|own| own.is_same(event)))
    }

    /// Where the two executions parted: the last comparison that came out another way in `other`
    /// before their ways differ. Earlier ones may have turned, too, but the way went on the same.
    pub(super) fn parting(&self, other: &Self) -> Option<usize> {
        let pairs = self.events.iter().zip(&other.events);
        let same = pairs.take_while(|(own, theirs)| own.is_same(theirs)).enumerate();
        same.filter(|(_, (own, theirs))| own.operands.order() != theirs.operands.order())
            .last()
            .map(|(idx, _)| idx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(site: u64, nth: u32, a: u64, b: u64) -> Event {
        Event { site, nth, operands: Operands::Int { a, b, width: 4, constant: Constant::None } }
    }

    fn of(events: impl Iterator<Item = Event>) -> Trace {
        Trace { events: events.collect(), ..Trace::default() }
    }

    #[test]
    fn a_comparison_is_found_by_its_identity() {
        let trace = of((0..200).map(|i| event(i / 2, (i % 2) as u32, i, 0)));
        assert_eq!(trace.find(&event(5, 1, 9, 9), 11), Some(11));
        assert_eq!(trace.find(&event(5, 1, 9, 9), 0), Some(11));
        assert_eq!(trace.find(&event(90, 1, 9, 9), 0), Some(181));
        assert_eq!(trace.find(&event(5, 2, 9, 9), 11), None);
    }

    #[test]
    fn executions_part_at_the_last_comparison_that_turned() {
        let of = |events: &[(u64, u64, u64)]| {
            of(events.iter().map(|(site, a, b)| event(*site, 0, *a, *b)))
        };
        let before = of(&[(1, 5, 9), (2, 7, 7), (3, 1, 2), (4, 1, 1)]);
        assert_eq!(before.parting(&of(&[(1, 6, 9), (2, 8, 8), (5, 1, 2)])), None);
        assert_eq!(before.parting(&of(&[(1, 9, 9), (2, 8, 7), (5, 1, 2)])), Some(1));
        assert_eq!(before.parting(&of(&[(1, 9, 9), (2, 7, 7), (3, 1, 1), (9, 0, 0)])), Some(2));
    }
}
