//! The source of a target of cargo-fuzz, rewritten as that of a fuzz test.
//!
//! Pure. Only tokens are looked at, so that nothing in a comment or a string changes, and only what
//! must change does: all other bytes stay as they were written.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::ops::Range;

const OLD: &str = "libfuzzer_sys";
const NEW: &str = "shmfuzz_runtime";

/// What libFuzzer calls in a target beside the target itself.
const HOOKS: [&str; 5] = [
    "fuzz_mutator",
    "fuzz_crossover",
    "fuzzer_mutate",
    "LLVMFuzzerCustomMutator",
    "LLVMFuzzerTestOneInput",
];

/// A rewritten file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Source {
    /// The new text.
    pub(super) text: String,
    /// The files that it needs beside it, `x` for `mod x;`.
    pub(super) modules: Vec<String>,
    /// Whether a `fuzz_target!` stands outside of all modules.
    pub(super) has_target: bool,
    /// Whether it takes values, or names the crate that makes them.
    pub(super) takes_values: bool,
    /// What somebody should look at.
    pub(super) remarks: Vec<String>,
}

/// Rewrites a file. `library` is the name of the fuzz package's own library, if it has one, which
/// no test of another package can use.
///
/// # Errors
/// If it cannot be a fuzz test as it is; says why.
pub(super) fn rewrite(text: &str, library: Option<&str>) -> Result<Source, String> {
    let tokens: TokenStream =
        text.parse().map_err(|error| format!("it cannot be read as Rust: {error}"))?;
    let mut rewriting = Rewriting { text, library, edits: Vec::new(), source: Source::default() };
    rewriting.walk(tokens, Depth::Top)?;
    Ok(rewriting.finish())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    Top,
    Inner,
}

struct Rewriting<'a> {
    text: &'a str,
    library: Option<&'a str>,
    edits: Vec<(Range<usize>, &'static str)>,
    source: Source,
}

