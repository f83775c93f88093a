//! The few ways in which an area's bytes move: what every mutator is made of.

use crate::area::Area;
use crate::worker::random::Random;

/// The longest that the input may become, in bytes.
#[derive(Clone, Copy, Debug)]
pub(in crate::worker) struct Room(pub(in crate::worker) usize);

impl Room {
    /// How many bytes the area may still grow by.
    pub(super) fn left(self, area: &Area<'_>) -> usize {
        self.0.min(area.capacity()).saturating_sub(area.len())
    }
}

/// Makes a gap of `n` bytes at `at`, whose content is undefined; false if there is no room.
pub(super) fn open(area: &mut Area<'_>, at: usize, n: usize, room: Room) -> bool {
    if n > room.left(area) {
        return false;
    }
    let len = area.len();
    area.set_len(len + n);
    area.copy_within(at, at + n, len - at);
    true
}

/// Removes `n` bytes at `at`.
pub(super) fn remove(area: &mut Area<'_>, at: usize, n: usize) {
    let rest = area.len() - at - n;
    area.copy_within(at + n, at, rest);
    area.set_len(at + rest);
}

/// Puts `bytes` in the place of `n_removed` bytes at `at`; false if there is no room.
pub(super) fn replace(
    area: &mut Area<'_>,
    at: usize,
    n_removed: usize,
    bytes: &[u8],
    room: Room,
) -> bool {
    if bytes.len() > n_removed {
        if !open(area, at, bytes.len() - n_removed, room) {
            return false;
        }
    } else {
        remove(area, at, n_removed - bytes.len());
    }
    area.write(at, bytes);
    true
}

/// The most bytes of one repeated pattern that are inserted at once.
pub(super) const MAX_REPEATED: usize = 256;

/// Puts `bytes` in the place of the word around `at`; false if there is none, or no room.
pub(super) fn replace_word(area: &mut Area<'_>, at: usize, bytes: &[u8], room: Room) -> bool {
    let word = word_around(area.as_slice(), at);
    !word.is_empty() && replace(area, word.start, word.len(), bytes, room)
}

/// Inserts `pattern` `n` times at `at`; false if there is no room.
pub(super) fn insert_repeated(
    area: &mut Area<'_>,
    at: usize,
    pattern: &[u8],
    n: usize,
    room: Room,
) -> bool {
    if !open(area, at, pattern.len() * n, room) {
        return false;
    }
    if let [byte] = pattern {
        area.fill(at, n, *byte);
        return true;
    }
    for i in 0..n {
        area.write(at + i * pattern.len(), pattern);
    }
    true
}

/// Copies the `n` bytes at `from` to a gap made at `to`; false if there is no room. No character
/// is torn if both ends of the run, and `to`, are boundaries.
pub(super) fn duplicate(area: &mut Area<'_>, from: usize, n: usize, to: usize, room: Room) -> bool {
    if !open(area, to, n, room) {
        return false;
    }
    // The run may have moved, in part or as a whole.
    let before = to.saturating_sub(from).min(n);
    area.copy_within(from, to, before);
    area.copy_within(from + before + n, to + before, n - before);
    true
}

/// The most copies that are put behind a run.
pub(super) const MAX_COPIES: usize = 16;

/// Puts copies of the `n` bytes at `from` behind them, as many as there is room for and up to
/// `copies`, and changes one letter or digit in each: lists and tables have entries that are alike
/// but not equal. No character is torn if both ends of the run are boundaries; false if there is
/// no room for one copy.
pub(super) fn multiply(
    area: &mut Area<'_>,
    random: &mut Random,
    run: (usize, usize),
    copies: usize,
    room: Room,
) -> bool {
    let (from, n) = run;
    let copies = copies.min(room.left(area) / n.max(1));
    if n == 0 || copies == 0 || !open(area, from + n, copies * n, room) {
        return false;
    }
    for i in 1..=copies {
        let to = from + i * n;
        area.copy_within(from, to, n);
        let at = to + random.index(n);
        let (first, n_others) = ALIKE[usize::from(area.get(at))];
        area.set(at, first + random.below(n_others.into()) as u8);
    }
    true
}

/// For each byte the first of those that are of its kind, and how many they are: digits, small
/// letters, capitals; of others, it alone. A table, since nobody can predict the branches.
const ALIKE: [(u8, u8); 256] = {
    let mut alike = [(0, 1); 256];
    let mut byte = 0;
    while byte < 256 {
        alike[byte] = match byte as u8 {
            b'0'..=b'9' => (b'0', 10),
            b'a'..=b'z' => (b'a', 26),
            b'A'..=b'Z' => (b'A', 26),
            other => (other, 1),
        };
        byte += 1;
    }
    alike
};

/// Whether no character of UTF-8 text is torn at `at`.
pub(in crate::worker) fn is_boundary(text: &[u8], at: usize) -> bool {
    text.get(at).map_or(at == text.len(), |byte| byte & 0xc0 != 0x80)
}

