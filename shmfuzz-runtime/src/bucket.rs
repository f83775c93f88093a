//! Which failures are the same: a bucket is a hash of kind, location and normalized message.
//!
//! Both sides use it, the worker to keep a known failure from ending its job, the coordinator to
//! keep one file per failure.

use crate::kind::FailureKind;

/// Names one failure across inputs, workers and campaigns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bucket(pub u64);

impl Bucket {
    /// The bucket of a failure. `location` is `file:line` or empty; `message` is normalized here.
    pub fn new(kind: FailureKind, location: &str, message: &str) -> Self {
        let mut hash = Fnv::default();
        hash.write(kind.name().as_bytes());
        hash.write(&[0]);
        hash.write(location.as_bytes());
        hash.write(&[0]);
        write_normalized(&mut hash, message);
        Self(hash.0)
    }

    /// The bucket of all failures of a kind at a location, whatever they say. Where messages hold
    /// what the input says, each input would be a failure of its own. It is no failure's bucket.
    pub fn of_place(kind: FailureKind, location: &str) -> Self {
        let mut hash = Fnv::default();
        hash.write(kind.name().as_bytes());
        hash.write(&[0]);
        hash.write(location.as_bytes());
        Self(hash.0)
    }
}

impl std::fmt::Display for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What is no bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotABucket;

impl std::fmt::Display for NotABucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a bucket is 16 hexadecimal digits, as a finding shows it")
    }
}

impl std::error::Error for NotABucket {}

impl std::str::FromStr for Bucket {
    type Err = NotABucket;

    /// Reads what `Display` prints.
    fn from_str(text: &str) -> Result<Self, NotABucket> {
        let is_number = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = is_number.then(|| u64::from_str_radix(text, 16).ok()).flatten();
        number.map(Self).ok_or(NotABucket)
    }
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo): no allocation, and the same on every machine.
#[derive(Debug)]
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// Longest part of a normalized message that counts, in bytes.
const NORMALIZED_LIMIT: usize = 256;

/// How far marks that follow each other are looked back at: `Some(#)` is the longest.
const LOOK_BACK: usize = 8;

/// Longest part of a message that is read, in bytes: less than the words area holds, so that both
/// sides read the same, and far more than the limit on what comes out, since what an input prints
/// into a message grows with the input.
const READ_LIMIT: usize = 32 << 10;

/// Numbers, addresses and quoted text depend on the input, so each becomes one mark; so does a list
/// of numbers, whose length depends on the input as well.
///
/// The first line alone counts: `assert_eq!` prints its operands on the following ones.
fn write_normalized(hash: &mut Fnv, message: &str) {
    let line = message.lines().next().unwrap_or_default().as_bytes();
    let line = &line[..line.len().min(READ_LIMIT)];
    let mut normalized = Normalized::default();
    let mut i = 0;
    while i < line.len() && !normalized.is_full() {
        let byte = line[i];
        if let Some(len) = number(line, i) {
            i += len;
            normalized.push_number();
        } else if let Some(len) = char_literal(&line[i..]) {
            i += len;
            normalized.push(b'\'');
        } else if byte == b'"' || byte == b'`' {
            i += quoted(&line[i..]);
            normalized.push(b'"');
        } else {
            normalized.push(byte);
            i += 1;
        }
    }
    hash.write(normalized.text());
}

/// The normalized message as it is made. Bytes below the limit no longer change once it is full.
struct Normalized {
    bytes: [u8; NORMALIZED_LIMIT + LOOK_BACK],
    len: usize,
}

impl Default for Normalized {
    fn default() -> Self {
        Self { bytes: [0; NORMALIZED_LIMIT + LOOK_BACK], len: 0 }
    }
}

impl Normalized {
    fn is_full(&self) -> bool {
        self.len == self.bytes.len()
    }

    fn text(&self) -> &[u8] {
        &self.bytes[..self.len.min(NORMALIZED_LIMIT)]
    }

