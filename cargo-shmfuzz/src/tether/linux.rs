//! Dying with the parent, which Linux can do by a signal.

use anyhow::{Context as _, ensure};
use rustix::process::{Signal, getppid, set_parent_process_death_signal};

/// Makes this process die when the thread that started it ends.
///
/// # Errors
/// If the system refuses, or the parent is not the one that it was.
pub(super) fn die_with(parent: u32) -> anyhow::Result<()> {
    let explain = "cannot ask for a signal at the parent's death";
    set_parent_process_death_signal(Some(Signal::KILL)).context(explain)?;
    // It may have died before the signal was armed.
    let now = getppid().map(|pid| pid.as_raw_nonzero().get().cast_unsigned());
    ensure!(now == Some(parent), "the command that started this has ended");
    Ok(())
}
