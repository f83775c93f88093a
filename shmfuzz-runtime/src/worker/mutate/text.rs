//! Mutators on text. Each removes and inserts whole characters, so the text stays valid UTF-8.

use super::edit::{self, Room};
use super::{Context, number};
use crate::area::Area;
use crate::worker::random::Random;

/// One way to change text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutator {
    ReplaceChar,
    FlipAsciiBit,
    AddToAscii,
    InsertChars,
    InsertRepeated,
    Delete,
    Duplicate,
    Multiply,
    CopyOver,
    SwapNeighbours,
    Number,
    Splice,
    Crossover,
    InsertToken,
    OverwriteWithToken,
    ReplaceWordWithToken,
}

/// All of them, an arm each; one that stands twice is two arms, chosen twice as often at first.
pub(super) const MUTATORS: [Mutator; 20] = [
    Mutator::ReplaceChar,
    Mutator::ReplaceChar,
    Mutator::FlipAsciiBit,
    Mutator::AddToAscii,
    Mutator::InsertChars,
    Mutator::InsertChars,
    Mutator::InsertRepeated,
    Mutator::Delete,
    Mutator::Delete,
    Mutator::Duplicate,
    Mutator::Duplicate,
    Mutator::Multiply,
    Mutator::CopyOver,
    Mutator::SwapNeighbours,
    Mutator::Number,
    Mutator::Splice,
    Mutator::Crossover,
    Mutator::InsertToken,
    Mutator::OverwriteWithToken,
    Mutator::ReplaceWordWithToken,
];

/// Characters that programs stumble over: the last of each encoded length and the first of the
/// next, marks, spaces that are none, letters whose case changes their length.
const SPECIAL: [char; 20] = [
    '\0',
    '\n',
    '\r',
    '\u{7f}',
    '\u{80}',
    '\u{7ff}',
    '\u{800}',
    '\u{ffff}',
    '\u{10000}',
    '\u{10ffff}',
    '\u{feff}',
    '\u{fffd}',
    '\u{301}',
    '\u{200d}',
    '\u{202e}',
    '\u{a0}',
    '\u{2028}',
    'ß',
    'İ',
    '😀',
];

/// Makes one mutation; false if it found nothing to do.
pub(super) fn apply(
    mutator: Mutator,
    area: &mut Area<'_>,
    random: &mut Random,
    context: &Context<'_>,
) -> bool {
    let room = Room(context.limit);
    match mutator {
        Mutator::InsertChars => {
            let at = place(area, random);
            let n = random.below(4) + 1;
            (0..n).filter(|_| insert_char(area, at, random_char(random), room)).count() > 0
        }
        Mutator::InsertRepeated => {
            let at = place(area, random);
            let mut buffer = [0; 4];
            let pattern = random_char(random).encode_utf8(&mut buffer).as_bytes();
            let most = room.left(area).min(edit::MAX_REPEATED) / pattern.len();
            most > 0 && edit::insert_repeated(area, at, pattern, random.length(most), room)
        }
        Mutator::Splice => {
            let (from, n) = run(context.donor, random, room.left(area));
            let at = place(area, random);
            n > 0 && edit::replace(area, at, 0, &context.donor[from..from + n], room)
        }
        Mutator::InsertToken => token(random, context).is_some_and(|token| {
            let at = place(area, random);
            edit::replace(area, at, 0, token, room)
        }),
        // What follows needs something to change.
        _ if area.is_empty() => false,
        Mutator::ReplaceChar => {
            let (at, n) = character(area, random);
            let mut buffer = [0; 4];
            let new = random_char(random).encode_utf8(&mut buffer);
            edit::replace(area, at, n, new.as_bytes(), room)
        }
        Mutator::FlipAsciiBit => {
            let bit = random.below(7);
            change_ascii(area, random, |byte| byte ^ 1 << bit)
        }
        Mutator::AddToAscii => {
            let step = random.below(16) as u8;
            change_ascii(area, random, |byte| byte.wrapping_add(step).wrapping_sub(8))
        }
        Mutator::Delete => {
            let (at, n) = run(area.as_slice(), random, usize::MAX);
            edit::remove(area, at, n);
            n > 0
        }
        Mutator::Duplicate => {
            let (from, n) = run(area.as_slice(), random, room.left(area));
            let to = place(area, random);
            n > 0 && edit::duplicate(area, from, n, to, room)
        }
        Mutator::Multiply => {
            let run = run(area.as_slice(), random, room.left(area));
            let copies = random.between(1, edit::MAX_COPIES);
            edit::multiply(area, random, run, copies, room)
        }
        Mutator::CopyOver => copy_over(area, random, room),
        Mutator::SwapNeighbours => swap_neighbours(area, random),
        Mutator::Number => number::mutate(area, random, room),
        Mutator::Crossover => crossover(area, random, context),
        Mutator::OverwriteWithToken => token(random, context).is_some_and(|token| {
            let at = place(area, random);
            let end = edit::boundary_after(area.as_slice(), at + token.len());
            edit::replace(area, at, end - at, token, room)
        }),
        Mutator::ReplaceWordWithToken => token(random, context).is_some_and(|token| {
            let at = random.index(area.len());
            edit::replace_word(area, at, token, room)
        }),
    }
}

