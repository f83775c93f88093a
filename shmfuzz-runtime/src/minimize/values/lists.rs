//! Elements of lists, maps and arrays: fewer of them, several made simple at once, and two made one.

use super::listed::simplest;
use super::numbers::{self, Number, Scale};
use crate::shape::Shape;
use crate::walk::{COUNT, Node, elements, walk};
use std::ops::Range;

/// Tries spent on runs of elements in a round, about.
const RUN_TRIES: usize = 2000;
/// Up to this many elements, any two are removed together.
const PAIRS_UP_TO: usize = 48;

/// Where elements start, and where the last one ends: of a list, a map, or an array.
fn starts(shape: &Shape, value: &[u8]) -> Vec<usize> {
    let Shape::Array(n, of) = shape else {
        return elements(Node { shape, start: 0, end: value.len(), depth: 0 }, value);
    };
    let mut starts = vec![0];
    for i in 0..*n {
        starts.push(walk(of, value, starts[i], &mut |_| {}));
    }
    starts
}

pub(super) fn n_elements(shape: &Shape, value: &[u8]) -> usize {
    starts(shape, value).len() - 1
}

/// Without some of its elements.
pub(super) fn without_run(shape: &Shape, value: &[u8], run: Range<usize>) -> Vec<u8> {
    without(shape, value, std::slice::from_ref(&run))
}

/// The same of several runs, which are in order.
fn without(shape: &Shape, value: &[u8], elements: &[Range<usize>]) -> Vec<u8> {
    let starts = starts(shape, value);
    let n_removed: usize = elements.iter().map(Range::len).sum();
    let n = starts.len() - 1 - n_removed;
    let mut new = (n as u32).to_le_bytes().to_vec();
    let mut done = COUNT;
    for run in elements {
        new.extend_from_slice(&value[done..starts[run.start]]);
        done = starts[run.end];
    }
    new.extend_from_slice(&value[done..]);
    new
}

/// Goes over elements by chunks of halves, from the last one on.
#[derive(Clone, Debug)]
pub(super) struct Chunks {
    manner: Manner,
    size: usize,
    end: usize,
}

/// What becomes of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// It is removed.
    Remove,
    /// All of it is made as simple as can be; single elements are by other means.
    Clear,
}

impl Chunks {
    pub(super) fn new(shape: &Shape, value: &[u8], manner: Manner) -> Self {
        let n = n_elements(shape, value);
        let size = n.div_ceil(if manner == Manner::Clear { 2 } else { 1 });
        // All at once is the empty list, which was tried.
        let size = if manner == Manner::Remove { size.div_ceil(2) } else { size };
        Self { manner, size, end: n }
    }

    pub(super) fn next(&mut self, shape: &Shape, value: &[u8]) -> Option<Vec<u8>> {
        let least = if self.manner == Manner::Clear { 2 } else { 1 };
        if self.end == 0 {
            (self.size, self.end) = (self.size / 2, n_elements(shape, value));
        }
        if self.size < least || self.end == 0 {
            return None;
        }
        let run = self.end.saturating_sub(self.size)..self.end;
        Some(match self.manner {
            Manner::Remove => without_run(shape, value, run),
            Manner::Clear => cleared(shape, value, run),
        })
    }

    pub(super) fn answer(&mut self) {
        self.end = self.end.saturating_sub(self.size);
    }
}

fn cleared(list: &Shape, value: &[u8], run: Range<usize>) -> Vec<u8> {
    let (Shape::Array(_, of) | Shape::List(of)) = list else { return value.to_vec() };
    let starts = starts(list, value);
    let simple = simplest(of).repeat(run.len());
    [&value[..starts[run.start]], &simple, &value[starts[run.end]..]].concat()
}

/// What several elements together come to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Edit {
    Remove(Range<usize>),
    RemoveBoth(usize, usize),
    /// A number is added to the next one.
    Add(usize),
}

impl Edit {
    fn n_removed(&self) -> usize {
        match self {
            Self::Remove(run) => run.len(),
            Self::RemoveBoth(..) => 2,
            Self::Add(_) => 1,
        }
    }
}

/// Edits of several elements at once, most removed first.
#[derive(Clone, Debug)]
pub(super) struct Rearrangement {
    list: fn(&Shape, usize) -> Vec<Edit>,
    edits: Vec<Edit>,
    next: usize,
    /// That so many elements were removed, at first any number: then what removes no more is
    /// listed anew.
    has_removed: Option<usize>,
}

impl Rearrangement {
    /// Runs of elements, and any two, go.
    pub(super) fn runs() -> Self {
        Self { list: runs, edits: Vec::new(), next: 0, has_removed: Some(usize::MAX) }
    }

    /// Numbers are added to others.
    pub(super) fn sums() -> Self {
        Self { list: sums, ..Self::runs() }
    }

    pub(super) fn next(&mut self, shape: &Shape, value: &[u8]) -> Option<Vec<u8>> {
        if let Some(n_removed) = self.has_removed.take() {
            self.edits = (self.list)(shape, n_elements(shape, value));
            self.next = self.edits.partition_point(|edit| edit.n_removed() > n_removed);
        }
        Some(match self.edits.get(self.next)? {
            Edit::Remove(run) => without_run(shape, value, run.clone()),
            Edit::RemoveBoth(i, j) => without(shape, value, &[*i..i + 1, *j..j + 1]),
            Edit::Add(i) => added(shape, value, *i).unwrap_or_else(|| value.to_vec()),
        })
    }

    pub(super) fn answer(&mut self, fails: bool) {
        match fails {
            true => self.has_removed = Some(self.edits[self.next].n_removed()),
            false => self.next += 1,
        }
    }
}

fn runs(_: &Shape, n: usize) -> Vec<Edit> {
    let reach = (RUN_TRIES / n.max(1)).min(n.saturating_sub(1));
    let mut edits = Vec::new();
    for len in (2..=reach).rev() {
        edits.extend((0..=n - len).map(|at| Edit::Remove(at..at + len)));
    }
    if n <= PAIRS_UP_TO {
        edits.extend((0..n).flat_map(|i| (i + 2..n).map(move |j| Edit::RemoveBoth(i, j))));
    }
    edits
}

fn sums(shape: &Shape, n: usize) -> Vec<Edit> {
    match shape {
        Shape::List(of) if matches!(**of, Shape::Unsigned(_) | Shape::Signed(_)) => {
            (1..n).map(|next| Edit::Add(next - 1)).collect()
        }
        _ => Vec::new(),
    }
}

fn added(list: &Shape, value: &[u8], i: usize) -> Option<Vec<u8>> {
    let Shape::List(of) = list else { return None };
    let starts = starts(list, value);
    let part = |i: usize| &value[starts[i]..starts[i + 1]];
    let [a, b] = [part(i), part(i + 1)].map(|part| numbers::read(of, Scale::Plain, part));
    let sum = sum(a?, b?)?;
    let sum = numbers::write(of, Scale::Plain, sum, part(i))?;
    let mut new = without_run(list, value, i..i + 1);
    new[starts[i]..starts[i] + sum.len()].copy_from_slice(&sum);
    Some(new)
}

fn sum(a: Number, b: Number) -> Option<Number> {
    if a.is_negative == b.is_negative {
        return Some(Number { magnitude: a.magnitude.checked_add(b.magnitude)?, ..a });
    }
    let larger = if a.magnitude >= b.magnitude { a } else { b };
    Some(Number { magnitude: a.magnitude.abs_diff(b.magnitude), ..larger })
}
