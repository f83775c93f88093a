//! The one package that a command changes: which it is, and the dependency that it gets.

use crate::exit_code::{ExitCode, Failed};
use anyhow::{Context, anyhow, ensure};
use camino::Utf8PathBuf;
use cargo_metadata::{Metadata, Package};
use clap::Args;
use std::process::Command;

/// Which package gets fuzz tests, and where their runtime comes from.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct OnePackage {
    /// Take shmfuzz-runtime from this directory, not from the registry
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) path: Option<Utf8PathBuf>,
    /// The package to add it to
    #[arg(short, long, value_name = "SPEC")]
    pub(crate) package: Option<String>,
    #[command(flatten)]
    pub(crate) manifest: clap_cargo::Manifest,
}

impl OnePackage {
    /// The package that is meant: by name, or the one whose folder cargo would work in.
    ///
    /// # Errors
    /// If there is none: wrong usage.
    pub(crate) fn find(&self) -> Result<Package, Failed> {
        let metadata = self.metadata()?;
        let package = match &self.package {
            Some(name) => metadata.packages.iter().find(|package| *package.name == **name),
            None => {
                // `root_package` would be the workspace's, also from within a member.
                let manifest = self.located_manifest()?;
                metadata.packages.iter().find(|package| package.manifest_path == manifest)
            }
        };
        let package = package.ok_or_else(|| match &self.package {
            Some(name) => anyhow!("there is no package `{name}` in this workspace"),
            None => {
                anyhow!("this is a workspace without a package of its own: choose one with -p")
            }
        });
        package.cloned().map_err(|error| Failed::new(ExitCode::Usage, error))
    }

    /// The workspace that it is in, without dependencies.
    ///
    /// # Errors
    /// If its manifest cannot be read.
    pub(crate) fn metadata(&self) -> anyhow::Result<Metadata> {
        let mut command = cargo_metadata::MetadataCommand::new();
        command.no_deps();
        if let Some(path) = &self.manifest.manifest_path {
            command.manifest_path(path);
        }
        command.exec().context("cannot read the package's manifest")
    }

    /// The manifest that cargo goes by in this directory.
    fn located_manifest(&self) -> anyhow::Result<Utf8PathBuf> {
        let mut cargo = cargo();
        cargo.args(["locate-project", "--message-format=plain", "--quiet"]);
        if let Some(path) = &self.manifest.manifest_path {
            cargo.arg("--manifest-path").arg(path);
        }
        let output = cargo.output().context("cannot run `cargo locate-project`")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`cargo locate-project` failed: {}", said.trim());
        let path = String::from_utf8(output.stdout).context("the manifest's path is not UTF-8")?;
        Ok(path.trim_end_matches('\n').into())
    }

    /// `cargo add --dev` of the runtime in the version of this command, with a feature if one is
    /// needed.
    ///
    /// # Errors
    /// If cargo cannot: the build fails.
    pub(crate) fn add_runtime(&self, feature: Option<&str>) -> Result<(), Failed> {
        let mut cargo = cargo();
        cargo.args(["add", "--dev", "--quiet"]);
        match &self.path {
            Some(path) => cargo.arg("shmfuzz-runtime").arg("--path").arg(path),
            None => cargo.arg(concat!("shmfuzz-runtime@", env!("CARGO_PKG_VERSION"))),
        };
        if let Some(feature) = feature {
            cargo.args(["--features", feature]);
        }
        if let Some(path) = &self.manifest.manifest_path {
            cargo.arg("--manifest-path").arg(path);
        }
        if let Some(name) = &self.package {
            cargo.arg("--package").arg(name);
        }
        let status = cargo.status().context("cannot run `cargo add`")?;
        if status.success() {
            return Ok(());
        }
        let hint = "`cargo add --dev shmfuzz-runtime` failed; \
                    if this command was built from a clone, give its runtime with --path";
        Err(Failed::new(ExitCode::Build, anyhow!(hint)))
    }
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(path: Utf8PathBuf) -> Result<String, Failed> {
        let mut manifest = clap_cargo::Manifest::default();
        manifest.manifest_path = Some(path.into());
        let one = OnePackage { path: None, package: None, manifest };
        one.find().map(|package| package.name.to_string())
    }

    #[test]
    fn a_member_is_chosen_by_its_own_manifest() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(dir.path().canonicalize().unwrap()).unwrap();
        let package = |name| format!("[package]\nname = '{name}'\nedition = '2024'\n");
        let workspace = "[workspace]\nresolver = '3'\nmembers = ['member']\n";
        for folder in [root.join("src"), root.join("member/src")] {
            fs_err::create_dir_all(&folder).unwrap();
            fs_err::write(folder.join("lib.rs"), "").unwrap();
        }
        fs_err::write(root.join("member/Cargo.toml"), package("member")).unwrap();
        for (top, own) in [(package("top") + workspace, Some("top")), (workspace.into(), None)] {
            fs_err::write(root.join("Cargo.toml"), top).unwrap();
            assert_eq!(chosen(root.join("member/Cargo.toml")).unwrap(), "member");
            assert_eq!(chosen(root.join("Cargo.toml")).ok().as_deref(), own);
        }
    }
}
