//! `cargo shmfuzz new`: the dependency and a first fuzz test.

use super::one_package::OnePackage;
use crate::exit_code::{ExitCode, Failed};
use crate::report::console::{Console, Tone};
use crate::show;
use anyhow::{Context, anyhow};
use clap::Args;
use std::io::Write;
use std::path::Path;

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
    #[command(flatten)]
    pub(crate) package: OnePackage,
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
    let package = arguments.package.find()?;
    let dir = package.manifest_path.parent().context("the manifest has no folder")?;
    let path = dir.join("tests").join(format!("{}.rs", arguments.name));
    // The cheap refusal first; the file is created exclusively all the same.
    if path.exists() {
        return Err(Failed::new(
            ExitCode::Usage,
            anyhow!("{} is there already", show::path(&path)),
        ));
    }
    arguments.package.add_runtime(None)?;
    write_new(path.as_std_path(), first_test(&arguments.name).as_bytes())?;
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
    Ok(arguments.package.find()?.targets.iter().any(is_it))
}

/// Writes a file that is not there, and the folders above it.
///
/// # Errors
/// If there is one, or it cannot be written.
pub(super) fn write_new(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().context("the file has no folder")?;
    fs_err::create_dir_all(folder)?;
    let mut file = fs_err::File::create_new(path)?;
    file.write_all(content)?;
    Ok(())
}
