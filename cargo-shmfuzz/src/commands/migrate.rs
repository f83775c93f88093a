//! `cargo shmfuzz migrate`: the targets of a cargo-fuzz folder as fuzz tests of the package.
//!
//! Invariants: nothing in the old folder changes, and no file that is there is written over.

mod corpus;
mod manifest;
mod plan;
mod source;

use super::new::write_new;
use super::one_package::OnePackage;
use crate::coordinator::store::{self, Root};
use crate::exit_code::{ExitCode, Failed};
use crate::report::console::{Console, Tone};
use crate::show;
use anyhow::{Context as _, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::{Metadata, Package};
use clap::Args;
use manifest::Manifest;
use plan::{Plan, Test};
use shmfuzz_runtime::testdata::SeedFile;
use std::path::Path;

const EXAMPLES: &str = "\
Examples:
  cargo shmfuzz migrate --dry-run      what would be done with fuzz/ of the package
  cargo shmfuzz migrate ../parser/fuzz

Each [[bin]] of FUZZ_DIR becomes tests/<name>.rs with a fuzz test named `fuzz_target`: libfuzzer_sys is
changed to shmfuzz_runtime, and #![no_main] is removed. Artifacts, and the smallest inputs of its
corpus (1000 at most, 4 MiB together), become seeds in testdata/fuzz/<name>.fuzz_target/; all other
inputs go to the cache, where fuzzing goes on from them. A dictionary <name>.dict moves along. What
the targets depend on becomes a dev-dependency. Nothing in FUZZ_DIR is changed, no file that is
there is written over, and what cannot be moved is listed.

Exit code 0 if at least one target was moved, 2 if none can be; others as for all commands.";

/// The arguments of `migrate`.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The folder that `cargo fuzz init` made [default: fuzz, in the package]
    pub(crate) fuzz_dir: Option<Utf8PathBuf>,
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The corpus directory that gets the inputs which become no seeds [default: the user's cache
    /// directory]
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) corpus_dir: Option<Utf8PathBuf>,
    #[command(flatten)]
    pub(crate) package: OnePackage,
}

/// Moves what can be moved, and lists the rest.
///
/// # Errors
/// If no target can be moved, or something cannot be read or written.
pub(crate) fn exec(arguments: &Arguments) -> Result<ExitCode, Failed> {
    let mut console = Console::plain(Box::new(anstream::stderr()));
    let one = one_package(arguments);
    let package = one.find()?;
    let metadata = one.metadata()?;
    let dir = package.manifest_path.parent().context("the manifest has no folder")?;
    let fuzz_dir = arguments.fuzz_dir.clone().unwrap_or_else(|| dir.join("fuzz"));
    let plan = plan::plan(&fuzz_dir, &package, &metadata)
        .map_err(|error| Failed::new(ExitCode::Usage, error))?;
    for (target, why) in &plan.unmoved {
        console.warn(&format!("{} is not moved: {}", show::line(target), show::line(why)));
    }
    if plan.tests.is_empty() {
        let error = anyhow!("no target of {} can be moved", show::path(&fuzz_dir));
        return Err(Failed::new(ExitCode::Usage, error));
    }
    let root = root(arguments, &metadata)?;
    let migration = Migration { plan: &plan, package: &package, dir, root };
    if arguments.dry_run {
        migration.tell(&mut console, "Would write", "Would add");
    } else {
        migration.add_runtime(&one)?;
        let notes = migration.write()?;
        migration.change_manifest()?;
        migration.tell(&mut console, "Created", "Added");
        notes.iter().for_each(|note| console.warn(note));
    }
    plan.remarks.iter().for_each(|remark| console.warn(&show::line(remark)));
    if !arguments.dry_run {
        console.detail("`cargo test` runs the seeds; `cargo shmfuzz` fuzzes");
        console.detail(&format!("{} is as it was", show::path(&fuzz_dir)));
    }
    Ok(ExitCode::Nothing)
}

/// The package above a given folder, unless another one is chosen.
fn one_package(arguments: &Arguments) -> OnePackage {
    let mut one = arguments.package.clone();
    let is_chosen = one.package.is_some() || one.manifest.manifest_path.is_some();
    let fuzz_dir = arguments.fuzz_dir.as_ref().filter(|_| !is_chosen);
    let above = fuzz_dir.and_then(|dir| Some(dir.canonicalize_utf8().ok()?.parent()?.to_owned()));
    let manifest = above.map(|dir| dir.join("Cargo.toml")).filter(|path| path.is_file());
    if let Some(manifest) = manifest {
        one.manifest.manifest_path = Some(manifest.into());
    }
    one
}

