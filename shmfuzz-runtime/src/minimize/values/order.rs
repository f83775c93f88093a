//! Which of two inputs holds the simpler values: the shorter one, and of equally long ones that
//! whose first unequal value is simpler by its type.
//!
//! So what is simpler is never larger, and there is no endless descent. A number is simpler nearer to
//! 0, positive rather than negative; of floats, integers before few digits before many, and those
//! before what is no number; of characters `0`, space, `A`, `a`, then by their number; of choices the
//! first (`None`, `Ok`, `V4`), of variants the one that nests the least, then the first.

use super::numbers::{self, Scale};
use crate::minimize::simple::{SIMPLE, rank};
use crate::shape::Shape;
use crate::value::Reader;

/// What orders inputs of the same length: as bytes, one after the other.
pub(super) fn key(shape: &Shape, input: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(input.len());
    put(shape, &mut Reader::new(input), &mut key);
    key
}

fn put(shape: &Shape, from: &mut Reader<'_>, to: &mut Vec<u8>) {
    match shape {
        Shape::Char => to.extend(char_rank(u32::from_le_bytes(from.array())).to_be_bytes()),
        Shape::Unsigned(width) | Shape::Signed(width) => put_number(shape, from.bytes(*width), to),
        Shape::Duration => put_number(shape, from.bytes(12), to),
        Shape::Float(width) => put_float(shape, from.bytes(*width), to),
        Shape::Bytes | Shape::Text | Shape::Json => {
            let n = from.count();
            to.extend((n as u32).to_be_bytes());
            to.extend(from.bytes(n).iter().flat_map(|byte| rank(*byte).to_be_bytes()));
        }
        Shape::List(of) => put_elements(&[of], from, to),
        Shape::Map(key, value) => put_elements(&[key, value], from, to),
        Shape::Array(n, of) => (0..*n).for_each(|_| put(of, from, to)),
        Shape::Tuple(of) => of.iter().for_each(|of| put(of, from, to)),
        Shape::Option(of) => {
            if put_tag(from, to) {
                put(of, from, to);
            }
        }
        Shape::Result(ok, err) => put(if put_tag(from, to) { err } else { ok }, from, to),
        Shape::Ip => {
            let n = if put_tag(from, to) { 16 } else { 4 };
            to.extend_from_slice(from.bytes(n));
        }
        Shape::Bool => to.extend_from_slice(from.bytes(1)),
        Shape::Named(named) => {
            let variant = from.variant(named);
            let rank = if variant == named.simplest() { 0 } else { 1 + variant as u16 };
            to.extend(rank.to_be_bytes());
            from.depth += 1;
            named.fields_of(variant).of.iter().for_each(|of| put(of, from, to));
            from.depth -= 1;
        }
        Shape::Ipv4 => to.extend_from_slice(from.bytes(4)),
        Shape::Ipv6 => to.extend_from_slice(from.bytes(16)),
    }
}

fn put_tag(from: &mut Reader<'_>, to: &mut Vec<u8>) -> bool {
    let [tag] = from.array();
    to.push(tag);
    tag == 1
}

fn put_elements(of: &[&Shape], from: &mut Reader<'_>, to: &mut Vec<u8>) {
    let n = from.count();
    to.extend((n as u32).to_be_bytes());
    for _ in 0..n {
        if from.is_empty() {
            break;
        }
        of.iter().for_each(|of| put(of, from, to));
    }
}

fn char_rank(code: u32) -> u32 {
    const N: u32 = SIMPLE.len() as u32;
    match u8::try_from(code).ok().and_then(|byte| SIMPLE.iter().position(|s| *s == byte)) {
        Some(rank) => rank as u32,
        None => code + N,
    }
}

fn put_number(shape: &Shape, value: &[u8], to: &mut Vec<u8>) {
    if let Some(number) = numbers::read(shape, Scale::Plain, value) {
        to.extend(number.magnitude.to_be_bytes());
        to.push(number.is_negative.into());
    }
}

fn put_float(shape: &Shape, value: &[u8], to: &mut Vec<u8>) {
    let float = numbers::float(value);
    if numbers::read(shape, Scale::Plain, value).is_some() {
        to.push(0);
        put_number(shape, value, to);
    } else if let Some(decimal) = numbers::decimal(value) {
        to.push(1);
        to.push(decimal.n_digits());
        to.extend(decimal.exponent.unsigned_abs().to_be_bytes());
        to.push((decimal.exponent < 0).into());
        to.extend(decimal.mantissa.to_be_bytes());
        to.push(float.is_sign_negative().into());
    } else {
        to.push(if float.is_infinite() { 2 } else { 3 });
        // The sign, then the rest: the one NaN that counts as simple has all of that 0 but its top.
        to.extend(value.iter().rev());
    }
}
