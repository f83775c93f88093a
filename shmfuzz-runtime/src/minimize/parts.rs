//! Parts of an input that its own marks show: what stands between brackets, between separators,
//! and blocks that are repeated.
//!
//! The marks are guessed from the bytes alone. A wrong guess costs a try, so the number of edits is
//! bounded, the largest parts first.

use super::edit::Edits;

/// Pairs of brackets that are looked at.
const MOST_PAIRS: usize = 1024;
/// Pairs that are replaced by one nested in them.
const MOST_HOISTED: usize = 128;
/// Pieces between separators of one kind that are looked at.
const MOST_PIECES: usize = 1024;
/// Runs of repeated blocks that are looked at.
const MOST_RUNS: usize = 256;
/// Longest block that is repeated, in bytes.
const LONGEST_BLOCK: usize = 64;
/// Longest input in which repeated blocks are looked for: the search takes time.
const LONGEST_OF_REPEATS: usize = 16 << 10;
/// What parts are separated by, the larger ones first.
const SEPARATORS: &[u8] = b"\n;,&|/ :=.\t\0";

/// The removals that the marks suggest.
pub(super) fn edits(input: &[u8]) -> Vec<Edits> {
    let mut edits = Vec::new();
    of_brackets(input, &mut edits);
    for separator in SEPARATORS {
        of_pieces(input, *separator, &mut edits);
    }
    of_repeats(input, &mut edits);
    edits
}

/// All removals of two bytes, neighbours or not.
pub(super) fn pairs(len: usize) -> Vec<Edits> {
    let second =
        |first| (first + 1..len).map(move |at| Edits::cut(first..first + 1).and_cut(at..at + 1));
    (0..len).flat_map(second).collect()
}

/// One byte in the place of two or three, as `*` may do what ` a` does: what can be typed, and the
/// ends of the range of a byte.
pub(super) fn swaps(len: usize) -> Vec<Edits> {
    let bytes = || (b' '..=b'~').chain([0, 1, 2, 0x7f, 0x80, 0xff]);
    let at = |n: usize| (0..(len + 1).saturating_sub(n)).map(move |at| at..at + n);
    let ranges = at(3).chain(at(2));
    ranges
        .flat_map(|range| bytes().map(move |byte| Edits::put(range.clone(), vec![byte])))
        .collect()
}

/// A pair of brackets, by the places of its two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pair {
    open: usize,
    close: usize,
}

/// Pairs that match, in the order of their ends: inner ones before those around them. A bracket
/// without its counterpart is passed over.
fn brackets(input: &[u8]) -> Vec<Pair> {
    let mut open: Vec<(u8, usize)> = Vec::new();
    let mut pairs = Vec::new();
    for (close, byte) in input.iter().enumerate() {
        let counterpart = match byte {
            b'(' | b'[' | b'{' | b'<' => {
                open.push((*byte, close));
                continue;
            }
            b')' => b'(',
            b']' => b'[',
            b'}' => b'{',
            b'>' => b'<',
            _ => continue,
        };
        if let Some(at) = open.iter().rposition(|(byte, _)| *byte == counterpart) {
            pairs.push(Pair { open: open[at].1, close });
            open.truncate(at);
        }
    }
    pairs
}

fn of_brackets(input: &[u8], edits: &mut Vec<Edits>) {
    let mut pairs = brackets(input);
    pairs.sort_by_key(|pair| std::cmp::Reverse(pair.close - pair.open));
    pairs.truncate(MOST_PAIRS);
    for (i, Pair { open, close }) in pairs.iter().copied().enumerate() {
        edits.push(Edits::cut(open..close + 1));
        edits.push(Edits::cut(open + 1..close));
        edits.push(Edits::cut(open..open + 1).and_cut(close..close + 1));
        if i < MOST_HOISTED {
            let nested = |pair: &&Pair| open < pair.open && pair.close < close;
            let inner: Vec<&Pair> = pairs.iter().filter(nested).collect();
            // The largest one, one halfway in, and a small one: levels go by halves.
            let mut chosen = vec![0, inner.len() / 2, inner.len().saturating_sub(1)];
            chosen.dedup();
            for pair in chosen.into_iter().filter_map(|n| inner.get(n)) {
                edits.push(Edits::cut(open..pair.open).and_cut(pair.close + 1..close + 1));
                edits.push(Edits::cut(open + 1..pair.open).and_cut(pair.close + 1..close));
            }
        }
    }
}

