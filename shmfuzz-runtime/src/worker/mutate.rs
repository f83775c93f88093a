//! From one input to the next: mutators on bytes and on text, stacked at random.
//!
//! Everything happens in place, in the input area: no allocation, no copy to recover the input
//! from. Invariants: an input never grows over the limit, and text stays valid UTF-8, because each
//! mutator on text removes and inserts whole characters only.

mod bytes;
pub(super) mod edit;
pub(super) mod favour;
mod number;
mod own;
mod text;
pub(super) mod values;

use super::dictionary::Dictionary;
use super::random::Random;
use super::solve::Edit;
use crate::area::Area;
use crate::record::InputKind;
use crate::shape::Shape;
use edit::Room;
use favour::{N_CHOICES, Used};
pub(super) use own::Own;

/// What mutators may draw from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    /// What the input must stay.
    pub(super) kind: InputKind,
    /// What it is made of, if it is values.
    pub(super) shape: Option<&'a Shape>,
    /// The user's mutators.
    pub(super) own: Own,
    /// Longest input to make, in bytes.
    pub(super) limit: usize,
    /// Another entry, for splicing.
    pub(super) donor: &'a [u8],
    /// The user's tokens, and constants of comparisons and of the code.
    pub(super) dictionary: &'a Dictionary,
    /// Edits that the entry's comparisons suggest; places are those of the unchanged entry.
    pub(super) edits: &'a [Edit],
    /// How often each mutator is chosen.
    pub(super) choices: &'a [u8; N_CHOICES],
}

/// How many mutators there are for this kind of input.
pub(super) fn n_mutators(kind: InputKind, shape: Option<&Shape>, own: Own) -> usize {
    n_built_in(kind, shape) + own.n_arms()
}

/// Those that come with us.
fn n_built_in(kind: InputKind, shape: Option<&Shape>) -> usize {
    match kind {
        _ if shape.is_some() => values::MUTATORS.len(),
        InputKind::Bytes => bytes::MUTATORS.len(),
        InputKind::Text => text::MUTATORS.len(),
    }
}

/// The most mutations on top of each other.
const MAX_STACKED: u32 = 5;

/// Changes the input in the area, at least once where that is possible; -> by which mutators.
pub(super) fn mutate(area: &mut Area<'_>, random: &mut Random, context: &Context<'_>) -> Used {
    let mut used = Used::default();
    // One mutation half of the time, two a quarter of the time, ...
    let n = (random.below(1 << MAX_STACKED) + 1).leading_zeros() - (31 - MAX_STACKED);
    // What comparisons suggest fits the unchanged entry best, so it comes first.
    if !context.edits.is_empty() && random.one_in(4) {
        let edit = &context.edits[random.index(context.edits.len())];
        apply(area, random, edit, context);
        if random.one_in(2) {
            return used;
        }
    }
    for _ in 0..n.max(1) {
        // A mutator may find nothing to do, on an empty input for one.
        for _ in 0..8 {
            if mutate_once(area, random, context, &mut used) {
                break;
            }
        }
    }
    used
}

/// Makes one mutation, by a mutator chosen by its chance, and notes that one; false if it found
/// nothing to do.
#[inline]
fn mutate_once(
    area: &mut Area<'_>,
    random: &mut Random,
    context: &Context<'_>,
    used: &mut Used,
) -> bool {
    let is_raw = context.shape.is_none();
    if is_raw && context.kind == InputKind::Bytes && area.is_empty() {
        return bytes::apply(bytes::inserting(random), area, random, context);
    }
    let arm = context.choices[usize::from(random.byte())];
    let at = usize::from(arm);
    let changed = match context.kind {
        _ if context.own.is_some() && at >= n_built_in(context.kind, context.shape) => {
            context.own.apply(at - n_built_in(context.kind, context.shape), area, random, context)
        }
        _ if !is_raw => mutate_value(at, area, random, context),
        InputKind::Bytes => bytes::apply(bytes::MUTATORS[at], area, random, context),
        InputKind::Text => text::apply(text::MUTATORS[at], area, random, context),
    };
    if changed {
        used.note(arm);
    }
    changed
}

fn mutate_value(
    arm: usize,
    area: &mut Area<'_>,
    random: &mut Random,
    context: &Context<'_>,
) -> bool {
    let mutator = values::MUTATORS[arm];
    context.shape.is_some_and(|shape| values::apply(mutator, shape, area, random, context))
}

/// Makes an edit that a comparison suggests, as far as it still fits; -> whether it changed
/// anything.
pub(super) fn apply(
    area: &mut Area<'_>,
    random: &mut Random,
    edit: &Edit,
    context: &Context<'_>,
) -> bool {
    match edit {
        Edit::Replace { at, removed, bytes } if context.shape.is_some() => {
            let fits = at + removed <= area.len();
            let room = Room(context.limit);
            let replace = |shape| values::replace(area, shape, (*at, *removed), bytes, room);
            fits && context.shape.is_some_and(replace)
        }
        Edit::Replace { at, removed, bytes } => {
            let end = at + removed;
            let fits = end <= area.len()
                && (context.kind == InputKind::Bytes
                    || (edit::is_boundary(area.as_slice(), *at)
                        && edit::is_boundary(area.as_slice(), end)));
            fits && edit::replace(area, *at, *removed, bytes, Room(context.limit))
        }
        Edit::Resize(len) if context.shape.is_some() => context.shape.is_some_and(|shape| {
            values::resize_some(area, shape, random, *len, Room(context.limit))
        }),
        Edit::Resize(len) => resize(area, random, (*len).min(context.limit), context.kind),
    }
}

