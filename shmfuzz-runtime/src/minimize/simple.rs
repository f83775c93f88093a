//! What is simpler: the order of inputs that a minimization descends, and the bytes that it likes.

use super::edit::is_boundary;
use crate::record::InputKind;
use std::ops::Range;

/// What bytes are made, simplest first.
pub(super) const SIMPLE: [u8; 5] = [b'0', b' ', b'A', b'a', 0];

/// What a whole range is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Every character `0`.
    Zero,
    /// Digits and letters the simplest of their kind; what else stands there may be syntax.
    Kind,
}

/// Whether a candidate is shorter, or as long and simpler at the first byte that differs. Well
/// founded, so that a minimization ends.
pub(super) fn is_simpler(candidate: &[u8], than: &[u8]) -> bool {
    match candidate.len().cmp(&than.len()) {
        std::cmp::Ordering::Less => true,
        std::cmp::Ordering::Greater => false,
        std::cmp::Ordering::Equal => {
            let differing = candidate.iter().zip(than).find(|(a, b)| a != b);
            differing.is_some_and(|(a, b)| rank(*a) < rank(*b))
        }
    }
}

pub(super) fn rank(byte: u8) -> u16 {
    let n = SIMPLE.iter().position(|simple| *simple == byte);
    n.map_or(u16::from(byte) + SIMPLE.len() as u16, |n| n as u16)
}

/// Makes all of a range simple; false if it is.
pub(super) fn blank(
    input: &[u8],
    range: Range<usize>,
    manner: Manner,
    kind: InputKind,
    out: &mut Vec<u8>,
) -> bool {
    out.clear();
    out.extend_from_slice(&input[..range.start]);
    for at in range.clone() {
        match (manner, input[at]) {
            (Manner::Zero, _) if kind == InputKind::Text && !is_boundary(input, at) => {}
            (Manner::Zero, _) => out.push(b'0'),
            (Manner::Kind, byte) => out.push(match byte {
                b'0'..=b'9' => b'0',
                b'A'..=b'Z' => b'A',
                b'a'..=b'z' => b'a',
                other => other,
            }),
        }
    }
    let is_changed = out[range.start..] != input[range.clone()];
    out.extend_from_slice(&input[range.end..]);
    is_changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shorter_goes_before_simpler() {
        let order: [&[u8]; 8] = [b"", b"x", b"00", b"0 ", b"0A", b"02", b"A0", b"000"];
        for (i, a) in order.iter().enumerate() {
            for (j, b) in order.iter().enumerate() {
                assert_eq!(is_simpler(a, b), i < j, "{a:?} and {b:?}");
            }
        }
    }

    #[test]
    fn a_range_is_blanked_by_characters_or_by_kind() {
        let mut out = Vec::new();
        let input = "a€Bc7]".as_bytes();
        assert!(blank(input, 1..5, Manner::Zero, InputKind::Text, &mut out));
        assert_eq!(out, b"a00c7]");
        assert!(blank(input, 4..8, Manner::Kind, InputKind::Text, &mut out));
        assert_eq!(out, "a€Aa0]".as_bytes());
        assert!(blank(input, 1..5, Manner::Zero, InputKind::Bytes, &mut out));
        assert_eq!(out, b"a0000c7]");
        assert!(!blank(b"x00y", 1..3, Manner::Zero, InputKind::Text, &mut out));
    }
}
