//! The types of a fuzz test's arguments, as data.
//!
//! The attribute leaves a [`Tree`] of its arguments in the test binary, encoded as bytes; worker and
//! coordinator read it as a [`Shape`], so that both know how values lie in an input without a line
//! of the user's code. Values are laid out as `value.rs` describes. What serde knows about a type of
//! the user's is found out by running the test binary, and handed over as [`Shape::encode`] writes it.

#[path = "shape/named.rs"]
mod named;

pub use named::{Body, Fields, Named, Style, Variant};

use std::sync::Arc;

/// A type at compile time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tree {
    /// `bool`.
    Bool,
    /// `char`.
    Char,
    /// An unsigned integer of so many bytes; `usize` has eight.
    Unsigned(u8),
    /// A signed integer of so many bytes.
    Signed(u8),
    /// `f32` or `f64`, by their bytes.
    Float(u8),
    /// `Vec<u8>`, `&[u8]`.
    Bytes,
    /// `String`, `&str`.
    Text,
    /// `Vec<T>`.
    List(&'static Tree),
    /// `[T; N]`.
    Array(u32, &'static Tree),
    /// `(A, B, ..)`, also of none.
    Tuple(&'static [&'static Tree]),
    /// `Option<T>`.
    Option(&'static Tree),
    /// `Result<T, E>`.
    Result(&'static Tree, &'static Tree),
    /// `BTreeMap<K, V>`.
    Map(&'static Tree, &'static Tree),
    /// `Duration`.
    Duration,
    /// `IpAddr`.
    Ip,
    /// `Ipv4Addr`.
    Ipv4,
    /// `Ipv6Addr`.
    Ipv6,
}

/// A type as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// See [`Tree`] for all of them.
    Bool,
    /// `char`.
    Char,
    /// An unsigned integer of so many bytes.
    Unsigned(usize),
    /// A signed integer of so many bytes.
    Signed(usize),
    /// A float of so many bytes.
    Float(usize),
    /// Bytes of any number.
    Bytes,
    /// Valid UTF-8.
    Text,
    /// Any number of one type.
    List(Box<Shape>),
    /// So many of one type.
    Array(usize, Box<Shape>),
    /// One of each, in order.
    Tuple(Vec<Shape>),
    /// One or none.
    Option(Box<Shape>),
    /// One or the other.
    Result(Box<Shape>, Box<Shape>),
    /// Any number of pairs.
    Map(Box<Shape>, Box<Shape>),
    /// Seconds and nanoseconds.
    Duration,
    /// An address of either version.
    Ip,
    /// Four bytes.
    Ipv4,
    /// Sixteen bytes.
    Ipv6,
    /// A value that only the type itself can tell the parts of: its JSON, as [`Shape::Text`] lies.
    Json,
    /// A struct or an enum.
    Named(Arc<Named>),
}

/// How many structs and enums a value may nest. What lies deeper is read as what nests no more: no
/// `Option`, no elements, and of an enum the simplest variant. Text of four levels for each of them is
/// what `serde_json` still reads.
pub const MOST_NESTED: usize = 32;

/// How deep types may be nested, and how many there may be in one fuzz test: what is read may be
/// anything.
const MOST_DEEP: usize = 128;
const MOST: usize = 4096;

const BOOL: u8 = 1;
const CHAR: u8 = 2;
const UNSIGNED: u8 = 3;
const SIGNED: u8 = 4;
const FLOAT: u8 = 5;
const BYTES: u8 = 6;
const TEXT: u8 = 7;
const LIST: u8 = 8;
const ARRAY: u8 = 9;
const TUPLE: u8 = 10;
const OPTION: u8 = 11;
const RESULT: u8 = 12;
const MAP: u8 = 13;
const DURATION: u8 = 14;
const IP: u8 = 15;
const IPV4: u8 = 16;
const IPV6: u8 = 17;
const JSON: u8 = 18;
const NAMED: u8 = 19;

impl Tree {
    /// Length of the encoding in bytes.
    pub const fn encoded_len(&self) -> usize {
        match self {
            Self::Bool | Self::Char | Self::Bytes | Self::Text => 1,
            Self::Duration | Self::Ip | Self::Ipv4 | Self::Ipv6 => 1,
            Self::Unsigned(_) | Self::Signed(_) | Self::Float(_) => 2,
            Self::List(of) | Self::Option(of) => 1 + of.encoded_len(),
            Self::Array(_, of) => 5 + of.encoded_len(),
            Self::Result(a, b) | Self::Map(a, b) => 1 + a.encoded_len() + b.encoded_len(),
            Self::Tuple(of) => {
                let (mut len, mut i) = (2, 0);
                while i < of.len() {
                    len += of[i].encoded_len();
                    i += 1;
                }
                len
            }
        }
    }

