//! Mutators on bytes.

use super::edit::{self, Room};
use super::{Context, number};
use crate::area::Area;
use crate::worker::random::Random;

/// One way to change bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutator {
    FlipBit,
    SetByte,
    AddToByte,
    Arithmetic,
    Interesting,
    InsertRandom,
    InsertRepeated,
    Delete,
    Duplicate,
    Multiply,
    CopyOver,
    Shuffle,
    Number,
    Splice,
    Crossover,
    InsertToken,
    OverwriteWithToken,
    ReplaceWordWithToken,
}

impl Mutator {
    /// Whether it needs nothing to change.
    fn inserts(self) -> bool {
        matches!(self, Self::InsertRandom | Self::InsertRepeated | Self::Splice | Self::InsertToken)
    }
}

/// All of them, an arm each; one that stands twice is two arms, chosen twice as often at first.
pub(super) const MUTATORS: [Mutator; 22] = [
    Mutator::FlipBit,
    Mutator::FlipBit,
    Mutator::SetByte,
    Mutator::SetByte,
    Mutator::AddToByte,
    Mutator::Arithmetic,
    Mutator::Interesting,
    Mutator::InsertRandom,
    Mutator::InsertRandom,
    Mutator::InsertRepeated,
    Mutator::Delete,
    Mutator::Delete,
    Mutator::Duplicate,
    Mutator::Multiply,
    Mutator::CopyOver,
    Mutator::Shuffle,
    Mutator::Number,
    Mutator::Splice,
    Mutator::Crossover,
    Mutator::InsertToken,
    Mutator::OverwriteWithToken,
    Mutator::ReplaceWordWithToken,
];

/// Those of them that need nothing to change, as often each.
const INSERTING: [Mutator; 5] = [
    Mutator::InsertRandom,
    Mutator::InsertRandom,
    Mutator::InsertRepeated,
    Mutator::Splice,
    Mutator::InsertToken,
];

/// A mutator for an empty input: three of four would find nothing to do there, which costs more
/// than they do.
pub(super) fn inserting(random: &mut Random) -> Mutator {
    INSERTING[random.index(INSERTING.len())]
}

/// Makes one mutation; false if it found nothing to do.
pub(super) fn apply(
    mutator: Mutator,
    area: &mut Area<'_>,
    random: &mut Random,
    context: &Context<'_>,
) -> bool {
    let room = Room(context.limit);
    if area.is_empty() && !mutator.inserts() {
        return false;
    }
    // One branch that nobody can predict, not two.
    match mutator {
        Mutator::InsertRandom => insert_random(area, random, room),
        Mutator::InsertRepeated => insert_repeated(area, random, room),
        Mutator::Splice => splice(area, random, context),
        Mutator::InsertToken => token(random, context).is_some_and(|token| {
            let at = random.index(area.len() + 1);
            edit::replace(area, at, 0, token, room)
        }),
        Mutator::FlipBit => {
            let (at, bit) = (random.index(area.len()), random.below(8));
            area.set(at, area.get(at) ^ 1 << bit);
            true
        }
        Mutator::SetByte => {
            let (at, byte) = (random.index(area.len()), random.byte());
            area.set(at, byte);
            true
        }
        Mutator::AddToByte => {
            let (at, step) = (random.index(area.len()), random.below(70) as i32 - 35);
            area.set(at, area.get(at).wrapping_add(step as u8));
            step != 0
        }
        Mutator::Arithmetic => integer(area, random, Change::Add),
        Mutator::Interesting => integer(area, random, Change::Special),
        Mutator::Delete => {
            let n = random.length(area.len());
            let at = random.index(area.len() - n + 1);
            edit::remove(area, at, n);
            true
        }
        Mutator::Duplicate => {
            let n = random.length(area.len().min(room.left(area)));
            let from = random.index(area.len() - n + 1);
            let to = random.index(area.len() + 1);
            edit::duplicate(area, from, n, to, room)
        }
        Mutator::Multiply => {
            let n = random.length(area.len().min(room.left(area)));
            let from = random.index(area.len() - n + 1);
            let copies = random.between(1, edit::MAX_COPIES);
            edit::multiply(area, random, (from, n), copies, room)
        }
        Mutator::CopyOver => {
            let n = random.length(area.len());
            let (from, to) = (random.index(area.len() - n + 1), random.index(area.len() - n + 1));
            area.copy_within(from, to, n);
            from != to
        }
        Mutator::Shuffle => shuffle(area, random),
        Mutator::Number => number::mutate(area, random, room),
        Mutator::Crossover => crossover(area, random, context),
        Mutator::OverwriteWithToken => match token(random, context) {
            Some(token) if token.len() <= area.len() => {
                let at = random.index(area.len() - token.len() + 1);
                area.write(at, token);
                true
            }
            _ => false,
        },
        Mutator::ReplaceWordWithToken => token(random, context).is_some_and(|token| {
            let at = random.index(area.len());
            edit::replace_word(area, at, token, room)
        }),
    }
}

