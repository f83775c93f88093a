//! What an input of values is made of, for those who edit it because of its comparisons: where what
//! is compared may begin, where counts stand, and other values of its shape. Pure.
//!
//! A raw byte that is put into such an input moves all values behind it, and a count that is changed
//! by one takes the next value for its own. So lists grow by elements and choices are made with a
//! value here; and what is run is made whole, so that every byte of what the program reads is there
//! to be changed.

use super::random::Random;
use crate::canonical::canonical;
use crate::shape::{Body, Named, Shape};
use crate::value::put_count;
use crate::walk::{COUNT, Node, put_simplest, variant_at, walk};

/// How many other inputs are made of one.
const MAX_VARIANTS: usize = 12;
/// How many elements a list has in an input that has some of everything, and how many bytes a text:
/// of what is compared up to the end of the shorter one, a long one shows all.
const N_ELEMENTS: usize = 2;
const N_LETTERS: [usize; 2] = [4, 24];

/// What may be edited where.
#[derive(Debug)]
pub(super) struct Parts {
    /// For each byte, whether what is compared may begin there.
    starts: Vec<bool>,
    /// For each byte, whether it is one of a value: of no count, and no tag of what comes after it.
    values: Vec<bool>,
    /// Where counts stand.
    pub(super) counts: Vec<usize>,
    /// Where bytes and texts begin and end, in order.
    runs: Vec<(usize, usize)>,
}

impl Parts {
    pub(super) fn of(shape: &Shape, input: &[u8]) -> Self {
        let n = input.len();
        let (starts, values) = (vec![false; n], vec![false; n]);
        let mut parts = Self { starts, values, counts: Vec::new(), runs: Vec::new() };
        walk(shape, input, 0, &mut |node| parts.add(node));
        parts.counts.sort_unstable();
        parts
    }

    fn add(&mut self, node: Node<'_>) {
        let Node { start, end, .. } = node;
        let (first, step) = match node.shape {
            Shape::Bytes | Shape::Text | Shape::Json => {
                self.runs.push((start + COUNT, end));
                (start + COUNT, 1)
            }
            Shape::Ip => (start + 1, 1),
            Shape::Ipv4 | Shape::Ipv6 => (start, 1),
            // A half of a number may be compared by itself.
            Shape::Unsigned(width) | Shape::Signed(width) | Shape::Float(width) => {
                (start, (width / 2).max(1))
            }
            Shape::Duration => (start, 8),
            Shape::Char | Shape::Bool => (start, COUNT),
            _ => (end, 1),
        };
        (first..end).step_by(step).for_each(|at| self.starts[at] = true);
        if first < end {
            self.values[first..end].fill(true);
        }
        if node.is_list() || node.is_run() {
            self.starts[start] = true;
            self.counts.push(start);
        }
    }

    /// Whether what is compared may begin at a place.
    pub(super) fn may_begin(&self, at: usize) -> bool {
        self.starts.get(at).is_some_and(|start| *start)
    }

    /// Where the bytes or the text ends that begins at a place.
    pub(super) fn end_of_run(&self, start: usize) -> Option<usize> {
        let own = self.runs.binary_search_by_key(&start, |(start, _)| *start).ok()?;
        Some(self.runs[own].1)
    }

    /// Whether the byte at a place may be changed alone.
    pub(super) fn is_of_value(&self, at: usize) -> bool {
        self.values.get(at).is_some_and(|value| *value)
    }
}

/// Which of two choices is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    /// `Some`, `Ok`, version 4.
    First,
    /// `Some`, `Err`, version 6.
    Second,
}

/// What the first inputs are: the simplest value, and such as have some of everything.
pub(super) fn first_inputs(shape: &Shape) -> Vec<Vec<u8>> {
    let mut simplest = Vec::new();
    put_simplest(shape, &mut simplest);
    let full = [Choice::First, Choice::Second].map(|choice| {
        let mut random = Random::from_state(choice as u64, 1);
        let mut input = Vec::new();
        Full { choice, random: &mut random, depth: 0 }.put(shape, &mut input);
        canonical(shape, &input)
    });
    [simplest].into_iter().chain(full).collect()
}

