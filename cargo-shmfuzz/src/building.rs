//! Builds test binaries, instrumented or plain, by driving `cargo test --no-run`.
//!
//! Owns cargo's command line and its messages, and what a build yields: the test binaries with
//! their fuzz tests and the environment to run them in. It runs none of them. A fuzzing build goes
//! to a directory of its own, a plain one is exactly what `cargo test` would build.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io::{BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::SystemTime;

use anyhow::Context;
use camino::Utf8PathBuf;
use cargo_metadata::semver::Version;
use cargo_metadata::{Artifact, Message, PackageId, TargetKind};
use shmfuzz_runtime::record::{ReadRecord, Record};

use crate::build_folders::{self, DAYS};
use crate::coordinator::driver::Groups;
use crate::discovery::{self, Found};
use crate::environment::{Messages, Surroundings};
use crate::flags::{self, Flags, Gate};
use crate::hooks;
use crate::show;
use crate::tether::{self, Registration};
use crate::toolchain::{self, Preparation, Toolchain};
use crate::workspace::{Workspace, feature_options, package_dir, package_options};
use crate::wrapper::Plan;

/// Why there is no build, by what the command does about it.
#[derive(Debug)]
pub(crate) enum BuildError {
    /// Cargo failed, and has said why on stderr unless that is here.
    Cargo {
        /// The command, for the message.
        action: &'static str,
        /// What it wrote to stderr, if the terminal has not seen it.
        output: Option<String>,
    },
    /// This platform, toolchain, configuration or version of the runtime will not do.
    Unusable(anyhow::Error),
    /// Something that should work did not.
    Internal(anyhow::Error),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cargo { action, output: None } => write!(f, "`{action}` failed"),
            Self::Cargo { action, output: Some(output) } => {
                write!(f, "`{action}` failed\n{}", anstream::adapter::strip_str(output.trim_end()))
            }
            Self::Unusable(error) | Self::Internal(error) => f.write_str(&show::error(error)),
        }
    }
}

impl std::error::Error for BuildError {}

/// Where cargo's status lines and diagnostics go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CargoOutput {
    /// To the command's stderr.
    Terminal,
    /// Into the error, if it fails: for builds in the background.
    Captured,
}

/// Something to say in one line; no reason to stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The toolchain's LLVM has no gated callbacks.
    NoGate {
        /// The compiler's version line.
        rustc: String,
    },
    /// Folders of old fuzzing builds are gone.
    Removed {
        /// How many.
        n: usize,
        /// Where they were.
        dir: Utf8PathBuf,
    },
    /// Fuzz tests in a proc-macro crate, which is compiled for the compiler and cannot be
    /// instrumented.
    ProcMacro {
        /// The package's name.
        package: String,
        /// Paths of its fuzz tests.
        fuzz_tests: Vec<String>,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoGate { rustc } => write!(
                f,
                "{rustc} cannot switch comparison tracing off: fuzzing is slower than with 1.95"
            ),
            Self::Removed { n, dir } => write!(
                f,
                "removed {} from {} that no build has used for {DAYS} days",
                show::count(*n, "folder"),
                show::path(dir)
            ),
            Self::ProcMacro { package, fuzz_tests } => write!(
                f,
                "{} in proc-macro package `{package}` cannot be fuzzed: move the code under test to a library",
                fuzz_tests.join(", ")
            ),
        }
    }
}

/// An executable made by `cargo test --no-run`.
#[derive(Clone, Debug)]
pub(crate) struct TestBinary {
    /// Cargo's id of the package.
    pub(crate) package_id: PackageId,
    /// The package's name.
    pub(crate) package_name: String,
    /// The folder of its manifest: a test's current directory.
    pub(crate) package_dir: Utf8PathBuf,
    /// The target's name.
    pub(crate) target_name: String,
    /// What the target is.
    pub(crate) target_kind: TargetKind,
    /// The file.
    pub(crate) executable: Utf8PathBuf,
    /// Its fuzz tests, by file and line.
    pub(crate) records: Vec<ReadRecord>,
    /// Whether a `#[test]` in it is not run, since its main function is the runtime's.
    pub(crate) has_own_main: bool,
    /// The variables that cargo would set.
    pub(crate) env: BTreeMap<String, OsString>,
}

/// One fuzz test of a build.
#[derive(Clone, Debug)]
pub(crate) struct FuzzTest {
    /// The binary that holds it.
    pub(crate) binary: Arc<TestBinary>,
    /// What the attribute said.
    pub(crate) record: ReadRecord,
}

impl FuzzTest {
    /// The path as `cargo test` prints it, and as `--exact` takes it.
    pub(crate) fn path(&self) -> String {
        self.record.path()
    }
}

/// What was built.
#[derive(Clone, Debug, Default)]
pub(crate) struct Build {
    /// All test binaries, with and without fuzz tests, by package and target.
    pub(crate) binaries: Vec<Arc<TestBinary>>,
    /// What to tell the user.
    pub(crate) notices: Vec<Notice>,
}