fn token<'a>(random: &mut Random, context: &Context<'a>) -> Option<&'a [u8]> {
    context.dictionary.pick(context.kind, random)
}

/// A boundary between characters, start and end included.
fn place(area: &Area<'_>, random: &mut Random) -> usize {
    edit::boundary_before(area.as_slice(), random.index(area.len() + 1))
}

/// Place and length of a character. The area is not empty.
fn character(area: &Area<'_>, random: &mut Random) -> (usize, usize) {
    let at = edit::boundary_before(area.as_slice(), random.index(area.len()));
    (at, edit::boundary_after(area.as_slice(), at + 1) - at)
}

/// Place and length of a run of whole characters, of at most `most` bytes.
fn run(text: &[u8], random: &mut Random, most: usize) -> (usize, usize) {
    let at = edit::boundary_before(text, random.index(text.len()));
    let n = random.length((text.len() - at).min(most));
    let end = edit::boundary_after(text, at + n);
    if end - at <= most { (at, end - at) } else { (at, 0) }
}

/// Mostly ASCII, sometimes special, sometimes anything.
pub(super) fn random_char(random: &mut Random) -> char {
    match random.below(16) {
        0 => SPECIAL[random.index(SPECIAL.len())],
        1 => char::from_u32(random.below(0x11_0000)).unwrap_or('\u{fffd}'),
        _ => char::from(b' ' + random.below(95) as u8),
    }
}

fn insert_char(area: &mut Area<'_>, at: usize, c: char, room: Room) -> bool {
    edit::replace(area, at, 0, c.encode_utf8(&mut [0; 4]).as_bytes(), room)
}

/// Changes one ASCII character into another.
fn change_ascii(area: &mut Area<'_>, random: &mut Random, change: impl FnOnce(u8) -> u8) -> bool {
    let (at, n) = character(area, random);
    if n != 1 {
        return false;
    }
    let (old, new) = (area.get(at), change(area.get(at)) & 0x7f);
    area.set(at, new);
    old != new
}

/// Puts a copy of one run in the place of another.
fn copy_over(area: &mut Area<'_>, random: &mut Random, room: Room) -> bool {
    let (from, n) = run(area.as_slice(), random, room.left(area));
    let to = place(area, random);
    if n == 0 || !edit::duplicate(area, from, n, to, room) {
        return false;
    }
    let end = edit::boundary_after(area.as_slice(), to + n + n);
    edit::remove(area, to + n, end - to - n);
    true
}

fn swap_neighbours(area: &mut Area<'_>, random: &mut Random) -> bool {
    let (at, n) = character(area, random);
    let next = edit::boundary_after(area.as_slice(), at + n + 1) - at - n;
    if next == 0 || next > 4 {
        return false;
    }
    let mut pair = [0; 8];
    pair[..n + next].copy_from_slice(&area.as_slice()[at..at + n + next]);
    pair[..n + next].rotate_left(n);
    area.write(at, &pair[..n + next]);
    true
}

