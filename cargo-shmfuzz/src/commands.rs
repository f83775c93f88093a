//! The subcommands, one file each with its arguments and its `exec`, and the steps they share.

pub(crate) mod build;
mod dictionaries;
mod folders;
mod label;
pub(crate) mod list;
pub(crate) mod migrate;
pub(crate) mod minimize;
pub(crate) mod new;
mod one_package;
pub(crate) mod repro;
pub(crate) mod run;
pub(crate) mod stability;

use crate::building::{Build, FuzzTest};
use crate::cli::{Cargo, Command, Filters, One, Selection};
use crate::coordinator::driver::Launch;
use crate::coordinator::store::{self, Home, Older, Root};
use crate::describing;
use crate::exit_code::{ExitCode, Failed};
use crate::filter::{self, Exactness, Names};
use crate::flags::CfgFuzzing;
use crate::options::{self, OfPackage};
use crate::report::console::Console;
use crate::show;
use crate::source;
use crate::workspace::{BuildRequest, Workspace};
use anyhow::{Context, anyhow};
use camino::Utf8Path;
use shmfuzz_runtime::description::Description;
use shmfuzz_runtime::limits::Limits;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Reads the command line and does what it says.
pub(crate) fn main() -> ExitCode {
    let Cargo::Shmfuzz(arguments) =
        Cargo::read(std::env::args_os()).unwrap_or_else(|error| error.exit());
    let done = match arguments.command {
        None => run::exec(&arguments.run),
        Some(Command::Run(arguments)) => run::exec(&arguments),
        Some(Command::List(arguments)) => list::exec(&arguments),
        Some(Command::New(arguments)) => new::exec(&arguments),
        Some(Command::Migrate(arguments)) => migrate::exec(&arguments),
        Some(Command::Repro(arguments)) => repro::exec(&arguments),
        Some(Command::Minimize(arguments)) => minimize::exec(&arguments),
        Some(Command::Build(arguments)) => build::exec(&arguments),
        Some(Command::Stability(arguments)) => stability::exec(&arguments),
    };
    done.unwrap_or_else(|Failed { code, error }| {
        Console::plain(Box::new(anstream::stderr())).error(&show::error(&error));
        code
    })
}

/// Reads the workspace that the command line selects.
fn workspace(selection: &Selection, cfg_fuzzing: CfgFuzzing) -> Result<Workspace, Failed> {
    let request = BuildRequest {
        manifest: selection.manifest.clone(),
        workspace: selection.workspace.clone(),
        features: selection.features.clone(),
        target: selection.compilation.target.clone(),
        target_dir: selection.compilation.target_dir.clone(),
        cfg_fuzzing,
        targets: selection.targets.options(),
        cargo_options: selection.compilation.cargo_options(),
        config: selection.compilation.config.clone(),
        build_options: selection.compilation.build_options(),
    };
    Ok(Workspace::load(request)?)
}

/// A fuzz test that the command line means.
#[derive(Clone, Debug)]
struct Selected {
    test: FuzzTest,
    /// Its shortest name that no other test of the build has.
    name: String,
    /// The folder of its seeds and findings. It need not exist.
    seed_folder: PathBuf,
    /// What its files hold that only its types can read, if it was asked: see [`describe`].
    older: Older,
    /// The file of its dictionary, beside that folder. It need not exist.
    dict_file: PathBuf,
}

/// The fuzz tests of a build that the filters mean; if none, why.
fn select(build: &Build, filters: &Filters) -> Result<Vec<Selected>, String> {
    let tests: Vec<FuzzTest> = build.fuzz_tests().collect();
    if tests.is_empty() {
        return Err("no fuzz test found: `cargo shmfuzz new NAME` writes a first one".to_owned());
    }
    let name = |test: &FuzzTest| {
        Names::new(&test.binary.package_name, &test.binary.target_kind.to_string(), &test.record)
    };
    let names: Vec<Names> = tests.iter().map(name).collect();
    let exactness = if filters.exact { Exactness::Whole } else { Exactness::Part };
    let matching = filter::select(&names, &filters.filter, exactness);
    if matching.is_empty() {
        let filters = filters.filter.join("`, `");
        return Err(format!("no fuzz test matches `{filters}`: `cargo shmfuzz list` shows all"));
    }
    let distinct = filter::distinct_names(&names);
    let selected: Vec<Selected> = matching
        .into_iter()
        .filter(|i| filters.include_ignored || tests[*i].record.ignored == 0)
        .map(|i| Selected {
            test: tests[i].clone(),
            name: distinct[i].clone(),
            seed_folder: folders::seed_folder(build, &tests[i]),
            older: Older::default(),
            dict_file: folders::dict_file(build, &tests[i]),
        })
        .collect();
    if selected.is_empty() {
        return Err(
            "all fuzz tests that match are ignored: --include-ignored takes them".to_owned()
        );
    }
    Ok(selected)
}

