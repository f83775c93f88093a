//! Tables of constants in read-only data: keywords that are looked up, and sorted integers. Pure:
//! memory is a function.
//!
//! A program that looks a keyword up, by binary search or by its hash, compares its input with few
//! of the keywords or with none, so comparisons do not tell them. The table does: an array whose
//! elements hold pointers to text with their lengths. Invariant: what is read for one table is
//! bounded, whatever stands in memory.

use super::constants::{is_telling, is_word};

/// The most tokens that one table brings: a part of them, spread evenly, if it has more.
pub(super) const MAX_OF_TABLE: usize = 64;
/// The longest table that is read whole, in bytes.
const MAX_TABLE: usize = 1 << 16;
/// How much of what may be a table is looked at first, in words.
const HEAD: usize = 40;
/// How many elements are looked at to tell that it is one: two or three must hold text.
const N_TELLING: usize = 4;
/// The longest element, in words.
const MAX_STRIDE: usize = 8;
/// Where the first pointer stands at most, in words.
const MAX_FIRST: usize = 3;
/// The longest string that an element may hold, and what of it is looked at, in bytes.
const MAX_STRING: usize = 1 << 10;
const MAX_TOKEN: usize = 48;
/// How far the header of a map is searched for its table, in words.
const HEADER: usize = 8;
/// How many integers a table has: larger ones are for computing.
const INTEGERS: std::ops::RangeInclusive<usize> = 4..=32;

/// Read-only memory.
#[derive(Clone, Copy)]
pub(super) struct Memory<'a> {
    /// The bytes at an address, as many as there are.
    pub(super) read: &'a dyn Fn(u64, usize) -> Vec<u8>,
    /// Whether there is at least one byte at an address.
    pub(super) is_data: &'a dyn Fn(u64) -> bool,
    /// Whether code stands at an address.
    pub(super) is_code: &'a dyn Fn(u64) -> bool,
}

/// A table that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    /// Where it stands.
    pub(super) start: u64,
    /// Where it ends.
    pub(super) end: u64,
    /// What its elements hold, in order; some of it if there is much.
    pub(super) tokens: Vec<Box<[u8]>>,
}

/// The table that stands at an address, or that a header there points to.
pub(super) fn find(address: u64, memory: Memory<'_>) -> Option<Table> {
    strings(address, usize::MAX, memory)
        .or_else(|| behind(address, memory))
        .or_else(|| integers(address, memory))
}

/// What one element is made of, in words.
#[derive(Clone, Copy)]
struct Layout {
    stride: usize,
    first: usize,
}

/// An array of so many elements at most, which hold strings.
fn strings(address: u64, max_rows: usize, memory: Memory<'_>) -> Option<Table> {
    let head = words(address, HEAD, memory);
    let texts: Vec<bool> = (0..head.len()).map(|at| text(&head, at, memory).is_some()).collect();
    let is_text = |at: usize| texts.get(at) == Some(&true);
    // How many elements fit, and how many of them hold text.
    let fits = |layout: &Layout| {
        let rows = (layout.first..).step_by(layout.stride).take(N_TELLING.min(max_rows));
        let rows = rows.take_while(|at| is_text(*at) || is_empty_string(&head, *at, memory));
        rows.fold((0, 0), |(n, n_texts), at| (n + 1, n_texts + usize::from(is_text(at))))
    };
    let layouts = (2..=MAX_STRIDE)
        .flat_map(|stride| (0..=MAX_FIRST).map(move |first| Layout { stride, first }));
    // The shortest elements of those that fit best: twice the stride fits as well.
    let layout = layouts.rev().max_by_key(fits)?;
    if fits(&layout).1 < if layout.first == 0 { 2 } else { 3 } {
        return None;
    }
    let Layout { stride, first } = layout;
    let is_column =
        |column: &usize| *column == first || (is_text(*column) && is_text(column + stride));
    let columns: Vec<usize> = (first..first + stride - 1).filter(is_column).collect();
    let all = words(address, MAX_TABLE / 8, memory);
    let rows = (first..all.len()).step_by(stride).take(max_rows);
    let n = rows.take_while(|at| may_be_string(&all, *at, memory)).count();
    let n_sampled = n.min((MAX_OF_TABLE / columns.len()).max(1));
    let mut tokens: Vec<Box<[u8]>> = Vec::new();
    for row in (0..n_sampled).map(|i| i * n / n_sampled) {
        for column in &columns {
            let token = text(&all, row * stride + column, memory);
            let token = token.filter(|text| text.len() <= MAX_TOKEN && is_word(text));
            if let Some(token) = token.map(Vec::into_boxed_slice) {
                if !tokens.contains(&token) {
                    tokens.push(token);
                }
            }
        }
    }
    Some(Table { start: address, end: address + 8 * (first + n * stride) as u64, tokens })
}

