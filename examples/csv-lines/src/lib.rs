//! One line of comma-separated values: splits and joins fields, with quotes as RFC 4180 has them.
//!
//! The fuzz tests stand in `tests/fuzz.rs`, a target with `harness = false` that says
//! `shmfuzz_runtime::main!()`. There, each seed is a test of its own:
//!
//! ```console
//! $ cargo test -p csv-lines --test fuzz
//! $ cargo shmfuzz run -p csv-lines --time 10s
//! ```

use std::fmt;

/// Why a line cannot be split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// A quoted field has no end.
    Open,
    /// Something stands between a closing quote and the next comma, at this byte.
    AfterQuote(usize),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("a quoted field has no end"),
            Self::AfterQuote(at) => write!(f, "expected a comma at byte {at}"),
        }
    }
}

impl std::error::Error for Error {}

/// Splits a line, which holds no line's end but in quotes, into its fields.
///
/// # Errors
/// If a quote is where none may be, or is not closed.
///
/// ```
/// assert_eq!(csv_lines::split(r#"a,"b ""c"", d",e"#).unwrap(), ["a", "b \"c\", d", "e"]);
/// ```
pub fn split(line: &str) -> Result<Vec<String>, Error> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => take_quoted(quoted)?,
            None => {
                let (field, after) = rest.split_at(rest.find(',').unwrap_or(rest.len()));
                (field.to_owned(), after)
            }
        };
        fields.push(field);
        if after.is_empty() {
            return Ok(fields);
        }
        let at = line.len() - after.len();
        rest = after.strip_prefix(',').ok_or(Error::AfterQuote(at))?;
    }
}

/// The field up to its closing quote, and what follows that.
fn take_quoted(quoted: &str) -> Result<(String, &str), Error> {
    let mut field = String::new();
    let mut rest = quoted;
    loop {
        let (text, after) = rest.split_once('"').ok_or(Error::Open)?;
        field.push_str(text);
        match after.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Ok((field, after)),
        }
    }
}

/// Joins fields into a line that [`split`] takes apart again. One empty field is an empty line.
pub fn join<S: AsRef<str>>(fields: &[S]) -> String {
    let quote = |field: &S| {
        let field = field.as_ref();
        if field.contains(['"', ',', '\n', '\r']) {
            format!("\"{}\"", field.replace('"', "\"\""))
        } else {
            field.to_owned()
        }
    };
    fields.iter().map(quote).collect::<Vec<_>>().join(",")
}