/// The fuzz test of a build that the command line means, be it ignored; if none, nothing, and
/// `warn` is told why.
///
/// # Errors
/// If it means several: wrong usage.
fn select_one(
    build: &Build,
    one: &One,
    warn: impl FnOnce(&str),
) -> Result<Option<Selected>, Failed> {
    let One { fuzz_test, exact } = one;
    let filters = Filters { filter: vec![fuzz_test.clone()], exact: *exact, include_ignored: true };
    let mut selected = match select(build, &filters) {
        Ok(selected) => selected,
        Err(why) => {
            warn(&why);
            return Ok(None);
        }
    };
    if selected.len() > 1 {
        let names: Vec<&str> = selected.iter().map(|one| one.name.as_str()).collect();
        let error = anyhow!("several fuzz tests match `{fuzz_test}`: {}", names.join(", "));
        return Err(Failed::new(ExitCode::Usage, error));
    }
    Ok(selected.pop())
}

/// What the metadata of a fuzz test's package say.
///
/// # Errors
/// If they are wrong; the error names the manifest.
fn of_package(workspace: &Workspace, test: &FuzzTest) -> anyhow::Result<OfPackage> {
    let Some(package) = workspace.package(&test.binary.package_id) else {
        return Ok(OfPackage::default());
    };
    options::of_package(&package.metadata).with_context(|| {
        format!("{}: package.metadata.shmfuzz", show::path(&package.manifest_path))
    })
}

/// How to start a fuzz test's binary for it.
fn launch(test: &FuzzTest) -> Launch {
    let FuzzTest { binary, record } = test;
    Launch {
        executable: binary.executable.clone().into(),
        package_dir: binary.package_dir.clone().into(),
        test_path: record.path(),
        env: binary.env.clone().into_iter().collect(),
    }
}

/// The source of each fuzz test's binary; of those in the same binary it is read once.
fn sources(workspace: &Workspace, selected: &[Selected]) -> Vec<source::Lazy> {
    let mut opened: HashMap<&Utf8Path, source::Lazy> = HashMap::new();
    let of = |executable: &Utf8Path| {
        source::Lazy::new(executable.into(), workspace.root().as_std_path().to_owned())
    };
    selected
        .iter()
        .map(|one| one.test.binary.executable.as_path())
        .map(|executable| opened.entry(executable).or_insert_with(|| of(executable)).clone())
        .collect()
}

/// Where corpora are kept: where the user says, or in the user's cache.
fn root(workspace: &Workspace, corpus_dir: Option<&Utf8Path>) -> anyhow::Result<Root> {
    match corpus_dir {
        Some(dir) => {
            let dir = std::path::absolute(dir)
                .with_context(|| format!("--corpus-dir {}", show::path(dir)))?;
            Ok(Root::Given(dir))
        }
        None => Root::user(workspace.root().as_std_path()),
    }
}

/// Has each fuzz test described whose arguments only its own types know, so that it is then as if the
/// attribute had said what they are made of; `others` are files beside its seeds and its cache.
fn describe(selected: &mut [Selected], root: &Root, others: &[PathBuf]) -> anyhow::Result<()> {
    for one in selected.iter_mut().filter(|one| one.test.record.structured != 0) {
        let package = &one.test.binary.package_name;
        let cache = root.of_test(package, &one.test.record.folder());
        let loose = match root {
            Root::Given(dir) => Some(dir.clone()),
            Root::User { .. } => None,
        };
        let folders = [Some(one.seed_folder.clone()), Some(cache), loose];
        let mut files = others.to_vec();
        for folder in folders.into_iter().flatten() {
            files.extend(store::files_of(&folder));
        }
        let Description { shape, files } = describing::describe(&launch(&one.test), &files)?;
        one.test.record.types = Some(shape);
        one.older = Arc::new(files.into_iter().collect());
    }
    Ok(())
}

/// What the store must know of a fuzz test.
fn home(one: &Selected, limits: &options::Limits) -> Home {
    let FuzzTest { binary, record } = &one.test;
    Home {
        package: binary.package_name.clone(),
        folder: record.folder(),
        seed_folder: one.seed_folder.clone(),
        kind: record.kind,
        shape: record.types.clone(),
        older: one.older.clone(),
        limits: Limits::new(limits.timeout, limits.rss_limit),
        own_limits: Limits::of(&record.options),
    }
}
