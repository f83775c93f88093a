//! What edits comparisons suggest, and in which order.

use super::*;
use proptest::prelude::*;

fn int(a: u64, b: u64, width: u8) -> Operands {
    Operands::Int { a, b, width, constant: Constant::First }
}

fn bytes(a: &[u8], b: &[u8]) -> Operands {
    Operands::Bytes { a: a.into(), b: b.into() }
}

fn trace(pairs: &[Operands]) -> Trace {
    let event = |(i, operands): (usize, &Operands)| Event {
        site: i as u64,
        nth: 0,
        operands: operands.clone(),
    };
    Trace { events: pairs.iter().enumerate().map(event).collect(), ..Trace::default() }
}

fn edits_for(traced: Traced<'_>, pairs: &[Operands], dictionary: &mut Dictionary) -> Vec<Edit> {
    edits(traced, &trace(pairs), &Frontier::default(), dictionary)
}

fn of(input: &[u8], pairs: &[Operands]) -> Vec<Edit> {
    let traced = Traced { input, kind: InputKind::Bytes, shape: None, max_len: 64 };
    edits_for(traced, pairs, &mut Dictionary::default())
}

fn of_long(input: &[u8], pairs: &[Operands]) -> Vec<Edit> {
    let traced = Traced { input, kind: InputKind::Bytes, shape: None, max_len: 8192 };
    edits_for(traced, pairs, &mut Dictionary::default())
}

fn replace(at: usize, removed: usize, bytes: &[u8]) -> Edit {
    Edit::Replace { at, removed, bytes: bytes.to_vec() }
}

#[test]
fn operands_are_replaced_in_every_encoding() {
    let input = b"ab\x78\x56\x34\x12..\x12\x34\x56\x78";
    let edits = of(input, &[int(0xdead_beef, 0x1234_5678, 4)]);
    assert!(edits.contains(&replace(2, 4, b"\xef\xbe\xad\xde")));
    assert!(edits.contains(&replace(8, 4, b"\xde\xad\xbe\xef")));
    assert!(of(b"len=17;", &[int(4096, 17, 8)]).contains(&replace(4, 2, b"4096")));
    assert!(of(b"x\x80x", &[int(0x7f, 0xffff_ff80, 4)]).contains(&replace(1, 1, b"\x7f")));
    assert!(of(b"x}", &[int(u64::from(b'{'), u64::from(b'}'), 4)]).contains(&replace(1, 1, b"{")));
}

#[test]
fn parts_of_integers_are_replaced() {
    // `Ok(3_141_592_653)` and `Ok(17)`, with the tag in the lower half; and in the upper one.
    let edits = of(b"len=17;", &[int(3_141_592_653 << 32, 17 << 32, 8)]);
    assert!(edits.contains(&replace(4, 2, b"3141592653")));
    let edits = of(b"len=17;", &[int(1 << 32 | 90_210, 1 << 32 | 17, 8)]);
    assert!(edits.contains(&replace(4, 2, b"90210")));
}

#[test]
fn lengths_are_made_right() {
    let edits = of(b"abc", &[int(19, 3, 8)]);
    assert!(edits.contains(&Edit::Resize(19)));
    assert!(edits.contains(&Edit::Resize(20)));
    assert!(!of(b"abc", &[int(65, 3, 8)]).contains(&Edit::Resize(65)));
}

#[test]
fn strings_are_replaced_or_remembered() {
    let pair = bytes(b"alpha", b"12345");
    assert_eq!(of(b"0123456", std::slice::from_ref(&pair)), [replace(1, 5, b"alpha")]);
    let mut dictionary = Dictionary::default();
    let traced = Traced { input: b"none", kind: InputKind::Bytes, shape: None, max_len: 64 };
    assert_eq!(edits_for(traced, &[pair], &mut dictionary), []);
    assert_eq!(dictionary.len(), 2);
}

#[test]
fn long_inputs_and_many_operands_take_no_more_than_their_bound() {
    let input = vec![b'x'; 1 << 20];
    let pairs: Vec<Operands> = (0..5000).map(|n| int(n + 1_000_000, n, 8)).collect();
    let traced = Traced { input: &input, kind: InputKind::Bytes, shape: None, max_len: 1 << 20 };
    // Ten billion bytes and more would be looked at without the bound.
    assert!(edits_for(traced, &pairs, &mut Dictionary::default()).len() <= MAX_EDITS);
}

