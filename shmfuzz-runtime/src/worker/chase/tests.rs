//! Programs whose comparisons are traced by hand: whether a search finds the way through them.

use super::*;
use crate::worker::trace::Constant;

/// Stands in for instrumented code.
#[derive(Default)]
pub(super) struct Recorder {
    trace: Trace,
}

impl Recorder {
    pub(super) fn record(&mut self, site: u64, operands: Operands) -> Ordering {
        let nth = self.trace.events.iter().filter(|event| event.site == site).count() as u32;
        let order = operands.order();
        self.trace.events.push(Event { site, nth, operands });
        order
    }

    /// Compares a value with a constant.
    pub(super) fn constant(&mut self, site: u64, constant: u64, value: u64, width: u8) -> Ordering {
        let operands = Operands::Int { a: constant, b: value, width, constant: Constant::First };
        self.record(site, operands).reverse()
    }

    /// Compares two values.
    pub(super) fn values(&mut self, site: u64, a: u64, b: u64, width: u8) -> Ordering {
        self.record(site, Operands::Int { a, b, width, constant: Constant::None })
    }

    /// As slices are compared: lengths first.
    pub(super) fn slices(&mut self, site: u64, a: &[u8], b: &[u8]) -> bool {
        self.constant(site, b.len() as u64, a.len() as u64, 8).is_eq()
            && self.record(site + 1, Operands::Bytes { a: a.into(), b: b.into() }).is_eq()
    }
}

/// Whether a program gets to its end.
pub(super) type Program = fn(&[u8], &mut Recorder) -> bool;

/// What an input's comparisons are.
pub(super) fn node(program: Program, input: &[u8]) -> Node {
    let mut recorder = Recorder::default();
    program(input, &mut recorder);
    Node { input: input.to_vec(), trace: recorder.trace }
}