/// How deep values with some of everything nest structs and enums in each other.
const MOST_FULL: usize = 2;

/// Makes values with some of everything. Their numbers are any, so that they can be told apart where
/// they are compared.
struct Full<'r> {
    choice: Choice,
    random: &'r mut Random,
    /// How many structs and enums what comes next is in.
    depth: usize,
}

impl Full<'_> {
    fn put(&mut self, shape: &Shape, to: &mut Vec<u8>) {
        let is_second = self.choice == Choice::Second;
        let goes_on = self.depth <= MOST_FULL;
        match shape {
            Shape::List(_) | Shape::Map(..) | Shape::Option(_) if !goes_on => {
                put_simplest(shape, to)
            }
            Shape::List(of) => {
                put_count(N_ELEMENTS, to);
                (0..N_ELEMENTS).for_each(|_| self.put(of, to));
            }
            Shape::Map(key, value) => {
                put_count(N_ELEMENTS, to);
                (0..N_ELEMENTS).for_each(|_| {
                    self.put(key, to);
                    self.put(value, to);
                });
            }
            Shape::Array(n, of) => (0..*n).for_each(|_| self.put(of, to)),
            Shape::Tuple(of) => of.iter().for_each(|of| self.put(of, to)),
            Shape::Option(of) => {
                to.push(1);
                self.put(of, to);
            }
            Shape::Result(ok, err) => {
                to.push(is_second.into());
                self.put(if is_second { err } else { ok }, to);
            }
            Shape::Named(named) => {
                let variant = match named.body() {
                    Body::Enum(variants) if goes_on => self.random.index(variants.len().max(1)),
                    _ => named.simplest(),
                };
                self.put_variant(named, variant, to);
            }
            leaf => self.put_leaf(leaf, to),
        }
    }

    fn put_variant(&mut self, named: &Named, variant: usize, to: &mut Vec<u8>) {
        named.put_tag(variant, to);
        self.depth += 1;
        named.fields_of(variant).of.iter().for_each(|of| self.put(of, to));
        self.depth -= 1;
    }

    fn put_leaf(&mut self, shape: &Shape, to: &mut Vec<u8>) {
        let n_bytes = match shape {
            Shape::Bool => return to.push(1),
            Shape::Char => return to.extend((0x100 + self.random.below(0x1000)).to_le_bytes()),
            Shape::Unsigned(width) | Shape::Signed(width) => *width,
            Shape::Float(width) => {
                let number = 1.0 + f64::from(self.random.below(1 << 20)) / 7.0;
                return match width {
                    4 => to.extend((number as f32).to_le_bytes()),
                    _ => to.extend(number.to_le_bytes()),
                };
            }
            Shape::Bytes | Shape::Text => {
                let n = N_LETTERS[self.choice as usize];
                put_count(n, to);
                return to.extend((0..n).map(|_| b'a' + self.random.below(26) as u8));
            }
            Shape::Duration => {
                to.extend(u64::from(self.random.below(1 << 20)).to_le_bytes());
                return to.extend(self.random.below(1_000_000_000).to_le_bytes());
            }
            Shape::Ip => {
                let is_second = self.choice == Choice::Second;
                to.push(is_second.into());
                if is_second { 16 } else { 4 }
            }
            Shape::Ipv4 => 4,
            Shape::Ipv6 => 16,
            other => return put_simplest(other, to),
        };
        to.extend((0..n_bytes).map(|_| self.random.byte()));
    }
}

/// Other inputs from which comparisons may be solved that this one cannot: where they are of what a
/// choice leaves out, in an empty list, or where its numbers cannot be told apart.
pub(super) fn variants(shape: &Shape, input: &[u8]) -> Vec<Vec<u8>> {
    let mut made = Vec::new();
    let mut random = Random::from_state(input.len() as u64, 1);
    walk(shape, input, 0, &mut |node| {
        let value = other(node, input, &mut random);
        if let Some(value) = value.filter(|_| made.len() < MAX_VARIANTS - N_ELEMENTS) {
            let whole = [&input[..node.start], &value, &input[node.end..]].concat();
            made.push(canonical(shape, &whole));
        }
    });
    made.extend(first_inputs(shape).into_iter().skip(1));
    made.retain(|made| made != input);
    made
}

