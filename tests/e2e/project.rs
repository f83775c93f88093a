//! A user's project: a copy of a fixture, the directories around it, and the commands run in it.
//!
//! Copies lie at stable paths below the workspace's target directory, so that a failed test leaves
//! its project to look at and repeated runs do not fill the disk. Nothing of the outer `cargo test`
//! leaks into the commands' environment.

use crate::run::{Output, Running};
use fs_err as fs;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

/// Replaced in a fixture's manifests by the runtime's directory.
const RUNTIME_MARK: &str = "@RUNTIME@";

/// A project and the directories that a test has to itself.
#[derive(Debug)]
pub(crate) struct Project {
    root: PathBuf,
    private: PathBuf,
    target: PathBuf,
    /// Deletes what is not below the target directory.
    _outside: Option<TempDir>,
}

impl Project {
    /// A fresh copy of a fixture for the test named `label`.
    pub(crate) fn from_fixture(fixture: &str, label: &str) -> Self {
        let private = work_dir().join(format!("{fixture}-{label}"));
        empty(&private);
        let root = private.join("project");
        copy_dir(&fixtures_dir().join(fixture), &root);
        Self::at(root, private)
    }

    /// A fresh copy of an example for the test named `label`, as a workspace of its own.
    pub(crate) fn from_example(example: &str, label: &str) -> Self {
        let private = work_dir().join(format!("{example}-{label}"));
        empty(&private);
        let root = private.join("project");
        copy_dir(&workspace_dir().join("examples").join(example), &root);
        let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
        fs::write(root.join("Cargo.toml"), on_its_own(&manifest)).unwrap();
        Self::at(root, private)
    }

    /// The one copy of the fixture `zoo`, built once: tests of it use fuzz tests of their own and
    /// select them by name, and have caches and temporary directories of their own.
    pub(crate) fn zoo(label: &str) -> Self {
        static ROOT: OnceLock<PathBuf> = OnceLock::new();
        let root = ROOT.get_or_init(|| Self::from_fixture("zoo", "shared").root);
        let private = work_dir().join(format!("zoo-{label}"));
        empty(&private);
        Self::at(root.clone(), private)
    }

    /// An empty directory for a project, outside of this workspace, to which cargo would add it.
    pub(crate) fn empty() -> Self {
        let outside = tempfile::Builder::new().prefix("shmfuzz-e2e-").tempdir().unwrap();
        let private = outside.path().to_owned();
        let root = private.join("project");
        fs::create_dir(&root).unwrap();
        Self { _outside: Some(outside), ..Self::at(root, private) }
    }

    fn at(root: PathBuf, private: PathBuf) -> Self {
        for dir in ["cache", "tmp"] {
            fs::create_dir(private.join(dir)).unwrap();
        }
        Self { root, private, target: work_dir().join("target"), _outside: None }
    }

    /// Gives the project a target directory of this name, for tests that look at what is rebuilt
    /// or that build with other flags. It outlives the test, so that dependencies stay compiled.
    pub(crate) fn with_target(mut self, name: &str) -> Self {
        self.target = work_dir().join(format!("target-{name}"));
        self
    }

    /// A path in the project.
    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }

    /// A path among the test's own files, outside the project.
    pub(crate) fn private(&self, path: impl AsRef<Path>) -> PathBuf {
        self.private.join(path)
    }

    /// The directory for temporary files.
    pub(crate) fn tmp(&self) -> PathBuf {
        self.private("tmp")
    }

    /// Writes a file of the project, and the folders above it.
    pub(crate) fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// The files in the folder of a fuzz test, hidden ones left out, sorted by name.
    pub(crate) fn testdata(&self, folder: &str) -> Vec<PathBuf> {
        let mut files = files_below(&self.path("testdata/fuzz").join(folder));
        files.retain(|file| !name_of(file).starts_with('.'));
        files
    }

    /// All files of the user's cache.
    pub(crate) fn cache(&self) -> Vec<PathBuf> {
        files_below(&self.private("cache"))
    }

    /// The built command, as cargo would call it: `cargo shmfuzz ARGS..`.
    pub(crate) fn shmfuzz(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = self.command(built_command());
        command.arg("shmfuzz").args(args);
        command
    }

    /// The command over the fuzz test of this path, with JSON events.
    pub(crate) fn fuzz(&self, test: &str, args: &[&str]) -> Command {
        let mut command = self.shmfuzz(["run", "--message-format", "json", "--exact", test]);
        command.args(args);
        command
    }

    /// Cargo itself.
    pub(crate) fn cargo(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = self.command(Path::new(env!("CARGO")));
        command.args(args);
        command
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_none_or(leaks) {
                command.env_remove(name);
            }
        }
        command
            .current_dir(&self.root)
            .env("CARGO", env!("CARGO"))
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_TERM_COLOR", "never")
            .env("XDG_CACHE_HOME", self.private("cache"))
            .env("TMPDIR", self.tmp())
            .env("FIXTURE_LOG", self.private("log"));
        command
    }
}