/// Does a part of a search through a program; -> also how many executions it took.
pub(super) fn chased<T>(program: Program, part: impl FnOnce(&mut Chase<'_>) -> T) -> (T, u64) {
    let mut frontier = Frontier::default();
    let mut run = |input: &[u8], trace: &mut Trace| {
        *trace = node(program, input).trace;
        ControlFlow::Continue(())
    };
    let limits = Limits {
        kind: InputKind::Bytes,
        shape: None,
        max_len: 4096,
        n_runs: 100_000,
        max_attempts: 3,
    };
    let mut chase = Chase::new(limits, &mut frontier, &mut run);
    let made = part(&mut chase);
    (made, limits.n_runs - chase.n_left)
}

fn solves_in(kind: InputKind, start: &[u8], n_runs: u64, program: Program) -> Option<Vec<u8>> {
    let mut frontier = Frontier::default();
    let mut found = None;
    let mut recorder = Recorder::default();
    program(start, &mut recorder);
    for event in &recorder.trace.events {
        frontier.note(event);
    }
    let mut run = |input: &[u8], trace: &mut Trace| {
        let mut recorder = Recorder::default();
        if program(input, &mut recorder) {
            found = Some(input.to_vec());
            return ControlFlow::Break(());
        }
        *trace = recorder.trace;
        ControlFlow::Continue(())
    };
    let limits = Limits { kind, shape: None, max_len: 4096, n_runs, max_attempts: 3 };
    let n = Chase::new(limits, &mut frontier, &mut run).search(start, recorder.trace);
    assert!(n <= n_runs, "{n} executions of {n_runs}");
    found
}

fn check(start: &[u8], program: Program) {
    let found = solves_in(InputKind::Bytes, start, 20_000, program);
    assert!(found.is_some(), "not solved");
}

fn check_text(start: &str, program: Program) {
    let found = solves_in(InputKind::Text, start.as_bytes(), 20_000, program);
    let found = found.expect("not solved");
    assert!(String::from_utf8(found).is_ok());
}

fn word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

fn crc32(bytes: &[u8]) -> u64 {
    let mut crc = !0u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    u64::from(!crc)
}

#[test]
fn a_magic_inside_data_with_a_checksum_is_found() {
    check(b"", |d, rec| {
        if rec.constant(1, 12, d.len() as u64, 8).is_lt() {
            return false;
        }
        let (body, tail) = d.split_at(d.len() - 4);
        rec.values(2, crc32(body), word(tail), 4).is_eq()
            && rec.constant(3, 0x0bad_f00d, word(&body[..4]), 4).is_eq()
    });
}

#[test]
fn a_checksum_compared_by_its_difference_is_made_right() {
    // As compilers turn `!crc == tail` around.
    check(b"", |d, rec| {
        if rec.constant(1, 12, d.len() as u64, 8).is_lt() {
            return false;
        }
        let (body, tail) = d.split_at(d.len() - 4);
        rec.constant(2, 0xffff_ffff, crc32(body) ^ word(tail) ^ 0xffff_ffff, 4).is_eq()
            && rec.constant(3, 0x0bad_f00d, word(&body[..4]), 4).is_eq()
    });
}

#[test]
fn a_checksum_after_a_magic_is_made_right_again() {
    check(b"0000000000000000", |d, rec| {
        if rec.constant(1, 16, d.len() as u64, 8).is_ne() {
            return false;
        }
        let sum = d[..12].iter().map(|byte| u64::from(*byte)).sum::<u64>();
        let magic = rec.constant(2, 0x1234_5678, word(&d[..4]), 4);
        let second = rec.constant(3, 0xcafe, word(&d[4..6]), 2);
        let is_right = rec.values(4, sum, word(&d[12..]), 4).is_eq();
        magic.is_eq() && second.is_eq() && is_right
    });
}

#[test]
fn nested_lengths_are_kept_consistent() {
    check(b"", |d, rec| {
        if rec.constant(1, 3, d.len() as u64, 8).is_lt()
            || rec.constant(2, u64::from(b'L'), u64::from(d[0]), 1).is_ne()
        {
            return false;
        }
        let len = word(&d[1..3]);
        if rec.constant(3, 8, len, 8).is_lt() || rec.values(4, d.len() as u64, 3 + len, 8).is_ne() {
            return false;
        }
        let rest = &d[3..];
        let magic = u64::from(u32::from_be_bytes(rest[..4].try_into().unwrap()));
        if rec.constant(5, 0xcafe_babe, magic, 4).is_ne() {
            return false;
        }
        let n = u64::from(rest[4]);
        if rec.values(6, 5 + n, rest.len() as u64, 8).is_gt() {
            return false;
        }
        rec.slices(7, &rest[5..5 + n as usize], b"inner-secret")
    });
}

#[test]
fn values_computed_from_the_input_are_solved() {
    check(b"abcdefgh", |d, rec| {
        let n = d.len() as u64;
        rec.constant(1, 8, n, 8).is_eq()
            && rec
                .constant(
                    2,
                    0xdead_beef,
                    u64::from((word(&d[..4]) as u32).rotate_left(7)) ^ 0x5555_5555,
                    4,
                )
                .is_eq()
    });
    check(b"abcdefgh", |d, rec| rec.constant(1, 0x0bad_cafe, crc32(d), 4).is_eq());
    check(b"abcdefgh", |d, rec| {
        rec.constant(1, 1500, d.iter().map(|byte| u64::from(*byte)).sum(), 4).is_eq()
    });
    check(&[7; 200], |d, rec| {
        if rec.constant(1, 180, d.len() as u64, 8).is_lt() {
            return false;
        }
        rec.constant(2, 0x1234_5678, word(&d[170..174]) ^ 0xffff_0000, 4).is_eq()
    });
}

#[test]
fn products_and_sums_of_products_are_inverted() {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    check(b"01234567", |d, rec| {
        let Some(word) = d.first_chunk::<8>() else { return false };
        let product = u64::from_le_bytes(*word).wrapping_mul(ODD);
        rec.constant(1, 0x0123_4567_89ab_cdef, product, 8).is_eq()
    });
    // Big endian, and a factor that is even.
    check(b"0123", |d, rec| {
        let Some(word) = d.first_chunk::<4>() else { return false };
        let product = u32::from_be_bytes(*word).wrapping_mul(0x0808_8405 << 3);
        rec.constant(1, 0x1234_5678, u64::from(product), 4).is_eq()
    });
    // Of two words, and a number in decimal.
    check(b"01234567", |d, rec| {
        let Some(words) = d.first_chunk::<8>() else { return false };
        let [a, b] = [word(&words[..4]) as u32, word(&words[4..]) as u32];
        let sum = a.wrapping_mul(0x6c07_8965).wrapping_add(b.wrapping_mul(0x19_660d << 5));
        rec.constant(1, 0xdead_beef, u64::from(sum), 4).is_eq()
    });
    check_text("n=0000000000", |d, rec| {
        let digits = d.strip_prefix(b"n=");
        let n = digits.and_then(|d| std::str::from_utf8(d).ok()?.parse::<u32>().ok());
        n.is_some_and(|n| {
            let product = n.wrapping_mul(0x9e37_79b1);
            let wanted = 1_234_567_890_u32.wrapping_mul(0x9e37_79b1);
            rec.constant(1, u64::from(wanted), u64::from(product), 4).is_eq()
        })
    });
}

/// Tag, length in two bytes, value; what comes after it.
fn field<'d>(d: &'d [u8], rec: &mut Recorder, site: u64) -> Option<(u8, &'d [u8], &'d [u8])> {
    let len = d.len() as u64;
    if rec.constant(site, 2, len, 8).is_lt() || rec.constant(site + 1, 3, len, 8).is_lt() {
        return None;
    }
    let n = u64::from(d[1]) << 8 | u64::from(d[2]);
    if rec.values(site + 2, len, 3 + n, 8).is_lt() {
        return None;
    }
    Some((d[0], &d[3..3 + n as usize], &d[3 + n as usize..]))
}