    /// Adds a byte to what is not full; an optional number is the same whether it is there or not.
    fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
        let before = self.bytes[..self.len].strip_suffix(b"Some(#)").map(<[u8]>::len);
        if let Some(before) = before.filter(|at| *at == 0 || !is_word(self.bytes[at - 1])) {
            self.bytes[before..before + 4].copy_from_slice(b"None");
            self.len = before + 4;
        }
    }

    /// Adds the mark of a number, unless it continues a list of numbers.
    fn push_number(&mut self) {
        if self.bytes[..self.len].ends_with(b"#, ") {
            self.len -= 2;
        } else {
            self.push(b'#');
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Length of the number at `at`, with its sign, fraction and exponent. What follows a word is a dash and no sign.
fn number(line: &[u8], at: usize) -> Option<usize> {
    let follows_word = at > 0 && is_word(line[at - 1]);
    let is_signed = !follows_word && matches!(line[at], b'-' | b'+');
    let digits = &line[at + usize::from(is_signed)..];
    digits.first().filter(|byte| byte.is_ascii_digit())?;
    let run = |from: usize| digits[from..].iter().take_while(|byte| is_word(**byte)).count();
    let is_digit = |at: usize| digits.get(at).is_some_and(u8::is_ascii_digit);
    let mut end = run(0);
    loop {
        // A fraction, and an exponent with a sign.
        let goes_on = match digits.get(end) {
            Some(b'.') => true,
            Some(b'+' | b'-') => matches!(digits[end - 1], b'e' | b'E'),
            _ => false,
        };
        if !goes_on || !is_digit(end + 1) {
            return Some(end + usize::from(is_signed));
        }
        end += 1 + run(end + 1);
    }
}

/// Length of the quoted text at the start of `text`. `Debug` escapes double quotes in it, whereas
/// nothing is escaped between backticks.
///
/// A quote that was cut off, by the limit or the end of the line, hides all that follows.
fn quoted(text: &[u8]) -> usize {
    let mut i = 1;
    while let Some(byte) = text.get(i) {
        match byte {
            b'\\' if text[0] == b'"' => i += 2,
            byte if *byte == text[0] => return i + 1,
            _ => i += 1,
        }
    }
    text.len()
}

/// Length of the character literal at the start of `text`, as `Debug` prints one: `'x'`, `'\\n'`,
/// `'\\u{1f600}'`. An apostrophe inside a word is none.
fn char_literal(text: &[u8]) -> Option<usize> {
    const LONGEST: usize = "'\\u{10ffff}'".len();
    if text.first() != Some(&b'\'') {
        return None;
    }
    let close = if text.get(1) == Some(&b'\\') {
        3 + text.get(3..text.len().min(LONGEST))?.iter().position(|b| *b == b'\'')?
    } else {
        let width = text.get(1..)?.utf8_chunks().next()?.valid().chars().next()?.len_utf8();
        1 + width
    };
    (text.get(close) == Some(&b'\'')).then_some(close + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(message: &str) -> Bucket {
        Bucket::new(FailureKind::Panic, "src/lib.rs:3", message)
    }

    #[test]
    fn what_depends_on_the_input_does_not_count() {
        let same = [
            (
                "index out of bounds: the len is 3 but the index is 7",
                "index out of bounds: the len is 0 but the index is 120",
            ),
            ("bad token \"abc\" here", "bad token \"\" here"),
            ("at 0x7ffdeadbeef0", "at 0x1"),
            ("of 1.5e+300 apples", "of 7 apples"),
            ("of -0.25 apples", "of 1E-9 apples"),
            ("bytes 2..4 of 1.", "bytes 12..14 of 9."),
            ("inside 'é' (bytes 2..4) of `aé`", "inside '\\u{7f}' (bytes 12..14) of `x`"),
            ("bad '\\''", "bad 'x'"),
            (
                "called `Option::unwrap()` on a `None` value",
                "called `Option::unwrap()` on a `None` value",
            ),
            ("of bytes [1, 2] here", "of bytes [255] here"),
            ("bytes: [-1, 2], error_len: Some(1) }", "bytes: [7, -8, 9], error_len: None }"),
            ("bad token \"a\\\"b\" here", "bad token \"\\\\\" here"),
            ("got -5 (or +1)", "got 5 (or 0)"),
            (
                "assertion `left == right` failed\n  left: 1\n right: 2",
                "assertion `left == right` failed\n  left: 7\n right: 9",
            ),
        ];
        for (a, b) in same {
            assert_eq!(of(a), of(b), "{a:?} and {b:?}");
        }
    }

    #[test]
    fn what_follows_the_input_counts_however_long_the_input_is() {
        let numbers = |n: u8| format!("{:?}", (0..n).collect::<Vec<u8>>());
        let text = |bytes: &str, what: &str| of(&format!("bytes: {bytes}, error: {what}"));
        assert_eq!(text(&numbers(255), "torn"), text(&numbers(1), "torn"));
        assert_ne!(text(&numbers(255), "torn"), text(&numbers(255), "odd"));
        assert_eq!(of(&format!("{:?} is bad", "x".repeat(999))), of("\"x\" is bad"));
    }

    #[test]
    fn the_limit_falls_anywhere_in_a_list() {
        for n in 240..280 {
            let words = "w".repeat(n);
            let (long, short) = (format!("{words} 1, 2, 3 Some(4)"), format!("{words} 1 None"));
            assert_eq!(of(&long), of(&short), "{n}");
        }
        assert_eq!(of(&"x".repeat(300)), of(&"x".repeat(400)));
    }

    #[test]
    fn kind_place_and_words_count() {
        assert_ne!(of("a"), of("b"));
        assert_ne!(of("can't read it's size"), of("can't write it's size"));
        assert_ne!(of("a-5"), of("a5"));
        assert_ne!(of("1, 2"), of("1; 2"));
        assert_ne!(of("Awesome(1)"), of("AweNone"));
        assert_ne!(of("a"), Bucket::new(FailureKind::Error, "src/lib.rs:3", "a"));
        assert_ne!(of("a"), Bucket::new(FailureKind::Panic, "src/lib.rs:4", "a"));
    }

    #[test]
    fn buckets_are_read_as_they_are_printed() {
        for bucket in [Bucket(0), Bucket(0xabc), Bucket(u64::MAX)] {
            assert_eq!(bucket.to_string().parse(), Ok(bucket));
        }
        for text in ["", "abc", "+00000000000000f", "0123456789abcdefg", "panic at src/lib"] {
            assert_eq!(text.parse::<Bucket>(), Err(NotABucket), "{text}");
        }
    }

    #[test]
    fn a_place_is_no_failure_of_its_own() {
        let place = Bucket::of_place(FailureKind::Panic, "src/lib.rs:3");
        assert!(place != of("") && place != of("a"));
        assert_ne!(place, Bucket::of_place(FailureKind::Error, "src/lib.rs:3"));
        assert_ne!(place, Bucket::of_place(FailureKind::Panic, "src/lib.rs:4"));
    }
}
