//! What a migration would do, found out before anything is written.
//!
//! Owns which targets can move, and what moves with each; reads files, and writes none.

use super::corpus::{self, Corpus};
use super::manifest::{self, Manifest};
use super::source::{self, Source};
use crate::dictionary;
use crate::show;
use anyhow::{Context as _, bail, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::{Metadata, MetadataCommand, Package, Target, TargetKind};
use shmfuzz_runtime::testdata;
use std::collections::BTreeMap;
use toml_edit::Value;

/// Folders of a fuzz folder in which dictionaries are looked for, itself the first.
const DICT_FOLDERS: [&str; 4] = ["", "dict", "dicts", "dictionaries"];

/// All that is to be done.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    /// The targets that become tests.
    pub(super) tests: Vec<Test>,
    /// The targets that do not, with the reason.
    pub(super) unmoved: Vec<(String, String)>,
    /// New dev-dependencies of the package, beside the runtime.
    pub(super) entries: Vec<(String, Value)>,
    /// The feature of the runtime that the tests need.
    pub(super) feature: Option<&'static str>,
    /// What people should look at.
    pub(super) remarks: Vec<String>,
}

/// A target that becomes a test.
#[derive(Clone, Debug)]
pub(super) struct Test {
    /// Its name, which is the test target's.
    pub(super) name: String,
    /// The files to write, with their text: its source first, then its modules'.
    pub(super) files: Vec<(Utf8PathBuf, String)>,
    /// The folder of its seeds.
    pub(super) seed_folder: Utf8PathBuf,
    /// Its inputs.
    pub(super) corpus: Corpus,
    /// Its dictionary, and where it goes.
    pub(super) dict: Option<(Utf8PathBuf, Utf8PathBuf)>,
}

impl Test {
    /// The name of its folder of seeds: as `Record::folder` makes it.
    pub(super) fn folder(name: &str) -> String {
        format!("{}.fuzz_target", name.replace('-', "_"))
    }
}

/// The fuzz package, as cargo sees it.
struct Fuzz {
    package: Package,
    dir: Utf8PathBuf,
    workspace_root: Utf8PathBuf,
    library: Option<String>,
}

/// Looks at a fuzz folder and says what would become of it in `package`.
///
/// # Errors
/// If the folder is none, or something in it or in the package cannot be read.
pub(super) fn plan(
    fuzz_dir: &Utf8Path,
    package: &Package,
    workspace: &Metadata,
) -> anyhow::Result<Plan> {
    let fuzz = Fuzz::read(fuzz_dir)?;
    let dir = package.manifest_path.parent().context("the manifest has no folder")?;
    let mut plan = Plan::default();
    let mut dicts = dictionaries(&fuzz.dir, &mut plan.remarks)?;
    let mut takes_values = false;
    for target in fuzz.package.targets.iter().filter(|target| target.is_bin()) {
        let folder = Test::folder(&target.name);
        let source = match fuzz
            .source(target)
            .and_then(|source| Ok((files(target, &source, &fuzz, &dir.join("tests"))?, source)))
        {
            Ok((files, source)) => {
                takes_values |= source.takes_values;
                let name = &target.name;
                let remarks = source.remarks.iter().map(|remark| format!("{name}: {remark}"));
                plan.remarks.extend(remarks);
                files
            }
            Err(why) => {
                plan.unmoved.push((target.name.clone(), why));
                continue;
            }
        };
        let root = dir.join(testdata::ROOT);
        let corpus = corpus::of_target(&fuzz.dir, &target.name)?;
        plan.remarks.extend(corpus.remarks.iter().cloned());
        let dict = dicts.remove(&target.name.replace('-', "_"));
        plan.tests.push(Test {
            name: target.name.clone(),
            files: source,
            seed_folder: root.join(&folder),
            corpus,
            dict: dict.map(|dict| (dict, root.join(folder + testdata::DICT_ENDING))),
        });
    }
    for dict in dicts.values() {
        plan.remarks.push(format!(
            "{} has the name of no target: `dict = \"..\"` in [package.metadata.shmfuzz] gives it to all",
            show::path(dict)
        ));
    }
    plan.look_at_manifests(&fuzz, package, dir, workspace, takes_values)?;
    Ok(plan)
}

impl Plan {
    fn look_at_manifests(
        &mut self,
        fuzz: &Fuzz,
        package: &Package,
        dir: &Utf8Path,
        workspace: &Metadata,
        takes_values: bool,
    ) -> anyhow::Result<()> {
        let (old, new) = (Manifest::read(&fuzz.dir)?, Manifest::read(dir)?);
        let shares_workspace = fuzz.workspace_root == workspace.workspace_root;
        let missing = manifest::missing(&old, &new, &package.name, shares_workspace);
        self.feature = match (takes_values, missing.derives) {
            (true, true) => Some("arbitrary-derive"),
            (true, false) => Some("arbitrary"),
            (false, _) => None,
        };
        self.entries = missing.entries;
        self.remarks.extend(missing.remarks);
        if fuzz.package.edition != package.edition {
            self.remarks.push(format!(
                "the targets are of edition {}, and tests of {} are of edition {}",
                fuzz.package.edition, package.name, package.edition
            ));
        }
        if !fuzz.package.features.is_empty() {
            let names: Vec<&str> = fuzz.package.features.keys().map(String::as_str).collect();
            self.remarks
                .push(format!("features of the fuzz package are not added: {}", names.join(", ")));
        }
        Ok(())
    }
}