impl Rewriting<'_> {
    fn walk(&mut self, tokens: TokenStream, depth: Depth) -> Result<(), String> {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (i, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Ident(ident) => {
                    self.ident(&ident.to_string(), &tokens, i, depth)?;
                }
                TokenTree::Group(group) => {
                    if depth == Depth::Top && is_inner_attribute(&tokens, i) {
                        self.inner_attribute(&tokens, i)?;
                    }
                    self.walk(group.stream(), Depth::Inner)?;
                }
                TokenTree::Literal(literal) if is_manifest_dir(&literal.to_string()) => {
                    self.remark("CARGO_MANIFEST_DIR is the package's folder now");
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn ident(
        &mut self,
        ident: &str,
        tokens: &[TokenTree],
        i: usize,
        depth: Depth,
    ) -> Result<(), String> {
        let next = |n: usize| tokens.get(i + n);
        let is_macro = next(1).is_some_and(|token| is_punct(token, '!'));
        match ident {
            OLD => self.edits.push((tokens[i].span().byte_range(), NEW)),
            "fuzz_target" if is_macro => {
                let Some(TokenTree::Group(group)) = next(2) else { return Ok(()) };
                self.source.has_target |= depth == Depth::Top;
                self.source.takes_values |= takes_values(group.stream());
            }
            "arbitrary" | "Arbitrary" => self.source.takes_values = true,
            "include" | "include_str" | "include_bytes" if is_macro => {
                self.remark(&format!(
                    "{ident}! reads a path relative to the file, which has moved"
                ));
            }
            "mod" => {
                let (Some(TokenTree::Ident(name)), Some(end)) = (next(1), next(2)) else {
                    return Ok(());
                };
                if is_punct(end, ';') {
                    let has_path = i.checked_sub(1).is_some_and(|before| {
                        matches!(&tokens[before], TokenTree::Group(group) if starts_with(group.stream(), "path"))
                    });
                    if has_path || depth == Depth::Inner {
                        return Err(format!(
                            "`mod {name};` has a path of its own or stands in another module"
                        ));
                    }
                    self.source.modules.push(name.to_string());
                }
            }
            _ if HOOKS.contains(&ident) => return Err(format!("it uses `{ident}`")),
            _ if self.library == Some(ident) => {
                return Err(format!("it uses `{ident}`, the library of the fuzz package"));
            }
            _ => {}
        }
        Ok(())
    }

    /// `#![no_main]` goes, with its line if nothing else is on it: a test has a main function.
    fn inner_attribute(&mut self, tokens: &[TokenTree], i: usize) -> Result<(), String> {
        let TokenTree::Group(group) = &tokens[i] else { return Ok(()) };
        let attribute: Vec<TokenTree> = group.stream().into_iter().collect();
        let is_no_main = match &attribute[..] {
            [TokenTree::Ident(name)] => name == "no_main",
            [TokenTree::Ident(name), TokenTree::Group(arguments)] if name == "cfg_attr" => {
                let arguments: Vec<TokenTree> = arguments.stream().into_iter().collect();
                let names_it =
                    arguments.iter().any(|t| matches!(t, TokenTree::Ident(i) if i == "no_main"));
                let n_commas = arguments.iter().filter(|token| is_punct(token, ',')).count();
                let ends_so = matches!(&arguments[..], [.., comma, TokenTree::Ident(name)]
                    if is_punct(comma, ',') && name == "no_main");
                if names_it && !(n_commas == 1 && ends_so) {
                    let shown = group.to_string();
                    return Err(format!(
                        "remove `no_main` from `#!{shown}`: a test has a main function"
                    ));
                }
                names_it
            }
            _ => false,
        };
        if is_no_main {
            let (start, end) =
                (tokens[i - 2].span().byte_range().start, group.span().byte_range().end);
            self.edits.push((self.with_line(start..end), ""));
        }
        Ok(())
    }

    /// The whole line, if the range is all that is on it.
    fn with_line(&self, range: Range<usize>) -> Range<usize> {
        let before = &self.text[..range.start];
        let start = before.trim_end_matches([' ', '\t']).len();
        let rest = &self.text[range.end..];
        let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\r']).len();
        let begins_line = start == 0 || before[..start].ends_with('\n');
        match rest[blank..].strip_prefix('\n') {
            Some(_) if begins_line => start..range.end + blank + 1,
            _ => range,
        }
    }

    fn remark(&mut self, text: &str) {
        if !self.source.remarks.iter().any(|remark| remark == text) {
            self.source.remarks.push(text.to_owned());
        }
    }

    fn finish(mut self) -> Source {
        self.edits.sort_by_key(|(range, _)| range.start);
        let mut end = 0;
        for (range, new) in &self.edits {
            self.source.text.push_str(&self.text[end..range.start]);
            self.source.text.push_str(new);
            end = range.end;
        }
        self.source.text.push_str(&self.text[end..]);
        // What stood below an attribute that is gone needs no blank line above it.
        if self.edits.first().is_some_and(|(range, _)| range.start == 0) {
            let first = self.source.text.len() - self.source.text.trim_start_matches('\n').len();
            self.source.text.drain(..first);
        }
        self.source
    }
}

fn is_punct(token: &TokenTree, c: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == c)
}

/// Whether the group at `i` is that of `#![..]`.
fn is_inner_attribute(tokens: &[TokenTree], i: usize) -> bool {
    let is_bracket =
        matches!(&tokens[i], TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket);
    is_bracket && i >= 2 && is_punct(&tokens[i - 1], '!') && is_punct(&tokens[i - 2], '#')
}

fn starts_with(tokens: TokenStream, name: &str) -> bool {
    matches!(tokens.into_iter().next(), Some(TokenTree::Ident(ident)) if ident == name)
}

fn is_manifest_dir(literal: &str) -> bool {
    literal.contains("CARGO_MANIFEST_DIR") && literal.starts_with('"')
}

/// Whether the argument of the closure has a type other than `&[u8]`.
fn takes_values(target: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = target.into_iter().collect();
    let mut arguments = tokens.split(|token| is_punct(token, '|'));
    let Some(argument) = arguments.nth(1) else { return false };
    let ty = argument.split(|token| is_punct(token, ':')).skip(1).collect::<Vec<_>>().concat();
    let text: String = ty.iter().map(ToString::to_string).collect();
    !ty.is_empty() && text.replace(' ', "") != "&[u8]"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(old: &str, new: &str) -> Source {
        let source = rewrite(old, Some("fuzz_lib")).unwrap();
        assert_eq!(source.text, new);
        source
    }

    fn refusal(text: &str) -> String {
        rewrite(text, Some("fuzz_lib")).unwrap_err()
    }

    #[test]
    fn a_target_changes_by_its_use_and_no_main() {
        let source = check(
            "#![no_main]\n\n// libfuzzer_sys is a crate.\nuse libfuzzer_sys::fuzz_target;\n\n\
             fuzz_target!(|data: &[u8]| { let _ = \"libfuzzer_sys\"; });\n",
            "// libfuzzer_sys is a crate.\nuse shmfuzz_runtime::fuzz_target;\n\n\
             fuzz_target!(|data: &[u8]| { let _ = \"libfuzzer_sys\"; });\n",
        );
        assert!(source.has_target && !source.takes_values, "{source:?}");
    }

    #[test]
    fn all_ways_to_name_the_crate_are_changed() {
        check(
            "//! Says \u{e4}.\r\n #![cfg_attr(fuzzing, no_main)] \r\n#[macro_use] extern crate libfuzzer_sys;",
            "//! Says \u{e4}.\r\n#[macro_use] extern crate shmfuzz_runtime;",
        );
        let source = check(
            "use libfuzzer_sys::{arbitrary::{self, Arbitrary}, fuzz_target, Corpus};",
            "use shmfuzz_runtime::{arbitrary::{self, Arbitrary}, fuzz_target, Corpus};",
        );
        assert!(source.takes_values && !source.has_target);
        check("#![no_main] ::libfuzzer_sys::f!();", " ::shmfuzz_runtime::f!();");
    }

    #[test]
    fn the_type_of_the_argument_says_whether_values_are_taken() {
        for (argument, expected) in [
            ("data", false),
            ("data: &[u8]", false),
            ("data: & [ u8 ]", false),
            ("data: &[u16]", true),
            ("data: foo::Bar<'_>", true),
            ("text: &str", true),
        ] {
            let closure = format!("fuzz_target!(|{argument}| {{ a | b }});");
            assert_eq!(rewrite(&closure, None).unwrap().takes_values, expected, "{argument}");
            let with_init = format!("fuzz_target!(init: x::y(), |{argument}| -> Corpus {{}});");
            assert_eq!(rewrite(&with_init, None).unwrap().takes_values, expected, "{argument}");
        }
    }

    #[test]
    fn what_cannot_move_is_refused() {
        let mutator = "use libfuzzer_sys::{fuzz_mutator, fuzz_target};";
        assert_eq!(refusal(mutator), "it uses `fuzz_mutator`");
        assert_eq!(
            refusal("use fuzz_lib::f;"),
            "it uses `fuzz_lib`, the library of the fuzz package"
        );
        assert!(
            refusal("#![cfg_attr(fuzzing, no_main, no_std)]").contains("remove `no_main` from")
        );
        assert!(refusal("#[path = \"a.rs\"] mod b;").contains("`mod b;` has a path of its own"));
        assert!(refusal("mod a { mod b; }").contains("`mod b;`"));
        assert!(refusal("fn (").contains("cannot be read as Rust"));
    }

    #[test]
    fn what_needs_a_look_is_remarked() {
        let source = rewrite(
            "mod shared; mod inline {} const A: &[u8] = include_bytes!(\"a\"); env!(\"CARGO_MANIFEST_DIR\");",
            None,
        );
        let source = source.unwrap();
        assert_eq!(source.modules, ["shared"]);
        assert_eq!(source.remarks.len(), 2, "{:?}", source.remarks);
        assert!(!source.has_target);
        assert!(!rewrite("mod m { fuzz_target!(|data| ()); }", None).unwrap().has_target);
    }
}