/// The array to which a header points, as that of a perfect hash map or a slice does.
fn behind(address: u64, memory: Memory<'_>) -> Option<Table> {
    let head = words(address, HEADER, memory);
    head.windows(2).find_map(|pair| {
        let [target, n] = pair else { return None };
        let n = usize::try_from(*n).ok().filter(|n| (2..=MAX_TABLE).contains(n))?;
        (target % 8 == 0 && *target != address).then(|| strings(*target, n, memory)).flatten()
    })
}

/// Integers of four bytes in ascending order, as a search wants them, in both orders of bytes.
/// What is neither sorted nor text is no table that can be told from other data.
fn integers(address: u64, memory: Memory<'_>) -> Option<Table> {
    if address % 4 != 0 {
        return None;
    }
    let data = (memory.read)(address, 4 * (INTEGERS.end() + 1));
    let all: Vec<u32> = data
        .chunks_exact(4)
        .map(|bytes| bytes.iter().rev().fold(0, |n, byte| n << 8 | u32::from(*byte)))
        .collect();
    // Two of them may be an address, which follows them in a table of another kind.
    let pads = (8 - address as usize % 8) % 8;
    let is_address = |word: &[u8]| {
        let value = word.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte));
        value >> 32 != 0 && ((memory.is_code)(value) || (memory.is_data)(value))
    };
    let words = data.get(pads..).unwrap_or_default();
    let n_before = words.chunks_exact(8).position(is_address).map(|n| pads / 4 + 2 * n);
    let n = 1 + all.windows(2).take_while(|pair| pair[0] < pair[1]).count();
    let n = n.min(n_before.unwrap_or(n));
    // What is left is text, a table of jumps relative to itself, or sizes and masks.
    let is_text = data.iter().take(8).all(|byte| (b' '..=b'~').contains(byte));
    let is_jump = all
        .iter()
        .take(n)
        .any(|n| (memory.is_code)(address.wrapping_add_signed(i64::from(*n as i32))));
    let telling: Vec<u32> =
        all.into_iter().take(n).filter(|n| is_telling(&n.to_le_bytes())).collect();
    if !INTEGERS.contains(&n) || is_text || is_jump || 2 * telling.len() < n.max(6) {
        return None;
    }
    let both = |n: &u32| [n.to_le_bytes(), n.to_be_bytes()].map(Box::<[u8]>::from);
    let tokens = telling.iter().flat_map(both).collect();
    Some(Table { start: address, end: address + 4 * n as u64, tokens })
}

/// So many words at an address, or as many as there are.
fn words(address: u64, n: usize, memory: Memory<'_>) -> Vec<u64> {
    if address % 8 != 0 {
        return Vec::new();
    }
    let bytes = (memory.read)(address, 8 * n);
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte));
    bytes.chunks_exact(8).map(word).collect()
}

/// The string that a pointer and a length stand for; `None` unless it is text, and no source path.
fn text(words: &[u64], at: usize, memory: Memory<'_>) -> Option<Vec<u8>> {
    let (pointer, len) = (*words.get(at)?, usize::try_from(*words.get(at + 1)?).ok()?);
    if !(1..=MAX_STRING).contains(&len) {
        return None;
    }
    let bytes = (memory.read)(pointer, len);
    let text = std::str::from_utf8(&bytes).ok().filter(|text| {
        text.len() == len
            && !text.ends_with(".rs")
            && !text.chars().any(|c| c.is_control() && !c.is_ascii_whitespace())
    });
    text.is_some().then_some(bytes)
}

/// Whether these are the pointer and the length of an empty string.
fn is_empty_string(words: &[u64], at: usize, memory: Memory<'_>) -> bool {
    let [Some(pointer), Some(0)] = [words.get(at), words.get(at + 1)] else { return false };
    *pointer == 1 || (memory.is_data)(*pointer)
}

