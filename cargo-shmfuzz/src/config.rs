//! What cargo's configuration says about the few keys that the command must know itself: the
//! user's wrapper, compiler, target and `[env]`.
//!
//! Cargo offers no stable way to ask. Owns finding and reading the files and the order of
//! precedence: `--config` first, then cargo's variable, then the nearest `.cargo/config.toml`.
//! Everything else in those files is left to cargo, which reads them itself. `include` is not
//! followed.

use crate::show;
use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use toml::Value;

/// The configuration in force in a directory.
#[derive(Clone, Debug, Default)]
pub(crate) struct CargoConfig {
    /// What `--config` says, the last one first: like cargo, before the environment.
    given: Vec<ConfigFile>,
    /// Nearest first.
    files: Vec<ConfigFile>,
    vars: BTreeMap<OsString, OsString>,
}

#[derive(Clone, Debug)]
struct ConfigFile {
    /// What relative paths in it are relative to: the directory that holds `.cargo`.
    base: PathBuf,
    table: toml::Table,
}

/// One variable of `[env]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EnvEntry {
    /// Its name.
    pub(crate) name: String,
    /// Its value.
    pub(crate) value: OsString,
    /// What happens if the variable is there already.
    pub(crate) precedence: Precedence,
}

/// Whether an entry of `[env]` replaces a variable of the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precedence {
    /// `force = true`.
    Config,
    /// Otherwise.
    Environment,
}

impl CargoConfig {
    /// Reads the files for `dir` and what `--config` gave, and keeps the environment.
    ///
    /// # Errors
    /// If one of the files cannot be read, or one of all is no TOML.
    pub(crate) fn load(dir: &Path, given: &[String]) -> anyhow::Result<Self> {
        let given: anyhow::Result<Vec<_>> =
            given.iter().rev().map(|text| read_given(dir, text)).collect();
        let vars: BTreeMap<_, _> = env::vars_os().collect();
        let var = |name: &str| vars.get(&OsString::from(name)).map(PathBuf::from);
        let home = var("CARGO_HOME").or_else(|| var("HOME").map(|home| home.join(".cargo")));
        let above = dir.ancestors().map(|dir| dir.join(".cargo"));
        let mut files: Vec<ConfigFile> = Vec::new();
        for folder in above.chain(home) {
            let Some(file) = read_folder(&folder)? else { continue };
            // The home's folder may be above the directory too.
            if !files.iter().any(|seen| seen.base == file.base) {
                files.push(file);
            }
        }
        Ok(Self { given: given?, files, vars })
    }

    /// The program to call in place of rustc: `RUSTC_WRAPPER`, `build.rustc-wrapper`.
    pub(crate) fn rustc_wrapper(&self) -> Option<PathBuf> {
        self.program(&["RUSTC_WRAPPER", "CARGO_BUILD_RUSTC_WRAPPER"], "rustc-wrapper")
    }

    /// The compiler: `RUSTC`, `build.rustc`, or the one in `PATH`.
    pub(crate) fn rustc(&self) -> PathBuf {
        self.program(&["RUSTC", "CARGO_BUILD_RUSTC"], "rustc").unwrap_or_else(|| "rustc".into())
    }

    /// The cargo that runs the command, or the one in `PATH`.
    pub(crate) fn cargo(&self) -> PathBuf {
        self.var("CARGO").map_or_else(|| "cargo".into(), PathBuf::from)
    }

    /// The target triple, if one is configured.
    ///
    /// # Errors
    /// If there are several: a fuzz test is run on one.
    pub(crate) fn target(&self) -> anyhow::Result<Option<String>> {
        let given = build_key(&self.given, "target");
        if let (None, Some(target)) = (given, self.var("CARGO_BUILD_TARGET")) {
            return Ok(Some(target.to_string_lossy().into_owned()));
        }
        match given.or_else(|| build_key(&self.files, "target")) {
            None => Ok(None),
            Some((_, Value::String(target))) => Ok(Some(target.clone())),
            Some((_, Value::Array(targets))) if targets.len() == 1 => {
                Ok(targets[0].as_str().map(str::to_owned))
            }
            Some(_) => bail!(
                "`build.target` of cargo's configuration names several targets: choose one with --target"
            ),
        }
    }

    /// The variables of `[env]`, each once.
    pub(crate) fn env(&self) -> Vec<EnvEntry> {
        let mut entries: Vec<EnvEntry> = Vec::new();
        for file in self.given.iter().chain(&self.files) {
            let Some(table) = file.table.get("env").and_then(Value::as_table) else { continue };
            for (name, value) in table {
                let known = entries.iter().any(|entry| entry.name == *name);
                entries.extend((!known).then(|| file.env_entry(name, value)).flatten());
            }
        }
        entries
    }

    /// A variable of the command's environment; an empty one counts as unset, as for cargo.
    pub(crate) fn var(&self, name: &str) -> Option<&OsString> {
        self.vars.get(&OsString::from(name)).filter(|value| !value.is_empty())
    }

    /// Whether the command has a variable, be it empty.
    pub(crate) fn inherits(&self, name: &str) -> bool {
        self.vars.contains_key(&OsString::from(name))
    }

