//! The minimizer as a whole, over failures whose smallest input is known.

use super::*;
use proptest::prelude::*;

fn minimize(input: &[u8], kind: InputKind, fails: impl Fn(&[u8]) -> bool) -> (Vec<u8>, usize) {
    assert!(fails(input));
    let mut minimizer = Minimizer::new(input, kind, None, Scope::Full);
    let mut n_tries = 0;
    while let Some(candidate) = minimizer.candidate() {
        n_tries += 1;
        if fails(candidate) {
            minimizer.accept();
        } else {
            minimizer.reject();
        }
        assert!(n_tries < 1_000_000, "an end is reached");
    }
    (minimizer.best().to_vec(), n_tries)
}

fn bytes(input: &[u8], fails: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    minimize(input, InputKind::Bytes, fails).0
}

fn text(input: &str, fails: impl Fn(&str) -> bool) -> String {
    let as_text = |input: &[u8]| fails(std::str::from_utf8(input).expect("valid UTF-8"));
    String::from_utf8(minimize(input.as_bytes(), InputKind::Text, as_text).0).unwrap()
}

fn n_ones(input: &[u8], one: u8) -> usize {
    input.iter().filter(|b| **b == one).count()
}

#[test]
fn the_cases_of_go_come_out_as_in_go() {
    let ones = [[0, 0, 1, 0].as_slice(), &[1; 3], &[0, 1]].concat();
    assert_eq!(bytes(&ones, |b| n_ones(b, 1) >= 3), [1, 1, 1]);
    assert_eq!(bytes(&[1, 2, 3, 4, 5], |b| b.len() >= 2 && b != [1, 2]), b"00");
    let set = |b: &[u8]| b == [0, 1, 2, 3, 4, 5] || b == [0, 4, 5];
    assert_eq!(bytes(&[0, 1, 2, 3, 4, 5], set), [0, 4, 5]);
    assert_eq!(bytes("ปเปล่า".as_bytes(), |b| b.len() >= 3), b"000");
    assert_eq!(text("001010001000000000000000000", |t| n_ones(t.as_bytes(), b'1') >= 3), "111");
    assert_eq!(text("zzzzz", |t| t.len() == 5), "00000");
    let letter = |t: &str| t.chars().next().is_some_and(char::is_alphabetic);
    assert_eq!(text("ZZZZZ", letter), "A");
}

#[test]
fn the_half_that_matters_is_found_in_few_tries() {
    let input = [[b'x'; 50], [b'!'; 50]].concat();
    let (best, n_tries) = minimize(&input, InputKind::Bytes, |b| n_ones(b, b'!') == 50);
    assert_eq!(best, [b'!'; 50]);
    assert!(n_tries < 20_000, "{n_tries} tries");
}

#[test]
fn a_long_input_is_made_simple_in_few_tries() {
    // Each try that fails may cost a process.
    let input: Vec<u8> = (0..4000u32).map(|n| (n % 251) as u8).collect();
    let fails = |b: &[u8]| b.len() == 4000 && b[1700] == input[1700];
    let mut minimizer = Minimizer::new(&input, InputKind::Bytes, None, Scope::Full);
    let (mut n_accepted, mut n_tries) = (0, 0);
    while let Some(candidate) = minimizer.candidate() {
        n_tries += 1;
        if fails(candidate) {
            n_accepted += 1;
            minimizer.accept();
        } else {
            minimizer.reject();
        }
    }
    assert_eq!(n_ones(minimizer.best(), b'0'), 3999);
    assert!(n_accepted < 40, "{n_accepted}");
    assert!(n_tries < 150_000, "{n_tries}");
}

#[test]
fn text_shrinks_by_characters() {
    assert_eq!(text("añ€😀b", |t| t.chars().count() >= 2), "00");
    assert_eq!(text("añ€😀b", |t| t.contains('€')), "€");
}

/// Whether brackets are balanced, and how deep they are.
fn depth(input: &[u8]) -> Option<usize> {
    let (mut now, mut most) = (0usize, 0);
    for byte in input {
        match byte {
            b'[' => now += 1,
            b']' => now = now.checked_sub(1)?,
            _ => {}
        }
        most = most.max(now);
    }
    (now == 0).then_some(most)
}

#[test]
fn nesting_goes_by_levels() {
    let input = format!("{}1,[2]{}", "[".repeat(3000), "]".repeat(3000));
    let fails = |b: &[u8]| depth(b).is_some_and(|depth| depth >= 40);
    let (best, n_tries) = minimize(input.as_bytes(), InputKind::Bytes, fails);
    assert_eq!(best, format!("{}{}", "[".repeat(40), "]".repeat(40)).as_bytes());
    assert!(n_tries < 100_000, "{n_tries} tries");
}

