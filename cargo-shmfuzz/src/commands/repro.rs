//! `cargo shmfuzz repro`: inputs, once each, in the ordinary build.

use crate::cli::Selection;
use camino::Utf8PathBuf;
use clap::Args;

const EXAMPLES: &str = "\
Examples:
  cargo shmfuzz repro parse crash-0123456789abcdef   a file of testdata/fuzz/<test>/
  cargo shmfuzz repro parse /tmp/input

Exit code 100 if an input fails, 0 if none does.";

/// The arguments of `repro`.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The fuzz test, by name or by a part of its path that no other has
    pub(crate) test: String,
    /// Inputs: paths of files, or names of files among the test's seeds
    #[arg(required = true)]
    pub(crate) input: Vec<Utf8PathBuf>,
    /// Take TEST as the whole path
    #[arg(long)]
    pub(crate) exact: bool,
    #[command(flatten)]
    pub(crate) selection: Selection,
}