/// The most random bytes that are inserted at once: longer runs of noise pay for nothing.
const MAX_RANDOM: usize = 32;

fn token<'a>(random: &mut Random, context: &Context<'a>) -> Option<&'a [u8]> {
    context.dictionary.pick(context.kind, random)
}

fn insert_random(area: &mut Area<'_>, random: &mut Random, room: Room) -> bool {
    let left = room.left(area).min(MAX_RANDOM);
    if left == 0 {
        return false;
    }
    let n = random.length(left);
    let at = random.index(area.len() + 1);
    edit::open(area, at, n, room);
    // Eight at a time: each number waits for the one before it.
    let mut bytes = [0; MAX_RANDOM];
    for word in bytes[..n.next_multiple_of(8)].chunks_exact_mut(8) {
        word.copy_from_slice(&random.bits().to_le_bytes());
    }
    area.write(at, &bytes[..n]);
    true
}

fn insert_repeated(area: &mut Area<'_>, random: &mut Random, room: Room) -> bool {
    let left = room.left(area).min(edit::MAX_REPEATED);
    if left == 0 {
        return false;
    }
    let n = random.length(left);
    let at = random.index(area.len() + 1);
    let byte = match random.below(4) {
        0 => 0,
        1 => 0xff,
        2 if !area.is_empty() => area.get(at.min(area.len() - 1)),
        _ => random.byte(),
    };
    edit::insert_repeated(area, at, &[byte], n, room)
}

fn shuffle(area: &mut Area<'_>, random: &mut Random) -> bool {
    if area.len() < 2 {
        return false;
    }
    let n = random.between(2, area.len().min(16));
    let start = random.index(area.len() - n + 1);
    // D. Knuth's algorithm P, on a short run.
    for i in (1..n).rev() {
        let j = random.index(i + 1);
        let (x, y) = (area.get(start + i), area.get(start + j));
        area.set(start + i, y);
        area.set(start + j, x);
    }
    true
}

/// A run of the donor, inserted or written over as much.
fn splice(area: &mut Area<'_>, random: &mut Random, context: &Context<'_>) -> bool {
    let (donor, room) = (context.donor, Room(context.limit));
    if donor.is_empty() {
        return false;
    }
    let inserts = random.one_in(2) || area.is_empty();
    let most = if inserts { room.left(area) } else { area.len() }.min(donor.len());
    if most == 0 {
        return false;
    }
    let n = random.between(1, most);
    let from = random.index(donor.len() - n + 1);
    let run = &donor[from..from + n];
    if inserts {
        let at = random.index(area.len() + 1);
        edit::replace(area, at, 0, run, room)
    } else {
        let at = random.index(area.len() - n + 1);
        area.write(at, run);
        true
    }
}

