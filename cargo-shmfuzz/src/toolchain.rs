//! The user's compiler: which one it is, what it can build for, and what is prepared once for it.
//!
//! Owns the folder `toolchain-<hash>` in the target directory, which holds the empty hooks and what
//! the probe found. A folder appears complete or not at all, so two commands may prepare it at once.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail};
use camino::{Utf8Path, Utf8PathBuf};

use crate::build_folders::{NEW_TOOLCHAIN, TOOLCHAIN};
use crate::config::CargoConfig;
use crate::flags::Gate;
use crate::show;
use crate::{hooks, probe};

/// A compiler and the cargo that drives it.
#[derive(Clone, Debug)]
pub(crate) struct Toolchain {
    /// Cargo's executable.
    pub(crate) cargo: PathBuf,
    /// The compiler's executable.
    pub(crate) rustc: PathBuf,
    /// `rustc 1.95.0 (59807616e 2026-04-14)`, for messages.
    pub(crate) version: String,
    /// All that `rustc -vV` prints: it names a toolchain.
    pub(crate) verbose: String,
    /// The triple of this machine.
    pub(crate) host: String,
}

/// What is prepared once for a toolchain, a target and this version of the command.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    /// What comparison tracing can do.
    pub(crate) gate: Gate,
    /// The archive of empty hooks.
    pub(crate) hooks: Utf8PathBuf,
}

impl Toolchain {
    /// Asks the compiler that cargo would use.
    pub(crate) fn detect(config: &CargoConfig) -> anyhow::Result<Self> {
        let rustc = config.rustc();
        let output = Command::new(&rustc)
            .arg("-vV")
            .output()
            .with_context(|| format!("cannot run {}", show::path(&rustc)))?;
        let verbose = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = verbose.lines().next().unwrap_or_default().to_owned();
        let host = verbose.lines().find_map(|line| line.strip_prefix("host: "));
        let Some(host) = host.map(str::to_owned) else {
            let stderr = String::from_utf8_lossy(&output.stderr);
            bail!("`{} -vV` names no host: {}", show::path(&rustc), stderr.trim());
        };
        Ok(Self { cargo: config.cargo(), rustc, version, verbose, host })
    }

    /// Where the standard library for `target` lies; tests find its dynamic form there.
    pub(crate) fn library_dir(&self, target: &str) -> anyhow::Result<PathBuf> {
        let output = Command::new(&self.rustc)
            .args(["--print=target-libdir", "--target", target])
            .output()
            .with_context(|| format!("cannot run {}", show::path(&self.rustc)))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().into())
    }

    /// Compiles the hooks and runs the probe, unless the folder under `dir` has their results.
    pub(crate) fn prepare(&self, request: &Preparation<'_>) -> anyhow::Result<Prepared> {
        let candidates = probe::candidates();
        let hashes = candidates.each_ref().map(|flags| {
            flags.hash(&[&self.verbose, request.target, hooks::SOURCE, probe::SOURCES])
        });
        let dir = request.dir.join(format!("{TOOLCHAIN}{}", hashes[0]));
        if let Some(prepared) = Prepared::read(&dir) {
            return Ok(prepared);
        }
        fs_err::create_dir_all(request.dir)?;
        let new = tempfile::Builder::new().prefix(NEW_TOOLCHAIN).tempdir_in(request.dir)?;
        let path = Utf8Path::from_path(new.path()).context("the target directory is no UTF-8")?;
        hooks::compile(self, request.target, &path.join(HOOKS))?;
        let gate = probe::run(self, request, &candidates, path)?;
        fs_err::write(path.join(GATE), serde_json::to_string(&gate)?)?;
        // Whoever else prepared it meanwhile came to the same result.
        if fs_err::rename(path, &dir).is_ok() {
            let _moved = new.keep();
        }
        Prepared::read(&dir)
            .with_context(|| format!("cannot prepare the toolchain in {}", show::path(&dir)))
    }
}

/// What a preparation is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Preparation<'a> {
    /// The triple.
    pub(crate) target: &'a str,
    /// The folder that holds all fuzzing builds of a workspace.
    pub(crate) dir: &'a Utf8Path,
    /// The user's wrapper.
    pub(crate) chain: Option<&'a PathBuf>,
}

pub(crate) const HOOKS: &str = "libshmfuzz_empty_hooks.rlib";
const GATE: &str = "gate.json";

impl Prepared {
    fn read(dir: &Utf8Path) -> Option<Self> {
        let gate = fs_err::read_to_string(dir.join(GATE)).ok()?;
        let hooks = dir.join(HOOKS);
        hooks.is_file().then_some(Self { gate: serde_json::from_str(&gate).ok()?, hooks })
    }
}

/// Says no, before anything is built, where no worker can run.
pub(crate) fn check_supported(host: &str, target: &str) -> anyhow::Result<()> {
    let architecture = |triple: &str| triple.split('-').next().unwrap_or_default().to_owned();
    let linux =
        target.contains("-linux-") && matches!(&*architecture(target), "x86_64" | "aarch64");
    if !linux {
        bail!(
            "cannot fuzz on {target}: supported are x86_64 and aarch64 Linux\n\
             `cargo test` replays the seeds of fuzz tests on every platform"
        );
    }
    if !host.contains("-linux-") || architecture(host) != architecture(target) {
        bail!("cannot fuzz {target} on {host}: fuzz tests run on this machine");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_refused_by_name() {
        let refused = |host, target| check_supported(host, target).unwrap_err().to_string();
        let (x86, arm) = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu");
        let musl = "x86_64-unknown-linux-musl";
        assert!(check_supported(x86, x86).is_ok());
        assert!(check_supported(arm, arm).is_ok());
        assert!(check_supported(x86, musl).is_ok());
        assert!(refused(x86, arm).contains("fuzz tests run on this machine"));
        for other in
            ["x86_64-pc-windows-msvc", "aarch64-apple-darwin", "riscv64gc-unknown-linux-gnu"]
        {
            assert!(refused(other, other).starts_with(&format!("cannot fuzz on {other}:")));
        }
    }
}
