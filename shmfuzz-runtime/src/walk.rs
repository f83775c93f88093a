//! Where the values of a shape lie in an input, and the simplest value of each.

use crate::shape::Shape;

/// Bytes of a count.
pub(crate) const COUNT: usize = 4;

/// A value in an input, whose bytes are all there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'s> {
    pub(crate) shape: &'s Shape,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Node<'_> {
    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether it is a value by itself, and not made of others.
    pub(crate) fn is_leaf(&self) -> bool {
        !matches!(
            self.shape,
            Shape::List(_)
                | Shape::Array(..)
                | Shape::Tuple(_)
                | Shape::Option(_)
                | Shape::Result(..)
                | Shape::Map(..)
        )
    }

    pub(crate) fn is_list(&self) -> bool {
        matches!(self.shape, Shape::List(_) | Shape::Map(..))
    }

    pub(crate) fn is_choice(&self) -> bool {
        matches!(self.shape, Shape::Option(_) | Shape::Result(..) | Shape::Bool | Shape::Ip)
    }
}

/// Bytes of a value that always takes as many.
fn width(shape: &Shape) -> Option<usize> {
    Some(match shape {
        Shape::Bool => 1,
        Shape::Char | Shape::Ipv4 => 4,
        Shape::Unsigned(width) | Shape::Signed(width) | Shape::Float(width) => *width,
        Shape::Duration => 12,
        Shape::Ipv6 => 16,
        _ => return None,
    })
}

fn count_at(input: &[u8], at: usize) -> Option<usize> {
    let count = input.get(at..at + COUNT)?;
    Some(u32::from_le_bytes(count.try_into().expect("four bytes")) as usize)
}

fn is_set(input: &[u8], at: usize) -> bool {
    input.get(at).is_some_and(|byte| byte & 1 == 1)
}

/// Calls back with each value from `at` on, what it is made of before itself; -> where it ends.
/// What is cut short by the end of the input is left out.
pub(crate) fn walk<'s>(
    shape: &'s Shape,
    input: &[u8],
    start: usize,
    visit: &mut dyn FnMut(Node<'s>),
) -> usize {
    let end = match shape {
        Shape::Bytes | Shape::Text => {
            start + COUNT + count_at(input, start).unwrap_or(0).min(input.len())
        }
        Shape::List(_) | Shape::Map(..) => {
            let mut at = start + COUNT;
            for _ in 0..count_at(input, start).unwrap_or(0) {
                if at >= input.len() {
                    break;
                }
                at = walk_element(shape, input, at, visit);
            }
            at
        }
        Shape::Array(n, of) => (0..*n).fold(start, |at, _| match at < input.len() {
            true => walk(of, input, at, visit),
            false => at,
        }),
        Shape::Tuple(of) => of.iter().fold(start, |at, of| walk(of, input, at, visit)),
        Shape::Option(of) => match is_set(input, start) {
            true => walk(of, input, start + 1, visit),
            false => start + 1,
        },
        Shape::Result(ok, err) => {
            walk(if is_set(input, start) { err } else { ok }, input, start + 1, visit)
        }
        Shape::Ip => start + if is_set(input, start) { 17 } else { 5 },
        fixed => start + width(fixed).unwrap_or(0),
    };
    if end <= input.len() {
        visit(Node { shape, start, end });
    }
    end.min(input.len())
}

/// The same of an element of a list or a map.
fn walk_element<'s>(
    list: &'s Shape,
    input: &[u8],
    at: usize,
    visit: &mut dyn FnMut(Node<'s>),
) -> usize {
    match list {
        Shape::List(of) => walk(of, input, at, visit),
        Shape::Map(key, value) => {
            let at = walk(key, input, at, visit);
            walk(value, input, at, visit)
        }
        _ => at,
    }
}

/// Where the elements of a list start, and where the last one ends.
pub(crate) fn elements(node: Node<'_>, input: &[u8]) -> Vec<usize> {
    let mut at = node.start + COUNT;
    let mut starts = vec![at];
    while at < node.end {
        at = walk_element(node.shape, &input[..node.end], at, &mut |_| {}).max(at + 1);
        starts.push(at);
    }
    starts
}

/// Puts the simplest value behind what is there.
pub(crate) fn put_simplest(shape: &Shape, to: &mut Vec<u8>) {
    match shape {
        Shape::Array(n, of) => (0..*n).for_each(|_| put_simplest(of, to)),
        Shape::Tuple(of) => of.iter().for_each(|of| put_simplest(of, to)),
        Shape::Result(ok, _) => {
            to.push(0);
            put_simplest(ok, to);
        }
        Shape::Ip => to.extend([0; 5]),
        Shape::Option(_) => to.push(0),
        fixed => to.resize(to.len() + width(fixed).unwrap_or(COUNT), 0),
    }
}
