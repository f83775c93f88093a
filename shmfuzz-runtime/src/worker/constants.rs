//! Constants in machine code: what the instructions of a function compare with or hand on. Pure.
//!
//! LLVM reports no comparison of arrays that is done in registers: `a == b"GIF89a"` is one of a
//! 48-bit integer, of which its coverage pass says nothing. But the constant stands in the code.
//! Strings that are searched for stand in read-only data, with address and length in the code.
//! x86-64 only; elsewhere nothing is found. The code is not disassembled: the patterns are those
//! of single instructions at any offset, and what matches by accident is one more token to try.

use std::collections::BTreeSet;

/// A constant or where it stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Found {
    /// Telling bytes, as they stand in memory where they are compared.
    Bytes(Vec<u8>),
    /// A floating-point number in read-only data.
    Number {
        /// The address.
        address: u64,
        /// 4 or 8 bytes.
        len: usize,
    },
    /// Bytes in read-only data.
    At {
        /// The address.
        address: u64,
        /// How many.
        len: usize,
    },
}

/// The shortest token: shorter ones are found by chance.
const MIN_LEN: usize = 3;
/// The longest one.
const MAX_LEN: usize = 48;
/// How far parts of one constant stand apart in the code, in bytes.
const NEAR: usize = 32;
/// How many constants one function yields at most, the first ones. Those in memory are read, and
/// few of them turn out to be text, so this is far more than are wanted.
const MAX_FOUND: usize = 1 << 12;

/// What was found, each constant once.
#[derive(Debug, Default)]
struct Finds {
    in_order: Vec<Found>,
    known: BTreeSet<Found>,
}

impl Finds {
    fn add(&mut self, found: Found) {
        if self.in_order.len() < MAX_FOUND && self.known.insert(found.clone()) {
            self.in_order.push(found);
        }
    }

    fn add_bytes(&mut self, bytes: Vec<u8>) {
        if is_telling(&bytes) {
            self.add(Found::Bytes(bytes));
        }
    }
}

/// The telling constants in `code`, which stands at `address`, in order.
pub(super) fn find(code: &[u8], address: u64) -> Vec<Found> {
    if cfg!(not(target_arch = "x86_64")) {
        return Vec::new();
    }
    let mut found = Finds::default();
    // The last immediate: where it stands, and its value; and the last one of a byte.
    let mut last: Option<(usize, Vec<u8>)> = None;
    let mut last_byte: Option<(usize, u8)> = None;
    let mut next = 0;
    for at in 0..code.len() {
        // With a prefix, an instruction is another one than without.
        if at < next {
            continue;
        }
        let rest = &code[at..];
        if let Some(bytes) = immediate(rest) {
            if let Some((before, first)) = &last {
                // Longer arrays are compared in parts.
                if at - before <= NEAR && first.len() >= 4 && !bytes.is_empty() {
                    found.add_bytes([&first[..], &bytes].concat());
                }
            }
            if let Some((_, byte)) = last_byte.filter(|(before, _)| at - before <= NEAR) {
                if bytes.len() >= 4 {
                    found.add_bytes([&bytes[..], &[byte]].concat());
                }
            }
            found.add_bytes(bytes.clone());
            last = Some((at, bytes));
        } else if let Some(byte) = immediate_byte(rest) {
            match &last {
                // An array of five or nine bytes, most likely.
                Some((before, first)) if at - before <= NEAR && first.len() >= 4 => {
                    found.add_bytes([&first[..], &[byte]].concat());
                }
                _ => last_byte = Some((at, byte)),
            }
        } else if let Some((target, len)) = vector(rest, address.wrapping_add(at as u64)) {
            match len {
                16 => found.add(Found::At { address: target, len }),
                len => found.add(Found::Number { address: target, len }),
            }
            next = at + 3;
        } else if let Some(target) = pointer(rest, address.wrapping_add(at as u64)) {
            let around = &code[at.saturating_sub(NEAR)..code.len().min(at + NEAR)];
            for len in lengths(around) {
                found.add(Found::At { address: target, len });
            }
        }
    }
    found.in_order
}

/// Where `lea` points to, and the length that is stored after it if one is: arrays of strings that
/// a function makes hold pointers and lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    /// The address.
    pub(super) address: u64,
    /// The length, if one is stored nearby.
    pub(super) len: Option<usize>,
}

