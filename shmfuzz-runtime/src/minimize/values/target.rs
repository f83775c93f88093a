//! Where a value is that is to become simpler, alone or with all that are equal to it.

use crate::shape::Shape;
use crate::walk::{Node, walk};
use std::cmp::Reverse;
use std::collections::HashMap;

/// A value, or several equal ones that change together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) shape: Shape,
    starts: Vec<usize>,
    len: usize,
}

impl Target {
    pub(super) fn start(&self) -> usize {
        self.starts[0]
    }

    /// Whether it is made of no others.
    pub(super) fn is_leaf(&self) -> bool {
        Node { shape: &self.shape, start: 0, end: self.len, depth: 0 }.is_leaf()
    }

    /// Whether it is what stood there before a change.
    pub(super) fn is_still(&self, old: &Self) -> bool {
        self.start() == old.start() && self.shape == old.shape
    }

    pub(super) fn value<'i>(&self, input: &'i [u8]) -> &'i [u8] {
        &input[self.starts[0]..self.starts[0] + self.len]
    }

    /// The input with another value in its place.
    pub(super) fn replaced(&self, input: &[u8], new: &[u8], out: &mut Vec<u8>) {
        out.clear();
        let mut done = 0;
        for start in &self.starts {
            out.extend_from_slice(&input[done..*start]);
            out.extend_from_slice(new);
            done = start + self.len;
        }
        out.extend_from_slice(&input[done..]);
    }
}

/// All values in an input: what is made of others before those, from left to right. So what comes
/// before one in this order stays where it is when that one changes.
pub(super) fn alone(shape: &Shape, input: &[u8]) -> Vec<Target> {
    let mut targets = Vec::new();
    walk(shape, input, 0, &mut |node| {
        if node.len() > 0 {
            let shape = node.shape.clone();
            targets.push(Target { shape, starts: vec![node.start], len: node.len() });
        }
    });
    // They came the other way round.
    targets.reverse();
    targets.sort_by_key(|target| (target.start(), Reverse(target.len)));
    targets
}

/// The same of values that are there more than once, each with all that are equal to it.
pub(super) fn equal(shape: &Shape, input: &[u8]) -> Vec<Target> {
    let mut groups: Vec<Target> = Vec::new();
    let mut by_value: HashMap<&[u8], Vec<usize>> = HashMap::new();
    for target in alone(shape, input) {
        let alike = by_value.entry(target.value(input)).or_default();
        match alike.iter().find(|group| groups[**group].shape == target.shape) {
            Some(group) => groups[*group].starts.push(target.start()),
            None => {
                alike.push(groups.len());
                groups.push(target);
            }
        }
    }
    groups.retain(|group| group.starts.len() > 1);
    groups
}