/// The input's start, and the donor's end.
fn crossover(area: &mut Area<'_>, random: &mut Random, context: &Context<'_>) -> bool {
    if context.donor.is_empty() {
        return false;
    }
    let at = random.index(area.len() + 1);
    let tail = &context.donor[random.index(context.donor.len())..];
    let room = context.limit.min(area.capacity()).saturating_sub(at);
    let n = tail.len().min(room);
    area.set_len(at);
    edit::replace(area, at, 0, &tail[..n], Room(context.limit))
}

/// What happens to an integer.
#[derive(Clone, Copy)]
enum Change {
    Add,
    Special,
}

/// Changes an integer of 8 to 64 bits in either order of bytes.
fn integer(area: &mut Area<'_>, random: &mut Random, change: Change) -> bool {
    match random.below(4) {
        0 => change_at::<1>(area, random, change),
        1 => change_at::<2>(area, random, change),
        2 => change_at::<4>(area, random, change),
        _ => change_at::<8>(area, random, change),
    }
}

fn change_at<const N: usize>(area: &mut Area<'_>, random: &mut Random, change: Change) -> bool {
    if area.len() < N {
        return false;
    }
    let at = random.index(area.len() - N + 1);
    let mut bytes = area.read::<N>(at);
    // Worked on as little endian.
    let is_big = random.one_in(2);
    if is_big {
        bytes.reverse();
    }
    let mut wide = [0; 8];
    wide[..N].copy_from_slice(&bytes);
    let old = u64::from_le_bytes(wide);
    let new = match change {
        Change::Add => old.wrapping_add_signed(i64::from(random.below(70)) - 35),
        Change::Special => special(random, 8 * N as u32),
    };
    bytes.copy_from_slice(&new.to_le_bytes()[..N]);
    if is_big {
        bytes.reverse();
    }
    let changed = area.read::<N>(at) != bytes;
    area.write(at, &bytes);
    changed
}

/// A value at the edge of some range: a power of two, one less or more, their negatives, and what
/// programs often use as a size.
fn special(random: &mut Random, bits: u32) -> u64 {
    const SIZES: [u64; 6] = [10, 100, 1000, 1024, 4096, 65_536];
    match random.below(8) {
        0 => SIZES[random.index(SIZES.len())],
        1 => 0,
        2 => u64::MAX,
        3 => 1 << (bits - 1),
        4 => (1 << (bits - 1)) - 1,
        5 => 1 << random.below(bits),
        6 => (1 << random.below(bits)) - 1,
        _ => u64::MAX << random.below(bits),
    }
}

#[cfg(test)]
mod tests {
    use super::super::favour;
    use super::*;
    use crate::record::InputKind;
    use crate::worker::dictionary::Dictionary;

    fn check(mutator: Mutator, start: &[u8], answers: &[u64], expected: Option<&[u8]>) {
        let mut dictionary = Dictionary::default();
        dictionary.add(b"TOK");
        let context = Context {
            kind: InputKind::Bytes,
            shape: None,
            own: crate::worker::mutate::Own::default(),
            limit: 12,
            donor: b"12345",
            dictionary: &dictionary,
            edits: &[],
            choices: &favour::even(MUTATORS.len()),
        };
        let mut buffer = [0; 16];
        let mut area = Area::over(&mut buffer, 0);
        area.assign(start);
        let mut random = Random::scripted(answers);
        let changed = apply(mutator, &mut area, &mut random, &context);
        assert_eq!(changed.then_some(area.as_slice()), expected, "{mutator:?} {answers:?}");
        assert!(random.is_used_up(), "{mutator:?} {answers:?}");
    }

    #[test]
    fn single_bytes_change() {
        check(Mutator::FlipBit, b"abc", &[1, 0], Some(b"acc"));
        check(Mutator::FlipBit, b"", &[], None);
        check(Mutator::SetByte, b"abc", &[2, 0xff], Some(b"ab\xff"));
        check(Mutator::AddToByte, b"abc", &[0, 36], Some(b"bbc"));
        check(Mutator::AddToByte, b"\0bc", &[0, 34], Some(b"\xffbc"));
        check(Mutator::AddToByte, b"abc", &[0, 35], None);
    }