    fn program(&self, vars: &[&str], key: &str) -> Option<PathBuf> {
        let given = build_key(&self.given, key);
        let set = vars.iter().find_map(|name| self.vars.get(&OsString::from(name)));
        // A variable that is set but empty switches the configured program off.
        if let (None, Some(value)) = (given, set) {
            return (!value.is_empty()).then(|| value.into());
        }
        let (file, value) = given.or_else(|| build_key(&self.files, key))?;
        let text = value.as_str().filter(|text| !text.is_empty())?;
        let is_path = text.contains(['/', std::path::MAIN_SEPARATOR]);
        Some(if is_path { file.base.join(text) } else { text.into() })
    }
}

/// A key of `[build]` in the first file that has it.
fn build_key<'a>(files: &'a [ConfigFile], key: &str) -> Option<(&'a ConfigFile, &'a Value)> {
    files.iter().find_map(|file| Some((file, file.table.get("build")?.get(key)?)))
}

impl ConfigFile {
    fn env_entry(&self, name: &str, value: &Value) -> Option<EnvEntry> {
        let flag = |key: &str| value.get(key).and_then(Value::as_bool) == Some(true);
        let text = value.as_str().or_else(|| value.get("value")?.as_str())?;
        let value =
            if flag("relative") { self.base.join(text).into_os_string() } else { text.into() };
        let precedence = if flag("force") { Precedence::Config } else { Precedence::Environment };
        Some(EnvEntry { name: name.to_owned(), value, precedence })
    }
}

/// The configuration file in a `.cargo` folder; the name without extension wins, as for cargo.
fn read_folder(folder: &Path) -> anyhow::Result<Option<ConfigFile>> {
    let names = ["config", "config.toml"].map(|name| folder.join(name));
    let Some(path) = names.into_iter().find(|path| path.is_file()) else { return Ok(None) };
    read_file(&path).map(Some)
}

fn read_file(path: &Path) -> anyhow::Result<ConfigFile> {
    let text = fs_err::read_to_string(path)?;
    let table = table(&text).with_context(|| format!("{} is no valid TOML", show::path(path)))?;
    let folder = path.parent().unwrap_or(path);
    Ok(ConfigFile { base: folder.parent().unwrap_or(folder).to_owned(), table })
}

/// Parses TOML. The parser goes as deep as brackets do, also where they never close, and so past the
/// end of its stack: what is nested beyond any use is refused before that.
fn table(text: &str) -> anyhow::Result<toml::Table> {
    /// Brackets that may be open at once, those in texts and comments among them.
    const DEEPEST: usize = 256;
    let mut depth = 0usize;
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            bail!("more than {DEEPEST} brackets are open at once");
        }
    }
    Ok(text.parse()?)
}

/// What one `--config` says: a file if there is one of that name, else `KEY=VALUE`.
fn read_given(dir: &Path, text: &str) -> anyhow::Result<ConfigFile> {
    let path = dir.join(text);
    if path.is_file() {
        return read_file(&path);
    }
    let table = table(text)
        .with_context(|| format!("--config {}: no file, and no TOML", show::line(text)))?;
    Ok(ConfigFile { base: dir.to_owned(), table })
}

#[cfg(test)]
mod tests {
    use super::*;
    use shmfuzz_runtime::fuzz_test;

    fn config(files: &[(&str, &str)], vars: &[(&str, &str)]) -> CargoConfig {
        let file = |(base, text): &(&str, &str)| ConfigFile {
            base: base.into(),
            table: text.parse().unwrap(),
        };
        let var = |(name, value): &(&str, &str)| (name.into(), value.into());
        CargoConfig {
            given: Vec::new(),
            files: files.iter().map(file).collect(),
            vars: vars.iter().map(var).collect(),
        }
    }

    #[test]
    fn a_wrapper_is_found_where_cargo_finds_it() {
        let near = ("/p/q", "build.rustc-wrapper = 'tools/wrap'");
        let far = ("/p", "build.rustc-wrapper = 'sccache'");
        let wrapper = |files: &[(&str, &str)], vars: &[(&str, &str)]| {
            config(files, vars).rustc_wrapper().map(|path| path.to_string_lossy().into_owned())
        };
        assert_eq!(wrapper(&[], &[]), None);
        assert_eq!(wrapper(&[far], &[]).as_deref(), Some("sccache"));
        assert_eq!(wrapper(&[near, far], &[]).as_deref(), Some("/p/q/tools/wrap"));
        let build_var = ("CARGO_BUILD_RUSTC_WRAPPER", "b");
        assert_eq!(wrapper(&[near], &[build_var]).as_deref(), Some("b"));
        assert_eq!(wrapper(&[near], &[build_var, ("RUSTC_WRAPPER", "a")]).as_deref(), Some("a"));
        assert_eq!(wrapper(&[near], &[("RUSTC_WRAPPER", "")]), None);
    }