impl Build {
    /// All fuzz tests.
    pub(crate) fn fuzz_tests(&self) -> impl Iterator<Item = FuzzTest> {
        self.binaries.iter().flat_map(|binary| {
            let fuzz_test = |record| FuzzTest { binary: Arc::clone(binary), record };
            binary.records.iter().cloned().map(fuzz_test)
        })
    }

    /// The same target's binary in another build: the plain one for an instrumented one.
    pub(crate) fn counterpart(&self, of: &TestBinary) -> Option<&Arc<TestBinary>> {
        self.binaries.iter().find(|binary| {
            (&binary.package_id, &binary.target_name, &binary.target_kind)
                == (&of.package_id, &of.target_name, &of.target_kind)
        })
    }
}

/// Builds with coverage instrumentation, in a directory of its own.
///
/// Nothing is compiled where no package depends on the runtime: there is no fuzz test then.
///
/// # Errors
/// [`BuildError::Unusable`] on a platform or with a toolchain that cannot instrument, before
/// anything of the user's is built; [`BuildError::Cargo`] if the user's code does not compile.
///
/// Where there are `groups`, cargo is on a tether and among them; else it is in the terminal's
/// foreground, and ends by the same Ctrl-C as the command.
pub(crate) fn build_instrumented(
    workspace: &Workspace,
    output: CargoOutput,
    groups: Option<&Groups>,
) -> Result<Build, BuildError> {
    let Workspace { toolchain, target, request, .. } = workspace;
    toolchain::check_supported(&toolchain.host, target).map_err(BuildError::Unusable)?;
    let runtime_dirs = workspace.runtime_dirs();
    if runtime_dirs.is_empty() {
        return Ok(Build::default());
    }
    let narrowing = workspace.narrowing().map_err(BuildError::Unusable)?;
    let chain = workspace.config.rustc_wrapper();
    let dir = workspace.fuzzing_dir();
    let preparation = Preparation { target, dir: &dir, chain: chain.as_ref() };
    let prepared = toolchain.prepare(&preparation).map_err(BuildError::Unusable)?;
    let flags = Flags { gate: prepared.gate, cfg_fuzzing: request.cfg_fuzzing, narrowing };
    let target_dir = dir.join(flags.hash(&[&toolchain.verbose, hooks::SOURCE]));
    let gate = flags.gate;
    let plan = Plan { target: target.clone(), flags, runtime_dirs, hooks: prepared.hooks, chain };

    let toolchain_dir = plan.hooks.parent().unwrap_or(&dir);
    for folder in [toolchain_dir, &target_dir] {
        build_folders::touch(folder).map_err(BuildError::Unusable)?;
    }
    let n_removed = build_folders::sweep(&dir, SystemTime::now());

    let mut cargo = cargo_test(workspace);
    cargo
        .args(flags::profile_args())
        .args(["--target", target, "--target-dir", target_dir.as_str()])
        // A build directory that the user shares among projects knows nothing of our flags.
        .env("CARGO_BUILD_BUILD_DIR", &target_dir);
    plan.apply(&mut cargo).map_err(BuildError::Internal)?;
    let mut build = collect(workspace, run(cargo, output, groups)?)?;
    if gate == Gate::None {
        build.notices.push(Notice::NoGate { rustc: toolchain.version.clone() });
    }
    if n_removed > 0 {
        build.notices.push(Notice::Removed { n: n_removed, dir });
    }
    refuse_proc_macros(&mut build);
    Ok(build)
}

/// Builds what `cargo test` builds, where it builds it: an up-to-date `target/` stays so.
///
/// `groups` are those of [`build_instrumented`].
///
/// # Errors
/// [`BuildError::Cargo`] if the user's code does not compile.
pub(crate) fn build_plain(
    workspace: &Workspace,
    output: CargoOutput,
    groups: Option<&Groups>,
) -> Result<Build, BuildError> {
    let mut cargo = cargo_test(workspace);
    if let Some(target) = &workspace.request.target {
        cargo.args(["--target", target]);
    }
    if let Some(dir) = &workspace.request.target_dir {
        cargo.args(["--target-dir", dir.as_str()]);
    }
    collect(workspace, run(cargo, output, groups)?)
}

/// What both builds have in common.
fn cargo_test(workspace: &Workspace) -> Command {
    let Workspace { toolchain, request, .. } = workspace;
    let mut cargo = Command::new(&toolchain.cargo);
    cargo.args(["test", "--no-run", "--message-format=json-render-diagnostics"]);
    if let Some(path) = &request.manifest.manifest_path {
        cargo.arg("--manifest-path").arg(path);
    }
    cargo.args(package_options(&request.workspace)).args(feature_options(&request.features));
    if request.targets.is_empty() {
        cargo.arg("--tests");
    }
    cargo.args(&request.targets).args(&request.cargo_options).args(&request.build_options);
    cargo
}

