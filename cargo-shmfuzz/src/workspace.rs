//! The user's workspace as cargo sees it, and what a build is asked for.
//!
//! Owns the questions to `cargo metadata`: where the runtime lies, which crates are to be
//! instrumented, where targets go. Selecting packages, features and targets is left to cargo:
//! its options are passed on as they came.

use std::env;

use anyhow::Context;
use camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::semver::Version;
use cargo_metadata::{Metadata, MetadataCommand, Package, PackageId};

use crate::building::BuildError;
use crate::config::CargoConfig;
use crate::flags::{CfgFuzzing, Narrowing};
use crate::show;
use crate::toolchain::Toolchain;

/// What the user selected, in cargo's words.
#[derive(Clone, Debug, Default)]
pub(crate) struct BuildRequest {
    /// `--manifest-path`.
    pub(crate) manifest: clap_cargo::Manifest,
    /// `--package`, `--workspace`, `--exclude`.
    pub(crate) workspace: clap_cargo::Workspace,
    /// `--features` and its kin.
    pub(crate) features: clap_cargo::Features,
    /// `--target`.
    pub(crate) target: Option<String>,
    /// `--target-dir`.
    pub(crate) target_dir: Option<Utf8PathBuf>,
    /// `--no-cfg-fuzzing`.
    pub(crate) cfg_fuzzing: CfgFuzzing,
    /// Options that select targets (`--lib`, `--test NAME`); none selects all that can hold tests.
    pub(crate) targets: Vec<String>,
    /// Options that each cargo command takes: `--locked`, `--offline`, `--config KEY=VALUE`.
    pub(crate) cargo_options: Vec<String>,
    /// The values of `--config`, which are among the options above too.
    pub(crate) config: Vec<String>,
    /// Further options of `cargo test`: `--jobs N`, `--keep-going`.
    pub(crate) build_options: Vec<String>,
}

/// The name of the package that fuzz tests link.
const RUNTIME: &str = "shmfuzz-runtime";

/// Our table in `[package.metadata]` and `[workspace.metadata]`.
const METADATA: &str = "shmfuzz";

/// A workspace, its toolchain and its configuration, read once a command.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    /// What the user selected.
    pub(crate) request: BuildRequest,
    /// Cargo's configuration in the current directory.
    pub(crate) config: CargoConfig,
    /// The user's compiler.
    pub(crate) toolchain: Toolchain,
    /// The triple of fuzzing builds, and of plain ones if the user chose it.
    pub(crate) target: String,
    metadata: Metadata,
}

impl Workspace {
    /// Reads it from the current directory or the request's manifest.
    ///
    /// # Errors
    /// [`BuildError::Cargo`] if cargo refuses the manifest, [`BuildError::Unusable`] if there is no
    /// compiler or its configuration does not parse.
    pub(crate) fn load(mut request: BuildRequest) -> Result<Self, BuildError> {
        let unusable = BuildError::Unusable;
        if let Some(dir) = &mut request.target_dir {
            // Rustc runs in the workspace's root, where a relative path to our files would break.
            *dir = camino::absolute_utf8(&dir)
                .with_context(|| format!("cannot make {} absolute", show::path(&dir)))
                .map_err(unusable)?;
        }
        let dir = env::current_dir().context("there is no current directory").map_err(unusable)?;
        let config = CargoConfig::load(&dir, &request.config).map_err(unusable)?;
        let toolchain = Toolchain::detect(&config).map_err(unusable)?;
        let configured = config.target().map_err(unusable);
        let target = match &request.target {
            Some(target) => target.clone(),
            None => configured?.unwrap_or_else(|| toolchain.host.clone()),
        };
        let metadata = read_metadata(&request, &toolchain, &target)?;
        Ok(Self { request, config, toolchain, target, metadata })
    }

    /// Where the packages named `shmfuzz-runtime` lie; none if nothing depends on it, and several
    /// if the workspace resolves to several versions.
    pub(crate) fn runtime_dirs(&self) -> Vec<Utf8PathBuf> {
        self.runtimes().map(|package| package_dir(package).to_owned()).collect()
    }

    /// The versions of `shmfuzz-runtime` in the workspace.
    pub(crate) fn runtime_versions(&self) -> Vec<Version> {
        self.runtimes().map(|package| package.version.clone()).collect()
    }

    fn runtimes(&self) -> impl Iterator<Item = &Package> {
        self.metadata.packages.iter().filter(|package| *package.name == *RUNTIME)
    }