/// The value of a field of this tag with nothing after it.
fn only_field<'d>(d: &'d [u8], rec: &mut Recorder, tag: u64, site: u64) -> Option<&'d [u8]> {
    let (own, value, rest) = field(d, rec, site)?;
    let is_only = rec.constant(site + 3, 0, rest.len() as u64, 8).is_eq();
    (is_only && rec.constant(site + 4, tag, u64::from(own), 1).is_eq()).then_some(value)
}

fn nested_fields(d: &[u8], rec: &mut Recorder, site: fn(u64) -> u64) -> bool {
    let Some(outer) = only_field(d, rec, 0x30, site(0)) else { return false };
    let Some((tag, name, rest)) = field(outer, rec, site(10)) else { return false };
    if rec.constant(300, 0x0c, u64::from(tag), 1).is_ne() || !rec.slices(301, name, b"algorithm") {
        return false;
    }
    let Some(inner) = only_field(rest, rec, 0x31, site(20)) else { return false };
    let Some(value) = only_field(inner, rec, 0x04, site(30)) else { return false };
    rec.slices(400, value, b"rot-26/twice")
}

#[test]
fn fields_within_fields_are_made_and_filled() {
    let programs: [Program; 2] = [
        |d, rec| nested_fields(d, rec, |site| site),
        // By one function for all levels.
        |d, rec| nested_fields(d, rec, |_| 0),
    ];
    for program in programs {
        assert!(solves_in(InputKind::Bytes, b"", 2_000, program).is_some(), "not solved");
    }
}

#[test]
fn text_is_solved_in_its_encoding() {
    check(b"01", |d, rec| {
        if d.len() % 2 == 1 {
            return false;
        }
        let units: Vec<u16> = d.chunks_exact(2).map(|pair| word(pair) as u16).collect();
        let Ok(text) = String::from_utf16(&units) else { return false };
        rec.slices(1, text.as_bytes(), "Gr\u{fc}\u{df}e \u{2192}".as_bytes())
    });
    check(b"01234567", |d, rec| {
        let Some(decoded) = base64(d) else { return false };
        rec.slices(1, &decoded, b"open sesame")
    });
    // In the middle of other data, of which the alignment is not known.
    check(b"data:QUJDREVGR0hJSktMTU5PUFFSU1RV", |d, rec| {
        let Some(decoded) = d.strip_prefix(b"data:").and_then(base64) else { return false };
        decoded.len() == 21 && rec.slices(1, &decoded[4..15], b"open sesame")
    });
    check(b"4142434445464748494a", |d, rec| {
        let digit = |d: u8| char::from(d).to_digit(16).map(|d| d as u8);
        let pairs = d.chunks_exact(2).map(|d| Some(digit(d[0])? << 4 | digit(d[1])?));
        let Some(decoded) = pairs.collect::<Option<Vec<u8>>>() else { return false };
        rec.slices(1, &decoded, b"open sesame")
    });
}

/// The text of this alphabet decoded; without padding.
fn base64(d: &[u8]) -> Option<Vec<u8>> {
    let (mut made, mut rest, mut n_bits) = (Vec::new(), 0u32, 0);
    for byte in d {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        add_bits(&mut rest, &mut n_bits, u32::from(value), 6, &mut made);
    }
    Some(made)
}

/// Bits are added to those that are left, and whole bytes taken off.
fn add_bits(rest: &mut u32, n_bits: &mut u32, value: u32, n: u32, made: &mut Vec<u8>) {
    *rest = (*rest << n | value) & 0xffff;
    *n_bits += n;
    if *n_bits >= 8 {
        *n_bits -= 8;
        made.push((*rest >> *n_bits) as u8);
    }
}