/// The last boundary at or before `at`, which may be anything.
pub(in crate::worker) fn boundary_before(text: &[u8], at: usize) -> usize {
    let mut at = at.min(text.len());
    while at > 0 && !is_boundary(text, at) {
        at -= 1;
    }
    at
}

/// The first boundary at or after `at`, at most the length.
pub(in crate::worker) fn boundary_after(text: &[u8], at: usize) -> usize {
    let mut at = at.min(text.len());
    while !is_boundary(text, at) {
        at += 1;
    }
    at
}

/// Whether a byte belongs to a word: letters, digits, `_`, `-`, and whatever is not ASCII, so that
/// no character is torn.
pub(in crate::worker) fn is_in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') || !byte.is_ascii()
}

/// How much of a word is looked at before a byte, and how much after it.
const MAX_WORD: usize = 64;

/// The word in which the byte at `at` stands, or after which, or a part of it if it is long; empty,
/// at `at`, if there is none.
pub(in crate::worker) fn word_around(input: &[u8], at: usize) -> std::ops::Range<usize> {
    let at = at.min(input.len());
    let is_in = |byte: &&u8| is_in_word(**byte);
    let before = input[..at].iter().rev().take(MAX_WORD).take_while(is_in).count();
    let after = input[at..].iter().take(MAX_WORD).take_while(is_in).count();
    // Where it is cut, no character is.
    let is_start = |i: &usize| is_boundary(input, *i);
    let start = (at - before..at).find(is_start).unwrap_or(at);
    let end = (at..=at + after).rev().find(is_start).unwrap_or(at);
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(edit: impl FnOnce(&mut Area<'_>) -> bool, expected: Option<&[u8]>) {
        let mut buffer = [0; 10];
        let mut area = Area::over(&mut buffer, 0);
        area.assign(b"abcdef");
        let done = edit(&mut area);
        assert_eq!(done.then_some(area.as_slice()), expected);
        assert!(done || area.as_slice() == b"abcdef", "left alone");
    }

    #[test]
    fn bytes_are_replaced_within_the_room() {
        check(|a| replace(a, 1, 2, b"XYZ", Room(10)), Some(b"aXYZdef"));
        check(|a| replace(a, 1, 2, b"X", Room(10)), Some(b"aXdef"));
        check(|a| replace(a, 6, 0, b"X", Room(10)), Some(b"abcdefX"));
        check(|a| replace(a, 0, 0, b"12345", Room(100)), None);
        check(|a| replace(a, 0, 0, b"1", Room(6)), None);
    }

    #[test]
    fn patterns_are_repeated_in_the_room_there_is() {
        check(|a| insert_repeated(a, 1, b"xy", 2, Room(10)), Some(b"axyxybcdef"));
        check(|a| insert_repeated(a, 1, b"xy", 3, Room(10)), None);
    }

    #[test]
    fn a_run_is_duplicated_before_within_and_after_itself() {
        check(|a| duplicate(a, 2, 2, 0, Room(10)), Some(b"cdabcdef"));
        check(|a| duplicate(a, 1, 4, 3, Room(10)), Some(b"abcbcdedef"));
        check(|a| duplicate(a, 0, 2, 6, Room(10)), Some(b"abcdefab"));
        check(|a| duplicate(a, 0, 5, 6, Room(10)), None);
    }

    #[test]
    fn copies_differ_in_a_letter_or_digit() {
        let multiply = |copies, room: usize, answers: &'static [u64]| {
            move |area: &mut Area<'_>| {
                let mut random = Random::scripted(answers);
                multiply(area, &mut random, (1, 2), copies, Room(room)) && random.is_used_up()
            }
        };
        check(multiply(2, 10, &[0, 25, 1, 0]), Some(b"abczcbadef"));
        check(multiply(9, 9, &[1, 7]), Some(b"abcbhdef"));
        check(multiply(1, 7, &[]), None);
    }

    #[test]
    fn words_are_found_from_everywhere_in_them() {
        let text = "a, größe-1_ ".as_bytes();
        for at in 0..=text.len() + 1 {
            let expected = match at {
                0..=1 => 0..1,
                2 => 2..2,
                3..=13 => 3..13,
                _ => 14..14,
            };
            assert_eq!(word_around(text, at), expected, "{at}");
        }
    }

    #[test]
    fn boundaries_are_those_of_characters() {
        let text = "a€b".as_bytes();
        let all: Vec<usize> = (0..7).filter(|at| is_boundary(text, *at)).collect();
        assert_eq!(all, [0, 1, 4, 5]);
        assert_eq!((boundary_before(text, 3), boundary_after(text, 2)), (1, 4));
        assert_eq!((boundary_before(text, 99), boundary_after(text, 99)), (5, 5));
    }
}