    /// Writes the encoding to `out` from `at` on; -> what follows it.
    pub(crate) const fn put<const N: usize>(&self, out: [u8; N], at: usize) -> ([u8; N], usize) {
        match self {
            Self::Bool => put(out, at, BOOL),
            Self::Char => put(out, at, CHAR),
            Self::Bytes => put(out, at, BYTES),
            Self::Text => put(out, at, TEXT),
            Self::Duration => put(out, at, DURATION),
            Self::Ip => put(out, at, IP),
            Self::Ipv4 => put(out, at, IPV4),
            Self::Ipv6 => put(out, at, IPV6),
            Self::Unsigned(width) => put_with(out, at, UNSIGNED, *width),
            Self::Signed(width) => put_with(out, at, SIGNED, *width),
            Self::Float(width) => put_with(out, at, FLOAT, *width),
            Self::List(of) => put_one(out, at, LIST, of),
            Self::Option(of) => put_one(out, at, OPTION, of),
            Self::Result(a, b) => put_two(out, at, RESULT, a, b),
            Self::Map(a, b) => put_two(out, at, MAP, a, b),
            Self::Array(n, of) => {
                let n = n.to_le_bytes();
                let (out, at) = put_with(out, at, ARRAY, n[0]);
                let (out, at) = put_with(out, at, n[1], n[2]);
                let (out, at) = put(out, at, n[3]);
                of.put(out, at)
            }
            Self::Tuple(of) => {
                let (mut out, mut at) = put_with(out, at, TUPLE, of.len() as u8);
                let mut i = 0;
                while i < of.len() {
                    (out, at) = of[i].put(out, at);
                    i += 1;
                }
                (out, at)
            }
        }
    }
}

const fn put<const N: usize>(mut out: [u8; N], at: usize, byte: u8) -> ([u8; N], usize) {
    out[at] = byte;
    (out, at + 1)
}

const fn put_with<const N: usize>(out: [u8; N], at: usize, code: u8, byte: u8) -> ([u8; N], usize) {
    let (out, at) = put(out, at, code);
    put(out, at, byte)
}

const fn put_one<const N: usize>(out: [u8; N], at: usize, code: u8, of: &Tree) -> ([u8; N], usize) {
    let (out, at) = put(out, at, code);
    of.put(out, at)
}

const fn put_two<const N: usize>(
    out: [u8; N],
    at: usize,
    code: u8,
    a: &Tree,
    b: &Tree,
) -> ([u8; N], usize) {
    let (out, at) = put_one(out, at, code, a);
    b.put(out, at)
}