/// What `code`, which stands at `address`, makes pointers to, in order.
pub(super) fn pointers(code: &[u8], address: u64) -> Vec<Pointer> {
    /// How long `lea` is.
    const LEA: usize = 7;
    if cfg!(not(target_arch = "x86_64")) {
        return Vec::new();
    }
    let target = |at: usize| pointer(&code[at..], address.wrapping_add(at as u64));
    let found = (0..code.len()).filter_map(|at| {
        let address = target(at)?;
        let after = at + LEA..code.len().min(at + LEA + NEAR);
        let until_next = after.take_while(|at| target(*at).is_none());
        let len = until_next.filter_map(|at| stored(&code[at..])).next();
        Some(Pointer { address, len: len.filter(|len| (2..=MAX_LEN).contains(len)) })
    });
    found.collect()
}

/// Whether bytes are worth trying: no mask, no size, no flag.
pub(super) fn is_telling(bytes: &[u8]) -> bool {
    let mut distinct = bytes.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let n_telling =
        distinct.iter().filter(|byte| !matches!(byte, 0 | 1 | 0x7f | 0x80 | 0xfe | 0xff));
    (MIN_LEN..=MAX_LEN).contains(&bytes.len()) && n_telling.count() >= MIN_LEN.min(bytes.len() - 1)
}

/// Whether bytes are text that may stand in an input; no message and no path of a source file.
pub(super) fn is_word(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let n_spaces = text.matches(' ').count();
    text.len() >= 2
        && !text.chars().any(|c| c.is_control() && !c.is_whitespace())
        && n_spaces < 3
        && !text.ends_with(".rs")
}

/// Whether bytes are a vector or a floating-point number worth trying.
pub(super) fn is_value(bytes: &[u8]) -> bool {
    matches!(bytes.len(), 4 | 8 | 16) && is_telling(bytes)
}

/// An integer without the zeros that fill it up.
fn trimmed(bytes: &[u8]) -> Vec<u8> {
    let n = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes[..n].to_vec()
}

/// The integer of `movabs`, or that `xor` or `cmp` take.
fn immediate(code: &[u8]) -> Option<Vec<u8>> {
    let value = match code {
        [0x48 | 0x49, 0xb8..=0xbf, value @ ..] => value.get(..8)?,
        [0x81, 0xf0..=0xff, value @ ..] | [0x35 | 0x3d, value @ ..] => value.get(..4)?,
        // With a memory operand: registers plus a displacement of no, one, or four bytes.
        [0x81, 0x38..=0x3b | 0x3e..=0x3f, value @ ..] => value.get(..4)?,
        [0x81, 0x78..=0x7b | 0x7d..=0x7f, _, value @ ..] => value.get(..4)?,
        _ => return None,
    };
    let bytes = trimmed(value);
    (bytes.len() == 8 || value.len() == 4 || bytes.len() >= MIN_LEN).then_some(bytes)
}

/// The byte that `xor` takes, or `cmp` with a byte of memory.
fn immediate_byte(code: &[u8]) -> Option<u8> {
    match code {
        [0x80 | 0x83, 0xf0..=0xf7, byte, ..] | [0x34, byte, ..] => Some(*byte),
        [0x80, 0x78..=0x7b | 0x7d..=0x7f, _, byte, ..] => Some(*byte),
        _ => None,
    }
}

/// A floating-point number as people write it; `None` for what many programs have.
pub(super) fn as_text(bytes: &[u8]) -> Option<Vec<u8>> {
    const MAX_DIGITS: usize = 24;
    let (number, text) = match bytes.len() {
        4 => {
            let number = f32::from_le_bytes(bytes.try_into().ok()?);
            (f64::from(number), [number.to_string(), format!("{number:e}")])
        }
        8 => {
            let number = f64::from_le_bytes(bytes.try_into().ok()?);
            (number, [number.to_string(), format!("{number:e}")])
        }
        _ => return None,
    };
    let is_telling = number.is_finite() && number.abs() != 1.0 && number != 0.0;
    let shorter = text.into_iter().min_by_key(String::len)?;
    (is_telling && shorter.len() <= MAX_DIGITS).then(|| shorter.into_bytes())
}

