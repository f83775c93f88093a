//! Whether the toolchain does what the flags ask for: a small program is compiled as a user's
//! project is, by cargo and through the wrapper, and run.
//!
//! An unknown pass or option is an error of the compiler, but a known one may do nothing: only
//! running it tells. Owns the program and the judgement; the result is kept by [`crate::toolchain`].

use std::process::Command;

use anyhow::{Context, bail};
use camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::Message;
use serde::Deserialize;

use crate::flags::{self, CfgFuzzing, Flags, Gate, Narrowing};
use crate::show;
use crate::toolchain::{Preparation, Toolchain};
use crate::wrapper::Plan;

const MAIN: &str = include_str!("probe/main.rs");
const RECORDER: &str = include_str!("probe/recorder.rs");

/// A change of the program is a new probe.
pub(crate) const SOURCES: &str =
    concat!(include_str!("probe/main.rs"), include_str!("probe/recorder.rs"));

/// `[workspace]` keeps cargo from looking for one above: the program lies in a target directory.
const MAIN_MANIFEST: &str = "\
[package]
name = 'shmfuzz-probe'
edition = '2024'
[dependencies]
recorder = { path = 'recorder' }
[workspace]
";
const RECORDER_MANIFEST: &str = "\
[package]
name = 'recorder'
edition = '2024'
";

/// What the program printed.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Observed {
    /// Bytes of all counters.
    counters: usize,
    /// Counters that are not zero after one call.
    moved: usize,
    /// Comparison callbacks with the gate closed.
    closed: u64,
    /// Comparison callbacks with the gate open.
    integers: u64,
    /// Comparisons of 19 bytes seen by the interposed `bcmp` and `memcmp` with the gate open.
    bytes: u64,
}

/// The flags to try, best first.
pub(crate) fn candidates() -> [Flags; 2] {
    [Gate::Llvm, Gate::None].map(|gate| Flags {
        gate,
        cfg_fuzzing: CfgFuzzing::Set,
        narrowing: Narrowing::default(),
    })
}

/// Tries the candidates in `dir` and says what the first good one can do.
///
/// # Errors
/// If none is good: names the compiler and what failed with the simplest.
pub(crate) fn run(
    toolchain: &Toolchain,
    request: &Preparation<'_>,
    candidates: &[Flags],
    dir: &Utf8Path,
) -> anyhow::Result<Gate> {
    let probe = Probe { toolchain, request, dir };
    probe.write_sources()?;
    let mut reason = None;
    for flags in candidates {
        match probe.try_flags(flags) {
            Ok(()) => {
                // It has told what it can tell. A rest that cannot be removed does no harm.
                let _ = fs_err::remove_dir_all(probe.target_dir(flags));
                return Ok(flags.gate);
            }
            Err(error) => reason = Some(error),
        }
    }
    let reason = reason.context("there is nothing to try")?;
    Err(reason.context(format!(
        "{} cannot instrument for {}: a test program failed",
        toolchain.version, request.target
    )))
}

#[derive(Clone, Copy, Debug)]
struct Probe<'a> {
    toolchain: &'a Toolchain,
    request: &'a Preparation<'a>,
    dir: &'a Utf8Path,
}

impl Probe<'_> {
    fn sources(&self) -> Utf8PathBuf {
        self.dir.join("probe")
    }

    /// One a candidate: cargo would not see that the flags differ.
    fn target_dir(&self, flags: &Flags) -> Utf8PathBuf {
        self.dir.join(format!("probe-{:?}", flags.gate))
    }

    fn write_sources(&self) -> anyhow::Result<()> {
        let (main, recorder) = (self.sources(), self.sources().join("recorder"));
        fs_err::create_dir_all(main.join("src"))?;
        fs_err::create_dir_all(recorder.join("src"))?;
        fs_err::write(main.join("Cargo.toml"), MAIN_MANIFEST)?;
        fs_err::write(main.join("src/main.rs"), MAIN)?;
        fs_err::write(recorder.join("Cargo.toml"), RECORDER_MANIFEST)?;
        fs_err::write(recorder.join("src/lib.rs"), RECORDER)?;
        Ok(())
    }

    fn try_flags(&self, flags: &Flags) -> anyhow::Result<()> {
        let program = self.compile(flags)?;
        let output = Command::new(&program)
            .output()
            .with_context(|| format!("cannot run {}", show::path(&program)))?;
        let observed = serde_json::from_slice(&output.stdout).with_context(|| {
            let stderr = String::from_utf8_lossy(&output.stderr);
            format!("{} ended with {}: {}", show::path(&program), output.status, stderr.trim())
        })?;
        judge(&observed, flags.gate)
    }

    fn compile(&self, flags: &Flags) -> anyhow::Result<Utf8PathBuf> {
        let plan = Plan {
            target: self.request.target.to_owned(),
            flags: flags.clone(),
            runtime_dirs: vec![self.sources().join("recorder")],
            hooks: self.dir.join(crate::toolchain::HOOKS),
            chain: self.request.chain.cloned(),
        };
        let target_dir = self.target_dir(flags);
        let mut cargo = Command::new(&self.toolchain.cargo);
        cargo
            .args(["build", "--quiet", "--message-format=json-render-diagnostics"])
            .args(["--target", self.request.target, "--target-dir", target_dir.as_str()])
            .args(flags::profile_args())
            .args(["--manifest-path", self.sources().join("Cargo.toml").as_str()])
            .env("CARGO_BUILD_BUILD_DIR", &target_dir);
        plan.apply(&mut cargo)?;
        let output = cargo.output().context("cannot run cargo")?;
        let executable =
            Message::parse_stream(&*output.stdout).filter_map(Result::ok).find_map(|message| {
                match message {
                    Message::CompilerArtifact(artifact) => artifact.executable,
                    _ => None,
                }
            });
        match executable {
            Some(executable) if output.status.success() => Ok(executable),
            _ => bail!("{}", String::from_utf8_lossy(&output.stderr).trim_end()),
        }
    }
}

/// Whether what was observed is what the flags promise.
fn judge(observed: &Observed, gate: Gate) -> anyhow::Result<()> {
    let failed = match *observed {
        Observed { counters: 0, .. } => "it has no coverage counters",
        Observed { moved: 0, .. } => "its coverage counters do not move",
        Observed { integers: 0, .. } => "no comparison of integers is traced",
        Observed { bytes: 0, .. } => "no comparison of bytes is traced",
        Observed { closed: 1.., .. } if gate == Gate::Llvm => "comparisons cannot be switched off",
        _ => return Ok(()),
    };
    let Observed { counters, moved, closed, integers, bytes } = observed;
    bail!(
        "{failed} (counters: {counters}, moved: {moved}, comparisons traced: {closed} closed, \
         {integers} open, {bytes} of bytes)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_missing_part_is_named() {
        let good = Observed { counters: 20, moved: 4, closed: 0, integers: 3, bytes: 1 };
        assert!(judge(&good, Gate::Llvm).is_ok());
        assert!(judge(&Observed { closed: 3, ..good }, Gate::None).is_ok());
        let cases = [
            (Observed { counters: 0, moved: 0, ..good }, "no coverage counters"),
            (Observed { moved: 0, ..good }, "do not move"),
            (Observed { integers: 0, ..good }, "of integers"),
            (Observed { bytes: 0, ..good }, "of bytes"),
            (Observed { closed: 1, ..good }, "cannot be switched off"),
        ];
        for (observed, part) in cases {
            let error = judge(&observed, Gate::Llvm).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
