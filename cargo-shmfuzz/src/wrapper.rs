//! The role of rustc's wrapper: adds flags to one call of rustc and becomes it.
//!
//! Owns how the command tells its wrapper what to do (one environment variable) and the chain to
//! the user's own wrapper; which flags there are is decided in [`crate::flags`]. It runs once a
//! crate, so it reads no file but an argument file of cargo's, and starts no process: it is replaced.

pub(crate) mod unix;

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::Context;
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::flags::{Call, Flags, Subject};
use crate::show;

/// Holds the [`Plan`] as JSON. Its presence makes the executable a wrapper.
const PLAN_VAR: &str = "SHMFUZZ_RUSTC_PLAN";

/// By these cargo tells rustc which package it compiles.
const MANIFEST_DIR: &str = "CARGO_MANIFEST_DIR";
const PKG_NAME: &str = "CARGO_PKG_NAME";

/// What the command tells its wrapper.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// The triple that is built for. A build script's own cargo may build for another one.
    pub(crate) target: String,
    /// The flags to decide by.
    pub(crate) flags: Flags,
    /// Where the packages named `shmfuzz-runtime` lie. A crate's name would not do: anyone's crate
    /// may have it.
    pub(crate) runtime_dirs: Vec<Utf8PathBuf>,
    /// The archive of empty hooks.
    pub(crate) hooks: Utf8PathBuf,
    /// The user's wrapper, which is called in rustc's place.
    pub(crate) chain: Option<PathBuf>,
}

impl Plan {
    /// Makes a call of cargo compile by this plan.
    pub(crate) fn apply(&self, cargo: &mut Command) -> anyhow::Result<()> {
        let exe = env::current_exe().context("cannot find the command's own executable")?;
        let plan = serde_json::to_string(self).context("cannot encode the wrapper's plan")?;
        cargo.env("RUSTC_WRAPPER", exe).env(PLAN_VAR, plan);
        // Set if a cargo runs the command (`cargo run`, `cargo test`): its package is not the one
        // that this cargo compiles, and queries are told by having none.
        cargo.env_remove(MANIFEST_DIR).env_remove(PKG_NAME);
        Ok(())
    }

    /// The call of rustc, or of the user's wrapper, that stands for `args`: the compiler's path, or
    /// a workspace wrapper's with the compiler's after it, and then the compiler's arguments.
    fn command(&self, args: &[OsString], package: &Package) -> anyhow::Result<Command> {
        let expanded = expand(args)?;
        let texts: Vec<_> = expanded.iter().filter_map(|arg| arg.to_str()).collect();
        let call = Call::parse(&texts, &self.target);
        let subject = match (&package.dir, &package.name) {
            (Some(dir), _) if self.runtime_dirs.contains(dir) => Subject::Runtime,
            (Some(_), Some(name)) => Subject::Package(name),
            _ => Subject::Query,
        };
        let mut words =
            self.chain.iter().map(|path| path.as_os_str()).chain(args.iter().map(|a| &**a));
        let program = words.next().context("rustc's wrapper was called without a compiler")?;
        let mut command = Command::new(program);
        command.args(words).args(self.flags.added(call, subject, &self.hooks));
        Ok(command)
    }
}

/// The package that cargo compiles, as far as it says; its queries are for none.
#[derive(Clone, Debug, Default)]
struct Package {
    dir: Option<Utf8PathBuf>,
    name: Option<String>,
}

/// One call in the wrapper's role.
#[derive(Debug)]
pub(crate) struct Invocation {
    plan: OsString,
    args: Vec<OsString>,
}

/// The call to stand for, if this process was started in rustc's place.
pub(crate) fn role() -> Option<Invocation> {
    let plan = env::var_os(PLAN_VAR)?;
    let args: Vec<_> = env::args_os().skip(1).collect();
    // Cargo calls a subcommand by its name. A build script may do so, and has our variable.
    (args.first().map(OsString::as_os_str) != Some(OsStr::new("shmfuzz")))
        .then_some(Invocation { plan, args })
}