/// Pieces of an input, each with the separator behind it: runs of them by halves, down to one, and
/// each with the separator before it instead.
fn of_pieces(input: &[u8], separator: u8, edits: &mut Vec<Edits>) {
    let ends = input.iter().enumerate().filter(|(_, byte)| **byte == separator).map(|(i, _)| i + 1);
    let mut cuts: Vec<usize> = std::iter::once(0).chain(ends).take(MOST_PIECES).collect();
    if cuts.len() < 2 {
        return;
    }
    if cuts.last() != Some(&input.len()) {
        cuts.push(input.len());
    }
    let n_pieces = cuts.len() - 1;
    let mut size = n_pieces / 2;
    while size > 0 {
        for first in (0..n_pieces).step_by(size) {
            let last = (first + size).min(n_pieces);
            edits.push(Edits::cut(cuts[first]..cuts[last]));
        }
        size /= 2;
    }
    for piece in cuts.windows(2).skip(1) {
        let end = if input[piece[1] - 1] == separator { piece[1] - 1 } else { piece[1] };
        edits.push(Edits::cut(piece[0] - 1..end));
    }
}

/// A block that stands several times in a row: all but one of them, half of them, one of them.
fn of_repeats(input: &[u8], edits: &mut Vec<Edits>) {
    if input.len() > LONGEST_OF_REPEATS {
        return;
    }
    let mut n_runs = 0;
    for block in 1..=LONGEST_BLOCK.min(input.len() / 2) {
        let mut at = 0;
        while at + 2 * block <= input.len() && n_runs < MOST_RUNS {
            let same = input[at..].iter().zip(&input[at + block..]).take_while(|(a, b)| a == b);
            let n_same = same.count();
            let n_blocks = n_same / block + 1;
            if n_blocks > 1 {
                n_runs += 1;
                for n in cuts_of(n_blocks) {
                    edits.push(Edits::cut(at..at + n * block));
                }
            }
            at += n_same.max(1);
        }
    }
}

fn cuts_of(n_blocks: usize) -> Vec<usize> {
    let mut cuts = vec![n_blocks - 1, n_blocks / 2, 1];
    cuts.dedup();
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn outcomes(input: &str) -> BTreeSet<String> {
        let mut out = Vec::new();
        let apply = |edits: Edits| {
            assert!(edits.apply(input.as_bytes(), &mut out), "{edits:?}");
            String::from_utf8(out.clone()).unwrap()
        };
        edits(input.as_bytes()).into_iter().map(apply).collect()
    }

    #[test]
    fn brackets_go_with_what_they_hold_or_without_it() {
        let outcomes = outcomes("f(a[b]c)");
        for expected in ["f", "f()", "fa[b]c", "f[b]", "f([b])", "f(ac)", "f(a[]c)", "f(abc)"] {
            assert!(outcomes.contains(expected), "{expected} in {outcomes:?}");
        }
    }

    #[test]
    fn a_bracket_without_its_counterpart_hides_no_other() {
        let pair = |open, close| Pair { open, close };
        assert_eq!(brackets(b"([)]"), [pair(0, 2)]);
        assert_eq!(brackets(b"a<b (c)"), [pair(4, 6)]);
    }

    #[test]
    fn levels_of_nesting_go_by_halves() {
        let outcomes = outcomes(&format!("{}{}", "[".repeat(64), "]".repeat(64)));
        let levels: BTreeSet<_> = outcomes.iter().map(|text| text.len() / 2).collect();
        assert!(levels.iter().any(|n| (28..=36).contains(n)), "{levels:?}");
    }

    #[test]
    fn pieces_go_with_either_separator() {
        let outcomes = outcomes("a,b,c");
        for expected in ["b,c", "a,c", "a,b", "a,b,", "b,c"] {
            assert!(outcomes.contains(expected), "{expected} in {outcomes:?}");
        }
    }

    #[test]
    fn repeated_blocks_go_whole() {
        let outcomes = outcomes("<xyzxyzxyzxyz!");
        for expected in ["<xyz!", "<xyzxyz!", "<xyzxyzxyz!"] {
            assert!(outcomes.contains(expected), "{expected} in {outcomes:?}");
        }
    }

    #[test]
    fn short_ranges_give_way_to_any_byte_that_can_be_typed() {
        let mut out = Vec::new();
        let mut all = BTreeSet::new();
        for edits in swaps(4) {
            assert!(edits.apply(b"abcd", &mut out));
            all.insert(out.clone());
        }
        for expected in [&b"*d"[..], b"a~", b"ab ", b"a*d", b"*cd", b"ab\xff"] {
            assert!(all.contains(expected), "{expected:?}");
        }
        assert!(swaps(1).is_empty() && swaps(0).is_empty());
    }

    #[test]
    fn all_pairs_of_bytes_are_removed_once() {
        let mut out = Vec::new();
        let all: BTreeSet<Vec<u8>> = pairs(4)
            .iter()
            .map(|edits| {
                assert!(edits.apply(b"abcd", &mut out));
                out.clone()
            })
            .collect();
        let expected: [&[u8]; 6] = [b"ab", b"ac", b"ad", b"bc", b"bd", b"cd"];
        assert_eq!(all, expected.map(<[u8]>::to_vec).into());
    }
}