/// The input's start, and the donor's end.
fn crossover(area: &mut Area<'_>, random: &mut Random, context: &Context<'_>) -> bool {
    if context.donor.is_empty() {
        return false;
    }
    let at = place(area, random);
    let from = edit::boundary_before(context.donor, random.index(context.donor.len()));
    let room = context.limit.min(area.capacity()).saturating_sub(at);
    let tail = &context.donor[from..];
    let n = edit::boundary_before(tail, room);
    area.set_len(at);
    edit::replace(area, at, 0, &tail[..n], Room(context.limit))
}

#[cfg(test)]
mod tests {
    use super::super::favour;
    use super::*;
    use crate::record::InputKind;
    use crate::worker::dictionary::Dictionary;

    fn check(mutator: Mutator, start: &str, answers: &[u64], expected: Option<&str>) {
        let mut dictionary = Dictionary::default();
        dictionary.add(b"TOK");
        dictionary.add(b"\xff");
        let context = Context {
            kind: InputKind::Text,
            shape: None,
            own: crate::worker::mutate::Own::default(),
            limit: 16,
            donor: "1€3".as_bytes(),
            dictionary: &dictionary,
            edits: &[],
            choices: &favour::even(MUTATORS.len()),
        };
        let mut buffer = [0; 20];
        let mut area = Area::over(&mut buffer, 0);
        area.assign(start.as_bytes());
        let mut random = Random::scripted(answers);
        let changed = apply(mutator, &mut area, &mut random, &context);
        let got = std::str::from_utf8(area.as_slice()).unwrap();
        assert_eq!(changed.then_some(got), expected, "{mutator:?} {answers:?}");
        assert!(random.is_used_up(), "{mutator:?} {answers:?}");
    }

    #[test]
    fn single_characters_change() {
        check(Mutator::ReplaceChar, "a€b", &[2, 5, 33], Some("aAb"));
        check(Mutator::ReplaceChar, "a€b", &[0, 0, 19], Some("😀€b"));
        check(Mutator::ReplaceChar, "", &[], None);
        check(Mutator::FlipAsciiBit, "a€b", &[0, 4], Some("a€c"));
        check(Mutator::FlipAsciiBit, "a€b", &[0, 2], None);
        check(Mutator::AddToAscii, "ab", &[9, 0], Some("bb"));
        check(Mutator::AddToAscii, "ab", &[8, 0], None);
    }

    #[test]
    fn runs_of_characters_come_and_go() {
        check(Mutator::InsertChars, "a€", &[3, 0, 5, 33], Some("aA€"));
        check(Mutator::InsertRepeated, "a€", &[1, 5, 33, 0, 2], Some("aAAA€"));
        check(Mutator::Delete, "a€b", &[2, 0, 0], Some("ab"));
        check(Mutator::Duplicate, "a€b", &[1, 0, 0, 5], Some("a€b€"));
        check(Mutator::CopyOver, "a€b", &[1, 0, 0, 0], Some("€b"));
        check(Mutator::SwapNeighbours, "a€b", &[0], Some("€ab"));
        check(Mutator::SwapNeighbours, "a€b", &[4], None);
        check(Mutator::Number, "€7", &[0, 0, 0], Some("€8"));
    }

    #[test]
    fn other_entries_and_tokens_are_used() {
        check(Mutator::Splice, "ab", &[1, 0, 0, 1], Some("a€b"));
        check(Mutator::Crossover, "a€b", &[4, 1], Some("a€€3"));
        check(Mutator::InsertToken, "a€", &[0, 2], Some("aTOK€"));
        check(Mutator::OverwriteWithToken, "a€bc", &[0, 0], Some("TOKbc"));
        check(Mutator::ReplaceWordWithToken, "a = €b", &[0, 5], Some("a = TOK"));
    }
}
