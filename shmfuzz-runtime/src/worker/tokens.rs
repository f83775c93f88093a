//! From tokens of the code to edits of the input: each of them in each place. Pure.
//!
//! A name that is looked up by its hash is compared with nothing until it stands in the input as a
//! whole, so tokens are put in the places of whole words, and between words.

use super::mutate::edit::{self, is_in_word, word_around};
use super::solve::{Edit, Traced};
use crate::record::InputKind;
use std::collections::BTreeSet;
use std::ops::Range;

/// The most edits that write tokens over one input, whatever stands there.
const MAX_OVER: usize = 512;
/// In how many places one of them is written.
const MAX_PLACES: usize = 64;
/// The most edits that put tokens among the words of one input.
const MAX_AMONG_WORDS: usize = 256;
/// How many of its words are replaced.
const MAX_WORDS: usize = 8;
/// How many tokens each place has room for, at least.
const MIN_OF_PLACE: usize = 8;

/// Edits that put names and constants in the places of words and between them; then those that put
/// each constant in each place.
pub(super) fn edits(traced: Traced<'_>, names: &[&[u8]], constants: &[&[u8]]) -> Vec<Edit> {
    let is_word = |token: &&&[u8]| token.len() > 1 && token.iter().all(|byte| is_in_word(*byte));
    let words: Vec<&[u8]> = names.iter().chain(constants.iter().filter(is_word)).copied().collect();
    let mut edits = among_words(traced, &fitting(traced, &words));
    edits.extend(over(traced, fitting(traced, constants)));
    edits
}

