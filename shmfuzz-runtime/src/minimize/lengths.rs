//! Blocks with their length before them, as binary formats have them: a part of a block goes, and
//! its length says so, and where it stands in other blocks, theirs say so, too.
//!
//! Whether a byte is a length is not known: it is taken for one if as many bytes follow.

use super::edit::Edits;
use std::ops::Range;

/// The longest input that is looked at.
const LONGEST: usize = 4096;

/// How a length is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Byte,
    Big(usize),
    Little(usize),
}

const FORMATS: [Format; 5] =
    [Format::Byte, Format::Big(2), Format::Little(2), Format::Big(4), Format::Little(4)];

/// The edits that the lengths suggest.
pub(super) fn edits(input: &[u8]) -> Vec<Edits> {
    let mut edits = Vec::new();
    if input.len() > LONGEST {
        return edits;
    }
    for format in FORMATS {
        for at in 0..input.len() {
            let Some(block) = Block::read(input, at, format) else { continue };
            let len = block.content.len();
            let mut sizes = vec![len, len / 2, 1];
            sizes.dedup();
            for n in sizes.into_iter().filter(|n| *n > 0) {
                let Range { start, end } = block.content;
                for cut in [start..start + n, end - n..end] {
                    edits.push(block.without(&cut, &[]));
                    for around in [Fit::Loose, Fit::Tight] {
                        let around = blocks_around(input, &block, around);
                        if !around.is_empty() {
                            edits.push(block.without(&cut, &around));
                        }
                    }
                }
            }
            of_whole_block(input, &block, &mut edits);
        }
    }
    edits
}

/// The block goes with its length and a byte before that says what it is; blocks around it shrink.
fn of_whole_block(input: &[u8], block: &Block, edits: &mut Vec<Edits>) {
    for around in [Fit::Loose, Fit::Tight] {
        let around = blocks_around(input, block, around);
        let Some(inner) = around.first() else { continue };
        for start in [block.at.checked_sub(1), Some(block.at)].into_iter().flatten() {
            let cut = start..block.content.end;
            if start >= inner.content.start {
                let shrink = |edits: Edits, around: &Block| around.shrink(edits, cut.len());
                edits.push(around.iter().fold(Edits::cut(cut.clone()), shrink));
            }
        }
    }
}

/// A length and what it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Block {
    at: usize,
    format: Format,
    content: Range<usize>,
}

impl Block {
    /// The block whose length stands at `at`, if as much follows and there is something.
    fn read(input: &[u8], at: usize, format: Format) -> Option<Self> {
        let width = format.width();
        let bytes = input.get(at..at + width)?;
        let n = |bytes: &mut dyn Iterator<Item = &u8>| {
            bytes.fold(0usize, |n, byte| (n << 8) | usize::from(*byte))
        };
        let len = match format {
            Format::Byte | Format::Big(_) => n(&mut bytes.iter()),
            Format::Little(_) => n(&mut bytes.iter().rev()),
        };
        let content = at + width..(at + width).checked_add(len)?;
        (len > 0 && content.end <= input.len()).then_some(Self { at, format, content })
    }

    /// The block without a part of its content, with lengths that are right.
    fn without(&self, cut: &Range<usize>, around: &[Self]) -> Edits {
        let edits = self.shrink(Edits::cut(cut.clone()), cut.len());
        around.iter().fold(edits, |edits, around| around.shrink(edits, cut.len()))
    }

    /// And a length that is less by `n`.
    fn shrink(&self, edits: Edits, n: usize) -> Edits {
        let len = self.content.len().saturating_sub(n);
        let width = self.format.width();
        let bytes = match self.format {
            Format::Byte => vec![len as u8],
            Format::Big(_) => len.to_be_bytes()[size_of::<usize>() - width..].to_vec(),
            Format::Little(_) => len.to_le_bytes()[..width].to_vec(),
        };
        edits.and_put(self.at..self.at + width, bytes)
    }
}

impl Format {
    fn width(self) -> usize {
        match self {
            Self::Byte => 1,
            Self::Big(width) | Self::Little(width) => width,
        }
    }
}

/// How a block must lie in the one around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    /// Anywhere.
    Loose,
    /// At its end.
    Tight,
}

/// Blocks of lengths in one byte around a block, from the inside out.
fn blocks_around(input: &[u8], block: &Block, fit: Fit) -> Vec<Block> {
    let mut around: Vec<Block> = Vec::new();
    let (mut start, mut end) = (block.at, block.content.end);
    // A byte counts no more than 255.
    for at in (block.at.saturating_sub(256)..block.at).rev() {
        let Some(outer) = Block::read(input, at, Format::Byte) else { continue };
        let fits = match fit {
            Fit::Loose => outer.content.end >= end,
            Fit::Tight => outer.content.end == end,
        };
        if fits && outer.content.start <= start {
            (start, end) = (outer.at, outer.content.end);
            around.push(outer);
        }
    }
    around
}

#[cfg(test)]
mod tests {
    use super::*;

    fn makes(input: &[u8], expected: &[u8]) -> bool {
        let mut out = Vec::new();
        edits(input).iter().any(|edits| edits.apply(input, &mut out) && out == expected)
    }

    #[test]
    fn a_part_of_a_block_goes_with_its_length() {
        assert!(makes(b"\x05hello!", b"\x04hell!"));
        assert!(makes(b"\x05hello!", b"\x04ello!"));
        assert!(makes(b"\x05hello!", b"\x00!"));
        assert!(makes(b"\x05\x00hello", b"\x04\x00hell"));
        assert!(makes(b"\x00\x00\x00\x05hello", b"\x00\x00\x00\x03llo"));
    }

    #[test]
    fn lengths_around_follow() {
        // A sequence with an integer and a string, as DER has it.
        let input = b"\x30\x08\x02\x01\x07\x0c\x03abc";
        assert!(makes(input, b"\x30\x05\x02\x01\x07\x0c\x00"));
        assert!(makes(input, b"\x30\x03\x02\x01\x07"), "the string goes");
        assert!(makes(input, b"\x30\x05\x0c\x03abc"), "the integer goes");
    }

    #[test]
    fn what_is_no_length_is_none() {
        assert!(Block::read(b"\x05abc", 0, Format::Byte).is_none());
        assert!(Block::read(b"\x00abc", 0, Format::Byte).is_none());
        assert!(Block::read(&[0xff; 8], 0, Format::Little(4)).is_none());
        assert!(Block::read(b"\x01", 0, Format::Big(4)).is_none());
    }
}