impl Invocation {
    /// Becomes rustc. Returns only if that fails, and has then said so to cargo.
    pub(crate) fn replace_process(self) -> ExitCode {
        let error = match self.command() {
            Ok(command) => unix::replace_process(command),
            Err(error) => error,
        };
        // There is nobody else to tell if stderr is closed.
        let _ = writeln!(
            std::io::stderr(),
            "error: cargo-shmfuzz as rustc's wrapper: {}",
            show::error(&error)
        );
        ExitCode::FAILURE
    }

    fn command(&self) -> anyhow::Result<Command> {
        let plan = self.plan.to_str().and_then(|text| serde_json::from_str::<Plan>(text).ok());
        let plan = plan.with_context(|| format!("{PLAN_VAR} holds no plan of this version"))?;
        let package = Package {
            dir: env::var(MANIFEST_DIR).ok().map(Utf8PathBuf::from),
            name: env::var(PKG_NAME).ok(),
        };
        plan.command(&self.args, &package)
    }
}

/// The arguments with the content of argument files (`@path`, one argument a line), to which cargo
/// resorts when a call is longer than the system allows.
fn expand(args: &[OsString]) -> anyhow::Result<Vec<OsString>> {
    let mut expanded = Vec::with_capacity(args.len());
    for arg in args {
        match arg.to_str().and_then(|text| text.strip_prefix('@')) {
            Some(path) => {
                let text = fs_err::read_to_string(Utf8Path::new(path))?;
                expanded.extend(text.lines().map(OsString::from));
            }
            None => expanded.push(arg.clone()),
        }
    }
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::{CfgFuzzing, Gate, Narrowing};

    fn plan() -> Plan {
        Plan {
            target: "t".to_owned(),
            flags: Flags {
                gate: Gate::None,
                cfg_fuzzing: CfgFuzzing::Set,
                narrowing: Narrowing { only: vec!["none".to_owned()], exclude: vec![] },
            },
            runtime_dirs: vec!["/rt".into()],
            hooks: "/h.rlib".into(),
            chain: None,
        }
    }

    fn line(plan: &Plan, args: &str, dir: Option<&str>) -> String {
        let args: Vec<OsString> = args.split(' ').map(OsString::from).collect();
        let package =
            Package { dir: dir.map(Utf8PathBuf::from), name: dir.map(|_| "a".to_owned()) };
        let command = plan.command(&args, &package).unwrap();
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words.map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn flags_go_to_packages_by_directory() {
        let args = "rustc --crate-name shmfuzz_runtime --crate-type lib --target t";
        let other = format!("{args} --cfg fuzzing -Cforce-frame-pointers=yes");
        assert_eq!(line(&plan(), args, Some("/rt2")), other);
        assert!(
            line(&plan(), args, Some("/rt")).starts_with(&format!("{other} --cfg shmfuzz_instr"))
        );
        assert_eq!(line(&plan(), args, None), format!("{args} --cfg fuzzing"));
        assert_eq!(line(&plan(), "rustc -vV", None), "rustc -vV");
    }

    #[test]
    fn the_users_wrapper_is_called_in_the_compilers_place() {
        let chained = Plan { chain: Some("/bin/sccache".into()), ..plan() };
        let args = "/workspace-wrapper rustc --target t";
        let expected = "/bin/sccache /workspace-wrapper rustc --target t --cfg fuzzing";
        assert_eq!(line(&chained, args, None), expected);
    }

    #[test]
    fn argument_files_are_read_and_passed_on() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("args");
        fs_err::write(&file, "--test\n--target\nt\n").unwrap();
        let args = format!("rustc @{}", file.display());
        assert_eq!(
            line(&plan(), &args, Some("/a")),
            format!("{args} --cfg fuzzing -Cforce-frame-pointers=yes -Clink-arg=/h.rlib")
        );
    }

    #[test]
    fn a_plan_survives_its_variable() {
        let mut cargo = Command::new("cargo");
        plan().apply(&mut cargo).unwrap();
        let value = cargo.get_envs().find(|(name, _)| *name == PLAN_VAR).unwrap().1.unwrap();
        let back: Plan = serde_json::from_str(value.to_str().unwrap()).unwrap();
        assert_eq!(format!("{back:?}"), format!("{:?}", plan()));
    }
}