#[test]
fn a_block_in_blocks_shrinks_with_all_lengths() {
    // Tag, length, content; the innermost block of tag 7 fails whatever it holds.
    fn fails(input: &[u8]) -> bool {
        match input {
            [7, len, rest @ ..] => rest.len() == usize::from(*len),
            [tag, len, rest @ ..] if tag % 2 == 0 && rest.len() >= usize::from(*len) => {
                let (content, after) = rest.split_at(usize::from(*len));
                // A block of tag 8 must be all there is.
                (*tag != 8 || after.is_empty()) && (fails(content) || fails(after))
            }
            _ => false,
        }
    }
    let input = b"\x08\x0f\x02\x03abc\x08\x08\x02\x00\x07\x04word";
    assert_eq!(bytes(input, fails), b"\x07\x00");
}

#[test]
fn lines_and_items_go_whole() {
    // Lines must have two items each, so that no part of one can go.
    let well_formed = |t: &str| t.lines().all(|line| line.split(',').count() == 2);
    let input = "one,two\nthree,four\nfive,bug\nsix,seven\n";
    assert_eq!(text(input, |t| well_formed(t) && t.contains("bug")), ",bug");
}

#[test]
fn a_count_and_what_it_counts_change_together() {
    let fails =
        |b: &[u8]| b.len() > 3 && usize::from(b[0]) == b.len() - 1 && b[3..].contains(&b'!');
    let input = [&[40u8][..], &[b'x'; 39], b"!"].concat();
    assert_eq!(bytes(&input, fails), b"\x0300!");
}

#[test]
fn one_byte_takes_the_place_of_two() {
    let fails = |b: &[u8]| matches!(b.strip_prefix(b"ASSERT"), Some(b" a]" | b" 0]" | b"*]"));
    assert_eq!(bytes(b"ASSERT a]", fails), b"ASSERT*]");
}

#[test]
fn numbers_become_small() {
    let at_least = |t: &str, n: u64| t.parse::<u64>().is_ok_and(|m| m >= n);
    assert_eq!(text("98765", |t| at_least(t, 517)), "517");
    assert_eq!(text("98765", |t| t.len() == 5 && at_least(t, 42)), "00042");
}

#[test]
fn asking_again_gives_the_same_candidate() {
    for scope in [Scope::Shorten, Scope::Full] {
        let mut minimizer = Minimizer::new(b"abcd", InputKind::Bytes, None, scope);
        let first = minimizer.candidate().unwrap().to_vec();
        assert_eq!(minimizer.candidate().unwrap(), first);
        minimizer.accept();
        assert_eq!(minimizer.best(), first);
    }
}

#[test]
fn nothing_is_proposed_for_nothing() {
    for scope in [Scope::Shorten, Scope::Full] {
        assert_eq!(Minimizer::new(b"", InputKind::Text, None, scope).candidate(), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn nothing_that_is_left_could_go(input in prop::collection::vec(0u8..4, 1..40), need in 0usize..10) {
        let need = need.min(n_ones(&input, 3));
        let best = bytes(&input, |b| n_ones(b, 3) >= need);
        prop_assert_eq!(best, vec![3; need]);
    }

    /// Whatever fails, by a rule without rhyme or reason.
    #[test]
    fn no_single_byte_can_go_at_the_end(input in prop::collection::vec(any::<u8>(), 1..100), salt: u64) {
        let hash = |b: &[u8]| b.iter().fold(salt, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3).rotate_left(23));
        let fails = |b: &[u8]| b == input || hash(b) % 8 == 0;
        let best = bytes(&input, fails);
        prop_assert!(best == input || best.len() <= input.len());
        for at in 0..best.len() {
            prop_assert!(!fails(&[&best[..at], &best[at + 1..]].concat()), "{:?} without {}", best, at);
        }
    }

    #[test]
    fn no_single_character_can_go_at_the_end(input in "[aß€\\[\\]7,\n]{1,40}", need in "[aß€7]") {
        let fails = |t: &str| t == input || t.contains(&need) && t.chars().count() % 3 == 1;
        let best = text(&input, fails);
        for (at, c) in best.char_indices() {
            let shorter = [&best[..at], &best[at + c.len_utf8()..]].concat();
            prop_assert!(!fails(&shorter), "{:?} without {}", best, at);
        }
    }

    #[test]
    fn candidates_of_text_are_text_and_none_comes_twice(input in "[aß€😀\\[\\],7]{0,20}", answers: Vec<bool>) {
        let mut minimizer = Minimizer::new(input.as_bytes(), InputKind::Text, None, Scope::Full);
        let mut answers = answers.into_iter();
        let mut all = std::collections::HashSet::new();
        let mut best = input.clone().into_bytes();
        while let Some(candidate) = minimizer.candidate() {
            prop_assert!(std::str::from_utf8(candidate).is_ok());
            prop_assert!(simple::is_simpler(candidate, &best));
            prop_assert!(all.insert(candidate.to_vec()));
            if answers.next().unwrap_or(false) {
                best = candidate.to_vec();
                minimizer.accept();
            } else {
                minimizer.reject();
            }
        }
    }
}
