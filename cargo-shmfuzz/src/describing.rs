//! Asking a test binary what only it can say of a fuzz test: of what its arguments are made, where their
//! types are known to serde only, and which inputs the files are that were written for older types.
//!
//! Owns the process that is asked, and the folder of request and answer. Invariant: it ends, or is
//! ended.

use crate::coordinator::driver::Launch;
use crate::show;
use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use shmfuzz_runtime::description::{self, DESCRIBE, Description};
use std::io::Read;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// The longest time to wait for an answer: types are found out by making some thousand values.
const LIMIT: Duration = Duration::from_secs(60);
/// How much of what the process wrote is repeated, in bytes.
const MOST_OUTPUT: u64 = 4096;

/// Asks about a fuzz test and these files.
///
/// # Errors
/// If the process does not answer, with what it wrote.
pub(crate) fn describe(launch: &Launch, files: &[PathBuf]) -> anyhow::Result<Description> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let request = folder.path().join("request");
    fs_err(&request, std::fs::write(&request, description::request(files)))?;
    let mut command = launch.command();
    command.env(DESCRIBE, &request).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start {}", show::path(&launch.executable)))?;
    let (status, output) = wait(&mut child)?;
    let answer = description::answer_file(&request);
    let what = || {
        let program = show::path(&launch.executable);
        format!(
            "{} --exact {} does not say what its arguments are made of",
            program, launch.test_path
        )
    };
    if !status.success() {
        bail!("{}: it ended with {status}{}", what(), said(&output));
    }
    let bytes = std::fs::read(&answer).with_context(what)?;
    Description::decode(&bytes, files)
        .with_context(|| format!("{}: its answer is of another version", what()))
}

fn fs_err<T>(path: &std::path::Path, result: std::io::Result<T>) -> anyhow::Result<T> {
    result.with_context(|| format!("cannot write {}", show::path(path)))
}

fn said(output: &[u8]) -> String {
    match String::from_utf8_lossy(output).trim() {
        "" => String::new(),
        text => format!(", and said: {}", show::line(text)),
    }
}

/// Waits for the end, and ends it after [`LIMIT`].
fn wait(child: &mut Child) -> anyhow::Result<(ExitStatus, Vec<u8>)> {
    let group = Pid::from_child(child);
    let mut stderr = child.stderr.take().context("there is a pipe")?;
    let (send, ended) = mpsc::channel();
    thread::spawn(move || {
        let mut output = Vec::new();
        // The rest is read as well, so that the process does not wait for a reader.
        let _ = stderr.by_ref().take(MOST_OUTPUT).read_to_end(&mut output);
        let _ = std::io::copy(&mut stderr, &mut std::io::sink());
        let _ = send.send(output);
    });
    let output = ended.recv_timeout(LIMIT);
    if output.is_err() {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let status = child.wait().context("cannot wait for the process")?;
    match output {
        Ok(output) => Ok((status, output)),
        Err(_) => {
            bail!("the test binary did not say within {LIMIT:?} what its arguments are made of")
        }
    }
}
