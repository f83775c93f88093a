//! How a test binary is started for one fuzz test: as a worker, or to run one input.
//!
//! It owns the command line and the environment; not the process.

use std::ffi::OsString;
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
        let mut command = Command::new(&self.executable);
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
