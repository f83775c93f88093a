//! The environment that `cargo test` would give a test binary.
//!
//! Cargo runs none of our workers, so what it sets for a test at run time is set here, by its own
//! rules: the package's variables, those of its build script, the search path of dynamic libraries,
//! and `[env]` of its configuration. What cargo inherits, a worker inherits from the command.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::{Package, PackageId};

use crate::config::{CargoConfig, Precedence};
use crate::workspace::package_dir;

/// What cargo's messages said about the packages of one build.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    /// `OUT_DIR` and `cargo::rustc-env` of build scripts.
    pub(crate) scripts: BTreeMap<PackageId, Vec<(String, String)>>,
    /// `cargo::rustc-link-search` of all build scripts.
    pub(crate) linked_paths: Vec<Utf8PathBuf>,
    /// Executables of binary targets, by package and name.
    pub(crate) binaries: Vec<(PackageId, String, Utf8PathBuf)>,
}

/// What is the same for all binaries of a build.
#[derive(Debug)]
pub(crate) struct Surroundings<'a> {
    /// Cargo's configuration.
    pub(crate) config: &'a CargoConfig,
    /// Cargo's executable.
    pub(crate) cargo: &'a PathBuf,
    /// Where the toolchain's dynamic libraries lie.
    pub(crate) library_dir: PathBuf,
    /// What cargo reported.
    pub(crate) messages: Messages,
}

impl Surroundings<'_> {
    /// The variables to set for a test binary of `package`.
    pub(crate) fn of(
        &self,
        package: &Package,
        executable: &Utf8Path,
    ) -> BTreeMap<String, OsString> {
        let mut env = BTreeMap::new();
        for (name, value) in self.messages.scripts.get(&package.id).into_iter().flatten() {
            env.insert(name.clone(), value.into());
        }
        for (id, name, path) in &self.messages.binaries {
            if *id == package.id {
                env.insert(format!("CARGO_BIN_EXE_{name}"), path.into());
            }
        }
        for (name, value) in package_vars(package) {
            env.insert(name.to_owned(), value.into());
        }
        env.insert("CARGO".to_owned(), self.cargo.into());
        env.insert("LD_LIBRARY_PATH".to_owned(), self.library_path(executable));
        for entry in self.config.env() {
            let inherited = self.config.inherits(&entry.name);
            // What cargo itself sets for a test is never replaced.
            if !env.contains_key(&entry.name)
                && (entry.precedence == Precedence::Config || !inherited)
            {
                env.insert(entry.name, entry.value);
            }
        }
        env
    }

    /// Build scripts' search paths inside the target directory, its own two folders, the
    /// toolchain's, and what was there.
    fn library_path(&self, executable: &Utf8Path) -> OsString {
        let deps = executable.parent().unwrap_or(executable);
        let root = deps.parent().unwrap_or(deps);
        let deps = root.join("deps");
        let mut paths: Vec<PathBuf> = Vec::new();
        for path in &self.messages.linked_paths {
            let path = path.as_str();
            let path = path.split_once('=').map_or(path, |(_kind, path)| path);
            if path.starts_with(root.as_str()) {
                paths.push(path.into());
            }
        }
        paths.sort();
        paths.dedup();
        paths.extend([root.into(), deps.into(), self.library_dir.clone()]);
        let inherited = self.config.var("LD_LIBRARY_PATH").cloned().unwrap_or_default();
        paths.extend(std::env::split_paths(&inherited).filter(|path| !path.as_os_str().is_empty()));
        // A path with a colon cannot be in a search path: then what was there has to do.
        std::env::join_paths(paths).unwrap_or(inherited)
    }
}