#[test]
fn a_string_combined_with_a_key_takes_few_executions() {
    let program: Program = |d, rec| {
        let mixed: Vec<u8> = d.iter().zip(0x5a..).map(|(byte, key)| byte ^ key).collect();
        rec.slices(1, &mixed, b"hidden password")
    };
    assert!(solves_in(InputKind::Bytes, b"0123", 150, program).is_some());
}

#[test]
fn words_are_found_by_their_hashes() {
    fn fnv(d: &[u8]) -> u64 {
        let step = |h: u32, b: &u8| (h ^ u32::from(*b)).wrapping_mul(0x0100_0193);
        u64::from(d.iter().fold(0x811c_9dc5, step))
    }
    fn djb2(d: &[u8]) -> u64 {
        u64::from(d.iter().fold(5381u32, |h, b| h.wrapping_mul(33) ^ u32::from(*b)))
    }
    check(b"01234567", |d, rec| {
        d.len() >= 4 && rec.constant(1, fnv(b"SEND"), fnv(&d[..4]), 4).is_eq() && d[4..].len() > 3
    });
    check_text("cmd=abcdefg", |d, rec| {
        d.len() == 11 && rec.constant(1, djb2(b"reboot!"), djb2(&d[4..]), 4).is_eq()
    });
}

#[test]
fn text_is_solved_as_text() {
    check_text("id=0000017;", |d, rec| {
        let digits = d.strip_prefix(b"id=").and_then(|d| d.strip_suffix(b";"));
        let n = digits.and_then(|d| std::str::from_utf8(d).ok()?.parse::<u64>().ok());
        n.is_some_and(|n| rec.constant(1, 90_210, n, 8).is_eq())
    });
    check_text("Lorem ipsum dolor sit amet", |d, rec| {
        let lower = d[6..11.min(d.len())].to_ascii_lowercase();
        rec.slices(1, &lower, b"tango")
    });
    check_text("XYZ", |d, rec| {
        let shifted: Vec<u8> = d.iter().map(|byte| byte.wrapping_add(13) ^ 2).collect();
        rec.slices(1, &shifted, b"rotated")
    });
}

#[test]
fn the_length_of_a_field_in_the_middle_is_changed() {
    check_text("{\"ab\": 1, \"c\": 2}", |d, rec| {
        let mut parts = d.split(|byte| *byte == b'"');
        let key = parts.nth(1).unwrap_or_default();
        rec.slices(1, key, b"version")
    });
}

#[test]
fn a_word_compared_character_by_character_is_spelled_out() {
    check_text("zzzz", |d, rec| {
        let wanted = b"KEYWORD";
        for (i, byte) in wanted.iter().enumerate() {
            let lower = |byte: u8| u64::from(byte.to_ascii_lowercase());
            let Some(own) = d.get(i) else {
                rec.values(2, d.len() as u64, wanted.len() as u64, 8);
                return false;
            };
            if rec.values(1, lower(*own), lower(*byte), 1).is_ne() {
                return false;
            }
        }
        true
    });
}

#[test]
fn a_search_ends_where_nothing_can_be_solved() {
    let program: Program = |d, rec| {
        let hash =
            d.iter().fold(7u64, |h, byte| (h ^ u64::from(*byte)).wrapping_mul(0x1_0000_01b3));
        rec.constant(1, 12345, hash, 8).is_eq()
    };
    assert_eq!(solves_in(InputKind::Bytes, &[b'x'; 3000], 100_000, program), None);
    assert_eq!(solves_in(InputKind::Bytes, b"", 10, program), None);
}

#[test]
fn what_no_input_decides_takes_nothing_from_the_rest() {
    let program: Program = |d, rec| {
        if rec.constant(1, 8, d.len() as u64, 8).is_lt() {
            return false;
        }
        let is_found = rec.constant(2, 0x0bad_cafe, crc32(&d[..8]), 4).is_eq();
        // Sizes of memory, and a counter.
        for site in 0..8 {
            rec.constant(10 + site, i64::MAX as u64 >> site, 4, 8);
            rec.values(20 + site, 8, i64::MAX as u64 - 7, 8);
            rec.constant(30 + site, 77 + site, 3, 4);
        }
        is_found
    };
    assert!(solves_in(InputKind::Bytes, b"abcdefgh", 400, program).is_some());
}

