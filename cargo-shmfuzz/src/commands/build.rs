//! `cargo shmfuzz build`: the instrumented test binaries, and where they are.

use crate::cli::{MessageFormat, Selection};
use clap::Args;

/// The arguments of `build`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Arguments {
    /// Build without `--cfg fuzzing`
    #[arg(long)]
    pub(crate) no_cfg_fuzzing: bool,
    /// How results are told
    #[arg(long, value_name = "FORMAT", default_value_t)]
    pub(crate) message_format: MessageFormat,
    #[command(flatten)]
    pub(crate) selection: Selection,
}
