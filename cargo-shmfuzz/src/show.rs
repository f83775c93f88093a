//! How bytes and texts of the target, and the names of files, are shown to people.
//!
//! What a worker says, and what an input holds, was written by code under test, and a file's name by
//! whoever made the file. Invariant: nothing
//! that leaves this module can move the cursor, change a colour or the title, or turn the direction
//! of the text: such characters are spelled out.

use shmfuzz_runtime::shape::Shape;
use shmfuzz_runtime::value::text;
use std::error::Error;
use std::fmt::Write;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Whether a terminal may do something else with this character than print it.
pub(crate) fn is_unsafe(c: char) -> bool {
    // Bidirectional controls do not reach the terminal's state, but they reorder what is read.
    let reorders = matches!(c, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || reorders
}

/// One line: control characters, line breaks among them, are spelled out.
pub(crate) fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// A path, on one line: whoever names a file names it with any character.
pub(crate) fn path(path: impl AsRef<Path>) -> String {
    line(&path.as_ref().to_string_lossy())
}

/// An error and what caused it. Whatever the system says is one line, since it may name a file; our
/// own texts have names escaped already, and may have several lines.
pub(crate) fn error(error: &anyhow::Error) -> String {
    let escaped = |cause: &(dyn Error + 'static)| {
        let text = cause.to_string();
        if cause.is::<io::Error>() {
            line(&text)
        } else {
            lines(&text).collect::<Vec<_>>().join("\n")
        }
    };
    error.chain().map(escaped).collect::<Vec<_>>().join(": ")
}

/// The lines of a text, each escaped; tabs are widened.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(widened)
}

fn widened(text: &str) -> String {
    line(&text.replace('\t', "    "))
}

