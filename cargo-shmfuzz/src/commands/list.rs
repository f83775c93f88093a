//! `cargo shmfuzz list`: the fuzz tests and their inputs. Runs nobody's code.

use crate::cli::{Filters, MessageFormat, Selection};
use camino::Utf8PathBuf;
use clap::Args;

/// The arguments of `list`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) filters: Filters,
    /// Where the corpus is kept [default: the user's cache directory]
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) corpus_dir: Option<Utf8PathBuf>,
    /// How results are told
    #[arg(long, value_name = "FORMAT", default_value_t)]
    pub(crate) message_format: MessageFormat,
    #[command(flatten)]
    pub(crate) selection: Selection,
}
pub(crate) fn exec(
    _arguments: &Arguments,
) -> Result<crate::exit_code::ExitCode, crate::exit_code::Failed> {
    unimplemented!()
}
