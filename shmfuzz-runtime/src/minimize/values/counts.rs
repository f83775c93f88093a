//! An integer that says how many elements a list has, or how long text is: both become less at
//! once.

use super::lists::{n_elements, without_run};
use super::numbers::{self, Number, Scale};
use super::target::Target;
use crate::minimize::edit::boundary_before;
use crate::shape::Shape;
use crate::walk::COUNT;

/// Goes over pairs of an integer and something of that length.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    /// Where the integer is, what is as long, and how long that is.
    pairs: Vec<(Target, Target, usize)>,
    next: usize,
    /// How much is removed at once, before this end.
    size: usize,
    end: usize,
}

impl Counts {
    pub(super) fn new(targets: &[Target], input: &[u8]) -> Self {
        /// Pairs that are looked at in a round.
        const MOST: usize = 100;
        let is_integer =
            |target: &&Target| matches!(target.shape, Shape::Unsigned(_) | Shape::Signed(_));
        let counted = targets.iter().filter_map(|list| Some((list, length(list, input)?)));
        let counts = |(list, n): (&Target, usize)| {
            let says = move |target: &&Target| {
                let number = numbers::read(&target.shape, Scale::Plain, target.value(input));
                number.is_some_and(|number| !number.is_negative && number.magnitude == n as u128)
            };
            let integers = targets.iter().filter(is_integer).filter(says);
            integers.map(move |integer| (integer.clone(), list.clone(), n)).collect::<Vec<_>>()
        };
        let pairs: Vec<_> = counted.filter(|(_, n)| *n > 0).flat_map(counts).take(MOST).collect();
        let n = pairs.first().map_or(0, |(_, _, n)| *n);
        Self { pairs, next: 0, size: n, end: n }
    }

    /// The next input to try.
    pub(super) fn next(&mut self, input: &[u8]) -> Option<Vec<u8>> {
        loop {
            let (integer, list, n) = self.pairs.get(self.next)?;
            if self.size == 0 {
                self.next += 1;
                let n = self.pairs.get(self.next).map_or(0, |(_, _, n)| *n);
                (self.size, self.end) = (n, n);
                continue;
            }
            if self.end == 0 {
                (self.size, self.end) = (self.size / 2, *n);
                continue;
            }
            match change(integer, list, input, (self.end.saturating_sub(self.size), self.end)) {
                Some(new) => return Some(new),
                None => self.answer(),
            }
        }
    }

    /// It was not enough: where it is, all is listed anew.
    pub(super) fn answer(&mut self) {
        self.end = self.end.saturating_sub(self.size);
    }
}

fn length(list: &Target, input: &[u8]) -> Option<usize> {
    match list.shape {
        Shape::List(_) | Shape::Map(..) => Some(n_elements(&list.shape, list.value(input))),
        Shape::Bytes | Shape::Text => Some(list.value(input).len() - COUNT),
        _ => None,
    }
}

fn change(
    integer: &Target,
    list: &Target,
    input: &[u8],
    (from, to): (usize, usize),
) -> Option<Vec<u8>> {
    let value = list.value(input);
    let (shorter, n_removed) = match list.shape {
        Shape::Bytes | Shape::Text => {
            let run = &value[COUNT..];
            let is_text = list.shape == Shape::Text;
            let [from, to] =
                [from, to].map(|at| if is_text { boundary_before(run, at) } else { at });
            let rest = [&run[..from], &run[to..]].concat();
            ([&(rest.len() as u32).to_le_bytes(), &rest[..]].concat(), to - from)
        }
        _ => (without_run(&list.shape, value, from..to), to - from),
    };
    let old = integer.value(input);
    let number = numbers::read(&integer.shape, Scale::Plain, old)?;
    let magnitude = number.magnitude.checked_sub(n_removed as u128)?;
    let number = Number { magnitude, ..number };
    let number = numbers::write(&integer.shape, Scale::Plain, number, old)?;
    let mut with_less = input.to_vec();
    // An integer that is an element of its list may go with it.
    let is_inside = integer.start() >= list.start() && integer.start() < list.start() + value.len();
    if is_inside {
        return None;
    }
    with_less[integer.start()..][..number.len()].copy_from_slice(&number);
    let mut out = Vec::new();
    list.replaced(&with_less, &shorter, &mut out);
    Some(out)
}
