//! Becoming another program, which Unix alone can do.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Replaces this process. Returns only if that fails.
pub(crate) fn replace_process(mut command: Command) -> anyhow::Error {
    let error = command.exec();
    let program = command.get_program().display();
    anyhow::Error::new(error).context(format!("cannot run {program}"))
}
