//! The simplest value of each shape.

use crate::shape::Shape;

/// Bytes of a count.
pub(crate) const COUNT: usize = 4;

/// Puts the simplest value behind what is there.
pub(crate) fn put_simplest(shape: &Shape, to: &mut Vec<u8>) {
    match shape {
        Shape::Array(n, of) => (0..*n).for_each(|_| put_simplest(of, to)),
        Shape::Tuple(of) => of.iter().for_each(|of| put_simplest(of, to)),
        Shape::Result(ok, _) => {
            to.push(0);
            put_simplest(ok, to);
        }
        Shape::Char => to.extend([b'0', 0, 0, 0]),
        Shape::Ip => to.extend([0; 5]),
        Shape::Option(_) => to.push(0),
        Shape::Json => to.extend(b"\x04\0\0\0null"),
        Shape::Named(named) => {
            let fields = named.fields_of(named.simplest());
            named.put_tag(named.simplest(), to);
            fields.of.iter().for_each(|of| put_simplest(of, to));
        }
        fixed => to.resize(to.len() + width(fixed).unwrap_or(COUNT), 0),
    }
}

/// Bytes of a value that always takes as many.
pub(crate) fn width(shape: &Shape) -> Option<usize> {
    Some(match shape {
        Shape::Bool => 1,
        Shape::Char | Shape::Ipv4 => 4,
        Shape::Unsigned(width) | Shape::Signed(width) | Shape::Float(width) => *width,
        Shape::Duration => 12,
        Shape::Ipv6 => 16,
        _ => return None,
    })
}
