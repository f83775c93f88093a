//! How strings that a program compares may stand in its input: widened to 16 or 32 bits, in the
//! other byte order, as hexadecimal digits, in Base64, backwards. Pure.
//!
//! Each encoding is tried for one operand, which is looked for in the input; where it is found, the
//! other operand is put there in the same one. What stands plainly may need escapes for what comes
//! in its place; these are listed here, too.

use std::fmt::Write as _;

/// A string as it may stand in an input; `None` if it has no such form.
type Encode = fn(&[u8]) -> Option<Vec<u8>>;

/// Strings shorter than this stand somewhere by accident.
pub(super) const MIN_LEN: usize = 4;

/// The encodings in which every byte of a string has bytes of its own.
pub(super) const ENCODINGS: [Encode; 11] = [
    |text| wide(text, u16::to_le_bytes),
    |text| wide(text, u16::to_be_bytes),
    |text| characters(text, u32::to_le_bytes),
    |text| characters(text, u32::to_be_bytes),
    from_wide,
    from_characters,
    |text| swapped(text, 2),
    |text| swapped(text, 4),
    |text| Some(hex(text, "0123456789abcdef")),
    |text| Some(hex(text, "0123456789ABCDEF")),
    |text| Some(text.iter().rev().copied().collect()),
];

/// UTF-16; what is no text, byte by byte.
fn wide(text: &[u8], bytes: fn(u16) -> [u8; 2]) -> Option<Vec<u8>> {
    Some(match std::str::from_utf8(text) {
        Ok(text) => text.encode_utf16().flat_map(bytes).collect(),
        Err(_) => text.iter().flat_map(|byte| bytes(u16::from(*byte))).collect(),
    })
}

/// UTF-32; what is no text, byte by byte.
fn characters(text: &[u8], bytes: fn(u32) -> [u8; 4]) -> Option<Vec<u8>> {
    Some(match std::str::from_utf8(text) {
        Ok(text) => text.chars().flat_map(|character| bytes(character.into())).collect(),
        Err(_) => text.iter().flat_map(|byte| bytes(u32::from(*byte))).collect(),
    })
}

/// Text that the program has widened to UTF-16.
fn from_wide(units: &[u8]) -> Option<Vec<u8>> {
    let pairs = units.chunks_exact(2);
    let is_whole = pairs.remainder().is_empty();
    let units: Vec<u16> = pairs.map(|pair| u16::from_ne_bytes([pair[0], pair[1]])).collect();
    String::from_utf16(&units).ok().filter(|_| is_whole).map(String::into_bytes)
}

/// Text that the program has widened to characters.
fn from_characters(characters: &[u8]) -> Option<Vec<u8>> {
    let chunks = characters.chunks_exact(4);
    let is_whole = chunks.remainder().is_empty();
    let text: Option<String> = chunks
        .map(|chunk| char::from_u32(u32::from_ne_bytes([chunk[0], chunk[1], chunk[2], chunk[3]])))
        .collect();
    text.filter(|_| is_whole).map(String::into_bytes)
}

/// Integers of so many bytes in the other byte order.
fn swapped(text: &[u8], n: usize) -> Option<Vec<u8>> {
    let is_whole = text.len() % n == 0;
    is_whole.then(|| text.chunks_exact(n).flat_map(|chunk| chunk.iter().rev()).copied().collect())
}

fn hex(text: &[u8], digits: &str) -> Vec<u8> {
    let digit = |n: u8| digits.as_bytes()[usize::from(n)];
    text.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The alphabets of Base64.
pub(super) const ALPHABETS: [&[u8; 64]; 2] = [
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
];

/// Part of a text in Base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Base64 {
    alphabet: &'static [u8; 64],
    /// The characters that depend on the string alone.
    pub(super) whole: Vec<u8>,
    /// What the character before them has of the string, and in how many of its lowest bits.
    before: (u8, u32),
    /// What the character after them has of the string, and in how many of its highest bits.
    after: (u8, u32),
}

