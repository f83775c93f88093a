//! The shortest bytes of a value: what [`Value::put`](crate::value::Value::put) would write, by
//! the shape alone.

use crate::shape::{MOST_NESTED, Shape};
use crate::value::builtin::char_of;
use crate::value::{Reader, put_count};
use std::cmp::Ordering;

const NANOS: u32 = 1_000_000_000;

/// The values in an input, written anew.
pub(crate) fn canonical(shape: &Shape, input: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(input.len());
    put(shape, &mut Reader::new(input), &mut out);
    out
}

fn put(shape: &Shape, from: &mut Reader<'_>, to: &mut Vec<u8>) {
    match shape {
        Shape::Bool => to.push(tag(from)),
        Shape::Char => to.extend(u32::from(char_of(number(from))).to_le_bytes()),
        Shape::Unsigned(width) | Shape::Signed(width) | Shape::Float(width) => {
            let end = to.len() + width;
            to.extend_from_slice(from.bytes(*width));
            to.resize(end, 0);
        }
        Shape::Bytes | Shape::Json => {
            let n = from.count();
            put_run(from.bytes(n), to);
        }
        Shape::Text => {
            let n = from.count();
            put_run(String::from_utf8_lossy(from.bytes(n)).as_bytes(), to);
        }
        Shape::List(of) => put_list(of, from, to),
        Shape::Array(n, of) => (0..*n).for_each(|_| put(of, from, to)),
        Shape::Tuple(of) => of.iter().for_each(|of| put(of, from, to)),
        Shape::Option(of) => {
            let tag = tag(from) & u8::from(from.depth < MOST_NESTED);
            to.push(tag);
            if tag == 1 {
                put(of, from, to);
            }
        }
        Shape::Result(ok, err) => {
            let tag = tag(from);
            to.push(tag);
            put(if tag == 1 { err } else { ok }, from, to);
        }
        Shape::Map(key, value) => put_map(key, value, from, to),
        Shape::Duration => {
            to.extend(from.array::<8>());
            to.extend((number(from) % NANOS).to_le_bytes());
        }
        Shape::Ip => {
            let tag = tag(from);
            to.push(tag);
            put(if tag == 1 { &Shape::Ipv6 } else { &Shape::Ipv4 }, from, to);
        }
        Shape::Ipv4 => to.extend(from.array::<4>()),
        Shape::Ipv6 => to.extend(from.array::<16>()),
        Shape::Named(named) => {
            let variant = from.variant(named);
            named.put_tag(variant, to);
            from.depth += 1;
            named.fields_of(variant).of.iter().for_each(|of| put(of, from, to));
            from.depth -= 1;
        }
    }
}

/// How many elements a list has.
fn count(from: &mut Reader<'_>) -> usize {
    let n = from.count();
    if from.depth < MOST_NESTED { n } else { 0 }
}

fn tag(from: &mut Reader<'_>) -> u8 {
    from.array::<1>()[0] & 1
}

fn number(from: &mut Reader<'_>) -> u32 {
    u32::from_le_bytes(from.array())
}

fn put_run(run: &[u8], to: &mut Vec<u8>) {
    put_count(run.len(), to);
    to.extend_from_slice(run);
}

fn put_list(of: &Shape, from: &mut Reader<'_>, to: &mut Vec<u8>) {
    let n = count(from);
    let at = to.len();
    put_count(0, to);
    let mut n_put = 0;
    while n_put < n && !from.is_empty() {
        let before = to.len();
        put(of, from, to);
        // Values of nothing are as many as the count says.
        n_put = if to.len() == before { n } else { n_put + 1 };
    }
    to[at..at + 4].copy_from_slice(&u32::try_from(n_put).unwrap_or(u32::MAX).to_le_bytes());
}

/// By keys, and of equal ones the last.
fn put_map(key: &Shape, value: &Shape, from: &mut Reader<'_>, to: &mut Vec<u8>) {
    let n = count(from);
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for _ in 0..n {
        if from.is_empty() {
            break;
        }
        let mut pair = (Vec::new(), Vec::new());
        put(key, from, &mut pair.0);
        put(value, from, &mut pair.1);
        pairs.push(pair);
    }
    let order = |a: &[u8], b: &[u8]| compare(key, &mut Reader::new(a), &mut Reader::new(b));
    pairs.reverse();
    pairs.sort_by(|a, b| order(&a.0, &b.0));
    pairs.dedup_by(|a, b| order(&a.0, &b.0).is_eq());
    put_count(pairs.len(), to);
    for (key, value) in pairs {
        to.extend(key);
        to.extend(value);
    }
}