impl Shape {
    /// Reads an encoding, which must take all of `bytes`. Never panics, whatever they are.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut read = Encoded { rest: bytes, n_left: MOST, named: Vec::new() };
        let shape = read.shape(MOST_DEEP)?;
        (read.rest.is_empty() && Named::settle(&read.named)).then_some(shape)
    }

    /// What keys and values of a map are: of a map that keeps its order, which is a list of pairs, as well.
    pub fn pair(&self) -> Option<(&Self, &Self)> {
        match self {
            Self::Map(key, value) => Some((key, value)),
            Self::List(of) => match &**of {
                Self::Tuple(pair) => match &pair[..] {
                    [key, value] => Some((key, value)),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        }
    }

    /// The encoding, which [`Self::parse`] reads.
    pub fn encode(&self) -> Vec<u8> {
        let (mut out, mut named) = (Vec::new(), Vec::new());
        self.put(&mut out, &mut named);
        out
    }

    fn put(&self, out: &mut Vec<u8>, named: &mut Vec<Arc<Named>>) {
        match self {
            Self::Bool => out.push(BOOL),
            Self::Char => out.push(CHAR),
            Self::Unsigned(width) => out.extend([UNSIGNED, *width as u8]),
            Self::Signed(width) => out.extend([SIGNED, *width as u8]),
            Self::Float(width) => out.extend([FLOAT, *width as u8]),
            Self::Bytes => out.push(BYTES),
            Self::Text => out.push(TEXT),
            Self::List(of) => put_all(LIST, [&**of], out, named),
            Self::Array(n, of) => {
                out.push(ARRAY);
                out.extend((*n as u32).to_le_bytes());
                of.put(out, named);
            }
            Self::Tuple(of) => {
                out.extend([TUPLE, of.len() as u8]);
                of.iter().for_each(|shape| shape.put(out, named));
            }
            Self::Option(of) => put_all(OPTION, [&**of], out, named),
            Self::Result(a, b) => put_all(RESULT, [&**a, b], out, named),
            Self::Map(a, b) => put_all(MAP, [&**a, b], out, named),
            Self::Duration => out.push(DURATION),
            Self::Ip => out.push(IP),
            Self::Ipv4 => out.push(IPV4),
            Self::Ipv6 => out.push(IPV6),
            Self::Json => out.push(JSON),
            Self::Named(one) => put_named(one, out, named),
        }
    }

    /// The same as it would be read.
    pub fn of(tree: &Tree) -> Self {
        let boxed = |tree: &Tree| Box::new(Self::of(tree));
        match tree {
            Tree::Bool => Self::Bool,
            Tree::Char => Self::Char,
            Tree::Unsigned(width) => Self::Unsigned((*width).into()),
            Tree::Signed(width) => Self::Signed((*width).into()),
            Tree::Float(width) => Self::Float((*width).into()),
            Tree::Bytes => Self::Bytes,
            Tree::Text => Self::Text,
            Tree::List(of) => Self::List(boxed(of)),
            Tree::Array(n, of) => Self::Array(*n as usize, boxed(of)),
            Tree::Tuple(of) => Self::Tuple(of.iter().map(|tree| Self::of(tree)).collect()),
            Tree::Option(of) => Self::Option(boxed(of)),
            Tree::Result(a, b) => Self::Result(boxed(a), boxed(b)),
            Tree::Map(a, b) => Self::Map(boxed(a), boxed(b)),
            Tree::Duration => Self::Duration,
            Tree::Ip => Self::Ip,
            Tree::Ipv4 => Self::Ipv4,
            Tree::Ipv6 => Self::Ipv6,
        }
    }
}

fn put_all<const N: usize>(
    code: u8,
    shapes: [&Shape; N],
    out: &mut Vec<u8>,
    named: &mut Vec<Arc<Named>>,
) {
    out.push(code);
    shapes.into_iter().for_each(|shape| shape.put(out, named));
}

/// A struct or an enum by its number; the first time, with what it is.
fn put_named(one: &Arc<Named>, out: &mut Vec<u8>, named: &mut Vec<Arc<Named>>) {
    let known = named.iter().position(|other| Arc::ptr_eq(other, one));
    let nth = known.unwrap_or(named.len());
    out.push(NAMED);
    out.extend((nth as u16).to_le_bytes());
    if known.is_some() {
        return;
    }
    named.push(one.clone());
    put_text(one.name(), out);
    match one.body() {
        Body::Struct(fields) => {
            out.extend(0_u16.to_le_bytes());
            put_fields(fields, out, named);
        }
        Body::Enum(variants) => {
            out.extend((variants.len() as u16).to_le_bytes());
            for variant in variants {
                put_text(&variant.name, out);
                put_fields(&variant.fields, out, named);
            }
        }
    }
}

fn put_fields(fields: &Fields, out: &mut Vec<u8>, named: &mut Vec<Arc<Named>>) {
    out.push(fields.style as u8);
    out.extend((fields.of.len() as u16).to_le_bytes());
    fields.names.iter().for_each(|name| put_text(name, out));
    fields.of.iter().for_each(|shape| shape.put(out, named));
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    out.extend((text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// What is left of an encoding.
struct Encoded<'a> {
    rest: &'a [u8],
    /// How many types may still come.
    n_left: usize,
    /// The structs and enums so far.
    named: Vec<Arc<Named>>,
}

impl<'a> Encoded<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.rest.split_at_checked(n)?;
        self.rest = tail;
        Some(head)
    }

    fn number<const N: usize>(&mut self) -> Option<usize> {
        let mut wide = [0; 8];
        wide[..N].copy_from_slice(self.take(N)?);
        usize::try_from(u64::from_le_bytes(wide)).ok()
    }

    fn width(&mut self, widths: &[usize]) -> Option<usize> {
        self.number::<1>().filter(|width| widths.contains(width))
    }

    fn text(&mut self) -> Option<String> {
        let n = self.number::<4>()?;
        String::from_utf8(self.take(n)?.to_vec()).ok()
    }

    fn boxed(&mut self, deep: usize) -> Option<Box<Shape>> {
        self.shape(deep).map(Box::new)
    }

    fn shape(&mut self, deep: usize) -> Option<Shape> {
        const INTEGERS: [usize; 5] = [1, 2, 4, 8, 16];
        self.n_left = self.n_left.checked_sub(1)?;
        let deep = deep.checked_sub(1)?;
        Some(match self.take(1)?[0] {
            BOOL => Shape::Bool,
            CHAR => Shape::Char,
            UNSIGNED => Shape::Unsigned(self.width(&INTEGERS)?),
            SIGNED => Shape::Signed(self.width(&INTEGERS)?),
            FLOAT => Shape::Float(self.width(&[4, 8])?),
            BYTES => Shape::Bytes,
            TEXT => Shape::Text,
            LIST => Shape::List(self.boxed(deep)?),
            ARRAY => Shape::Array(self.number::<4>()?, self.boxed(deep)?),
            TUPLE => {
                let n = self.number::<1>()?;
                Shape::Tuple((0..n).map(|_| self.shape(deep)).collect::<Option<_>>()?)
            }
            OPTION => Shape::Option(self.boxed(deep)?),
            RESULT => Shape::Result(self.boxed(deep)?, self.boxed(deep)?),
            MAP => Shape::Map(self.boxed(deep)?, self.boxed(deep)?),
            DURATION => Shape::Duration,
            IP => Shape::Ip,
            IPV4 => Shape::Ipv4,
            IPV6 => Shape::Ipv6,
            JSON => Shape::Json,
            NAMED => self.named(deep)?,
            _ => return None,
        })
    }

    fn named(&mut self, deep: usize) -> Option<Shape> {
        let nth = self.number::<2>()?;
        if let Some(known) = self.named.get(nth) {
            return Some(Shape::Named(known.clone()));
        }
        if nth != self.named.len() {
            return None;
        }
        let one = Named::new(self.text()?);
        self.named.push(one.clone());
        let body = match self.number::<2>()? {
            0 => Body::Struct(self.fields(deep)?),
            n => Body::Enum((0..n).map(|_| self.variant(deep)).collect::<Option<_>>()?),
        };
        one.set(body);
        Some(Shape::Named(one))
    }

    fn variant(&mut self, deep: usize) -> Option<Variant> {
        Some(Variant { name: self.text()?, fields: self.fields(deep)? })
    }

    fn fields(&mut self, deep: usize) -> Option<Fields> {
        const STYLES: [Style; 4] = [Style::Unit, Style::New, Style::Tuple, Style::Named];
        let style = *STYLES.get(self.number::<1>()?)?;
        let n = self.number::<2>()?;
        let fits = match style {
            Style::Unit => n == 0,
            Style::New => n == 1,
            Style::Tuple | Style::Named => true,
        };
        let n_names = if style == Style::Named { n } else { 0 };
        let names = (0..n_names).map(|_| self.text()).collect::<Option<_>>()?;
        let of = (0..n).map(|_| self.shape(deep)).collect::<Option<_>>()?;
        fits.then_some(Fields { style, names, of })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TREE: Tree = Tree::Tuple(&[
        &Tree::List(&Tree::Tuple(&[&Tree::Bool, &Tree::Text, &Tree::Float(8)])),
        &Tree::Map(&Tree::Char, &Tree::Option(&Tree::Signed(16))),
        &Tree::Array(70_000, &Tree::Result(&Tree::Bytes, &Tree::Unsigned(1))),
        &Tree::Tuple(&[&Tree::Duration, &Tree::Ip, &Tree::Ipv4, &Tree::Ipv6]),
        &Tree::Tuple(&[]),
    ]);
    const ENCODED: [u8; TREE.encoded_len()] = {
        let (out, at) = TREE.put([0; TREE.encoded_len()], 0);
        assert!(at == TREE.encoded_len());
        out
    };

    #[test]
    fn types_come_back() {
        assert_eq!(Shape::parse(&ENCODED), Some(Shape::of(&TREE)));
        let cut = &ENCODED[..ENCODED.len() - 1];
        assert_eq!(Shape::parse(cut), None);
        assert_eq!(Shape::parse(&[&ENCODED[..], &[0]].concat()), None);
        assert_eq!(Shape::parse(&[UNSIGNED, 3]), None);
    }

    #[test]
    fn types_that_go_on_for_ever_are_none() {
        assert_eq!(Shape::parse(&[LIST; 100_000]), None);
        let wide = [TUPLE, 255].repeat(3);
        assert_eq!(Shape::parse(&[&wide[..], &[BOOL; 100_000]].concat()), None);
    }

    proptest! {
        #[test]
        fn whatever_the_bytes_nothing_panics(bytes: Vec<u8>) {
            let _ = Shape::parse(&bytes);
        }
    }
}
