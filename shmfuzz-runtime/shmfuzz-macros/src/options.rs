//! The options in `#[fuzz_test(..)]`: their names, their values and their errors.

use std::time::Duration;

use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Error, Expr, ExprLit, ExprPath, Ident, Lit, Path, Token};

/// Each, and how it is written.
const KNOWN: [(&str, &str); 11] = [
    ("seeds", "seeds = [\"a seed\", b\"another\"]"),
    ("timeout", "timeout = \"500ms\""),
    ("max_len", "max_len = 4096"),
    ("dict", "dict = \"dict/json.dict\""),
    ("stack_size", "stack_size = \"8MiB\""),
    ("rss_limit", "rss_limit = \"512MiB\""),
    ("setup", "setup = path::to::function"),
    ("block_on", "block_on = path::to::block_on"),
    ("mutator", "mutator = path::to::function"),
    ("generator", "generator = path::to::function"),
    ("crate", "crate = path::to::shmfuzz_runtime"),
];

/// What was given; the default is what an attribute without options says.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) seeds: Vec<Expr>,
    pub(crate) timeout_ms: u64,
    pub(crate) max_len: u64,
    pub(crate) stack_size: u64,
    pub(crate) rss_limit: u64,
    pub(crate) dict: String,
    pub(crate) runtime: Option<Path>,
    pub(crate) setup: Option<PathOption>,
    pub(crate) block_on: Option<PathOption>,
    pub(crate) mutator: Option<PathOption>,
    pub(crate) generator: Option<PathOption>,
}

/// A function that is named.
pub(crate) struct PathOption {
    pub(crate) path: ExprPath,
    /// As it is written, without blanks.
    pub(crate) text: String,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut options = Self::default();
        let mut seen: Vec<Ident> = Vec::new();
        while !input.is_empty() {
            let name = Ident::parse_any(input).map_err(|error| {
                Error::new(error.span(), format!("expected one of {}", known()))
            })?;
            if seen.contains(&name) {
                return Err(Error::new(name.span(), format!("`{name}` is given twice")));
            }
            options.parse_one(&name, input)?;
            seen.push(name);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

impl Options {
    fn parse_one(&mut self, name: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
        let Some((_, example)) = KNOWN.iter().find(|(known, _)| name == known) else {
            return Err(Error::new(name.span(), unknown(&name.to_string())));
        };
        if !input.peek(Token![=]) {
            return Err(Error::new(name.span(), format!("`{name}` needs a value: `{example}`")));
        }
        input.parse::<Token![=]>()?;
        let span = input.span();
        let malformed = |at| Error::new(at, format!("write `{example}`"));
        if name == "crate" {
            self.runtime = Some(Path::parse_mod_style(input).map_err(|_| malformed(span))?);
            return Ok(());
        }
        let value: Expr = input.parse().map_err(|_| malformed(span))?;
        let at = value.span();
        if name == "seeds" {
            let Expr::Array(array) = value else { return Err(malformed(at)) };
            self.seeds = array.elems.into_iter().collect();
            return Ok(());
        }
        if let Some(field) = self.function(name) {
            *field = Some(function(value).ok_or_else(|| malformed(at))?);
            return Ok(());
        }
        if name == "dict" {
            self.dict = path(&value).ok_or_else(|| malformed(at))?;
            return Ok(());
        }
        let parse = if name == "timeout" { milliseconds } else { bytes };
        let number = parse(&value).filter(|number| *number > 0).ok_or_else(|| malformed(at))?;
        let field = match name.to_string().as_str() {
            "timeout" => &mut self.timeout_ms,
            "max_len" => &mut self.max_len,
            "stack_size" => &mut self.stack_size,
            _ => &mut self.rss_limit,
        };
        *field = number;
        Ok(())
    }
}

impl Options {
    /// The option of this name, if it names a function.
    fn function(&mut self, name: &Ident) -> Option<&mut Option<PathOption>> {
        Some(match name.to_string().as_str() {
            "setup" => &mut self.setup,
            "block_on" => &mut self.block_on,
            "mutator" => &mut self.mutator,
            "generator" => &mut self.generator,
            _ => return None,
        })
    }
}

fn known() -> String {
    KNOWN.map(|(name, _)| format!("`{name}`")).join(", ")
}

/// What to say of a name that is none, with the one that was meant if one is near.
fn unknown(name: &str) -> String {
    let distance = |known: &str| match known.starts_with(name) || name.starts_with(known) {
        true => 0,
        false => distance(name, known),
    };
    let nearest = KNOWN.iter().map(|(known, _)| (distance(known), known)).min();
    match nearest {
        Some((0..=2, known)) => format!("unknown option `{name}`: did you mean `{known}`?"),
        _ => format!("unknown option `{name}`: expected one of {}", known()),
    }
}

/// How many characters must be put in, taken out or changed to make one of the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.chars().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

fn function(value: Expr) -> Option<PathOption> {
    let Expr::Path(path) = value else { return None };
    let text = path.to_token_stream().to_string().replace(' ', "");
    Some(PathOption { path, text })
}

/// A path relative to the package's root: one with a root of its own means another file on each
/// machine.
fn path(value: &Expr) -> Option<String> {
    let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = value else { return None };
    let text = text.value();
    let is_relative = !text.is_empty() && std::path::Path::new(&text).is_relative();
    is_relative.then_some(text)
}

fn milliseconds(value: &Expr) -> Option<u64> {
    let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = value else { return None };
    let duration = parse_duration(&text.value())?;
    u64::try_from(duration.as_millis()).ok()
}

fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = number_and_unit(text)?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        _ => None,
    }
}