impl Base64 {
    /// A string that begins so many bytes (0 to 2) after a group of three.
    pub(super) fn new(text: &[u8], offset: u32, alphabet: &'static [u8; 64]) -> Self {
        let n_before = (6 - 8 * offset % 6) % 6;
        let n_after = (8 * text.len() as u32 + 6 - n_before) % 6;
        let bit = |i: usize| text.get(i / 8).is_some_and(|byte| byte >> (7 - i % 8) & 1 == 1);
        let bits = |range: std::ops::Range<usize>| {
            range.fold(0u8, |value, i| value << 1 | u8::from(bit(i)))
        };
        let (first, n) = (n_before as usize, 8 * text.len());
        let last = n - (n_after as usize).min(n);
        let whole =
            (first..last).step_by(6).map(|i| alphabet[usize::from(bits(i..i + 6))]).collect();
        let (before, after) = (bits(0..first), bits(last..n) << ((6 - n_after) % 6));
        Self { alphabet, whole, before: (before, n_before), after: (after, n_after) }
    }

    /// What comes in the place of `own`, another string at the same offset, whose whole characters
    /// stand at `at`: where the change begins, how many bytes go, and what comes. `None` if the
    /// strings differ in length: what follows would have to be encoded anew.
    pub(super) fn over(
        &self,
        own: &Self,
        input: &[u8],
        at: usize,
    ) -> Option<(usize, usize, Vec<u8>)> {
        let shape = |one: &Self| (one.whole.len(), one.before.1, one.after.1);
        if shape(self) != shape(own) {
            return None;
        }
        let value = |at: usize| {
            let own = input.get(at)?;
            self.alphabet.iter().position(|letter| letter == own).map(|value| value as u8)
        };
        let letter = |value: u8| self.alphabet[usize::from(value & 63)];
        let (mut start, mut end) = (at, at + self.whole.len());
        let mut bytes = self.whole.clone();
        let (before, n_before) = self.before;
        if n_before > 0 {
            start = at.checked_sub(1)?;
            bytes.insert(0, letter(value(start)? >> n_before << n_before | before));
        }
        let (after, n_after) = self.after;
        if n_after > 0 {
            let own = value(end);
            bytes.push(letter(own.unwrap_or(0) & 63 >> n_after | after));
            end += usize::from(own.is_some());
        }
        Some((start, end - start, bytes))
    }
}