    #[test]
    fn integers_change_in_both_orders() {
        // Width, place, order (0 is big endian), amount + 35.
        check(Mutator::Arithmetic, b"a\x00\xff", &[1, 1, 0, 36], Some(b"a\x01\x00"));
        check(Mutator::Arithmetic, b"a\xff\x00", &[1, 1, 1, 36], Some(b"a\x00\x01"));
        check(Mutator::Arithmetic, b"\0\0\0\0", &[2, 0, 0, 34], Some(b"\xff\xff\xff\xff"));
        check(Mutator::Arithmetic, b"abc", &[3], None);
        check(Mutator::Interesting, b"abcd", &[2, 0, 0, 3], Some(b"\x80\0\0\0"));
        check(Mutator::Interesting, b"abcd", &[2, 0, 1, 4], Some(b"\xff\xff\xff\x7f"));
        check(Mutator::Interesting, b"abcdefgh", &[3, 0, 1, 5, 9], Some(b"\0\x02\0\0\0\0\0\0"));
        check(Mutator::Interesting, b"ab", &[1, 0, 1, 0, 3], Some(b"\0\x04"));
    }

    #[test]
    fn runs_are_inserted_and_removed() {
        // Lengths are a class and a number: class 0 is up to 8.
        check(Mutator::InsertRandom, b"ab", &[0, 1, 1, 0x0807], Some(b"a\x07\x08b"));
        check(Mutator::InsertRandom, b"0123456789ab", &[], None);
        check(Mutator::InsertRepeated, b"ab", &[0, 2, 2, 1], Some(b"ab\xff\xff\xff"));
        check(Mutator::InsertRepeated, b"ab", &[0, 1, 0, 2], Some(b"aaab"));
        check(Mutator::Delete, b"abcdef", &[0, 1, 3], Some(b"abcf"));
        check(Mutator::Delete, b"a", &[0, 0, 0], Some(b""));
    }

    #[test]
    fn runs_of_the_input_are_used_again() {
        check(Mutator::Duplicate, b"abcd", &[0, 1, 0, 4], Some(b"abcdab"));
        check(Mutator::CopyOver, b"abcdef", &[0, 1, 0, 4], Some(b"abcdab"));
        check(Mutator::CopyOver, b"abcdef", &[0, 1, 2, 2], None);
        check(Mutator::Shuffle, b"abcd", &[1, 1, 0, 0], Some(b"acdb"));
        check(Mutator::Shuffle, b"a", &[], None);
        check(Mutator::Number, b"a1", &[0, 0, 0], Some(b"a2"));
    }

    #[test]
    fn other_entries_and_tokens_are_used() {
        check(Mutator::Splice, b"ab", &[0, 1, 2, 1], Some(b"a34b"));
        check(Mutator::Splice, b"abcd", &[1, 1, 0, 2], Some(b"ab12"));
        check(Mutator::Splice, b"", &[0, 4, 0, 0], Some(b"12345"));
        check(Mutator::Crossover, b"abcd", &[2, 3], Some(b"ab45"));
        check(Mutator::InsertToken, b"ab", &[0, 1], Some(b"aTOKb"));
        check(Mutator::OverwriteWithToken, b"abcde", &[0, 2], Some(b"abTOK"));
        check(Mutator::OverwriteWithToken, b"ab", &[0], None);
        check(Mutator::ReplaceWordWithToken, b"ab cde.", &[0, 4], Some(b"ab TOK."));
        check(Mutator::ReplaceWordWithToken, b".+.", &[0, 1], None);
    }

    #[test]
    fn each_mutator_can_be_chosen() {
        assert_eq!(MUTATORS[0], Mutator::FlipBit);
        let mut kinds = MUTATORS.to_vec();
        kinds.dedup();
        assert_eq!(kinds.len(), 18);
        let inserting: Vec<Mutator> = MUTATORS.into_iter().filter(|m| m.inserts()).collect();
        assert_eq!(inserting, INSERTING);
    }
}