/// A word as a shell reads it, on one line.
pub(crate) fn shell_word(word: &str) -> String {
    let word = line(word);
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-+,:@%=".contains(&b);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The last `limit` lines of a text, escaped, and how many were left out before them.
pub(crate) fn tail(text: &str, limit: usize) -> (usize, Vec<String>) {
    let all: Vec<&str> = text.trim_end().trim_start_matches('\n').lines().collect();
    let left_out = all.len().saturating_sub(limit);
    (left_out, all[left_out..].iter().copied().map(widened).collect())
}

/// Most bytes of an input that are shown.
const INPUT_LIMIT: usize = 512;
/// Most bytes of an input that are shown as a hexdump.
const DUMP_LIMIT: usize = 256;
/// Width of the lines that long text is cut into, in characters.
const TEXT_WIDTH: usize = 72;

/// An input, as text if it is mostly that, else as a hexdump; what is cut off is said.
pub(crate) fn input(shape: Option<&Shape>, bytes: &[u8]) -> Vec<String> {
    if let Some(shape) = shape {
        return values(shape, bytes);
    }
    match as_text(bytes) {
        Some(text) => text,
        None => hexdump(bytes),
    }
}

/// The arguments of an input, one a line, as much of each as can be read.
fn values(shape: &Shape, input: &[u8]) -> Vec<String> {
    /// As many characters.
    const MOST: usize = 400;
    let shorten = |text: String| {
        let n_more = text.chars().count().saturating_sub(MOST);
        match n_more {
            0 => line(&text),
            _ => {
                let start: String = text.chars().take(MOST).collect();
                format!("{}... ({n_more} more characters)", line(&start))
            }
        }
    };
    text::to_lines(shape, input).into_iter().map(shorten).collect()
}

/// The input as a quoted literal, in lines that end where the input's do.
fn as_text(bytes: &[u8]) -> Option<Vec<String>> {
    let head = &bytes[..bytes.len().min(INPUT_LIMIT)];
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The limit may have cut a character.
        Err(e) if e.error_len().is_none() && head.len() < bytes.len() => {
            std::str::from_utf8(&head[..e.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let odd = text.chars().filter(|c| is_unsafe(*c) && !matches!(c, '\n' | '\r' | '\t')).count();
    if odd * 8 > text.len() {
        return None;
    }
    let mut out = Vec::new();
    let mut row = String::new();
    for c in text.chars() {
        let quoted: String = match c {
            '"' | '\'' => c.to_string(),
            c if is_unsafe(c) || c == '\\' => c.escape_default().collect(),
            c => c.to_string(),
        };
        row.push_str(&quoted);
        if c == '\n' || row.chars().count() >= TEXT_WIDTH {
            out.push(std::mem::take(&mut row));
        }
    }
    if !row.is_empty() || out.is_empty() {
        out.push(row);
    }
    let mut out: Vec<String> = out.into_iter().map(|row| format!("b\"{row}\"")).collect();
    out.extend(cut(bytes.len(), text.len()));
    Some(out)
}

/// Sixteen bytes a line: offset, hexadecimal, characters.
fn hexdump(bytes: &[u8]) -> Vec<String> {
    let head = &bytes[..bytes.len().min(DUMP_LIMIT)];
    let row = |(i, row): (usize, &[u8])| {
        let mut hex = String::new();
        for byte in row {
            // Writing to a string does not fail.
            let _ = write!(hex, "{byte:02x} ");
        }
        let printable = |b: &u8| if b.is_ascii_graphic() || *b == b' ' { *b as char } else { '.' };
        let text: String = row.iter().map(printable).collect();
        format!("{:08x}  {hex:<48} |{text}|", i * 16)
    };
    let mut out: Vec<String> = head.chunks(16).enumerate().map(row).collect();
    out.extend(cut(bytes.len(), head.len()));
    out
}

fn cut(len: usize, shown: usize) -> Option<String> {
    (shown < len).then(|| format!("... and {} more", size(len - shown)))
}

/// A number of bytes, exactly.
pub(crate) fn size(n: usize) -> String {
    if n == 1 { "1 byte".to_owned() } else { format!("{n} bytes") }
}

/// `1 seed`, `2 seeds`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// A large number in few characters: `950`, `12.3k`, `4.5M`.
pub(crate) fn short(n: f64) -> String {
    match n {
        n if n < 1e3 => format!("{n:.0}"),
        n if n < 1e6 => format!("{:.1}k", n / 1e3),
        n if n < 1e9 => format!("{:.1}M", n / 1e6),
        n => format!("{:.1}G", n / 1e9),
    }
}

/// A time in few characters: `0.42s`, `12.3s`, `3m05s`, `2h07m`.
pub(crate) fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.2}s", time.as_secs_f64()),
        10..60 => format!("{:.1}s", time.as_secs_f64()),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shmfuzz_runtime::fuzz_test;

    #[test]
    fn nothing_reaches_the_terminal_but_characters() {
        assert_eq!(line("a\x1b[31mb\u{9b}0mc\r\n"), "a\\u{1b}[31mb\\u{9b}0mc\\r\\n");
        assert_eq!(line("ab\u{202e}cd \u{e9}\u{1f600}"), "ab\\u{202e}cd \u{e9}\u{1f600}");
        assert_eq!(lines("a\tb\n\x07c").collect::<Vec<_>>(), ["a    b", "\\u{7}c"]);
        assert_eq!(tail("1\n2\n3\n", 2), (1, vec!["2".to_owned(), "3".to_owned()]));
        assert_eq!(tail("", 2), (0, vec![]));
    }

    #[test]
    fn an_error_cannot_be_made_by_the_name_of_a_file() {
        let name = Path::new("a\nerror: b\u{1b}[2J");
        assert_eq!(path(name), "a\\nerror: b\\u{1b}[2J");
        let system = fs_err::read(name).unwrap_err();
        let own =
            anyhow::Error::new(system).context(format!("cannot\x07 read {}\nhint", path(name)));
        let shown = error(&own);
        assert!(shown.starts_with("cannot\\u{7} read a\\nerror: b\\u{1b}[2J\nhint: "), "{shown}");
        assert!(shown.contains("`a\\nerror: b\\u{1b}[2J`"), "{shown}");
    }

    #[test]
    fn text_is_shown_as_text() {
        let check = |bytes: &[u8], lines: &[&str]| assert_eq!(input(None, bytes), lines);
        check(b"", &[r#"b"""#]);
        check(b"$GPGGA,*4\r\n$\n", &[r#"b"$GPGGA,*4\r\n""#, r#"b"$\n""#]);
        check(b"a\\b", &[r#"b"a\\b""#]);
        check("\u{e9}".as_bytes(), &["b\"\u{e9}\""]);
        let long = input(None, &[b'x'; 600]);
        assert_eq!(long.len(), 9);
        assert_eq!(long[8], "... and 88 bytes more");
    }

    #[test]
    fn bytes_are_shown_as_a_hexdump() {
        let dump = input(None, b"\x00\xffAB\x1b[0m 9abcdef01\n");
        assert_eq!(
            dump,
            [
                "00000000  00 ff 41 42 1b 5b 30 6d 20 39 61 62 63 64 65 66  |..AB.[0m 9abcdef|",
                "00000010  30 31 0a                                         |01.|",
            ]
        );
        assert_eq!(input(None, &[0; 257])[16], "... and 1 byte more");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [0.0, 999.0, 12_345.0, 4.5e6, 2e9].map(short),
            ["0", "999", "12.3k", "4.5M", "2.0G"]
        );
        let times = [420, 12_300, 185_000, 7_620_000].map(Duration::from_millis);
        assert_eq!(times.map(time), ["0.42s", "12.3s", "3m05s", "2h07m"]);
        assert_eq!([count(1, "seed"), count(2, "seed")], ["1 seed", "2 seeds"]);
    }

    /// Unicode's `Bidi_Control`, and the separators of lines that are no control characters.
    const REORDERING: &str = "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\
                              \u{2066}\u{2067}\u{2068}\u{2069}\u{2028}\u{2029}";

    #[track_caller]
    fn check_harmless(shown: &str) {
        let is_harmful = |c: char| {
            let is_control = matches!(c, '\0'..' ' | '\u{7f}'..'\u{a0}');
            is_control || REORDERING.contains(c)
        };
        assert!(!shown.contains(is_harmful), "{shown:?}");
    }

    /// The word that a shell reads; `None` if it reads several, or something else.
    fn read_by_shell(shown: &str) -> Option<String> {
        let (mut word, mut chars, mut is_word) = (String::new(), shown.chars(), false);
        while let Some(c) = chars.next() {
            is_word = true;
            match c {
                '\'' => loop {
                    match chars.next()? {
                        '\'' => break,
                        c => word.push(c),
                    }
                },
                '\\' => word.push(chars.next()?),
                c if c.is_ascii_alphanumeric() || "/._-+,:@%=".contains(c) => word.push(c),
                _ => return None,
            }
        }
        is_word.then_some(word)
    }

    /// Of any text, no terminal obeys what is shown, no line is lost, and what is shown is not
    /// changed by showing it again.
    #[fuzz_test(seeds = ["", "a\x1b[31mb\u{9b}0mc\r\n", "it's\ta\u{202e}b", "a\n\n\x07b\r\r\nc", "/a/b=c"])]
    fn no_terminal_obeys_a_text(text: &str) {
        let one = line(text);
        check_harmless(&one);
        assert_eq!(line(&one), one);
        let all: Vec<String> = lines(text).collect();
        assert_eq!(all.len(), text.lines().count());
        all.iter().for_each(|line| check_harmless(line));
        let trimmed = text.trim_end().trim_start_matches('\n');
        for limit in [0, 1, 3] {
            let (left_out, shown) = tail(text, limit);
            let expected: Vec<String> = lines(trimmed).skip(left_out).collect();
            assert_eq!(
                (left_out, &shown),
                (lines(trimmed).count().saturating_sub(limit), &expected)
            );
        }
        assert_eq!(read_by_shell(&shell_word(text)), Some(one));
        let shown = error(&anyhow::anyhow!(text.to_owned()).context("outer"));
        shown.split('\n').for_each(check_harmless);
    }

    /// What Rust reads between the quotes of a shown line.
    fn unescaped(literal: &str) -> String {
        let (mut out, mut rest) = (String::new(), literal);
        while let Some((before, escape)) = rest.split_once('\\') {
            out.push_str(before);
            let len = if escape.starts_with('u') { escape.find('}').unwrap() + 1 } else { 1 };
            let (escape, behind) = escape.split_at(len);
            out.push(match escape {
                "n" => '\n',
                "r" => '\r',
                "t" => '\t',
                "\\" => '\\',
                code => {
                    let digits = code.trim_start_matches("u{").trim_end_matches('}');
                    char::from_u32(u32::from_str_radix(digits, 16).unwrap()).unwrap()
                }
            });
            rest = behind;
        }
        out + rest
    }

    /// What is shown of an input tells which bytes those are, and how many more there are.
    #[fuzz_test(seeds = ["", "$GPGGA,*4\r\n\"$\"\n", "a\\b\u{e9}\u{202e}", "\0\x01\x02 9abcdef01\n"])]
    fn an_input_is_shown_exactly(bytes: &[u8]) {
        let mut rows = input(None, bytes);
        rows.iter().for_each(|row| check_harmless(row));
        let is_cut = rows.last().is_some_and(|row| row.starts_with("... and "));
        let cut = if is_cut { rows.pop() } else { None };
        let mut shown = Vec::new();
        for row in &rows {
            if let Some(literal) = row.strip_prefix("b\"").and_then(|row| row.strip_suffix('"')) {
                shown.extend(unescaped(literal).into_bytes());
                continue;
            }
            assert_eq!(usize::from_str_radix(&row[..8], 16), Ok(shown.len()));
            let hex = row[10..58].split_ascii_whitespace();
            shown.extend(hex.map(|byte| u8::from_str_radix(byte, 16).unwrap()));
        }
        assert_eq!(shown, bytes[..shown.len()]);
        let left = bytes.len() - shown.len();
        assert_eq!(cut, (left > 0).then(|| format!("... and {} more", size(left))));
        assert!(left == 0 || shown.len() >= DUMP_LIMIT);
    }
}