#[test]
fn every_comparison_has_its_turn() {
    // Each value stands in many places, and there are more pairs than edits for all of them.
    let input: Vec<u8> = (0..4096u32).map(|i| b'0' + (i % 40) as u8).collect();
    let pairs: Vec<Operands> = (0..40).map(|n| int(0x80 + n, u64::from(b'0') + n, 1)).collect();
    let edits = of_long(&input, &pairs);
    assert_eq!(edits.len(), MAX_EDITS);
    for n in 0..40 {
        let is_for =
            |edit: &&Edit| matches!(edit, Edit::Replace { bytes, .. } if bytes[..] == [0x80 + n]);
        assert!(edits.iter().filter(is_for).count() >= 4);
    }
    let is_late = |edit: &&Edit| matches!(edit, Edit::Replace { at, .. } if *at > 3000);
    assert!(edits.iter().filter(is_late).count() > 50);
}

#[test]
fn a_number_is_replaced_by_all_of_a_table_that_it_was_looked_up_in() {
    let values = (0..200u64).map(|n| 0x1234_0000 + 7 * n);
    let pairs: Vec<Operands> = values
        .clone()
        .map(|value| Operands::Int {
            a: u64::from(u32::from_le_bytes(*b"abcd")),
            b: value,
            width: 4,
            constant: Constant::None,
        })
        .collect();
    let mut trace = trace(&pairs);
    trace.others = trace.events.split_off(48);
    let traced = Traced { input: b"<abcd>", kind: InputKind::Bytes, shape: None, max_len: 64 };
    let edits = edits(traced, &trace, &Frontier::default(), &mut Dictionary::default());
    for value in values {
        let wanted = replace(1, 4, &(value as u32).to_le_bytes());
        assert!(edits.contains(&wanted), "{value:x}");
    }
}

#[test]
fn what_may_replace_something_may_stand_before_it() {
    let replace = |at, removed, bytes: &[u8]| Edit::Replace { at, removed, bytes: bytes.into() };
    let traced = Traced { input: b"{this}", kind: InputKind::Text, shape: None, max_len: 8 };
    let edits = [
        replace(1, 1, b"@"),
        Edit::Resize(3),
        replace(1, 2, b"@"),
        replace(6, 0, b"}"),
        replace(0, 1, b"too"),
    ];
    assert_eq!(insertions(traced, &edits), [replace(1, 0, b"@")]);
}

#[test]
fn long_matches_come_first() {
    let pair = bytes(b"alpha", b"12345");
    let edits = of(b"12345", &[int(u64::from(b'x'), u64::from(b'1'), 1), pair]);
    assert_eq!(edits[0], replace(0, 5, b"alpha"));
}

proptest! {
    #[test]
    fn digits_are_those_of_the_integer(value: u64, shift in 0u32..64) {
        let value = value >> shift;
        let made = [Digits::decimal, Digits::lower_hex, Digits::upper_hex].map(|of| of(value));
        let texts = [value.to_string(), format!("{value:x}"), format!("{value:X}")];
        for (made, text) in made.iter().zip(&texts) {
            prop_assert_eq!(made.as_ref(), text.as_bytes());
        }
    }

    #[test]
    fn edits_of_text_keep_it_text(input: String, a: Vec<u8>, x: u64, y: u64, width in 1u8..=8) {
        let input = input.as_bytes();
        let part = &input[..input.len().min(3)];
        let pairs = [
            bytes(&a, part),
            int(x, u64::from(input.first().copied().unwrap_or(0)), width),
            int(y, input.len() as u64, 8),
        ];
        let traced = Traced { input, kind: InputKind::Text, shape: None, max_len: 64 };
        for edit in edits_for(traced, &pairs, &mut Dictionary::default()) {
            if let Edit::Replace { at, removed, bytes } = edit {
                let made = [&input[..at], &bytes, &input[at + removed..]].concat();
                prop_assert!(String::from_utf8(made).is_ok());
            }
        }
    }
}
