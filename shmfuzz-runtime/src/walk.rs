//! Where the values of a shape lie in an input.

pub(crate) use crate::simplest::{COUNT, put_simplest};

use crate::shape::{Body, MOST_NESTED, Named, Shape};
use crate::simplest::width;

/// A value in an input, whose bytes are all there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'s> {
    pub(crate) shape: &'s Shape,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// How many structs and enums it is in.
    pub(crate) depth: usize,
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
                | Shape::Named(_)
        )
    }

    /// Whether it is bytes or text behind their number.
    #[cfg(all(unix, feature = "fuzz-test"))]
    pub(crate) fn is_run(&self) -> bool {
        matches!(self.shape, Shape::Bytes | Shape::Text | Shape::Json)
    }

    #[cfg(all(unix, feature = "fuzz-test"))]
    pub(crate) fn is_list(&self) -> bool {
        matches!(self.shape, Shape::List(_) | Shape::Map(..))
    }

    #[cfg(all(unix, feature = "fuzz-test"))]
    pub(crate) fn is_choice(&self) -> bool {
        match self.shape {
            Shape::Named(named) => {
                matches!(named.body(), Body::Enum(variants) if variants.len() > 1)
            }
            shape => {
                matches!(shape, Shape::Option(_) | Shape::Result(..) | Shape::Bool | Shape::Ip)
            }
        }
    }
}

fn count_at(input: &[u8], at: usize) -> Option<usize> {
    let count = input.get(at..at + COUNT)?;
    Some(u32::from_le_bytes(count.try_into().expect("four bytes")) as usize)
}

fn is_set(input: &[u8], at: usize) -> bool {
    input.get(at).is_some_and(|byte| byte & 1 == 1)
}

/// Which variant a value in `depth` others is of, and the bytes that say so.
pub(crate) fn variant_at(named: &Named, input: &[u8], at: usize, depth: usize) -> (usize, usize) {
    let byte = |at: usize| input.get(at).copied().map(usize::from);
    let width = named.tag_width();
    let high = if width == 2 { byte(at + 1).unwrap_or(0) } else { 0 };
    (named.variant(byte(at).map(|low| low | (high << 8)), depth), width)
}

/// Calls back with each value from `start` on, what it is made of before itself; -> where it ends.
/// What is cut short by the end of the input is left out.
pub(crate) fn walk<'s>(
    shape: &'s Shape,
    input: &[u8],
    start: usize,
    visit: &mut dyn FnMut(Node<'s>),
) -> usize {
    Walk { input, visit }.value(shape, start, 0)
}

struct Walk<'a, 's> {
    input: &'a [u8],
    visit: &'a mut dyn FnMut(Node<'s>),
}

impl<'s> Walk<'_, 's> {
    fn value(&mut self, shape: &'s Shape, start: usize, depth: usize) -> usize {
        let input = self.input;
        let end = match shape {
            Shape::Bytes | Shape::Text | Shape::Json => {
                start + COUNT + count_at(input, start).unwrap_or(0).min(input.len())
            }
            Shape::List(_) | Shape::Map(..) => self.list(shape, start, depth),
            Shape::Array(n, of) => (0..*n).fold(start, |at, _| match at < input.len() {
                true => self.value(of, at, depth),
                false => at,
            }),
            Shape::Tuple(of) => self.all(of, start, depth),
            Shape::Option(of) => match is_set(input, start) && depth < MOST_NESTED {
                true => self.value(of, start + 1, depth),
                false => start + 1,
            },
            Shape::Result(ok, err) => {
                self.value(if is_set(input, start) { err } else { ok }, start + 1, depth)
            }
            Shape::Ip => start + if is_set(input, start) { 17 } else { 5 },
            Shape::Named(named) => self.named(named, start, depth),
            fixed => start + width(fixed).unwrap_or(0),
        };
        if end <= input.len() {
            (self.visit)(Node { shape, start, end, depth });
        }
        end.min(input.len())
    }

    fn all(&mut self, shapes: &'s [Shape], start: usize, depth: usize) -> usize {
        shapes.iter().fold(start, |at, shape| self.value(shape, at, depth))
    }

    fn list(&mut self, list: &'s Shape, start: usize, depth: usize) -> usize {
        let mut at = start + COUNT;
        let n = if depth < MOST_NESTED { count_at(self.input, start).unwrap_or(0) } else { 0 };
        for _ in 0..n {
            let end = if at < self.input.len() { self.element(list, at, depth) } else { at };
            // Elements that take no bytes are as many as the list says.
            if end == at {
                break;
            }
            at = end;
        }
        at
    }

    /// An element of a list or a map.
    fn element(&mut self, list: &'s Shape, at: usize, depth: usize) -> usize {
        match list {
            Shape::List(of) => self.value(of, at, depth),
            Shape::Map(key, value) => {
                let at = self.value(key, at, depth);
                self.value(value, at, depth)
            }
            _ => at,
        }
    }

    fn named(&mut self, named: &'s Named, start: usize, depth: usize) -> usize {
        match named.body() {
            Body::Struct(fields) => self.all(&fields.of, start, depth + 1),
            Body::Enum(variants) => {
                let (variant, width) = variant_at(named, self.input, start, depth);
                let fields = variants.get(variant).map_or(&[][..], |variant| &variant.fields.of);
                self.all(fields, start + width, depth + 1)
            }
        }
    }
}

/// Where the elements of a list start, and where the last one ends.
pub(crate) fn elements(node: Node<'_>, input: &[u8]) -> Vec<usize> {
    let mut at = node.start + COUNT;
    let mut starts = vec![at];
    while at < node.end {
        let mut walk = Walk { input: &input[..node.end], visit: &mut |_| {} };
        at = walk.element(node.shape, at, node.depth).max(at + 1);
        starts.push(at);
    }
    starts
}