impl Fuzz {
    fn read(dir: &Utf8Path) -> anyhow::Result<Self> {
        let shown = show::path(dir);
        let manifest = dir.join("Cargo.toml");
        ensure!(
            manifest.is_file(),
            "there is no Cargo.toml in {shown}: give the folder that `cargo fuzz init` made"
        );
        let dir = dir.canonicalize_utf8().with_context(|| format!("cannot read {shown}"))?;
        let manifest = dir.join("Cargo.toml");
        let metadata = MetadataCommand::new().no_deps().manifest_path(&manifest).exec();
        let metadata = metadata.with_context(|| format!("cannot read {shown}/Cargo.toml"))?;
        let is_it = |package: &&Package| package.manifest_path == manifest;
        let Some(package) = metadata.packages.iter().find(is_it).cloned() else {
            let members: Vec<&str> = metadata.packages.iter().map(|p| p.name.as_str()).collect();
            bail!(
                "{shown} is a workspace without a package of its own: give the folder of one of {}",
                members.join(", ")
            );
        };
        let library = package
            .targets
            .iter()
            .find(|target| target.kind.contains(&TargetKind::Lib))
            .map(|target| target.name.replace('-', "_"));
        Ok(Self { package, dir, workspace_root: metadata.workspace_root, library })
    }

    /// The rewritten source of a target.
    fn source(&self, target: &Target) -> Result<Source, String> {
        if !target.required_features.is_empty() {
            let features = target.required_features.join(", ");
            return Err(format!("it has required-features: {features}"));
        }
        let source = self.rewrite(&target.src_path)?;
        if !source.has_target {
            return Err("no `fuzz_target!` stands in its file, outside of modules".to_owned());
        }
        Ok(source)
    }

    fn rewrite(&self, path: &Utf8Path) -> Result<Source, String> {
        let text = fs_err::read_to_string(path).map_err(|error| show::error(&error.into()))?;
        source::rewrite(&text, self.library.as_deref())
    }
}

/// The files that a target becomes, none of which may be there.
fn files(
    target: &Target,
    source: &Source,
    fuzz: &Fuzz,
    tests: &Utf8Path,
) -> Result<Vec<(Utf8PathBuf, String)>, String> {
    let to = tests.join(format!("{}.rs", target.name));
    if to.exists() {
        return Err(format!("{} is there already", show::path(&to)));
    }
    let mut files = vec![(to, source.text.clone())];
    let dir = target.src_path.parent().unwrap_or(&fuzz.dir);
    for module in &source.modules {
        // As `tests/module.rs` it would be a test target of its own.
        let is_target = |target: &Target| target.is_bin() && target.name == *module;
        if fuzz.package.targets.iter().any(is_target) || tests.join(format!("{module}.rs")).exists()
        {
            return Err(format!("`mod {module};` would be ambiguous beside tests/{module}.rs"));
        }
        let (from, _) = module_file(dir, module)?;
        let place = tests.join(module);
        add_module(fuzz, &from, &dir.join(module), &place.join("mod.rs"), &place, &mut files)?;
    }
    Ok(files)
}

/// Adds a module's file, and those of the modules in it: they stand in `dir`, and go to `place`.
fn add_module(
    fuzz: &Fuzz,
    from: &Utf8Path,
    dir: &Utf8Path,
    to: &Utf8Path,
    place: &Utf8Path,
    files: &mut Vec<(Utf8PathBuf, String)>,
) -> Result<(), String> {
    let source =
        fuzz.rewrite(from).map_err(|why| format!("in its module {}: {why}", show::path(from)))?;
    if fs_err::read_to_string(to).is_ok_and(|there| there != source.text) {
        return Err(format!("{} is there already", show::path(to)));
    }
    files.push((to.to_owned(), source.text));
    for module in &source.modules {
        let (from, name) = module_file(dir, module)?;
        let place = place.join(module);
        let to = place.parent().unwrap_or(&place).join(name);
        add_module(fuzz, &from, &dir.join(module), &to, &place, files)?;
    }
    Ok(())
}

/// The file of a module in a folder, and its path in that.
fn module_file(dir: &Utf8Path, module: &str) -> Result<(Utf8PathBuf, Utf8PathBuf), String> {
    let names = [format!("{module}.rs"), format!("{module}/mod.rs")];
    let found = names.map(Utf8PathBuf::from).into_iter().find(|name| dir.join(name).is_file());
    let name = found.ok_or_else(|| format!("`mod {module};` has no file"))?;
    Ok((dir.join(&name), name))
}

/// The dictionaries in a fuzz folder by their names, as crates are named; of those that cannot be
/// used, a remark.
fn dictionaries(
    fuzz_dir: &Utf8Path,
    remarks: &mut Vec<String>,
) -> anyhow::Result<BTreeMap<String, Utf8PathBuf>> {
    let mut found = BTreeMap::new();
    for folder in DICT_FOLDERS.map(|name| fuzz_dir.join(name)).iter().filter(|dir| dir.is_dir()) {
        for entry in folder.read_dir_utf8()? {
            let path = entry?.into_path();
            let Some(name) = path.file_stem() else { continue };
            if path.extension() != Some("dict") || !path.is_file() {
                continue;
            }
            match dictionary::read(path.as_std_path()) {
                Ok(_) => drop(found.entry(name.replace('-', "_")).or_insert_with(|| path.clone())),
                Err(error) => remarks.push(format!("not copied: {}", show::error(&error))),
            }
        }
    }
    Ok(found)
}