/// Runs cargo to its end and returns what it reported on stdout.
fn run(
    cargo: Command,
    output: CargoOutput,
    groups: Option<&Groups>,
) -> Result<Vec<Message>, BuildError> {
    let failed =
        |error: anyhow::Error| BuildError::Internal(error.context("`cargo test --no-run`"));
    let stderr = match output {
        CargoOutput::Terminal => Stdio::inherit(),
        CargoOutput::Captured => Stdio::piped(),
    };
    let mut cargo = match groups {
        Some(_) => tether::command(&cargo).map_err(failed)?,
        None => cargo,
    };
    let mut child = cargo
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .map_err(|error| failed(error.into()))?;
    let registration = groups.map(|groups| Registration::new(&child, groups));
    let stdout = child.stdout.take().context("cargo has no stdout").map_err(failed)?;
    let stderr = child.stderr.take();
    let (messages, captured) = thread::scope(|scope| {
        // Both are read at once: a full pipe would stop cargo.
        let captured = stderr.map(|mut pipe| {
            scope.spawn(move || {
                let mut bytes = Vec::new();
                // What was read before an error is worth more than the error.
                let _ = pipe.read_to_end(&mut bytes);
                String::from_utf8_lossy(&bytes).into_owned()
            })
        });
        let messages: Result<Vec<_>, _> = Message::parse_stream(BufReader::new(stdout)).collect();
        (messages, captured.and_then(|thread| thread.join().ok()))
    });
    let status = match registration {
        Some(registration) => registration.wait(child),
        None => child.wait(),
    };
    let status = status.map_err(|error| failed(error.into()))?;
    if !status.success() {
        return Err(BuildError::Cargo { action: "cargo test --no-run", output: captured });
    }
    messages.map_err(|error| failed(error.into()))
}

fn collect(workspace: &Workspace, reported: Vec<Message>) -> Result<Build, BuildError> {
    let mut messages = Messages::default();
    let mut artifacts = Vec::new();
    for message in reported {
        match message {
            Message::CompilerArtifact(artifact) if artifact.executable.is_some() => {
                artifacts.push(artifact);
            }
            Message::BuildScriptExecuted(script) => {
                let mut env = script.env;
                env.push(("OUT_DIR".to_owned(), script.out_dir.into_string()));
                messages.linked_paths.extend(script.linked_paths);
                messages.scripts.insert(script.package_id, env);
            }
            _ => {}
        }
    }
    for artifact in artifacts.iter().filter(|artifact| !artifact.profile.test) {
        if let (true, Some(path)) = (artifact.target.is_bin(), &artifact.executable) {
            let name = artifact.target.name.clone();
            messages.binaries.push((artifact.package_id.clone(), name, path.clone()));
        }
    }
    let Toolchain { cargo, .. } = &workspace.toolchain;
    let library_dir =
        workspace.toolchain.library_dir(&workspace.target).map_err(BuildError::Internal)?;
    let surroundings = Surroundings { config: &workspace.config, cargo, library_dir, messages };
    let runtimes = workspace.runtime_versions();
    let mut binaries = Vec::new();
    for artifact in artifacts.into_iter().filter(|artifact| artifact.profile.test) {
        let binary = test_binary(workspace, &surroundings, artifact, &runtimes);
        binaries.extend(binary.map_err(BuildError::Unusable)?.map(Arc::new));
    }
    binaries.sort_by_cached_key(|binary| {
        let TestBinary { package_name, target_name, target_kind, .. } = &**binary;
        (
            package_name.clone(),
            target_name.clone(),
            target_kind.to_string(),
            binary.executable.clone(),
        )
    });
    Ok(Build { binaries, notices: Vec::new() })
}

fn test_binary(
    workspace: &Workspace,
    surroundings: &Surroundings<'_>,
    artifact: Artifact,
    runtimes: &[Version],
) -> anyhow::Result<Option<TestBinary>> {
    let Some(executable) = artifact.executable else { return Ok(None) };
    let id = artifact.package_id;
    let package = workspace.package(&id).with_context(|| format!("cargo built unknown {id}"))?;
    let Found { records, has_own_main } = discovery::read(&executable, runtimes)?;
    Ok(Some(TestBinary {
        package_name: package.name.to_string(),
        package_dir: package_dir(package).to_owned(),
        target_name: artifact.target.name,
        target_kind: artifact.target.kind.into_iter().next().unwrap_or(TargetKind::Lib),
        records,
        has_own_main,
        env: surroundings.of(package, &executable),
        package_id: id,
        executable,
    }))
}

/// Takes away the fuzz tests that were compiled for the compiler, where no flag of ours arrives.
fn refuse_proc_macros(build: &mut Build) {
    for binary in &mut build.binaries {
        if binary.target_kind == TargetKind::ProcMacro && !binary.records.is_empty() {
            let refused = std::mem::take(&mut Arc::make_mut(binary).records);
            build.notices.push(Notice::ProcMacro {
                package: binary.package_name.clone(),
                fuzz_tests: refused.iter().map(Record::path).collect(),
            });
        }
    }
}
