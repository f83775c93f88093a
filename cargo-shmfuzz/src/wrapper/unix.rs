//! Becoming another program, which Unix alone can do.

use crate::show;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Replaces this process. Returns only if that fails.
pub(crate) fn replace_process(mut command: Command) -> anyhow::Error {
    let error = command.exec();
    let program = show::path(command.get_program());
    anyhow::Error::new(error).context(format!("cannot run {program}"))
}