    #[test]
    fn one_target_is_used_and_several_are_refused() {
        let target = |text: &str| config(&[("/", text)], &[]).target();
        assert_eq!(target("").unwrap(), None);
        assert_eq!(target("build.target = 'a'").unwrap().as_deref(), Some("a"));
        assert_eq!(target("build.target = ['a']").unwrap().as_deref(), Some("a"));
        assert!(target("build.target = ['a', 'b']").is_err());
        let var = config(&[("/", "build.target = 'a'")], &[("CARGO_BUILD_TARGET", "b")]);
        assert_eq!(var.target().unwrap().as_deref(), Some("b"));
    }

    #[test]
    fn the_nearest_entry_of_env_counts() {
        let near = ("/p/q", "env.A = { value = 'x', relative = true, force = true }");
        let far = ("/p", "env.A = 'y'\nenv.B = 'z'");
        let entries = config(&[near, far], &[]).env();
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0].value, "/p/q/x");
        assert_eq!(entries[0].precedence, Precedence::Config);
        assert_eq!((entries[1].name.as_str(), entries[1].value.to_str()), ("B", Some("z")));
    }

    #[test]
    fn what_is_nested_without_end_is_refused() {
        for nested in ["a = [", "={[]", "a = {b = "] {
            let text = nested.repeat(100_000);
            let error = table(&text).unwrap_err().to_string();
            assert!(error.contains("256 brackets"), "{nested}: {error}");
        }
        assert!(table(&format!("a = {}{}", "[".repeat(60), "]".repeat(60))).is_ok());
    }

    #[test]
    fn files_above_a_directory_are_read_nearest_first() {
        let root = tempfile::tempdir().unwrap();
        let near = root.path().join("a/b");
        for (dir, wrapper) in [(root.path(), "far"), (&near, "near")] {
            fs_err::create_dir_all(dir.join(".cargo")).unwrap();
            let text = format!("build.rustc-wrapper = '{wrapper}'");
            fs_err::write(dir.join(".cargo/config.toml"), text).unwrap();
        }
        let mut config = CargoConfig::load(&near, &[]).unwrap();
        config.vars.clear();
        assert_eq!(config.rustc_wrapper(), Some("near".into()));
        fs_err::write(near.join(".cargo/config.toml"), "build = [").unwrap();
        let error = CargoConfig::load(&near, &[]).unwrap_err().to_string();
        assert!(error.contains("config.toml"), "{error}");
    }

    #[test]
    fn the_command_line_comes_before_variables_and_files() {
        let dir = tempfile::tempdir().unwrap();
        fs_err::create_dir(dir.path().join("conf")).unwrap();
        let file = "build.rustc-wrapper = 'tools/wrap'\nbuild.target = 'a'\nenv.A = 'x'";
        fs_err::write(dir.path().join("conf/c.toml"), file).unwrap();
        let given = ["conf/c.toml", "build.target = 'b'"].map(str::to_owned);
        let mut config = CargoConfig::load(dir.path(), &given).unwrap();
        config.vars = [("CARGO_BUILD_TARGET".into(), "c".into())].into();
        assert_eq!(config.target().unwrap().as_deref(), Some("b"));
        assert_eq!(config.rustc_wrapper(), Some(dir.path().join("tools/wrap")));
        assert_eq!(config.env()[0].value, "x");
        let error = CargoConfig::load(dir.path(), &["nonsense".to_owned()]).unwrap_err();
        assert!(error.to_string().starts_with("--config nonsense: "), "{error:#}");
    }

    /// A file that is given twice says what it says once, wherever it is given, and each variable of
    /// `[env]` counts once.
    #[fuzz_test(seeds = [
        "build.rustc-wrapper = 'tools/wrap'\nbuild.target = 'a'\nenv.A = 'x'",
        "[build]\ntarget = ['a']\n[env]\nA = { value = 'x', relative = true, force = true }\nB = 1",
        "build.target = ['a', 'b']\nbuild.rustc = ''",
        "build = 1\nenv = ['A']",
    ])]
    fn a_file_says_the_same_twice(text: &str) {
        let Ok(table) = table(text) else { return };
        let file = ConfigFile { base: "/p".into(), table };
        let said = |given: &[&ConfigFile], files: &[&ConfigFile]| {
            let own = |files: &[&ConfigFile]| files.iter().map(|file| (*file).clone()).collect();
            let config =
                CargoConfig { given: own(given), files: own(files), vars: BTreeMap::new() };
            let target = config.target().map_err(|error| error.to_string());
            (config.rustc_wrapper(), config.rustc(), target, config.env())
        };
        let once = said(&[], &[&file]);
        assert_eq!(said(&[&file], &[]), once);
        assert_eq!(said(&[], &[&file, &file]), once);
        assert_eq!(said(&[&file], &[&file]), once);
        let (wrapper, rustc, _, env) = once;
        for program in wrapper.iter().chain([&rustc]) {
            let is_name = program.components().count() == 1;
            assert!(is_name || program.is_absolute(), "{program:?}");
        }
        let mut names: Vec<_> = env.iter().map(|entry| &entry.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), env.len());
        let read = env.iter().all(|entry| file.table["env"].get(&entry.name).is_some());
        assert!(read, "no variable is made up");
    }
}
