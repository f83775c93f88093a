//! `cargo shmfuzz build`: the instrumented test binaries, and where they are.

use crate::building::{Build, CargoOutput, build_instrumented};
use crate::cli::{Fuzzing, MessageFormat, Selection};
use crate::exit_code::{ExitCode, Failed};
use crate::report::{Built, BuiltBinary, Report};
use clap::Args;
use std::time::{Duration, Instant};

/// The arguments of `build`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) fuzzing: Fuzzing,
    /// How results are told
    #[arg(long, value_name = "FORMAT", default_value_t)]
    pub(crate) message_format: MessageFormat,
    #[command(flatten)]
    pub(crate) selection: Selection,
}

/// Builds, and lists what was built.
pub(crate) fn exec(arguments: &Arguments) -> Result<ExitCode, Failed> {
    let mut report = Report::new(arguments.message_format);
    let begun = Instant::now();
    let workspace = super::workspace(&arguments.selection, arguments.fuzzing.cfg())?;
    let build = build_instrumented(&workspace, CargoOutput::Terminal, None)?;
    for notice in &build.notices {
        report.warn(&notice.to_string());
    }
    let built = built(&build, begun.elapsed());
    report.binaries(&built);
    Ok(ExitCode::Nothing)
}

/// The binaries that hold fuzz tests.
pub(super) fn built(build: &Build, elapsed: Duration) -> Built {
    let with_tests = build.binaries.iter().filter(|binary| !binary.records.is_empty());
    let binaries = with_tests.map(|binary| BuiltBinary {
        package: binary.package_name.clone(),
        target: binary.target_name.clone(),
        kind: binary.target_kind.to_string(),
        path: binary.executable.to_string(),
        tests: binary.records.iter().map(|record| record.path()).collect(),
    });
    Built { elapsed, binaries: binaries.collect() }
}