/// A string as it stands in text where some characters mean something; only where it differs.
pub(super) fn escaped(text: &[u8]) -> Vec<Vec<u8>> {
    let percent = |byte: &u8| match byte {
        b'-' | b'.' | b'_' | b'~' => char::from(*byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(*byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    let mut made = vec![text.iter().map(percent).collect::<String>().into_bytes()];
    if let Ok(text) = std::str::from_utf8(text) {
        let (mut backslashes, mut entities) = (String::new(), String::new());
        for character in text.chars() {
            let _ = match character {
                '"' | '\\' => write!(backslashes, "\\{character}"),
                '\0'..='\x1f' | '\x7f' => write!(backslashes, "{}", control(character)),
                character => write!(backslashes, "{character}"),
            };
            match character {
                '<' => entities.push_str("&lt;"),
                '>' => entities.push_str("&gt;"),
                '&' => entities.push_str("&amp;"),
                '"' => entities.push_str("&quot;"),
                '\'' => entities.push_str("&apos;"),
                character => entities.push(character),
            }
        }
        made.extend([backslashes.into_bytes(), entities.into_bytes()]);
    }
    made.retain(|escaped| escaped != text);
    made
}

fn control(character: char) -> String {
    match character {
        '\n' => "\\n".into(),
        '\r' => "\\r".into(),
        '\t' => "\\t".into(),
        other => format!("\\u{:04x}", u32::from(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn base64(text: &[u8]) -> Vec<u8> {
        let all = Base64::new(text, 0, ALPHABETS[0]);
        all.over(&all, &all.whole, 0).unwrap().2
    }

    #[test]
    fn strings_are_encoded() {
        let all = |text: &[u8]| ENCODINGS.map(|encode| encode(text).unwrap_or_default());
        let [le, be, le32, be32, _, _, by2, by4, lower, upper, backwards] =
            all("a\u{fc}b".as_bytes());
        assert_eq!((&le[..], &be[..]), (&b"a\0\xfc\0b\0"[..], &b"\0a\0\xfc\0b"[..]));
        assert_eq!((&le32[..5], &be32[3..8]), (&b"a\0\0\0\xfc"[..], &b"a\0\0\0\xfc"[..]));
        assert_eq!((&by2[..], &by4[..]), (&b"\xc3ab\xbc"[..], &b"b\xbc\xc3a"[..]));
        assert_eq!((&lower[..], &upper[..]), (&b"61c3bc62"[..], &b"61C3BC62"[..]));
        assert_eq!(backwards, b"b\xbc\xc3a");
        let units: Vec<u8> = "gr\u{fc}n".encode_utf16().flat_map(u16::to_ne_bytes).collect();
        assert_eq!(from_wide(&units).as_deref(), Some("gr\u{fc}n".as_bytes()));
        let characters: Vec<u8> =
            "gr\u{fc}n".chars().flat_map(|c| u32::from(c).to_ne_bytes()).collect();
        assert_eq!(from_characters(&characters).as_deref(), Some("gr\u{fc}n".as_bytes()));
        assert_eq!((from_wide(b"abc"), from_characters(b"\xff\xff\xff\xff")), (None, None));
        assert_eq!(
            (base64(b"open sesame"), base64(b"foob")),
            (b"b3BlbiBzZXNhbWU".into(), b"Zm9vYg".into())
        );
    }

    #[test]
    fn what_means_something_is_escaped() {
        assert_eq!(escaped(b"plain"), Vec::<Vec<u8>>::new());
        let text: Vec<String> =
            escaped(b"a&\"\n").into_iter().map(|e| String::from_utf8(e).unwrap()).collect();
        assert_eq!(text, ["a%26%22%0A", "a&\\\"\\n", "a&amp;&quot;\n"]);
    }

    #[test]
    fn text_in_base64_is_replaced_by_as_much_only() {
        let of = |text: &[u8], offset| Base64::new(text, offset, ALPHABETS[0]);
        let input = base64(b"xopen sesamey");
        let own = of(b"open sesame", 1);
        let place = |other: &Base64| other.over(&own, &input, 2);
        assert!(input[2..].starts_with(&own.whole));
        assert!(place(&of(b"shut sesame", 1)).is_some());
        // One byte changes what the characters around have of it; three change their number.
        for other in [&b"open sesam"[..], b"open sesames", b"open sesame mucho", b"open ses", b""] {
            assert_eq!(place(&of(other, 1)), None, "{other:?}");
        }
        assert_eq!(place(&of(b"shut sesame", 2)), None, "another offset");
    }

    proptest! {
        #[test]
        fn part_of_a_text_in_base64_is_replaced(
            head in prop::collection::vec(any::<u8>(), 0..7),
            texts in prop::collection::vec(any::<(u8, u8)>(), 4..20),
            tail in prop::collection::vec(any::<u8>(), 0..7),
        ) {
            let (from, to): (Vec<u8>, Vec<u8>) = texts.into_iter().unzip();
            let input = base64(&[&head[..], &from, &tail].concat());
            let offset = head.len() as u32 % 3;
            let (own, other) = (
                Base64::new(&from, offset, ALPHABETS[0]), Base64::new(&to, offset, ALPHABETS[0]),
            );
            let at = (8 * head.len()).div_ceil(6);
            prop_assert!(input[at..].starts_with(&own.whole));
            let (start, removed, bytes) = other.over(&own, &input, at).unwrap();
            let made = [&input[..start], &bytes, &input[start + removed..]].concat();
            prop_assert_eq!(made, base64(&[&head[..], &to, &tail].concat()));
        }
    }
}
