//! Which dictionaries a fuzz test has: those of `--dict`, of its package's metadata and of its
//! attribute, and the one beside its seeds. They add up, since a token more does no harm.
//!
//! Invariant: a dictionary that cannot be read keeps the campaign from beginning, and the flag's
//! keeps the build from beginning.

use super::Selected;
use crate::building::FuzzTest;
use crate::coordinator::campaign::Bytes;
use crate::dictionary;
use crate::exit_code::{ExitCode, Failed};
use crate::options::OfPackage;
use crate::show;
use crate::workspace::Workspace;
use anyhow::Context;
use camino::Utf8PathBuf;
use shmfuzz_runtime::record::InputKind;
use std::path::PathBuf;

/// The tokens of one fuzz test.
#[derive(Debug)]
pub(super) struct Tokens {
    /// Those that its inputs may hold, each once.
    pub(super) usable: Vec<Bytes>,
    /// What the user should know of the others.
    pub(super) warning: Option<String>,
}

/// The tokens of `--dict`.
///
/// # Errors
/// If a file cannot be read or is no dictionary: wrong usage.
pub(super) fn given(files: &[Utf8PathBuf]) -> Result<Vec<Vec<u8>>, Failed> {
    let read = |file: &Utf8PathBuf| dictionary::read(file.as_std_path()).context("--dict");
    let tokens = files.iter().map(read).collect::<anyhow::Result<Vec<_>>>().and_then(|tokens| {
        dictionary::together(tokens.concat()).context("--dict")?;
        Ok(tokens.concat())
    });
    tokens.map_err(|error| Failed::new(ExitCode::Usage, error))
}

/// The tokens of a fuzz test, with those of `--dict`.
///
/// # Errors
/// If one of its own dictionaries cannot be read or is none, or all together are too much.
pub(super) fn of_test(
    workspace: &Workspace,
    one: &Selected,
    given: &[Vec<u8>],
) -> anyhow::Result<Tokens> {
    let explain = || one.name.clone();
    let mut tokens = given.to_vec();
    for file in files(workspace, one)? {
        tokens.extend(dictionary::read(&file).with_context(explain)?);
    }
    let all = dictionary::together(tokens).with_context(explain)?;
    Ok(usable(all, one.test.record.kind))
}

/// The files that belong to a fuzz test alone. What somebody named must be there.
fn files(workspace: &Workspace, one: &Selected) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = named(workspace, &one.test)?;
    files.extend(Some(one.dict_file.clone()).filter(|file| file.is_file()));
    Ok(files)
}

/// The files that the metadata of a fuzz test's package and its attribute name.
///
/// # Errors
/// If the metadata are wrong.
pub(super) fn named(workspace: &Workspace, test: &FuzzTest) -> anyhow::Result<Vec<PathBuf>> {
    let FuzzTest { binary, record } = test;
    let OfPackage { dict: of_package, .. } = super::of_package(workspace, test)?;
    let of_attribute = Some(record.dict.clone()).filter(|file| !file.is_empty());
    let named = [of_package, of_attribute].into_iter().flatten();
    Ok(named.map(|file| binary.package_dir.as_std_path().join(file)).collect())
}

fn usable(all: Vec<Bytes>, kind: InputKind) -> Tokens {
    let n_all = all.len();
    let fits = |token: &Bytes| kind == InputKind::Bytes || str::from_utf8(token).is_ok();
    let usable: Vec<Bytes> = all.into_iter().filter(fits).collect();
    let warning = (usable.len() < n_all).then(|| {
        format!(
            "{} of the dictionary's {} {} not valid UTF-8, so text cannot hold {}: left out",
            n_all - usable.len(),
            show::count(n_all, "token"),
            if n_all - usable.len() == 1 { "is" } else { "are" },
            if n_all - usable.len() == 1 { "it" } else { "them" },
        )
    });
    Tokens { usable, warning }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_gets_the_tokens_that_are_text() {
        let all: Vec<Bytes> = [&b"a"[..], b"\xff", b"\xc3\xa4"].map(Bytes::from).into();
        let bytes = usable(all.clone(), InputKind::Bytes);
        assert_eq!((bytes.usable.len(), bytes.warning), (3, None));
        let text = usable(all, InputKind::Text);
        assert_eq!(text.usable, [Bytes::from(&b"a"[..]), Bytes::from("ä".as_bytes())]);
        assert_eq!(
            text.warning.as_deref(),
            Some(
                "1 of the dictionary's 3 tokens is not valid UTF-8, so text cannot hold it: left out"
            )
        );
    }
}