/// In which order two values stand as keys of a map. Both are the shortest of their values.
fn compare(shape: &Shape, a: &mut Reader<'_>, b: &mut Reader<'_>) -> Ordering {
    match shape {
        Shape::Char => number(a).cmp(&number(b)),
        Shape::Unsigned(width) => a.bytes(*width).iter().rev().cmp(b.bytes(*width).iter().rev()),
        Shape::Signed(width) => signed(a.bytes(*width)).cmp(&signed(b.bytes(*width))),
        Shape::Float(4) => f32::from_le_bytes(a.array()).total_cmp(&f32::from_le_bytes(b.array())),
        Shape::Float(_) => f64::from_le_bytes(a.array()).total_cmp(&f64::from_le_bytes(b.array())),
        Shape::Bytes | Shape::Text | Shape::Json => {
            let (n_a, n_b) = (a.count(), b.count());
            a.bytes(n_a).cmp(b.bytes(n_b))
        }
        Shape::List(of) => {
            let (n_a, n_b) = (a.count(), b.count());
            let common = (0..n_a.min(n_b)).map(|_| compare(of, a, b));
            first_unequal(common).then(n_a.cmp(&n_b))
        }
        Shape::Map(key, value) => {
            let (n_a, n_b) = (a.count(), b.count());
            let pair = |_| compare(key, a, b).then_with(|| compare(value, a, b));
            first_unequal((0..n_a.min(n_b)).map(pair)).then(n_a.cmp(&n_b))
        }
        Shape::Array(n, of) => first_unequal((0..*n).map(|_| compare(of, a, b))),
        Shape::Tuple(of) => first_unequal(of.iter().map(|of| compare(of, a, b))),
        Shape::Option(of) => match (tag(a), tag(b)) {
            (1, 1) => compare(of, a, b),
            (a, b) => a.cmp(&b),
        },
        Shape::Result(ok, err) => match (tag(a), tag(b)) {
            (0, 0) => compare(ok, a, b),
            (1, 1) => compare(err, a, b),
            (a, b) => a.cmp(&b),
        },
        Shape::Duration => {
            let (a, b): ([u8; 12], [u8; 12]) = (a.array(), b.array());
            a[..8]
                .iter()
                .rev()
                .cmp(b[..8].iter().rev())
                .then(a[8..].iter().rev().cmp(b[8..].iter().rev()))
        }
        Shape::Bool => tag(a).cmp(&tag(b)),
        Shape::Ip => match (tag(a), tag(b)) {
            (0, 0) => a.bytes(4).cmp(b.bytes(4)),
            (1, 1) => a.bytes(16).cmp(b.bytes(16)),
            (a, b) => a.cmp(&b),
        },
        Shape::Ipv4 => a.bytes(4).cmp(b.bytes(4)),
        Shape::Ipv6 => a.bytes(16).cmp(b.bytes(16)),
        // As they are derived.
        Shape::Named(named) => match (a.variant(named), b.variant(named)) {
            (one, other) if one == other => {
                let fields = &named.fields_of(one).of;
                first_unequal(fields.iter().map(|of| compare(of, a, b)))
            }
            (one, other) => one.cmp(&other),
        },
    }
}

fn first_unequal(mut orders: impl Iterator<Item = Ordering>) -> Ordering {
    orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

fn signed(bytes: &[u8]) -> i128 {
    let is_negative = bytes.last().is_some_and(|last| last & 0x80 != 0);
    let mut wide = [if is_negative { 0xff } else { 0 }; 16];
    wide[..bytes.len()].copy_from_slice(bytes);
    i128::from_le_bytes(wide)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::net::IpAddr;
    use std::time::Duration;

    fn check<T: Value>(bytes: &[u8]) {
        let mut expected = Vec::new();
        T::take(&mut Reader::new(bytes)).put(&mut expected);
        assert_eq!(canonical(&Shape::of(T::TREE), bytes), expected, "of {bytes:?}");
    }

    proptest! {
        #[test]
        fn what_is_written_anew_is_what_the_value_would_write(bytes: Vec<u8>) {
            check::<(u8, i16, char, f32, bool, u128)>(&bytes);
            check::<(Vec<u8>, String, Duration, IpAddr)>(&bytes);
            check::<(Vec<(u8, bool)>, [Option<char>; 3], Result<u16, String>)>(&bytes);
            check::<Vec<((), u8)>>(&bytes);
        }

        #[test]
        fn maps_are_in_the_order_of_their_keys(bytes in prop::collection::vec(0u8..4, 0..80)) {
            check::<BTreeMap<u8, u8>>(&bytes);
            check::<BTreeMap<i16, u8>>(&bytes);
            check::<BTreeMap<Vec<u16>, bool>>(&bytes);
            check::<BTreeMap<(Option<i8>, bool), u8>>(&bytes);
            check::<BTreeMap<Result<String, char>, u8>>(&bytes);
            check::<BTreeMap<[IpAddr; 1], u8>>(&bytes);
            check::<BTreeMap<Duration, BTreeMap<BTreeMap<u8, u8>, u8>>>(&bytes);
        }
    }
}
