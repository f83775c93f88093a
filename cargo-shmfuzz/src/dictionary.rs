//! Dictionaries: files of tokens that inputs are likely to hold, in the format of AFL and
//! libFuzzer.
//!
//! A line is blank, a comment (`# ...`), or a token in double quotes with any name before it:
//! `"value"`, `name="value"`, `name@2="value"`. AFL leaves tokens above a level out; here, as in
//! libFuzzer, all count. Escapes are `\\`, `\"` and `\xAB` as in both, and `\n`, `\r`, `\t` and `\0`
//! as in honggfuzz. As in both, a quote inside of the value need not be escaped: one that the end of
//! the line follows ends it. Unlike both, which know comments on lines of their own only, a quote
//! that a blank and `#` follow ends the value, too: whoever writes `"a" # say "hi"` means a comment,
//! and who means a token escapes its quotes. Unlike AFL, which passes over what it does not
//! understand, anything else is an error, with its place: half a dictionary is worse than none,
//! because nobody notices.
//!
//! Owns the grammar and the limits, and reads one file; which files belong to a fuzz test is
//! decided elsewhere. Invariant: what it accepts fits a worker's inbox.

use crate::coordinator::campaign::Bytes;
use crate::show;
use anyhow::{Context as _, ensure};
use shmfuzz_runtime::layout::INBOX_LEN;
use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io::Read as _;
use std::path::Path;

/// Longest token, in bytes: AFL takes 128, libFuzzer 64.
const MAX_TOKEN_LEN: usize = 1024;
/// Most tokens of a fuzz test: as many as libFuzzer takes.
const MAX_TOKENS: usize = 1 << 14;
/// Most bytes of all tokens of a fuzz test together.
const MAX_BYTES: usize = 512 << 10;
/// Longest file, in bytes: nothing that holds so few tokens is longer.
const MAX_FILE_LEN: u64 = 16 << 20;

// Each token stands in the inbox behind 16 bytes, and is filled up to a multiple of 8.
const _: () = assert!(MAX_TOKENS * (16 + 7) + MAX_BYTES <= INBOX_LEN, "all tokens fit the inbox");

/// Where and why a file is no dictionary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    /// From 1.
    line: usize,
    /// From 1, in characters.
    column: usize,
    problem: Problem,
}

/// What is wrong at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Problem {
    NoOpeningQuote,
    NoClosingQuote,
    Empty,
    /// Of so many bytes.
    TooLong(usize),
    /// Of a character that begins none.
    Escape(char),
    HexDigits,
    Control(u8),
    /// Something follows the value.
    Rest,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, problem } = self;
        write!(f, "line {line}, column {column}: ")?;
        match problem {
            Problem::NoOpeningQuote => {
                f.write_str(r#"expected a value in double quotes, as in name="value""#)
            }
            Problem::NoClosingQuote => f.write_str("expected a double quote that ends the value"),
            Problem::Empty => f.write_str("expected at least one byte between the double quotes"),
            Problem::TooLong(len) => {
                write!(f, "the token has {len} bytes, expected at most {MAX_TOKEN_LEN}")
            }
            Problem::Escape(c) => {
                write!(f, "unknown escape `\\{}`: expected ", c.escape_default())?;
                f.write_str(r#"\\, \", \xAB, \n, \r, \t or \0"#)
            }
            Problem::HexDigits => f.write_str(r"expected two hexadecimal digits after \x"),
            Problem::Control(byte) => {
                write!(f, "a control character: expected it written as \\x{byte:02x}")
            }
            Problem::Rest => {
                f.write_str("expected the end of the line or a comment after the value")
            }
        }
    }
}

impl std::error::Error for SyntaxError {}

/// The tokens of a dictionary, in their order.
///
/// # Errors
/// At the first line that is none of a dictionary.
pub(crate) fn parse(text: &[u8]) -> Result<Vec<Vec<u8>>, SyntaxError> {
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let mut tokens = Vec::new();
    for (i, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let error = |(at, problem): (usize, Problem)| {
            let starts = |byte: &&u8| !(0x80..0xc0).contains(*byte);
            let column = line[..at].iter().filter(starts).count() + 1;
            SyntaxError { line: i + 1, column, problem }
        };
        tokens.extend(parse_line(line.trim_ascii_end()).map_err(error)?);
    }
    Ok(tokens)
}

