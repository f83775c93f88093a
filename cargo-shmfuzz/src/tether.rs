//! Cargo on a tether: in a process group of its own, so that Ctrl-C in a terminal does not stop it
//! halfway, and dead as soon as the command is, whatever ended that.
//!
//! Owns the role in between, which arms the parent-death signal and becomes cargo, and the time that
//! cargo is registered for killing. Invariant: a group is registered only while its leader is not
//! reaped, so that its number cannot be another's.

#[cfg_attr(target_os = "linux", path = "tether/linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "tether/elsewhere.rs")]
mod parent;

use crate::coordinator::driver::Groups;
use crate::show;
use crate::wrapper::unix;
use anyhow::Context as _;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use std::env;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitCode, ExitStatus};

/// Holds the process id of the command. Its presence makes the executable a tether.
const PARENT_VAR: &str = "SHMFUZZ_TETHER";

/// One call in the tether's role.
#[derive(Debug)]
pub(crate) struct Invocation {
    parent: OsString,
    words: Vec<OsString>,
}

/// The call to become, if this process was started as a tether.
pub(crate) fn role() -> Option<Invocation> {
    let parent = env::var_os(PARENT_VAR)?;
    Some(Invocation { parent, words: env::args_os().skip(1).collect() })
}

impl Invocation {
    /// Becomes the program. Returns only if that fails, and has then said so.
    pub(crate) fn replace_process(self) -> ExitCode {
        let error = match self.command() {
            Ok(command) => unix::replace_process(command),
            Err(error) => error,
        };
        // There is nobody else to tell if stderr is closed.
        let _ = writeln!(
            io::stderr(),
            "error: cargo-shmfuzz as cargo's tether: {}",
            show::error(&error)
        );
        ExitCode::FAILURE
    }

    fn command(&self) -> anyhow::Result<Command> {
        let parent = self.parent.to_str().and_then(|parent| parent.parse().ok());
        parent::die_with(parent.with_context(|| format!("{PARENT_VAR} is no process id"))?)?;
        let (program, args) = self.words.split_first().context("there is nothing to run")?;
        let mut command = Command::new(program);
        // Cargo's own children are none of ours.
        command.args(args).env_remove(PARENT_VAR);
        Ok(command)
    }
}

/// The same command on a tether. The thread that spawns it must outlive it: the parent-death
/// signal is bound to that.
pub(crate) fn command(plain: &Command) -> anyhow::Result<Command> {
    let exe = env::current_exe().context("cannot find the command's own executable")?;
    let mut tethered = Command::new(exe);
    tethered.arg(plain.get_program()).args(plain.get_args());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => tethered.env(name, value),
            None => tethered.env_remove(name),
        };
    }
    tethered.env(PARENT_VAR, std::process::id().to_string()).process_group(0);
    Ok(tethered)
}

/// As long as it lives, the child's group is killed with all others.
#[derive(Debug)]
pub(crate) struct Registration<'a> {
    groups: &'a Groups,
    leader: Pid,
}

impl<'a> Registration<'a> {
    /// Registers a child that [`command`] made.
    pub(crate) fn new(child: &Child, groups: &'a Groups) -> Self {
        let leader = Pid::from_child(child);
        groups.add(leader);
        Self { groups, leader }
    }

    /// Waits for the child to end, and reaps it when nobody can kill it any more.
    ///
    /// # Errors
    /// If the system does not let us wait.
    pub(crate) fn wait(self, mut child: Child) -> io::Result<ExitStatus> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(error) = waitid(WaitId::Pid(self.leader), options) {
            if error != rustix::io::Errno::INTR {
                return Err(error.into());
            }
        }
        drop(self);
        child.wait()
    }
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        self.groups.remove(self.leader);
    }
}