/// The variables that name the package and its version.
fn package_vars(package: &Package) -> Vec<(&'static str, String)> {
    let text = |option: &Option<String>| option.clone().unwrap_or_default();
    let path = |option: &Option<Utf8PathBuf>| option.as_ref().map(ToString::to_string);
    let version = &package.version;
    vec![
        ("CARGO_MANIFEST_DIR", package_dir(package).to_string()),
        ("CARGO_MANIFEST_PATH", package.manifest_path.to_string()),
        ("CARGO_PKG_AUTHORS", package.authors.join(":")),
        ("CARGO_PKG_DESCRIPTION", text(&package.description)),
        ("CARGO_PKG_HOMEPAGE", text(&package.homepage)),
        ("CARGO_PKG_LICENSE", text(&package.license)),
        ("CARGO_PKG_LICENSE_FILE", path(&package.license_file).unwrap_or_default()),
        ("CARGO_PKG_NAME", package.name.to_string()),
        ("CARGO_PKG_README", path(&package.readme).unwrap_or_default()),
        ("CARGO_PKG_REPOSITORY", text(&package.repository)),
        ("CARGO_PKG_RUST_VERSION", rust_version(package)),
        ("CARGO_PKG_VERSION", version.to_string()),
        ("CARGO_PKG_VERSION_MAJOR", version.major.to_string()),
        ("CARGO_PKG_VERSION_MINOR", version.minor.to_string()),
        ("CARGO_PKG_VERSION_PATCH", version.patch.to_string()),
        ("CARGO_PKG_VERSION_PRE", version.pre.to_string()),
    ]
}

fn rust_version(package: &Package) -> String {
    package.rust_version.as_ref().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "[env]\nOURS = 'set'\nCARGO_PKG_NAME = { value = 'x', force = true }\n";

    fn package() -> Package {
        serde_json::from_str(
            r#"{"name":"pot","version":"1.2.3-rc.1","id":"pot","authors":["A","B"],"edition":"2024",
                "dependencies":[],"targets":[],"features":{},"manifest_path":"/w/pot/Cargo.toml"}"#,
        )
        .unwrap()
    }

    /// The variables of a package whose build script said something, as `name=value`.
    fn variables() -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        fs_err::create_dir(dir.path().join(".cargo")).unwrap();
        fs_err::write(dir.path().join(".cargo/config.toml"), CONFIG).unwrap();
        let config = CargoConfig::load(dir.path(), &[]).unwrap();
        let package = package();
        let said = [("SAID", "yes"), ("OUT_DIR", "/t/x/build/pot/out")];
        let said = said.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let messages = Messages {
            scripts: BTreeMap::from([(package.id.clone(), said)]),
            linked_paths: vec!["native=/t/x/build/c/out".into(), "/usr/lib/c".into()],
            binaries: vec![(package.id.clone(), "lid".to_owned(), "/t/x/lid".into())],
        };
        let surroundings = Surroundings {
            config: &config,
            cargo: &"/bin/cargo".into(),
            library_dir: "/rust/lib".into(),
            messages,
        };
        let env = surroundings.of(&package, Utf8Path::new("/t/x/deps/pot-0a"));
        env.into_iter().map(|(name, value)| format!("{name}={}", value.display())).collect()
    }

    #[test]
    fn cargos_variables_are_set_and_configuration_adds_to_them() {
        let variables = variables();
        for expected in [
            "CARGO=/bin/cargo",
            "CARGO_BIN_EXE_lid=/t/x/lid",
            "CARGO_MANIFEST_DIR=/w/pot",
            "CARGO_PKG_AUTHORS=A:B",
            "CARGO_PKG_NAME=pot",
            "CARGO_PKG_VERSION_PRE=rc.1",
            "OURS=set",
            "OUT_DIR=/t/x/build/pot/out",
            "SAID=yes",
        ] {
            assert!(variables.iter().any(|found| found == expected), "{expected}: {variables:#?}");
        }
    }

    #[test]
    fn libraries_are_searched_where_cargo_searches_them() {
        let variables = variables();
        let path = variables.iter().find_map(|v| v.strip_prefix("LD_LIBRARY_PATH=")).unwrap();
        assert!(path.starts_with("/t/x/build/c/out:/t/x:/t/x/deps:/rust/lib"), "{path}");
    }
}
