//! The command line: `build` and `list`.

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::building::{BuildError, CargoOutput, build_instrumented, build_plain};
use crate::workspace::{BuildRequest, Workspace};

#[derive(Debug, Parser)]
#[command(name = "cargo", bin_name = "cargo")]
enum Cargo {
    /// Coverage-guided fuzzing on stable Rust.
    Shmfuzz(Arguments),
}

#[derive(Debug, clap::Args)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    manifest: clap_cargo::Manifest,
    #[command(flatten)]
    workspace: clap_cargo::Workspace,
    #[command(flatten)]
    features: clap_cargo::Features,
    /// Target triple.
    #[arg(long, global = true)]
    target: Option<String>,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Verb {
    /// The instrumented test binaries.
    Build,
    /// The fuzz tests.
    List,
    /// Runs the instrumented test binaries as ordinary tests.
    #[command(hide = true)]
    Test,
}

/// Runs the command.
pub(crate) fn main() -> ExitCode {
    let Cargo::Shmfuzz(arguments) = Cargo::parse();
    let Err(error) = run(arguments) else { return ExitCode::SUCCESS };
    let code = match &error {
        BuildError::Cargo { .. } => 101,
        BuildError::Unusable(_) => 96,
        BuildError::Internal(_) => 70,
    };
    let _ = writeln!(std::io::stderr(), "error: {error}");
    ExitCode::from(code)
}

fn run(arguments: Arguments) -> Result<(), BuildError> {
    let Arguments { verb, manifest, workspace, features, target } = arguments;
    let request = BuildRequest { manifest, workspace, features, target, ..BuildRequest::default() };
    let workspace = Workspace::load(request)?;
    let build = match verb {
        Verb::Build | Verb::Test => build_instrumented(&workspace, CargoOutput::Terminal)?,
        Verb::List => build_plain(&workspace, CargoOutput::Captured)?,
    };
    let mut out = std::io::stdout().lock();
    for notice in &build.notices {
        let _ = writeln!(out, "warning: {notice}");
    }
    for binary in &build.binaries {
        let _ =
            writeln!(out, "{} {} {}", binary.package_name, binary.target_name, binary.executable);
    }
    for test in build.fuzz_tests() {
        let n_files = test.seed_files().map_err(BuildError::Internal)?.len();
        let n_seeds = test.record.n_seeds as usize + n_files;
        let _ = writeln!(out, "{}: {} ({n_seeds} seeds)", test.binary.package_name, test.path());
    }
    if let Verb::Test = verb {
        let plain = build_plain(&workspace, CargoOutput::Captured)?;
        for binary in &build.binaries {
            let status = binary.command().arg("--nocapture").status();
            let plain = plain.counterpart(binary).map(|binary| &binary.executable);
            let _ = writeln!(out, "{}: {status:?}, {plain:?}", binary.executable);
        }
    }
    Ok(())
}
