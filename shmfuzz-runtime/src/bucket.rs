//! Which failures are the same: a bucket is a hash of kind, location and normalized message.
//!
//! Both sides use it, the worker to keep a known failure from ending its job, the coordinator to
//! keep one file per failure.

use crate::kind::FailureKind;

/// Names one failure across inputs, workers and campaigns.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
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

/// Longest part of a message that counts: what an input prints into it grows with the input.
const MESSAGE_LIMIT: usize = 256;

/// Numbers, addresses and quoted text depend on the input, so each becomes one mark.
///
/// The first line alone counts: `assert_eq!` prints its operands on the following ones.
fn write_normalized(hash: &mut Fnv, message: &str) {
    let line = message.lines().next().unwrap_or_default().as_bytes();
    let line = &line[..line.len().min(MESSAGE_LIMIT)];
    let mut i = 0;
    while i < line.len() {
        let byte = line[i];
        if byte.is_ascii_digit() {
            while i < line.len() && (line[i].is_ascii_alphanumeric() || line[i] == b'_') {
                i += 1;
            }
            hash.write(b"#");
        } else if let Some(len) = char_literal(&line[i..]) {
            i += len;
            hash.write(b"'");
        } else if byte == b'"' || byte == b'`' {
            let close = line[i + 1..].iter().position(|b| *b == byte);
            // A quote that was cut off, by the limit or the end of the line, hides all that follows.
            i = close.map_or(line.len(), |n| i + n + 2);
            hash.write(b"\"");
        } else {
            hash.write(&[byte]);
            i += 1;
        }
    }
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
            ("inside 'é' (bytes 2..4) of `aé`", "inside '\\u{7f}' (bytes 12..14) of `x`"),
            ("bad '\\''", "bad 'x'"),
            (
                "called `Option::unwrap()` on a `None` value",
                "called `Option::unwrap()` on a `None` value",
            ),
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
    fn kind_place_and_words_count() {
        assert_ne!(of("a"), of("b"));
        assert_ne!(of("can't read it's size"), of("can't write it's size"));
        assert_ne!(of("a"), Bucket::new(FailureKind::Error, "src/lib.rs:3", "a"));
        assert_ne!(of("a"), Bucket::new(FailureKind::Panic, "src/lib.rs:4", "a"));
    }

    #[test]
    fn a_place_is_no_failure_of_its_own() {
        let place = Bucket::of_place(FailureKind::Panic, "src/lib.rs:3");
        assert!(place != of("") && place != of("a"));
        assert_ne!(place, Bucket::of_place(FailureKind::Error, "src/lib.rs:3"));
        assert_ne!(place, Bucket::of_place(FailureKind::Panic, "src/lib.rs:4"));
    }
}