/// Whether these may be a pointer and a length.
fn may_be_string(words: &[u64], at: usize, memory: Memory<'_>) -> bool {
    let (Some(pointer), Some(len)) = (words.get(at), words.get(at + 1)) else { return false };
    is_empty_string(words, at, memory) || (*len <= MAX_STRING as u64 && (memory.is_data)(*pointer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cell::Cell;

    const BASE: u64 = 0x5555_0000;

    /// Memory from [`BASE`] on; what lies beyond is not mapped. Also returns how many bytes were
    /// asked for, whether they are there or not.
    fn in_memory<T>(bytes: &[u8], use_it: impl FnOnce(Memory<'_>) -> T) -> (T, usize) {
        let n_asked = Cell::new(0);
        let rest = |address: u64| {
            let from = address.checked_sub(BASE).and_then(|at| usize::try_from(at).ok());
            from.and_then(|from| bytes.get(from..)).unwrap_or(&[])
        };
        let read = |address: u64, len: usize| {
            n_asked.set(n_asked.get() + len);
            let rest = rest(address);
            rest[..len.min(rest.len())].to_vec()
        };
        let is_data = |address: u64| !rest(address).is_empty();
        let memory = Memory { read: &read, is_data: &is_data, is_code: &|address| address < BASE };
        (use_it(memory), n_asked.get())
    }

    /// The most bytes that are asked for to find one table: what stands at the address, and what
    /// each two words of a header there may point to, are looked at as the head of a table, of
    /// which each word may be a string; one that is a table is read whole; then it is integers.
    const MOST: usize = HEADER * (8 * HEAD + HEAD * MAX_STRING)
        + MAX_TABLE
        + MAX_OF_TABLE * MAX_STRING
        + 8 * HEADER
        + 4 * (*INTEGERS.end() + 1);

    /// An array of elements, each of strings and of other words; the strings stand behind it.
    enum Word<'a> {
        Text(&'a str),
        Other(u64),
    }
    use Word::{Other, Text};

    fn array(words: &[Word<'_>]) -> Vec<u8> {
        let len = |word: &Word<'_>| if let Text(_) = word { 16 } else { 8 };
        let mut texts = Vec::new();
        // An end that no element looks like.
        let start = words.iter().map(len).sum::<usize>() + 128;
        let mut bytes = Vec::new();
        for word in words {
            match word {
                Text(text) => {
                    let place = BASE + (start + texts.len()) as u64;
                    bytes.extend(if text.is_empty() { 1 } else { place }.to_le_bytes());
                    bytes.extend((text.len() as u64).to_le_bytes());
                    texts.extend(text.as_bytes());
                }
                Other(word) => bytes.extend(word.to_le_bytes()),
            }
        }
        bytes.resize(start, 0);
        [bytes, texts].concat()
    }

    fn tokens(memory: &[u8]) -> Vec<String> {
        let (table, _) = in_memory(memory, |memory| find(BASE, memory));
        let tokens = table.map(|table| table.tokens).unwrap_or_default();
        tokens.into_iter().map(|token| String::from_utf8_lossy(&token).into_owned()).collect()
    }

    #[test]
    fn strings_are_found_in_elements_of_every_layout() {
        let plain = array(&[Text("get"), Text("put"), Text("delete")]);
        assert_eq!(tokens(&plain), ["get", "put", "delete"]);
        let with_value =
            array(&[Text("get"), Other(1), Text("put"), Other(2), Text("delete"), Other(1 << 60)]);
        assert_eq!(tokens(&with_value), ["get", "put", "delete"]);
        let behind =
            array(&[Other(7), Text("get"), Other(8), Text("put"), Other(9), Text("delete")]);
        assert_eq!(tokens(&behind), ["get", "put", "delete"]);
        let late = array(&[Other(7), Other(8), Text("get"), Text("put"), Text("delete")]);
        assert_eq!(tokens(&late), ["get", "put", "delete"]);
        let pairs = array(&[
            Text("amp"),
            Text("&"),
            Other(1),
            Text("lt"),
            Text("<<"),
            Other(1),
            Text("gt"),
            Text(">>"),
            Other(1),
        ]);
        assert_eq!(
            tokens(&pairs),
            ["amp", "lt", "<<", "gt", ">>"],
            "one letter is found by chance"
        );
    }

    #[test]
    fn empty_and_long_strings_are_left_out_and_end_no_table() {
        let long = "x".repeat(200);
        let table =
            array(&[Text("get"), Text("put"), Text(""), Text(&long), Text("a"), Text("delete")]);
        assert_eq!(tokens(&table), ["get", "put", "delete"]);
        let second = array(&[Text("get"), Text(""), Text("put"), Text("delete")]);
        assert_eq!(tokens(&second), ["get", "put", "delete"]);
    }

    #[test]
    fn source_places_and_single_strings_are_no_table() {
        let places = array(&[Text("src/a.rs"), Other(5), Text("src/b.rs"), Other(6)]);
        assert!(tokens(&places).is_empty());
        assert!(tokens(&array(&[Text("alone"), Other(0)])).is_empty());
    }

    #[test]
    fn a_table_behind_a_header_is_found() {
        // Key, displacements, entries: as a perfect hash map has them.
        let mut map = array(&[
            Other(0x1234),
            Other(BASE + 8),
            Other(1),
            Other(BASE + 40),
            Other(3),
            Text("get"),
            Text("put"),
            Text("delete"),
            Text("more"),
        ]);
        assert_eq!(tokens(&map), ["get", "put", "delete"], "as many as the header says");
        map[24] += 1;
        assert!(tokens(&map).is_empty(), "words are aligned");
    }

    #[test]
    fn of_a_large_table_some_are_taken_from_all_over() {
        let names: Vec<String> = (0..1000).map(|n| format!("name{n}")).collect();
        let words: Vec<Word<'_>> = names.iter().map(|name| Text(name)).collect();
        let tokens = tokens(&array(&words));
        assert_eq!(tokens.len(), MAX_OF_TABLE);
        assert_eq!(tokens[0], "name0");
        assert!(*tokens[MAX_OF_TABLE - 1] > *"name980", "{tokens:?}");
    }

    fn integers_of(all: &[u32]) -> Option<Vec<Box<[u8]>>> {
        let bytes: Vec<u8> = all.iter().flat_map(|n| n.to_le_bytes()).collect();
        in_memory(&bytes, |memory| integers(BASE, memory)).0.map(|table| table.tokens)
    }

    #[test]
    fn sorted_integers_are_found_in_both_orders_of_bytes() {
        let found = integers_of(&[0x1f8b, 0x1234_5678, 0x2345_6789, 0x7f45_4c46, 3]).unwrap();
        assert_eq!(found.len(), 6, "what is small is none");
        assert_eq!((&*found[0], &*found[1]), (&b"\x78\x56\x34\x12"[..], &b"\x12\x34\x56\x78"[..]));
        assert_eq!(integers_of(&[0x2345_6789, 0x1234_5678, 0x7f45_4c46, 0x3333_4444]), None);
        assert_eq!(integers_of(&[1, 2, 3, 4, 5, 6]), None);
        let large: Vec<u32> = (0..100).map(|n| 0x1234_5678 + n * 0x0101_0101).collect();
        assert_eq!(integers_of(&large), None, "large ones are for computing");
        let jumps = [0xfffe_1234, 0xfffe_2345, 0xfffe_3456, 0xfffe_4567];
        assert_eq!(integers_of(&jumps), None, "jumps are relative to their table");
        let text: Vec<u32> =
            [b"aaab", b"aaac", b"aaad", b"aaae"].map(|t| u32::from_le_bytes(*t)).into();
        assert_eq!(integers_of(&text), None);
    }

    #[test]
    fn a_table_without_end_is_read_within_bounds() {
        // As long as strings may be, so that each one costs the most.
        let text = "x".repeat(MAX_STRING);
        let n = 3 * MAX_TABLE / 16;
        let element = [BASE + 16 * n as u64, MAX_STRING as u64].map(u64::to_le_bytes).concat();
        let bytes = [&element.repeat(n), text.as_bytes()].concat();
        let (table, n_asked) = in_memory(&bytes, |memory| find(BASE, memory));
        assert_eq!(table.map(|table| table.end - table.start), Some(MAX_TABLE as u64));
        assert!((MAX_TABLE..=MOST).contains(&n_asked), "{n_asked} bytes");
    }

    /// A word of no meaning, or what may be a string.
    fn garbage() -> impl Strategy<Value = Vec<u64>> {
        let texts = BASE + 2 * MAX_TABLE as u64;
        prop_oneof![
            any::<u64>().prop_map(|word| vec![word]),
            (0u64..64).prop_map(|word| vec![word]),
            (0u64..4000).prop_map(|n| vec![BASE + n]),
            (0u64..4000, 0..2 * MAX_STRING as u64).prop_map(move |(at, len)| vec![texts + at, len]),
        ]
    }

    proptest! {
        #[test]
        fn garbage_is_read_within_bounds(
            words in prop::collection::vec(garbage(), 1..200),
            head in 0usize..64,
            offset in 0u64..5000,
        ) {
            // Over and over, so that what looks like a table is longer than what is read of one.
            let words = words.iter().take(head).chain(words.iter().cycle()).flatten();
            let words = words.take(2 * MAX_TABLE / 8);
            let texts = b"text".repeat(2 * MAX_STRING);
            let bytes: Vec<u8> = words.flat_map(|word| word.to_le_bytes()).chain(texts).collect();
            for address in [BASE, BASE + offset, u64::MAX - offset] {
                let (found, n_asked) = in_memory(&bytes, |memory| find(address, memory));
                prop_assert!(n_asked <= MOST, "{n_asked} bytes");
                let Some(table) = found else { continue };
                prop_assert!(table.end - table.start <= MAX_TABLE as u64 + 8 * MAX_STRIDE as u64);
                prop_assert!(table.tokens.len() <= MAX_OF_TABLE);
                prop_assert!(table.tokens.iter().all(|token| token.len() <= MAX_TOKEN));
            }
        }
    }
}
