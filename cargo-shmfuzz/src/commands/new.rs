//! `cargo shmfuzz new`: the dependency and a first fuzz test.

use clap::Args;

const EXAMPLES: &str = "\
Example:
  cargo shmfuzz new parse      adds shmfuzz-runtime to the dev-dependencies and writes
                               tests/parse.rs with one fuzz test";

/// The arguments of `new`.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Name of the fuzz test, and of the file in `tests/`
    #[arg(value_parser = parse_name)]
    pub(crate) name: String,
    /// Take shmfuzz-runtime from this directory, not from the registry
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) path: Option<camino::Utf8PathBuf>,
    /// The package to add it to
    #[arg(short, long, value_name = "SPEC")]
    pub(crate) package: Option<String>,
    #[command(flatten)]
    pub(crate) manifest: clap_cargo::Manifest,
}

/// A name that is good for a function and a file.
fn parse_name(name: &str) -> Result<String, String> {
    let mut bytes = name.bytes();
    let starts = bytes.next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_');
    let goes_on = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if starts && goes_on && name != "_" {
        Ok(name.to_owned())
    } else {
        Err("write a name in snake_case, as for a function".to_owned())
    }
}
