//! Inputs that fail only one after the other, in one process: the file that holds them, and how
//! they go through the mapping.
//!
//! A file is a sequence if it begins with [`FIRST_LINE`]. One input a line follows, as a byte string
//! of Rust, so that people can read and change it; empty lines and lines that begin with `#` count
//! for nothing. A single input that begins so would be taken for a sequence: none does by chance. Pure.

use std::fmt;

/// The line with which the file of a sequence begins.
pub const FIRST_LINE: &str = "cargo-shmfuzz sequence v1\n";

/// How the name of such a file ends, for people: what counts is [`FIRST_LINE`].
pub const ENDING: &str = ".sequence";

/// Whether these are the bytes of a sequence's file.
pub fn is_sequence(bytes: &[u8]) -> bool {
    bytes.starts_with(FIRST_LINE.as_bytes())
}

/// Why a sequence cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceError {
    /// The line, from 1.
    pub line: usize,
    /// The column in bytes, from 1.
    pub column: usize,
    /// What is wrong there.
    pub why: &'static str,
}

impl fmt::Display for SequenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.why)
    }
}

impl std::error::Error for SequenceError {}

/// The bytes of a file with these inputs.
pub fn to_file<I: AsRef<[u8]>>(inputs: &[I]) -> Vec<u8> {
    let mut file = FIRST_LINE.as_bytes().to_vec();
    for input in inputs {
        file.extend_from_slice(b"b\"");
        file.extend(input.as_ref().iter().copied().flat_map(std::ascii::escape_default));
        file.extend_from_slice(b"\"\n");
    }
    file
}

/// The inputs in a file that [`is_sequence`].
///
/// # Errors
/// At the first byte that does not belong there.
pub fn from_file(bytes: &[u8]) -> Result<Vec<Vec<u8>>, SequenceError> {
    let mut inputs = Vec::new();
    for (idx, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let error = |at: usize, why| SequenceError { line: idx + 1, column: at + 1, why };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if idx == 0 {
            if line != FIRST_LINE.trim_end().as_bytes() {
                return Err(error(0, "`cargo-shmfuzz sequence v1` expected"));
            }
        } else if !line.is_empty() && line[0] != b'#' {
            let Some(text) = line.strip_prefix(b"b\"") else {
                return Err(error(0, "a byte string like b\"abc\\x00\" expected"));
            };
            let input = unescape(text).map_err(|(at, why)| error(at + 2, why))?;
            inputs.push(input);
        }
    }
    if inputs.is_empty() {
        let line = bytes.split(|byte| *byte == b'\n').count();
        return Err(SequenceError { line, column: 1, why: "at least one input expected" });
    }
    Ok(inputs)
}

/// What stands before the closing quote, which must end the text; or what is wrong, and where.
pub(crate) fn unescape(text: &[u8]) -> Result<Vec<u8>, (usize, &'static str)> {
    let (mut bytes, mut at) = (Vec::new(), 0);
    loop {
        match text.get(at) {
            None => return Err((at, "the closing quote is missing")),
            Some(b'"') if at + 1 == text.len() => return Ok(bytes),
            Some(b'"') => return Err((at + 1, "nothing may follow the closing quote")),
            Some(b'\\') => {
                let (byte, n) = escape(&text[at + 1..]).ok_or((
                    at,
                    "no escape sequence: \\n, \\r, \\t, \\0, \\\\, \\', \\\" and \\x.. are",
                ))?;
                bytes.push(byte);
                at += 1 + n;
            }
            Some(byte) => {
                bytes.push(*byte);
                at += 1;
            }
        }
    }
}

/// The byte that an escape stands for, and the escape's length without the backslash.
fn escape(text: &[u8]) -> Option<(u8, usize)> {
    let byte = match text.first()? {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'0' => 0,
        byte @ (b'\\' | b'\'' | b'"') => *byte,
        b'x' => {
            let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
            return Some(((digit(1)? << 4 | digit(2)?) as u8, 3));
        }
        _ => return None,
    };
    Some((byte, 1))
}

/// Puts an input behind others as they go through the mapping.
///
/// # Panics
/// If it is longer than `u32::MAX` bytes, which no input is.
pub fn pack(packed: &mut Vec<u8>, input: &[u8]) {
    let len = u32::try_from(input.len()).expect("inputs are shorter");
    packed.extend_from_slice(&len.to_le_bytes());
    packed.extend_from_slice(input);
}

/// The inputs packed one behind the other; a `None` in the end if the last one is cut short.
pub fn unpack(mut packed: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    std::iter::from_fn(move || {
        if packed.is_empty() {
            return None;
        }
        let split = packed
            .split_first_chunk()
            .and_then(|(len, rest)| rest.split_at_checked(u32::from_le_bytes(*len) as usize));
        let (input, rest) = split.unzip();
        packed = rest.unwrap_or_default();
        Some(input)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn error_of(lines: &str) -> String {
        from_file(format!("{FIRST_LINE}{lines}").as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn people_may_write_them() {
        let file = "cargo-shmfuzz sequence v1\r\n# opens it\nb\"a\\n\\x7F\\0 \u{fc}\"\n\nb\"\"";
        let expected = [b"a\n\x7f\0 \xc3\xbc".to_vec(), Vec::new()];
        assert_eq!(from_file(file.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn what_is_wrong_is_said_with_line_and_column() {
        let start = |text: &str, what: &str| assert!(what.starts_with(text), "{what}");
        start("line 2, column 1: a byte string like", &error_of("abc\n"));
        start("line 3, column 5: no escape sequence", &error_of("b\"\"\nb\"ab\\q\"\n"));
        start("line 2, column 3: no escape sequence", &error_of("b\"\\x4\""));
        start("line 2, column 5: the closing quote", &error_of("b\"ab\n"));
        start("line 2, column 5: nothing may follow", &error_of("b\"a\"x\n"));
        start("line 2, column 1: at least one input", &error_of(""));
        let error = from_file(b"cargo-shmfuzz sequence v2\n").unwrap_err();
        start("line 1, column 1: `cargo-shmfuzz sequence v1`", &error.to_string());
    }

    #[test]
    fn what_is_cut_short_is_none() {
        let mut packed = Vec::new();
        pack(&mut packed, b"abc");
        assert!(unpack(&packed).eq([Some(&b"abc"[..])]));
        for len in 1..packed.len() {
            assert!(unpack(&packed[..len]).eq([None]), "{len}");
        }
    }

    proptest! {
        #[test]
        fn inputs_come_back(inputs in prop::collection::vec(any::<Vec<u8>>(), 1..5)) {
            let file = to_file(&inputs);
            prop_assert!(is_sequence(&file) && file.is_ascii());
            prop_assert_eq!(&from_file(&file).unwrap(), &inputs);
            let mut packed = Vec::new();
            inputs.iter().for_each(|input| pack(&mut packed, input));
            prop_assert!(unpack(&packed).flatten().eq(inputs.iter().map(|input| &input[..])));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = from_file(&bytes);
            let _ = from_file(&[FIRST_LINE.as_bytes(), &bytes].concat());
            let _ = unpack(&bytes).count();
        }
    }
}