    /// The package with this id.
    pub(crate) fn package(&self, id: &PackageId) -> Option<&Package> {
        self.metadata.packages.iter().find(|package| package.id == *id)
    }

    /// The workspace's root folder, which [`file!`] is relative to.
    pub(crate) fn root(&self) -> &Utf8Path {
        &self.metadata.workspace_root
    }

    /// The folder that holds the fuzzing builds, beside cargo's own artifacts.
    pub(crate) fn fuzzing_dir(&self) -> Utf8PathBuf {
        self.target_dir().join("shmfuzz")
    }

    fn target_dir(&self) -> &Utf8Path {
        self.request.target_dir.as_deref().unwrap_or(&self.metadata.target_directory)
    }

    /// `instrument = { only, exclude }`, from the workspace's and all members' metadata together.
    ///
    /// # Errors
    /// If one of them is no such table.
    pub(crate) fn narrowing(&self) -> anyhow::Result<Narrowing> {
        let mut all = Narrowing::default();
        let root = (&self.metadata.workspace_metadata, self.root().join("Cargo.toml"));
        let members = self.metadata.workspace_packages().into_iter();
        let members = members.map(|package| (&package.metadata, package.manifest_path.clone()));
        for (metadata, manifest) in std::iter::once(root).chain(members) {
            let Some(value) = metadata.get(METADATA).and_then(|ours| ours.get("instrument")) else {
                continue;
            };
            let narrowing: Narrowing =
                serde_json::from_value(value.clone()).with_context(|| {
                    format!("{}: metadata.{METADATA}.instrument", show::path(&manifest))
                })?;
            all.only.extend(narrowing.only);
            all.exclude.extend(narrowing.exclude);
        }
        for names in [&mut all.only, &mut all.exclude] {
            names.sort();
            names.dedup();
        }
        Ok(all)
    }
}

/// The folder of a package's manifest.
pub(crate) fn package_dir(package: &Package) -> &Utf8Path {
    package.manifest_path.parent().unwrap_or(&package.manifest_path)
}

fn read_metadata(
    request: &BuildRequest,
    toolchain: &Toolchain,
    target: &str,
) -> Result<Metadata, BuildError> {
    let mut command = MetadataCommand::new();
    command.cargo_path(&toolchain.cargo);
    if let Some(path) = &request.manifest.manifest_path {
        command.manifest_path(path);
    }
    // Without the filter cargo downloads what only other platforms need.
    let mut options = vec!["--filter-platform".to_owned(), target.to_owned()];
    options.extend(request.cargo_options.iter().cloned());
    options.extend(feature_options(&request.features));
    command.other_options(options);
    command.exec().map_err(|error| match error {
        cargo_metadata::Error::CargoMetadata { stderr } => {
            BuildError::Cargo { action: "cargo metadata", output: Some(stderr) }
        }
        error => BuildError::Internal(anyhow::Error::new(error).context("`cargo metadata` failed")),
    })
}

/// The options that cargo's own command would have been given.
pub(crate) fn feature_options(features: &clap_cargo::Features) -> Vec<String> {
    let mut options = Vec::new();
    if features.all_features {
        options.push("--all-features".to_owned());
    }
    if features.no_default_features {
        options.push("--no-default-features".to_owned());
    }
    options.extend(features.features.iter().map(|names| format!("--features={names}")));
    options
}

/// As [`feature_options`], for packages.
pub(crate) fn package_options(workspace: &clap_cargo::Workspace) -> Vec<String> {
    let mut options = Vec::new();
    if workspace.workspace || workspace.all {
        options.push("--workspace".to_owned());
    }
    options.extend(workspace.package.iter().map(|spec| format!("--package={spec}")));
    options.extend(workspace.exclude.iter().map(|spec| format!("--exclude={spec}")));
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selections_are_passed_on_as_they_came() {
        let mut features = clap_cargo::Features::default();
        features.all_features = true;
        features.features = vec!["a".to_owned(), "b/c".to_owned()];
        assert_eq!(
            feature_options(&features),
            ["--all-features", "--features=a", "--features=b/c"]
        );
        let mut workspace = clap_cargo::Workspace::default();
        workspace.workspace = true;
        workspace.exclude = vec!["x".to_owned()];
        assert_eq!(package_options(&workspace), ["--workspace", "--exclude=x"]);
    }
}