/// What a comparison of vectors or floating-point numbers takes from memory, and its length.
fn vector(code: &[u8], address: u64) -> Option<(u64, usize)> {
    let (at, modrm, len) = match code {
        [0x66, 0x0f, 0x74 | 0x76 | 0x6f | 0xef, modrm, ..] => (3, *modrm, 16),
        [0xf3, 0x0f, 0x6f, modrm, ..] => (3, *modrm, 16),
        // `ucomisd`, `movsd`, `cmpsd`; then those of four bytes.
        [0x66, 0x0f, 0x2e | 0x2f, modrm, ..] | [0xf2, 0x0f, 0x10 | 0xc2, modrm, ..] => {
            (3, *modrm, 8)
        }
        [0x0f, 0x2e | 0x2f, modrm, ..] => (2, *modrm, 4),
        [0xf3, 0x0f, 0x10 | 0xc2, modrm, ..] => (3, *modrm, 4),
        _ => return None,
    };
    relative(code, at, modrm, address).map(|target| (target, len))
}

/// What `lea` makes a pointer to.
fn pointer(code: &[u8], address: u64) -> Option<u64> {
    match code {
        [0x48 | 0x4c, 0x8d, modrm, ..] => relative(code, 2, *modrm, address),
        _ => None,
    }
}

/// The target of an operand relative to the next instruction, whose ModRM byte is at `at`.
fn relative(code: &[u8], at: usize, modrm: u8, address: u64) -> Option<u64> {
    if modrm & 0xc7 != 0x05 {
        return None;
    }
    let offset = i32::from_le_bytes(code.get(at + 1..at + 5)?.try_into().ok()?);
    Some(address.wrapping_add(at as u64 + 5).wrapping_add_signed(i64::from(offset)))
}

/// The integer that is stored to memory as a word.
fn stored(code: &[u8]) -> Option<usize> {
    let [0x48 | 0x49, 0xc7, modrm, ..] = code else { return None };
    if modrm & 0x38 != 0 || modrm >> 6 == 3 {
        return None;
    }
    let displacement = match (modrm >> 6, modrm & 7) {
        (0, 5) | (2, _) => 4,
        (0, _) => 0,
        _ => 1,
    };
    let at = 3 + usize::from(modrm & 7 == 4) + displacement;
    let value = i32::from_le_bytes(code.get(at..at + 4)?.try_into().ok()?);
    usize::try_from(value).ok()
}