/// Cuts the input, or fills it up with bytes that differ, so that they can be told apart later;
/// -> whether its length is another one.
fn resize(area: &mut Area<'_>, random: &mut Random, len: usize, kind: InputKind) -> bool {
    let old = area.len();
    if len <= old {
        let len = match kind {
            InputKind::Bytes => len,
            InputKind::Text => edit::boundary_before(area.as_slice(), len),
        };
        area.set_len(len);
        return len != old;
    }
    let len = len.min(area.capacity());
    area.set_len(len);
    for at in old..len {
        let byte = match kind {
            InputKind::Bytes => random.byte(),
            InputKind::Text => b'a' + random.below(26) as u8,
        };
        area.set(at, byte);
    }
    len != old
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dictionary() -> Dictionary {
        let mut dictionary = Dictionary::default();
        for token in [&b"\xff\xfe"[..], b"token", "größe".as_bytes()] {
            dictionary.add(token);
        }
        dictionary
    }

    fn run(kind: InputKind, start: &[u8], donor: &[u8], random: &mut Random, n: usize) {
        let dictionary = dictionary();
        let limit = 40;
        let mut buffer = [0xaa; 48];
        let edits = [
            Edit::Resize(30),
            Edit::Resize(5),
            Edit::Replace { at: 0, removed: 1.min(start.len()), bytes: b"ab".to_vec() },
        ];
        for _ in 0..n {
            let edits = if random.one_in(2) { &edits[..2] } else { &edits[..] };
            // The last edit is for inputs that start with a character of one byte.
            let edits = if start.first().is_some_and(u8::is_ascii) { edits } else { &edits[..2] };
            let choices = &favour::even(n_mutators(kind, None, Own::default()));
            let context = Context {
                kind,
                shape: None,
                own: Own::default(),
                limit,
                donor,
                dictionary: &dictionary,
                edits,
                choices,
            };
            let mut area = Area::over(&mut buffer, 0);
            area.assign(start);
            for _ in 0..random.below(4) + 1 {
                mutate(&mut area, random, &context);
                assert!(area.len() <= limit.max(start.len()), "{} bytes", area.len());
                if kind == InputKind::Text {
                    std::str::from_utf8(area.as_slice()).expect("text stays valid UTF-8");
                }
            }
        }
    }

    fn short_text() -> impl Strategy<Value = String> {
        "[a-z0-9ß€𝄞\u{301} ]{0,9}"
    }

    proptest! {
        #[test]
        fn text_stays_text_and_lengths_stay_in_their_limit(
            start in short_text(), donor in short_text(), seed: u64,
        ) {
            let mut random = Random::from_state(seed, 1);
            run(InputKind::Text, start.as_bytes(), donor.as_bytes(), &mut random, 200);
        }

        #[test]
        fn bytes_stay_in_their_limit(
            start in prop::collection::vec(any::<u8>(), 0..48), donor: Vec<u8>, seed: u64,
        ) {
            let mut random = Random::from_state(seed, 1);
            run(InputKind::Bytes, &start, &donor, &mut random, 200);
        }
    }

    #[test]
    fn most_mutations_change_something() {
        let dictionary = Dictionary::default();
        let mut random = Random::from_state(3, 1);
        for kind in [InputKind::Bytes, InputKind::Text] {
            let context = Context {
                kind,
                shape: None,
                own: Own::default(),
                limit: 64,
                donor: b"",
                dictionary: &dictionary,
                edits: &[],
                choices: &favour::even(n_mutators(kind, None, Own::default())),
            };
            let mut buffer = [0; 64];
            let changed = (0..1000).filter(|_| {
                let mut area = Area::over(&mut buffer, 0);
                area.assign(b"0123456789");
                mutate(&mut area, &mut random, &context);
                area.as_slice() != b"0123456789"
            });
            assert!(changed.count() > 950);
        }
    }

    #[test]
    fn suggested_edits_are_made() {
        let dictionary = Dictionary::default();
        let context = Context {
            kind: InputKind::Bytes,
            shape: None,
            own: Own::default(),
            limit: 8,
            donor: b"",
            dictionary: &dictionary,
            edits: &[],
            choices: &favour::even(n_mutators(InputKind::Bytes, None, Own::default())),
        };
        let mut buffer = [0; 8];
        let mut area = Area::over(&mut buffer, 0);
        area.assign(b"abcd");
        let mut random = Random::scripted(&[7, 9]);
        let edit = Edit::Replace { at: 1, removed: 2, bytes: b"XYZ".to_vec() };
        assert!(apply(&mut area, &mut random, &edit, &context));
        assert_eq!(area.as_slice(), b"aXYZd");
        apply(&mut area, &mut random, &Edit::Resize(7), &context);
        assert_eq!(area.as_slice(), b"aXYZd\x07\x09");
        apply(&mut area, &mut random, &Edit::Resize(2), &context);
        assert_eq!(area.as_slice(), b"aX");
        let beyond = Edit::Replace { at: 1, removed: 2, bytes: b"..".to_vec() };
        assert!(!apply(&mut area, &mut random, &beyond, &context));
        assert!(!apply(&mut area, &mut random, &Edit::Resize(2), &context));
        assert_eq!(area.as_slice(), b"aX");
    }
}