fn bytes(value: &Expr) -> Option<u64> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) if number.suffix().is_empty() => {
            number.base10_parse().ok()
        }
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => parse_size(&text.value()),
        _ => None,
    }
}

fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let shift = match unit {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        syn::parse_str::<Options>(text).err().map(|e| e.to_string()).unwrap_or_default()
    }

    #[test]
    fn values_are_read_with_their_units() {
        let text = "timeout = \"2m\", max_len = 4_096, stack_size = \"8 MiB\", rss_limit = \"1GiB\", dict = \"a/b.dict\"";
        let options: Options = syn::parse_str(text).unwrap();
        assert_eq!(options.timeout_ms, 120_000);
        assert_eq!(options.max_len, 4096);
        assert_eq!(options.stack_size, 8 << 20);
        assert_eq!(options.rss_limit, 1 << 30);
        assert_eq!(options.dict, "a/b.dict");
        assert!(options.runtime.is_none());
    }

    #[test]
    fn errors_say_what_to_write() {
        let cases = [
            ("timeout = \"0s\"", "write `timeout = \"500ms\"`"),
            ("timeout = 5", "write `timeout = \"500ms\"`"),
            ("timeout = \"99999999999999999999s\"", "write `timeout = \"500ms\"`"),
            ("stack_size = \"99999999999GiB\"", "write `stack_size = \"8MiB\"`"),
            ("max_len = -1", "write `max_len = 4096`"),
            ("max_len = 1u8", "write `max_len = 4096`"),
            ("dict = \"\"", "write `dict = \"dict/json.dict\"`"),
            ("dict = 1", "write `dict = \"dict/json.dict\"`"),
            ("dict = \"/etc/json.dict\"", "write `dict = \"dict/json.dict\"`"),
            ("seeds = \"a\"", "write `seeds = [\"a seed\", b\"another\"]`"),
            ("setup = \"prepare\"", "write `setup = path::to::function`"),
            ("setup = prepare()", "write `setup = path::to::function`"),
            ("block_on = |f| run(f)", "write `block_on = path::to::block_on`"),
            ("seeds", "`seeds` needs a value: `seeds = [\"a seed\", b\"another\"]`"),
            ("max_len = 1, max_len = 2", "`max_len` is given twice"),
        ];
        for (text, expected) in cases {
            assert_eq!(error(text), expected, "{text}");
        }
        assert!(error("corpus = 1").starts_with("unknown option `corpus`: expected one of"));
        assert!(error("\"a seed\"").starts_with("expected one of"));
    }

    #[test]
    fn the_nearest_option_is_named() {
        for (name, meant) in [
            ("time", "timeout"),
            ("time_out", "timeout"),
            ("seed", "seeds"),
            ("maxlen", "max_len"),
            ("set_up", "setup"),
            ("blockon", "block_on"),
            ("rss", "rss_limit"),
        ] {
            let expected = format!("unknown option `{name}`: did you mean `{meant}`?");
            assert_eq!(error(&format!("{name} = 1")), expected);
        }
    }

    #[test]
    fn functions_are_named_by_paths() {
        let text = "setup = <a::B as C>::prepare::<u8>, block_on = pollster::block_on";
        let options: Options = syn::parse_str(text).unwrap();
        let names = [options.setup, options.block_on].map(|path| path.unwrap().text);
        assert_eq!(names, ["<a::BasC>::prepare::<u8>", "pollster::block_on"]);
    }
}