/// The value of another choice, or of a list that is not empty.
fn other(node: Node<'_>, input: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let mut value = Vec::new();
    let is_set = input.get(node.start).is_some_and(|byte| byte & 1 == 1);
    let choice = if is_set { Choice::First } else { Choice::Second };
    let mut full = Full { choice: Choice::First, random, depth: node.depth };
    match node.shape {
        Shape::Option(of) => {
            value.push((!is_set).into());
            if !is_set {
                full.put(of, &mut value);
            }
        }
        Shape::Result(..) | Shape::Ip => {
            full.choice = choice;
            full.put(node.shape, &mut value);
        }
        Shape::Named(named) if node.is_choice() => {
            let Body::Enum(variants) = named.body() else { return None };
            let (own, _) = variant_at(named, input, node.start, node.depth);
            full.put_variant(named, (own + 1) % variants.len(), &mut value);
        }
        Shape::Bytes | Shape::Text | Shape::List(_) | Shape::Map(..) if node.len() == COUNT => {
            full.put(node.shape, &mut value);
        }
        _ => return None,
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Reader;
    use crate::value::Value;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::net::IpAddr;
    use std::time::Duration;

    type All = (
        (Vec<(Option<bool>, i16)>, BTreeMap<char, Vec<u8>>, Duration),
        (Result<Vec<u8>, IpAddr>, [f32; 2], u128),
    );

    fn input_of<T: Value>(value: &T) -> Vec<u8> {
        let mut input = Vec::new();
        value.put(&mut input);
        input
    }

    fn value_of<T: Value>(input: &[u8]) -> T {
        T::take(&mut Reader::new(input))
    }

    proptest! {
        #[test]
        fn variants_are_whole(bytes: Vec<u8>) {
            let shape = Shape::of(All::TREE);
            let input = canonical(&shape, &bytes);
            let made = variants(&shape, &input);
            prop_assert!(made.len() <= MAX_VARIANTS);
            for made in made.iter().chain(&first_inputs(&shape)) {
                prop_assert_eq!(&canonical(&shape, made), made);
            }
        }
    }

    #[test]
    fn variants_take_the_other_choice_and_fill_what_is_empty() {
        type Few = (Option<u8>, IpAddr, String);
        let shape = Shape::of(Few::TREE);
        let input = input_of(&(None::<u8>, IpAddr::from([1, 2, 3, 4]), String::new()));
        let made: Vec<Few> = variants(&shape, &input).iter().map(|made| value_of(made)).collect();
        assert_eq!(made.len(), 5);
        assert!(made[0].0.is_some() && made[0].1.is_ipv4() && made[0].2.is_empty());
        assert!(made[1].0.is_none() && made[1].1.is_ipv6() && made[1].2.is_empty());
        assert!(made[2].0.is_none() && made[2].1.is_ipv4() && made[2].2.len() == N_LETTERS[0]);
        assert!(made[3..].iter().all(|made| made.0.is_some()));
        assert!(made[3].1.is_ipv4() && made[4].1.is_ipv6());
        assert_eq!([made[3].2.len(), made[4].2.len()], N_LETTERS);
    }

    #[test]
    fn edits_begin_where_values_do_and_counts_are_none() {
        type Few = (Option<u16>, Vec<u32>, String, IpAddr, bool);
        let shape = Shape::of(Few::TREE);
        let value: Few = (Some(1), vec![2], "ab".to_owned(), [1, 2, 3, 4].into(), true);
        let input = input_of(&value);
        let parts = Parts::of(&shape, &input);
        let those = |is: &dyn Fn(usize) -> bool| -> Vec<usize> {
            (0..input.len() + 1).filter(|at| is(*at)).collect()
        };
        assert_eq!(parts.counts, [3, 11]);
        assert_eq!(
            those(&|at| parts.may_begin(at)),
            [1, 2, 3, 7, 9, 11, 15, 16, 18, 19, 20, 21, 22]
        );
        assert_eq!(
            those(&|at| parts.is_of_value(at)),
            [1, 2, 7, 8, 9, 10, 15, 16, 18, 19, 20, 21, 22]
        );
    }
}