/// Those that the input may hold, each once.
fn fitting<'t>(traced: Traced<'_>, tokens: &[&'t [u8]]) -> Vec<&'t [u8]> {
    let is_fit = |token: &&[u8]| {
        let is_text = traced.kind == InputKind::Bytes || std::str::from_utf8(token).is_ok();
        is_text && traced.input.len() + token.len() <= traced.max_len
    };
    let mut known = BTreeSet::new();
    tokens.iter().copied().filter(|token| is_fit(token) && known.insert(*token)).collect()
}

/// Over what is there, and at the end. A part of the places, spread over the input, where there are
/// too many.
fn over(traced: Traced<'_>, mut tokens: Vec<&[u8]>) -> Vec<Edit> {
    let len = traced.input.len();
    // Long ones first: they are the least likely to come about by chance.
    tokens.sort_by_key(|token| std::cmp::Reverse(token.len()));
    let is_whole = |at: usize, n: usize| {
        traced.kind == InputKind::Bytes
            || (edit::is_boundary(traced.input, at) && edit::is_boundary(traced.input, at + n))
    };
    let mut edits = Vec::new();
    for token in tokens {
        if edits.len() >= MAX_OVER {
            break;
        }
        let replace = |at, removed| Edit::Replace { at, removed, bytes: token.to_vec() };
        edits.push(replace(len, 0));
        let n_places = (len + 1).saturating_sub(token.len());
        let stride = n_places.div_ceil(MAX_PLACES).max(1);
        let places = (0..n_places).step_by(stride).filter(|at| is_whole(*at, token.len()));
        edits.extend(places.map(|at| replace(at, token.len())));
    }
    edits.truncate(MAX_OVER);
    edits
}

/// Where a token goes, and what separates it from what stands there.
#[derive(Debug)]
struct Place {
    at: usize,
    removed: usize,
    before: Option<u8>,
    after: Option<u8>,
}

/// In the place of a word, behind it or before the first one. Each place has as much room. If that
/// is not enough for all tokens, half of it is for the first of them, and the rest for others in
/// each place.
fn among_words(traced: Traced<'_>, tokens: &[&[u8]]) -> Vec<Edit> {
    let places = places(traced.input);
    let room = (MAX_AMONG_WORDS / places.len()).max(MIN_OF_PLACE);
    let n_first = if tokens.len() <= room { tokens.len() } else { room / 2 };
    let (first, others) = tokens.split_at(n_first);
    let mut edits = Vec::new();
    for (number, place) in places.iter().enumerate() {
        let n_others = (room - n_first).min(others.len());
        let others = others.iter().cycle().skip(number * n_others).take(n_others);
        for token in first.iter().chain(others) {
            let bytes: Vec<u8> =
                place.before.iter().chain(*token).chain(&place.after).copied().collect();
            let is_same = traced.input[place.at..place.at + place.removed] == bytes[..];
            if !is_same && traced.input.len() - place.removed + bytes.len() <= traced.max_len {
                edits.push(Edit::Replace { at: place.at, removed: place.removed, bytes });
            }
        }
    }
    edits.truncate(MAX_AMONG_WORDS);
    edits
}

/// Places for tokens, words themselves first.
fn places(input: &[u8]) -> Vec<Place> {
    let words = words(input);
    let Some(first) = words.first() else {
        return vec![Place { at: 0, removed: 0, before: None, after: None }];
    };
    // What separates words here; a space if nothing does.
    let is_separator = |byte: &&u8| !is_in_word(**byte);
    let usual = words.windows(2).find_map(|pair| input.get(pair[0].end)).copied().unwrap_or(b' ');
    let replaced = words.iter().map(|word| Place {
        at: word.start,
        removed: word.len(),
        before: None,
        after: None,
    });
    let behind = words.iter().map(|word| {
        let separator = input.get(word.end).filter(is_separator).copied().unwrap_or(usual);
        Place { at: word.end, removed: 0, before: Some(separator), after: None }
    });
    let ahead = Place { at: first.start, removed: 0, before: None, after: Some(usual) };
    replaced.chain(behind).chain([ahead]).collect()
}

/// The words of an input, in order; some of them, spread over it, if there are many.
fn words(input: &[u8]) -> Vec<Range<usize>> {
    let mut all = Vec::new();
    let mut at = 0;
    while at < input.len() {
        let word = word_around(input, at);
        at = word.end + 1;
        if !word.is_empty() {
            all.push(word);
        }
    }
    let n = all.len().min(MAX_WORDS);
    (0..n).map(|i| all[i * all.len() / n].clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn made(kind: InputKind, input: &[u8], names: &[&[u8]], constants: &[&[u8]]) -> Vec<Vec<u8>> {
        let traced = Traced { input, kind, shape: None, max_len: 40 };
        let apply = |edit| match edit {
            Edit::Replace { at, removed, bytes } => {
                [&input[..at], &bytes, &input[at + removed..]].concat()
            }
            Edit::Resize(_) => panic!("tokens do not resize"),
        };
        edits(traced, names, constants).into_iter().map(apply).collect()
    }

    fn texts(input: &str, names: &[&str], constants: &[&str]) -> Vec<String> {
        let bytes = |tokens: &[&str]| -> Vec<Vec<u8>> {
            tokens.iter().map(|token| token.as_bytes().to_vec()).collect()
        };
        let (names, constants) = (bytes(names), bytes(constants));
        let names: Vec<&[u8]> = names.iter().map(|name| &name[..]).collect();
        let constants: Vec<&[u8]> = constants.iter().map(|constant| &constant[..]).collect();
        let made = made(InputKind::Text, input.as_bytes(), &names, &constants);
        made.into_iter().map(|made| String::from_utf8(made).unwrap()).collect()
    }

    #[test]
    fn names_take_the_places_of_whole_words_and_stand_between_them() {
        assert_eq!(
            texts("a-b=c_1\n", &["get"], &[]),
            ["get=c_1\n", "a-b=get\n", "a-b=get=c_1\n", "a-b=c_1\nget\n", "get=a-b=c_1\n"]
        );
        assert_eq!(texts("word", &["get"], &[]), ["get", "word get", "get word"]);
        assert_eq!(texts("größe", &["get"], &[]), ["get", "größe get", "get größe"]);
        assert_eq!(texts("\n", &["get"], &[]), ["get\n"]);
        assert_eq!(texts("", &["get", "put", "get"], &[]), ["get", "put"], "each once");
        assert_eq!(texts("get", &["get"], &[]), ["get get", "get get"], "itself is no change");
    }

    #[test]
    fn constants_are_written_over_what_is_there_and_at_the_end() {
        assert_eq!(texts("12345", &[], &["a+c"]), ["12345a+c", "a+c45", "1a+c5", "12a+c"]);
        assert_eq!(texts("a€b", &[], &["<>."]), ["a€b<>.", "a<>.b"], "no character is torn");
        assert_eq!(texts("..", &[], &["+a", "+bc"]), ["..+bc", "..+a", "+a"], "long ones first");
        assert_eq!(texts("12", &[], &["ab"])[..3], ["ab", "12 ab", "ab 12"], "words as names");
        let long = "x".repeat(39);
        assert_eq!(texts(&long, &["get"], &["+-"]), [] as [&str; 0], "nothing is too long");
        assert!(made(InputKind::Text, b"a", &[b"\xff\xff"], &[b"\xff\xfe"]).is_empty());
        assert_eq!(made(InputKind::Bytes, b"a", &[], &[b"\xff\xfe"])[0], b"\xff\xfe");
    }

    #[test]
    fn many_names_have_their_turn_in_some_place() {
        let names: Vec<String> = (0..100).map(|n| format!("n{n:03}")).collect();
        let names: Vec<&str> = names.iter().map(|name| &**name).collect();
        let all = texts("a b c d e f", &names, &[]);
        assert!(all.len() > MAX_AMONG_WORDS - 20 && all.len() <= MAX_AMONG_WORDS);
        let is_tried = |name: &&&str| all.iter().any(|made| made.contains(**name));
        assert!(names.iter().filter(is_tried).count() > 90);
        for place in 0..6 {
            let is_there = |made: &&String| made.split(' ').nth(place) == Some("n000");
            assert!(all.iter().any(|made| is_there(&made)), "the first of them everywhere");
        }
    }

    proptest! {
        #[test]
        fn edits_are_few_and_keep_text_text(
            input in "[a-zß€. \n]{0,60}",
            names in prop::collection::vec(".{0,50}", 0..300),
            constants in prop::collection::vec(any::<Vec<u8>>(), 0..30),
        ) {
            let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
            let constants: Vec<&[u8]> = constants.iter().map(|constant| &constant[..]).collect();
            let all = made(InputKind::Text, input.as_bytes(), &names, &constants);
            prop_assert!(all.len() <= MAX_AMONG_WORDS + MAX_OVER);
            for made in all {
                prop_assert!(made.len() <= 40);
                prop_assert!(String::from_utf8(made).is_ok());
            }
        }

        #[test]
        fn bytes_are_no_problem(input: Vec<u8>, name: Vec<u8>) {
            for made in made(InputKind::Bytes, &input, &[&name], &[&name]) {
                prop_assert!(made.len() <= 40);
            }
        }
    }
}
