//! How a test binary is started for one fuzz test: as a worker, or to run one input.
//!
//! It owns the command line and the environment; not the process.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Where a fuzz test is, as far as starting it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Launch {
    /// The test binary.
    pub(crate) executable: PathBuf,
    /// The package's folder: the working directory, as under `cargo test`.
    pub(crate) package_dir: PathBuf,
    /// The test's path as the harness prints it.
    pub(crate) test_path: String,
    /// What `cargo test` would set, and what the build asks for.
    pub(crate) env: Vec<(String, OsString)>,
}

impl Launch {
    /// The command that runs this one test and no other.
    pub(crate) fn command(&self) -> Command {
        self.command_for(Command::new(&self.executable))
    }

    /// The same of an executable that was opened: also when another build has put another one in
    /// its place, or is about to. The file must stay open until the process has started.
    pub(super) fn command_of(&self, image: Option<&File>) -> Command {
        let Some(image) = image.filter(|_| cfg!(target_os = "linux")) else {
            return self.command();
        };
        let mut program = Command::new(format!("/proc/self/fd/{}", image.as_raw_fd()));
        program.arg0(&self.executable);
        self.command_for(program)
    }

    fn command_for(&self, mut command: Command) -> Command {
        command
            .args(["--exact", &self.test_path, "--nocapture"])
            .args(["--test-threads=1", "--include-ignored"])
            .current_dir(&self.package_dir)
            // It would turn the worker into a replay.
            .env_remove(shmfuzz_runtime::child::REPLAY)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }
}