fn root(arguments: &Arguments, metadata: &Metadata) -> anyhow::Result<Root> {
    match &arguments.corpus_dir {
        Some(dir) => {
            let dir = std::path::absolute(dir)
                .with_context(|| format!("--corpus-dir {}", show::path(dir)))?;
            Ok(Root::Given(dir))
        }
        None => Root::user(metadata.workspace_root.as_std_path()),
    }
}

/// A plan, and where it is carried out.
#[derive(Debug)]
struct Migration<'a> {
    plan: &'a Plan,
    package: &'a Package,
    dir: &'a Utf8Path,
    root: Root,
}

impl Migration<'_> {
    /// First of all: if cargo refuses, nothing is written.
    fn add_runtime(&self, one: &OnePackage) -> Result<(), Failed> {
        let feature = self.plan.feature;
        if Manifest::read(self.dir)?.has_runtime(feature) {
            return Ok(());
        }
        one.add_runtime(feature)
    }

    /// Last of all: a manifest must not name tests that are not there.
    fn change_manifest(&self) -> anyhow::Result<()> {
        let mut manifest = Manifest::read(self.dir)?;
        let before = manifest.document.to_string();
        if !self.plan.entries.is_empty() {
            manifest.add(&self.plan.entries);
        }
        let names: Vec<&str> = self.plan.tests.iter().map(|test| test.name.as_str()).collect();
        manifest.add_tests(&names);
        let after = manifest.document.to_string();
        if after != before {
            store::write_input(self.package.manifest_path.as_std_path(), after.as_bytes())?;
        }
        Ok(())
    }

    /// Writes the files; returns a note for each that was there with other content.
    fn write(&self) -> anyhow::Result<Vec<String>> {
        let mut notes = Vec::new();
        for test in &self.plan.tests {
            for (path, text) in &test.files {
                notes.extend(add_file(path.as_std_path(), text.as_bytes())?);
            }
            if let Some((from, to)) = &test.dict {
                notes.extend(add_file(to.as_std_path(), &fs_err::read(from)?)?);
            }
            for SeedFile { name, path } in test.corpus.artifacts.iter().chain(&test.corpus.seeds) {
                let to = test.seed_folder.join(name);
                notes.extend(add_file(to.as_std_path(), &fs_err::read(path)?)?);
            }
            let cache = self.cache(test);
            for SeedFile { path, .. } in &test.corpus.rest {
                store::add_to_cache(&cache, &fs_err::read(path)?)?;
            }
        }
        Ok(notes)
    }

    fn cache(&self, test: &Test) -> std::path::PathBuf {
        self.root.of_test(&self.package.name, &Test::folder(&test.name))
    }

    fn tell(&self, console: &mut Console, created: &str, added: &str) {
        for test in &self.plan.tests {
            let [(file, _), modules @ ..] = &test.files[..] else { continue };
            console.status(Tone::Good, created, &show::path(file));
            for (module, _) in modules {
                console.detail(&format!("with its module {}", show::path(module)));
            }
            let corpus = &test.corpus;
            if !(corpus.seeds.is_empty() && corpus.artifacts.is_empty()) {
                let seeds = show::count(corpus.seeds.len(), "seed");
                let artifacts = show::count(corpus.artifacts.len(), "artifact");
                let folder = show::path(&test.seed_folder);
                console.detail(&format!("{seeds}, {artifacts}: {folder}"));
            }
            if !corpus.rest.is_empty() {
                let inputs = show::count(corpus.rest.len(), "larger input");
                let cache = show::path(self.cache(test));
                console.detail(&format!("{inputs} of the corpus: {cache}"));
            }
            if let Some((_, to)) = &test.dict {
                console.detail(&format!("dictionary: {}", show::path(to)));
            }
        }
        let runtime = match self.plan.feature {
            Some(feature) => format!("shmfuzz-runtime ({feature})"),
            None => "shmfuzz-runtime".to_owned(),
        };
        let names = self.plan.entries.iter().map(|(name, _)| show::line(name));
        let names: Vec<String> = std::iter::once(runtime).chain(names).collect();
        let path = show::path(&self.package.manifest_path);
        console.status(Tone::Good, added, &format!("dev-dependencies to {path}"));
        console.detail(&names.join(", "));
    }
}

/// Writes a file unless there is one; a note if that has other content.
fn add_file(path: &Path, content: &[u8]) -> anyhow::Result<Option<String>> {
    if !path.exists() {
        write_new(path, content)?;
        return Ok(None);
    }
    let is_same = fs_err::read(path).is_ok_and(|there| there == content);
    let note = || format!("{} is there already, with other content: kept", show::path(path));
    Ok((!is_same).then(note))
}