/// Runs a command to its end.
pub(crate) trait RunToEnd {
    fn run(&mut self) -> Output;
}

impl RunToEnd for Command {
    fn run(&mut self) -> Output {
        Running::start(self).finish()
    }
}

/// Whether a variable of the outer `cargo test` would change what a user sees.
fn leaks(name: &str) -> bool {
    let kept = ["CARGO_HOME"];
    let prefixes =
        ["SHMFUZZ_", "CARGO", "RUSTFLAGS", "RUSTDOC", "RUSTC", "RUST_", "NEXTEST", "GITHUB_"];
    !kept.contains(&name) && prefixes.iter().any(|prefix| name.starts_with(prefix))
        || ["CI", "XDG_CACHE_HOME", "TMPDIR"].contains(&name)
}

/// The command, built once in the profile of this test binary.
fn built_command() -> &'static Path {
    static COMMAND: OnceLock<PathBuf> = OnceLock::new();
    COMMAND.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        build.current_dir(workspace_dir()).args([
            "build",
            "--package",
            "cargo-shmfuzz",
            "--message-format",
            "json",
        ]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        let output = build.stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "the command does not build");
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter(|message| message["target"]["name"] == "cargo-shmfuzz")
            .find_map(|message| message["executable"].as_str().map(PathBuf::from))
            .expect("cargo names the executable it built")
    })
}

fn workspace_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the suite is a member of a workspace")
}

fn fixtures_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn work_dir() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("e2e")
}

fn empty(dir: &Path) {
    if dir.exists() {
        fs::remove_dir_all(dir).unwrap();
    }
    fs::create_dir_all(dir).unwrap();
}

/// Copies a fixture, arms its manifests, and gives it the workspace's `Cargo.lock`, so that the
/// versions are those the workspace has downloaded.
fn copy_dir(from: &Path, to: &Path) {
    copy_files(from, to);
    fs::copy(workspace_dir().join("Cargo.lock"), to.join("Cargo.lock")).unwrap();
}

/// An example's manifest without what it has from this workspace.
fn on_its_own(manifest: &str) -> String {
    let (manifest, lints) = manifest.split_once("[lints]").expect("examples have our lints");
    assert_eq!(lints.trim(), "workspace = true", "nothing else comes behind them");
    let own = |line: &&str| !line.ends_with(".workspace = true");
    let lines: Vec<&str> = manifest.lines().filter(own).collect();
    let runtime = format!("path = {:?}", runtime());
    let lines = lines.join("\n").replace("[package]", "[package]\nedition = \"2024\"");
    format!("[workspace]\n\n{}\n", lines.replace("workspace = true", &runtime))
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        if path.is_dir() {
            copy_files(&path, &to.join(name));
        } else if name == "Cargo_test.toml" {
            let manifest = fs::read_to_string(&path).unwrap();
            fs::write(to.join("Cargo.toml"), manifest.replace(RUNTIME_MARK, &runtime())).unwrap();
        } else {
            // Not `copy`: a modification time of now makes cargo look at every file.
            fs::write(to.join(name), fs::read(&path).unwrap()).unwrap();
        }
    }
}

/// The runtime's directory.
pub(crate) fn runtime() -> String {
    let dir = workspace_dir().join("shmfuzz-runtime");
    dir.into_os_string().into_string().expect("a path of the workspace is valid UTF-8")
}

/// All files below a directory, sorted; none where there is no such directory.
pub(crate) fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        let Ok(entries) = std::fs::read_dir(&dir) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() { dirs.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

/// The last part of a path, as text.
pub(crate) fn name_of(path: &Path) -> &str {
    path.file_name().and_then(OsStr::to_str).expect("fixtures use plain names")
}

/// The name that an input's file must have: its kind, and the hash of its content.
pub(crate) fn finding_name(prefix: &str, content: &[u8]) -> String {
    format!("{prefix}-{}", &blake3::hash(content).to_hex()[..16])
}