/// The token of a line, if it has one; else what is wrong, and at which byte.
fn parse_line(line: &[u8]) -> Result<Option<Vec<u8>>, (usize, Problem)> {
    let start = line.len() - line.trim_ascii_start().len();
    if matches!(line.get(start), None | Some(b'#')) {
        return Ok(None);
    }
    let Some(open) = line.iter().position(|byte| *byte == b'"') else {
        let name_end = line.iter().position(|byte| *byte == b'=').map_or(line.len(), |at| at + 1);
        return Err((name_end, Problem::NoOpeningQuote));
    };
    let from = open + 1;
    let close = closing_quote(line, from)?;
    let token = unescape(line, from, close)?;
    match token.len() {
        0 => Err((from, Problem::Empty)),
        len if len > MAX_TOKEN_LEN => Err((from, Problem::TooLong(len))),
        _ => Ok(Some(token)),
    }
}

/// Where the value ends that begins at `from`: at the first quote behind which there is nothing but
/// a comment, if anything.
fn closing_quote(line: &[u8], from: usize) -> Result<usize, (usize, Problem)> {
    let mut last = None;
    let mut at = from;
    while at < line.len() {
        match line[at] {
            b'\\' => at += 1,
            b'"' => {
                let behind = &line[at + 1..];
                let rest = behind.trim_ascii_start();
                let is_apart = rest.len() < behind.len();
                match rest.first() {
                    None => return Ok(at),
                    Some(b'#') if is_apart => return Ok(at),
                    _ => last = Some((at, rest)),
                }
            }
            _ => {}
        }
        at += 1;
    }
    match last {
        None => Err((line.len(), Problem::NoClosingQuote)),
        // Without a blank it is a comment only if no quote comes after it.
        Some((close, [b'#', ..])) => Ok(close),
        Some((_, rest)) => Err((line.len() - rest.len(), Problem::Rest)),
    }
}

/// The value between two places of a line.
fn unescape(line: &[u8], from: usize, close: usize) -> Result<Vec<u8>, (usize, Problem)> {
    let (mut token, mut at) = (Vec::new(), from);
    while at < close {
        let (byte, len) = match line[at] {
            b'\\' => {
                let (byte, len) = escape(&line[at + 1..close]).map_err(|problem| (at, problem))?;
                (byte, 1 + len)
            }
            byte if byte.is_ascii_control() && byte != b'\t' => {
                return Err((at, Problem::Control(byte)));
            }
            byte => (byte, 1),
        };
        token.push(byte);
        at += len;
    }
    Ok(token)
}

/// The byte that an escape stands for, and its length without the backslash that is before `rest`.
fn escape(rest: &[u8]) -> Result<(u8, usize), Problem> {
    let byte = match rest {
        [quoted @ (b'\\' | b'"'), ..] => *quoted,
        [b'n', ..] => b'\n',
        [b'r', ..] => b'\r',
        [b't', ..] => b'\t',
        [b'0', ..] => b'\0',
        [b'x', digits @ ..] => {
            let digit = |i: usize| char::from(*digits.get(i)?).to_digit(16);
            let byte = digit(0).zip(digit(1)).map(|(high, low)| (high << 4 | low) as u8);
            return byte.map(|byte| (byte, 3)).ok_or(Problem::HexDigits);
        }
        _ => {
            let start = String::from_utf8_lossy(&rest[..rest.len().min(4)]);
            // It has one: a quote behind a backslash ends no value.
            return Err(Problem::Escape(start.chars().next().unwrap_or('"')));
        }
    };
    Ok((byte, 1))
}

/// The tokens of a file.
///
/// # Errors
/// If it cannot be read or is no dictionary; the error names the file, and the line and column.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let name = || format!("the dictionary {}", show::path(path));
    let explain = || format!("cannot read {}", name());
    let file = fs::File::open(path).with_context(explain)?;
    let mut text = Vec::new();
    let read = file.take(MAX_FILE_LEN + 1).read_to_end(&mut text);
    read.with_context(explain)?;
    ensure!(
        text.len() as u64 <= MAX_FILE_LEN,
        "{} is longer than {MAX_FILE_LEN} bytes, the most that one may be",
        name()
    );
    parse(&text).with_context(name)
}