/// What may be the length of a string: small integers that go into registers.
fn lengths(code: &[u8]) -> Vec<usize> {
    let mut lengths = Vec::new();
    for at in 0..code.len() {
        let value = match &code[at..] {
            [0xb8..=0xbf, value @ ..] => value.get(..4),
            [0x6a, len, ..] => {
                Some(&[*len, 0, 0, 0][..]).filter(|_| *len < 0x80).map(|_| &code[at + 1..at + 2])
            }
            _ => None,
        };
        let Some(value) = value else { continue };
        let len = value.iter().rev().fold(0usize, |len, byte| len << 8 | usize::from(*byte));
        if (2..=MAX_LEN).contains(&len) && !lengths.contains(&len) {
            lengths.push(len);
        }
    }
    lengths
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    fn bytes(bytes: &[u8]) -> Found {
        Found::Bytes(bytes.to_vec())
    }

    #[test]
    fn arrays_that_are_compared_in_registers_are_found() {
        // movabs $"GIF89a", %rax; cmp %rax, %rcx
        let code = b"\x48\xb8GIF89a\0\0\x48\x39\xc1\x0f\x94\xc0";
        assert_eq!(find(code, 0), [bytes(b"GIF89a")]);
        // movabs $"inner-se", %rax; xor (%rdi), %rax; mov 8(%rdi), %ecx; xor $"cret", %rcx
        let code = b"\x48\xb8inner-se\x48\x33\x07\x8b\x4f\x08\x48\x81\xf1cret\x48\x09\xc1";
        let expected = [bytes(b"inner-se"), bytes(b"inner-secret"), bytes(b"cret")];
        assert_eq!(find(code, 0), expected);
        // movabs $"algorith", %rcx; xor 6(%rdi), %rcx; xor $'m', %rax; and the other way round
        let code = b"\x48\xb9algorith\x48\x33\x4f\x06\x48\x83\xf0m\x48\x09\xc8";
        assert_eq!(find(code, 0), [bytes(b"algorith"), bytes(b"algorithm")]);
        let code = b"\x48\x83\xf0m\x48\xb9algorith\x48\x33\x4f\x06\x48\x09\xc8";
        assert_eq!(find(code, 0), [bytes(b"algorithm"), bytes(b"algorith")]);
        // cmpl $"abcd", 4(%rdi)
        assert_eq!(find(b"\x81\x7f\x04abcd", 0), [bytes(b"abcd")]);
    }

    #[test]
    fn a_function_yields_each_constant_once_and_the_first_ones_of_many() {
        // Of bytes that look like no instruction.
        let number = |n: usize| [0x20, 0xa0 + (n % 66) as u8, 0xa0 + (n / 66) as u8, 0x21];
        // cmp $number, %eax; and no other immediate near it
        let compare = |n| [&b"\x3d"[..], &number(n), &[0x90; NEAR]].concat();
        let all = |n| (0..n).flat_map(compare).collect::<Vec<u8>>();
        let numbers = |n| (0..n).map(|n| bytes(&number(n))).collect::<Vec<_>>();
        assert_eq!(find(&all(3).repeat(2), 0), numbers(3));
        assert!(find(&all(MAX_FOUND + 1), 0) == numbers(MAX_FOUND));
        assert_eq!(find(b"\x3d\xff\xff\xff\xff", 0), [], "a mask");
    }

    #[test]
    fn pointers_and_lengths_of_strings_are_found() {
        // lea 0x10(%rip), %rcx; mov $17, %edx; call
        let code = b"\x48\x8d\x0d\x10\0\0\0\xba\x11\0\0\0\xff\x15\0\0\0\0";
        assert_eq!(find(code, 0x1000), [Found::At { address: 0x1017, len: 17 }]);
        // ucomisd 8(%rip), %xmm0
        let code = b"\x66\x0f\x2e\x05\x08\0\0\0";
        assert_eq!(find(code, 0x1000), [Found::Number { address: 0x1010, len: 8 }]);
        // pcmpeqb -8(%rip), %xmm0
        let code = b"\x66\x0f\x74\x05\xf8\xff\xff\xff";
        assert_eq!(find(code, 0x1000), [Found::At { address: 0x1000, len: 16 }]);
    }

    #[test]
    fn lengths_that_are_stored_belong_to_the_pointer_before_them() {
        // lea 0x10(%rip), %rax; mov %rax, -120(%rbp); movq $5, -112(%rbp)
        let first = b"\x48\x8d\x05\x10\0\0\0\x48\x89\x45\x88\x48\xc7\x45\x90\x05\0\0\0";
        // lea 0x10(%rip), %rcx; movq $7, 0x98(%rsp)
        let second = b"\x48\x8d\x0d\x10\0\0\0\x48\xc7\x84\x24\x98\0\0\0\x07\0\0\0";
        // lea 0x10(%rip), %rdi; call
        let third = b"\x48\x8d\x3d\x10\0\0\0\xe8\0\0\0\0";
        let code = [&third[..], first, second].concat();
        let at = |address, len| Pointer { address, len };
        let expected = [at(0x1017, None), at(0x1023, Some(5)), at(0x1036, Some(7))];
        assert_eq!(pointers(&code, 0x1000), expected);
    }

    #[test]
    fn numbers_are_written_as_people_do() {
        assert_eq!(as_text(&(-40.5e3f64).to_le_bytes()).as_deref(), Some(&b"-40500"[..]));
        assert_eq!(as_text(&273.15f32.to_le_bytes()).as_deref(), Some(&b"273.15"[..]));
        assert_eq!(as_text(&6.02e23f64.to_le_bytes()).as_deref(), Some(&b"6.02e23"[..]));
        assert_eq!((as_text(&1f64.to_le_bytes()), as_text(&[0xff; 8])), (None, None));
    }

    #[test]
    fn code_that_ends_early_is_no_constant() {
        let code = b"\x48\xb8GIF89a\0\0\x48\x8d\x35\x10\0\0\0\x66\x0f\x74\x05\xf8\xff\xff\xff";
        for n in 0..code.len() {
            find(&code[..n], u64::MAX - 4);
        }
        // lea 0x10(%rip), %rax; movq $5, -112(%rbp)
        let code = b"\x48\x8d\x05\x10\0\0\0\x48\xc7\x45\x90\x05\0\0\0";
        for n in 0..code.len() {
            assert!(pointers(&code[..n], u64::MAX - 4).iter().all(|found| found.len.is_none()));
        }
    }

    #[test]
    fn masks_and_messages_are_left_out() {
        assert!(is_telling(b"GIF89a") && is_telling(b"abc") && is_telling(b"\x89PNG\r\n\x1a\n"));
        assert!(!is_telling(&[0x80; 8]) && !is_telling(b"\xff\0\xff\0\x01") && !is_telling(b"ab"));
        assert!(is_word(b"version") && is_word("größe".as_bytes()) && is_word(b"-----BEGIN KEY"));
        assert!(
            !is_word(b"src/lib.rs") && !is_word(b"called on a None value") && !is_word(b"a\0b")
        );
    }
}
