//! `cargo shmfuzz new`: the dependency and a first fuzz test.

use crate::exit_code::{ExitCode, Failed};
use crate::report::console::{Console, Tone};
use crate::show;
use anyhow::{Context, anyhow, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::Package;
use clap::Args;
use std::io::Write;
use std::process::Command;

const EXAMPLES: &str = "\
Example:
  cargo shmfuzz new parse      adds shmfuzz-runtime to the dev-dependencies and writes
                               tests/parse.rs with one fuzz test";

/// The arguments of `new`.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Name of the fuzz test, and of the file in `tests/`
    #[arg(value_parser = parse_name)]
    pub(crate) name: String,
    /// Take shmfuzz-runtime from this directory, not from the registry
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) path: Option<Utf8PathBuf>,
    /// The package to add it to
    #[arg(short, long, value_name = "SPEC")]
    pub(crate) package: Option<String>,
    #[command(flatten)]
    pub(crate) manifest: clap_cargo::Manifest,
}

/// A name that is good for a function and a file.
fn parse_name(name: &str) -> Result<String, String> {
    let mut bytes = name.bytes();
    let starts = bytes.next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_');
    let goes_on = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if starts && goes_on && name != "_" {
        Ok(name.to_owned())
    } else {
        Err("write a name in snake_case, as for a function".to_owned())
    }
}

/// What the first fuzz test says.
fn first_test(name: &str) -> String {
    format!(
        r#"//! Fuzz tests. `cargo test` runs their seeds; `cargo shmfuzz` looks for inputs that fail.

use shmfuzz_runtime::fuzz_test;

// Each seed is an input to start from; more of them may stand as files in
// `testdata/fuzz/{name}.{name}/`.
#[fuzz_test(seeds = ["hello"])]
fn {name}(data: &[u8]) {{
    // Call what is to be tested here. A panic is a failure, and so is a returned `Err`.
    let text = String::from_utf8_lossy(data);
    assert_eq!(text.parse::<String>().as_deref(), Ok(&*text));
}}
"#
    )
}

/// Adds the dependency and writes the file.
pub(crate) fn exec(arguments: &Arguments) -> Result<ExitCode, Failed> {
    let mut console = Console::plain(Box::new(anstream::stderr()));
    let package = package(arguments)?;
    let dir = package.manifest_path.parent().context("the manifest has no folder")?;
    let path = dir.join("tests").join(format!("{}.rs", arguments.name));
    // The cheap refusal first; the file is created exclusively all the same.
    if path.exists() {
        return Err(Failed::new(
            ExitCode::Usage,
            anyhow!("{} is there already", show::path(&path)),
        ));
    }
    add_dependency(arguments)?;
    write_new(&path, &first_test(&arguments.name))?;
    console.status(Tone::Good, "Created", &show::path(&path));
    if !is_found(arguments)? {
        let name = &arguments.name;
        console.warn(&format!(
            "{} has `autotests = false`: add `[[test]]` with `name = \"{name}\"` to it",
            show::path(&package.manifest_path)
        ));
    }
    console.detail("`cargo test` runs its seeds");
    console.detail(&format!("`cargo shmfuzz run {}` fuzzes it", arguments.name));
    Ok(ExitCode::Nothing)
}

/// Whether cargo takes the file for a test target: a manifest can turn that off.
fn is_found(arguments: &Arguments) -> Result<bool, Failed> {
    let is_it = |target: &cargo_metadata::Target| target.is_test() && target.name == arguments.name;
    Ok(package(arguments)?.targets.iter().any(is_it))
}

/// The package that is meant: by name, or the one whose folder cargo would work in.
fn package(arguments: &Arguments) -> Result<Package, Failed> {
    let mut command = cargo_metadata::MetadataCommand::new();
    command.no_deps();
    if let Some(path) = &arguments.manifest.manifest_path {
        command.manifest_path(path);
    }
    let metadata = command.exec().context("cannot read the package's manifest")?;
    let package = match &arguments.package {
        Some(name) => metadata.packages.iter().find(|package| *package.name == **name),
        None => {
            // `root_package` would be the workspace's, also from within a member.
            let manifest = located_manifest(arguments)?;
            metadata.packages.iter().find(|package| package.manifest_path == manifest)
        }
    };
    let package = package.ok_or_else(|| match &arguments.package {
        Some(name) => anyhow!("there is no package `{name}` in this workspace"),
        None => anyhow!("this is a workspace without a package of its own: choose one with -p"),
    });
    package.cloned().map_err(|error| Failed::new(ExitCode::Usage, error))
}

/// The manifest that cargo goes by in this directory.
fn located_manifest(arguments: &Arguments) -> anyhow::Result<Utf8PathBuf> {
    let mut cargo = cargo();
    cargo.args(["locate-project", "--message-format=plain", "--quiet"]);
    if let Some(path) = &arguments.manifest.manifest_path {
        cargo.arg("--manifest-path").arg(path);
    }
    let output = cargo.output().context("cannot run `cargo locate-project`")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`cargo locate-project` failed: {}", said.trim());
    let path = String::from_utf8(output.stdout).context("the manifest's path is not UTF-8")?;
    Ok(path.trim_end_matches('\n').into())
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// `cargo add --dev`, in the version of this command.
fn add_dependency(arguments: &Arguments) -> Result<(), Failed> {
    let mut cargo = cargo();
    cargo.args(["add", "--dev", "--quiet"]);
    match &arguments.path {
        Some(path) => cargo.arg("shmfuzz-runtime").arg("--path").arg(path),
        None => cargo.arg(concat!("shmfuzz-runtime@", env!("CARGO_PKG_VERSION"))),
    };
    if let Some(path) = &arguments.manifest.manifest_path {
        cargo.arg("--manifest-path").arg(path);
    }
    if let Some(name) = &arguments.package {
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

/// Writes a file that is not there.
fn write_new(path: &Utf8Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().context("the file has no folder")?;
    fs_err::create_dir_all(folder)?;
    let mut file = fs_err::File::create_new(path)?;
    file.write_all(text.as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(path: Utf8PathBuf) -> Result<String, Failed> {
        let mut manifest = clap_cargo::Manifest::default();
        manifest.manifest_path = Some(path.into());
        let arguments = Arguments { name: "parse".to_owned(), path: None, package: None, manifest };
        package(&arguments).map(|package| package.name.to_string())
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
