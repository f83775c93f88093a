//! Values that are tried in the place of another one because of its type: a few each, the simplest
//! first.

use super::numbers;
use crate::minimize::simple::SIMPLE;
use crate::shape::{Body, Named, Shape};
use crate::walk::{put_simplest, variant_at, walk};

/// The simplest value.
pub(super) fn simplest(shape: &Shape) -> Vec<u8> {
    let mut value = Vec::new();
    put_simplest(shape, &mut value);
    value
}

/// Values that may do as well as `value`, other than the simplest one.
pub(super) fn others(shape: &Shape, value: &[u8]) -> Vec<Vec<u8>> {
    match shape {
        Shape::Char => SIMPLE.iter().map(|byte| vec![*byte, 0, 0, 0]).collect(),
        Shape::Float(width) => floats(value, *width),
        Shape::Result(ok, err) => {
            let (tag, other) = if value[0] == 1 { (0, ok) } else { (1, err) };
            let mut others = vec![[&[tag], &simplest(other)[..]].concat()];
            if ok == err {
                others.push([&[tag], &value[1..]].concat());
            }
            others
        }
        Shape::Ip if value[0] == 1 => {
            // Also what may be mapped: `::ffff:1.2.3.4`, or `::1`, which is 127.0.0.1.
            vec![vec![0; 5], [&[0], &value[13..]].concat(), vec![0, 127, 0, 0, 1]]
        }
        Shape::Named(named) => {
            let mut others = held(shape, value);
            others.extend(variants(named, value));
            others
        }
        _ => Vec::new(),
    }
}

/// The values of the same type that a value holds, the smallest first: of `-(-x)`, `x`.
fn held(shape: &Shape, value: &[u8]) -> Vec<Vec<u8>> {
    let mut held = Vec::new();
    walk(shape, value, 0, &mut |node| {
        if node.shape == shape && node.len() < value.len() {
            held.push(value[node.start..node.end].to_vec());
        }
    });
    held.sort_by_key(Vec::len);
    held.dedup();
    held
}

/// The other variants of an enum, of the simplest fields, and of those that this one has where they are
/// of the same types.
fn variants(named: &Named, value: &[u8]) -> Vec<Vec<u8>> {
    let Body::Enum(variants) = named.body() else { return Vec::new() };
    let (own, width) = variant_at(named, value, 0, 0);
    let mut others = Vec::new();
    for (nth, variant) in variants.iter().enumerate().filter(|(nth, _)| *nth != own) {
        let mut other = Vec::new();
        named.put_tag(nth, &mut other);
        if variant.fields.of == named.fields_of(own).of && value.len() > width {
            others.push([&other[..], &value[width..]].concat());
        }
        variant.fields.of.iter().for_each(|of| put_simplest(of, &mut other));
        others.push(other);
    }
    others
}

/// Integers beside a float, then fewer digits, and what is a number in the place of what is none.
fn floats(value: &[u8], width: usize) -> Vec<Vec<u8>> {
    let float = numbers::float(value);
    if !float.is_finite() {
        let sign = if float.is_sign_negative() { -1.0 } else { 1.0 };
        let largest = if width == 4 { f32::MAX.into() } else { f64::MAX };
        let simpler = match float.is_nan() {
            true => [f64::INFINITY, f64::NEG_INFINITY, f64::NAN],
            false => [sign, sign * largest, f64::INFINITY],
        };
        return simpler.map(|simple| numbers::put_float(simple, width)).to_vec();
    }
    let away = float.trunc() + 1_f64.copysign(float);
    let mut others = vec![-float, float.trunc(), -float.trunc(), away, -away];
    others.retain(|other| other.fract() == 0.0);
    let mut others: Vec<_> =
        others.into_iter().map(|other| numbers::put_float(other, width)).collect();
    if let Some(decimal) =
        numbers::decimal(value).filter(|_| float.fract() != 0.0 || float.abs() > 1e15)
    {
        let rounded = (1..decimal.n_digits()).flat_map(|n| decimal.rounded(n));
        others.extend(rounded.filter_map(|rounded| rounded.put(width)));
        others.push(numbers::put_float(-float, width));
    }
    others
}
