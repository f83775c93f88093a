//! The archive of empty hooks, without which no instrumented binary links that lacks the runtime.
//!
//! It is an rlib made by the user's own rustc: a staticlib would bring a second `core` and does not
//! link. One codegen unit, so that the linker takes all of it or nothing.

use std::process::Command;

use anyhow::{Context, ensure};
use camino::Utf8Path;

use crate::show;
use crate::toolchain::Toolchain;

/// The source, `no_std` so that it needs nothing but `core`'s metadata.
pub(crate) const SOURCE: &str = include_str!("hooks/empty.rs");

/// Compiles the archive for `target` to `out`.
pub(crate) fn compile(toolchain: &Toolchain, target: &str, out: &Utf8Path) -> anyhow::Result<()> {
    let source = out.with_extension("rs");
    fs_err::write(&source, SOURCE)?;
    let output = Command::new(&toolchain.rustc)
        .args(["--crate-name=shmfuzz_empty_hooks", "--crate-type=rlib", "--edition=2024"])
        .args(["-Copt-level=3", "-Ccodegen-units=1", "-Cpanic=abort", "--target", target])
        .args(["-o", out.as_str(), source.as_str()])
        .output()
        .with_context(|| format!("cannot run {}", show::path(&toolchain.rustc)))?;
    ensure!(
        output.status.success(),
        "{} cannot compile the empty coverage hooks for {target}:\n{}",
        toolchain.version,
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    Ok(())
}
