//! Values as they lie in an input: what a fuzz test with typed arguments is called with.
//!
//! One argument lies behind the other, each by its [`Shape`](crate::shape::Shape): numbers little-endian in their own width
//! (`usize` in eight bytes), a `bool` and the choices of `Option` and `Result` in a byte each, a
//! `char` as a `u32`, bytes, text, lists and maps behind a `u32` of how many there are; arrays and tuples
//! as they are. So a number that the code under test compares stands in the input as it does in a
//! register.
//!
//! Invariant: any bytes are some value. What is missing at the end is zero (or the simplest variant of an
//! enum), a count ends with the input, and what no value has (a `bool` of 7, text that is no UTF-8) counts as the nearest one. So
//! nothing that a mutation does can make an input that is none, and an input is what its value is:
//! [`Value::put`] writes the shortest bytes of a value, which are read as that value again.

// By their paths, which are then the same for a crate that includes this file by path.
#[path = "value/argument.rs"]
mod argument;
#[path = "value/builtin.rs"]
pub(crate) mod builtin;
#[path = "value/text.rs"]
pub mod text;

pub use argument::{Argument, Arguments, Given, Seed};

use crate::shape::{Named, Tree};

/// A type that a fuzz test may take, by value.
#[diagnostic::on_unimplemented(
    message = "a fuzz test cannot take `{Self}`",
    label = "not an input",
    note = "take numbers, `bool`, `char`, text, bytes, `Duration`, IP addresses, and tuples, arrays, \
            `Vec`, `Option`, `Result`, `BTreeMap` of them"
)]
pub trait Value: Sized + 'static {
    /// What it is made of.
    const TREE: &'static Tree;

    /// Takes a value off an input.
    fn take(from: &mut Reader<'_>) -> Self;

    /// Puts the value behind an input.
    fn put(&self, to: &mut Vec<u8>);

    /// The value, where it is the only argument and is made of bytes or text: then they are the
    /// input as it is. `None` if they are none of that.
    #[doc(hidden)]
    fn of_raw(bytes: &[u8]) -> Option<Self> {
        let _ = bytes;
        None
    }
}

/// What is left of an input.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    /// How many structs and enums what comes next is in.
    pub(crate) depth: usize,
}

impl<'a> Reader<'a> {
    /// From the start of an input.
    pub fn new(input: &'a [u8]) -> Self {
        Self { rest: input, depth: 0 }
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `N` bytes, zeros where there are none.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        if let Some((bytes, rest)) = self.rest.split_first_chunk() {
            self.rest = rest;
            return *bytes;
        }
        let mut bytes = [0; N];
        bytes[..self.rest.len()].copy_from_slice(self.rest);
        self.rest = &[];
        bytes
    }

    /// How many elements are to come: no more than there are bytes.
    pub fn count(&mut self) -> usize {
        (u32::from_le_bytes(self.array()) as usize).min(self.rest.len())
    }

    /// Which variant of an enum is to come.
    pub(crate) fn variant(&mut self, named: &Named) -> usize {
        let is_there = !self.is_empty();
        let tag = match named.tag_width() {
            2 => u16::from_le_bytes(self.array()).into(),
            1 => usize::from(self.array::<1>()[0]),
            _ => 0,
        };
        named.variant(is_there.then_some(tag), self.depth)
    }

    /// The next `n` bytes, fewer if there are not as many.
    pub fn bytes(&mut self, n: usize) -> &'a [u8] {
        let (bytes, rest) = self.rest.split_at(n.min(self.rest.len()));
        self.rest = rest;
        bytes
    }
}

/// Puts a count behind an input.
pub(crate) fn put_count(n: usize, to: &mut Vec<u8>) {
    to.extend_from_slice(&u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes());
}