/// The tokens of several files together, each once, in their order.
///
/// # Errors
/// If they are too many, or too much.
pub(crate) fn together(tokens: impl IntoIterator<Item = Vec<u8>>) -> anyhow::Result<Vec<Bytes>> {
    let mut seen = HashSet::new();
    let distinct: Vec<Bytes> =
        tokens.into_iter().map(Bytes::from).filter(|token| seen.insert(token.clone())).collect();
    let n_bytes: usize = distinct.iter().map(|token| token.len()).sum();
    ensure!(
        distinct.len() <= MAX_TOKENS,
        "the dictionary has {} tokens, and may have at most {MAX_TOKENS}",
        distinct.len()
    );
    ensure!(
        n_bytes <= MAX_BYTES,
        "the tokens of the dictionary have {n_bytes} bytes together, and may have at most {MAX_BYTES}"
    );
    Ok(distinct)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use shmfuzz_runtime::fuzz_test;

    fn tokens(text: &str) -> Vec<Vec<u8>> {
        parse(text.as_bytes()).unwrap()
    }

    fn error(text: impl AsRef<[u8]>) -> String {
        parse(text.as_ref()).unwrap_err().to_string()
    }

    #[test]
    fn lines_of_both_formats_are_tokens() {
        let text = "\u{feff}# a comment\r\n\r\n  \t\nkw=\"one\"\nkw@2 = \"two\"\r\nlen[4]=\"three\"\n\
                    a-name = \"four\"   # and why\n\t\"five\"\n\"ü\"";
        let expected = ["one", "two", "three", "four", "five", "ü"];
        assert_eq!(tokens(text), expected.map(|token| token.as_bytes().to_vec()));
        assert!(tokens("").is_empty());
    }

    #[test]
    fn escapes_stand_for_bytes() {
        assert_eq!(tokens(r#""\\\"\x00\xfF\n\r\t\0x""#), [b"\\\"\x00\xff\n\r\t\0x"]);
        assert_eq!(tokens("\"a\tb\""), [b"a\tb"]);
        assert_eq!(parse(b"\"\xff\"").unwrap(), [b"\xff"]);
    }

    #[test]
    fn a_quote_inside_needs_no_escape() {
        assert_eq!(tokens(r#"a="x="y"""#), [br#"x="y""#]);
        assert_eq!(tokens(r#""\\""#), [b"\\"]);
    }

    #[test]
    fn a_comment_after_a_value_may_hold_quotes() {
        let cases = [
            (r#"kw="a" # say "hi""#, "a"),
            (r##"kw="a" # "b" # "c""##, "a"),
            ("kw=\"a\"\t#\"", "a"),
            (r##""a"# b"##, "a"),
            // No comment without a blank before a quote, and none within a value.
            (r###"color="a="#fff"""###, r###"a="#fff""###),
            (r#""a" b" # c"#, r#"a" b"#),
            (r##""a # b""##, "a # b"),
            (r###""a\" # b""###, r##"a" # b"##),
            (r##""a\\" # b""##, r"a\"),
        ];
        for (line, token) in cases {
            assert_eq!(tokens(line), [token.as_bytes()], "{line}");
        }
        assert_eq!(
            error(r#""a" b "c"d"#),
            "line 1, column 10: expected the end of the line or a comment after the value"
        );
    }

    #[test]
    fn errors_say_where_and_what_was_expected() {
        let cases = [
            (
                "a=\"b\"\nname=value",
                "line 2, column 6: expected a value in double quotes, as in name=\"value\"",
            ),
            ("word", "line 1, column 5: expected a value in double quotes, as in name=\"value\""),
            ("a=\"b", "line 1, column 5: expected a double quote that ends the value"),
            ("a=b\"", "line 1, column 5: expected a double quote that ends the value"),
            ("\"b\\\"", "line 1, column 5: expected a double quote that ends the value"),
            ("ä=\"\"", "line 1, column 4: expected at least one byte between the double quotes"),
            (
                "\"ä\\q\"",
                "line 1, column 3: unknown escape `\\q`: expected \\\\, \\\", \\xAB, \\n, \\r, \\t or \\0",
            ),
            ("\"\\x4\"", "line 1, column 2: expected two hexadecimal digits after \\x"),
            ("\"\\xag\"", "line 1, column 2: expected two hexadecimal digits after \\x"),
            (
                "\n\n\"a\u{1}\"",
                "line 3, column 3: a control character: expected it written as \\x01",
            ),
            (
                "\"a\" b",
                "line 1, column 5: expected the end of the line or a comment after the value",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(error(text), expected, "{text:?}");
        }
        let long = format!("\n\"{}\"", "x".repeat(MAX_TOKEN_LEN + 1));
        assert_eq!(
            error(long),
            "line 2, column 2: the token has 1025 bytes, expected at most 1024"
        );
    }

    #[test]
    fn tokens_of_several_files_count_once_and_are_bounded() {
        let word = |n: usize| n.to_string().into_bytes();
        let twice = (0..MAX_TOKENS).chain(0..MAX_TOKENS).map(word);
        assert_eq!(together(twice).unwrap().len(), MAX_TOKENS);
        let error = together((0..=MAX_TOKENS).map(word)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the dictionary has 16385 tokens, and may have at most 16384"
        );
        let long = |n: usize| [&[b'x'; MAX_TOKEN_LEN - 8][..], &n.to_be_bytes()].concat();
        assert_eq!(together((0..512).map(long)).unwrap().len(), 512);
        let error = together((0..513).map(long)).unwrap_err().to_string();
        assert!(error.contains("525312 bytes together, and may have at most 524288"), "{error}");
    }

    #[test]
    fn a_file_is_named_where_it_cannot_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let error = |name: &str| format!("{:#}", read(&dir.path().join(name)).unwrap_err());
        assert!(error("none.dict").contains("none.dict"), "{}", error("none.dict"));
        fs::create_dir(dir.path().join("folder.dict")).unwrap();
        assert!(error("folder.dict").contains("folder.dict"));
        fs::write(dir.path().join("bad.dict"), "bad").unwrap();
        assert!(error("bad.dict").contains("bad.dict: line 1, column 4: expected a value"));
    }

    fn written(token: &[u8]) -> String {
        let byte = |byte: &u8| match byte {
            b'"' | b'\\' => format!("\\{}", char::from(*byte)),
            b' '..=b'~' => char::from(*byte).to_string(),
            _ => format!("\\x{byte:02X}"),
        };
        token.iter().map(byte).collect()
    }

    proptest! {
        #[test]
        fn tokens_come_back(
            all in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 0..20),
            name in "([a-z_]{1,8}(@[0-9])? ?= ?)?",
            end in "(\r?\n|[ \t]+#[a-z\" #\\\\]{0,8}\n)",
        ) {
            let lines = all.iter().map(|token| format!("{name}\"{}\"{end}", written(token)));
            prop_assert_eq!(parse(lines.collect::<String>().as_bytes()).unwrap(), all);
        }

        #[test]
        fn errors_of_any_text_lie_in_it(text in prop_oneof![
            any::<Vec<u8>>(), "[\"\\\\x0-9a=# \n]{0,40}".prop_map(String::into_bytes),
        ]) {
            if let Err(SyntaxError { line, column, .. }) = parse(&text) {
                let found = text.split(|byte| *byte == b'\n').nth(line - 1);
                prop_assert!(found.is_some_and(|found| column <= found.len() + 1));
            }
        }
    }

    /// Tokens can be written again; an error names the first line that is wrong, and a place in it.
    #[fuzz_test(seeds = [
        "# a comment\n\n kw@2 = \"two\" # \"why\"\r\n\"a\"b\"\n",
        r#""\\\"\x00\xfF\n\r\t\0x""#,
        "a=\"b\"\nname=value",
        "\u{feff}\"\u{e9}\\q\"",
        "\"a\"# b\n\"\\x4\"",
    ])]
    fn a_text_is_tokens_or_has_a_first_error(text: &[u8]) {
        match parse(text) {
            Ok(tokens) => {
                assert!(tokens.iter().all(|token| (1..=MAX_TOKEN_LEN).contains(&token.len())));
                let lines: Vec<_> =
                    tokens.iter().map(|token| format!("\"{}\"\n", written(token))).collect();
                assert_eq!(parse(lines.concat().as_bytes()), Ok(tokens));
            }
            Err(error) => {
                let lines: Vec<_> = text.split(|byte| *byte == b'\n').collect();
                let (before, rest) = lines.split_at(error.line - 1);
                assert!(parse(&before.join(&b'\n')).is_ok(), "{error}");
                let alone = [&vec![b'\n'; error.line - 1][..], rest[0]].concat();
                assert_eq!(parse(&alone), Err(error.clone()), "the line is wrong by itself");
                assert!((1..=rest[0].len() + 1).contains(&error.column), "{}", error.column);
            }
        }
    }
}