#[test]
fn what_a_mutation_breaks_is_made_right_on_every_level() {
    fn field<'d>(d: &'d [u8], rec: &mut Recorder) -> Option<(&'d [u8], &'d [u8])> {
        if rec.constant(1, 2, d.len() as u64, 8).is_lt()
            || rec.constant(2, 0x30, u64::from(d[0]), 1).is_ne()
        {
            return None;
        }
        let n = u64::from(d[1]);
        if rec.values(3, n, d.len() as u64 - 2, 8).is_gt() {
            return None;
        }
        Some(d[2..].split_at(n as usize))
    }
    let program: Program = |d, rec| {
        let mut part = d;
        for level in 0..3 {
            let Some((inner, rest)) = field(part, rec) else { return false };
            if rec.constant(10 + level, 0, rest.len() as u64, 8).is_ne() {
                return false;
            }
            part = inner;
        }
        rec.record(20, Operands::Bytes { a: part.into(), b: (*b"abX").into() }).is_eq()
    };
    let start = [0x30, 6, 0x30, 4, 0x30, 2, b'a', b'b'];
    let mutant = [&start[..], b"X"].concat();
    let mut recorder = Recorder::default();
    program(&start, &mut recorder);
    let mut found = None;
    let mut run = |input: &[u8], trace: &mut Trace| {
        let mut recorder = Recorder::default();
        if program(input, &mut recorder) {
            found = Some(input.to_vec());
            return ControlFlow::Break(());
        }
        *trace = recorder.trace;
        ControlFlow::Continue(())
    };
    let limits =
        Limits { kind: InputKind::Bytes, shape: None, max_len: 100, n_runs: 2000, max_attempts: 3 };
    let mut frontier = Frontier::default();
    Chase::new(limits, &mut frontier, &mut run).mend_mutants(&start, recorder.trace, &[mutant]);
    assert_eq!(found.as_deref(), Some(&[0x30, 7, 0x30, 5, 0x30, 3, b'a', b'b', b'X'][..]));
}

/// Searches as often as there are limits; -> how often each comparison was attempted then, and
/// whether the program got to its end.
fn attempts_after(start: &[u8], all_n_runs: &[u64], program: Program) -> (Vec<u8>, bool) {
    let mut frontier = Frontier::default();
    let mut recorder = Recorder::default();
    program(start, &mut recorder);
    let mut is_found = false;
    for n_runs in all_n_runs {
        let mut run = |input: &[u8], trace: &mut Trace| {
            let mut recorder = Recorder::default();
            is_found |= program(input, &mut recorder);
            *trace = recorder.trace;
            ControlFlow::Continue(())
        };
        let limits = Limits {
            kind: InputKind::Bytes,
            shape: None,
            max_len: 4096,
            n_runs: *n_runs,
            max_attempts: 3,
        };
        Chase::new(limits, &mut frontier, &mut run).search(start, recorder.trace.clone());
    }
    let events = recorder.trace.events.iter();
    (events.map(|event| frontier.attempts(event)).collect(), is_found)
}

#[test]
fn what_there_was_no_room_to_look_at_was_not_attempted() {
    let program: Program = |d, rec| {
        for site in 0..3 {
            rec.constant(site, 1 << 40, crc32(d), 8);
        }
        false
    };
    let start = [b'x'; 60];
    let least = effects::least_runs(start.len());
    assert_eq!(attempts_after(&start, &[least - 1], program).0, [0; 3]);
    assert_eq!(attempts_after(&start, &[least - 1; 4], program).0, [1; 3], "but begun");
    assert_eq!(attempts_after(&start, &[20_000], program).0, [1; 3]);
    // What the bytes of a long input do takes more than what its stretches do.
    let long = [b'x'; 200];
    let least = effects::least_runs(long.len());
    assert_eq!(attempts_after(&long, &[least; 2], program).0, [0; 3]);
    assert_eq!(attempts_after(&long, &[20_000; 2], program).0, [2; 3]);
}

#[test]
fn without_room_to_look_at_what_matters_all_targets_are_tried_by_their_places() {
    let program: Program = |d, rec| {
        let is_found = rec.constant(1, 0x0bad_cafe, word(&d[..4]), 4).is_eq();
        for site in 2..9 {
            rec.constant(site, 1 << 40, crc32(d) << 1, 8);
        }
        is_found
    };
    let start: Vec<u8> = (0..90).collect();
    assert!(attempts_after(&start, &[60], program).1);
}
