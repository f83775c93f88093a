//! Corpus and findings on disk: the cache of each fuzz test, and its folder under `testdata`.
//!
//! It owns where files stand and how they are named; not what is worth keeping. Invariants: a file
//! appears under its name whole or not at all; an entry's name is the hash of its content, so that
//! campaigns may share a cache without agreeing on anything; nothing is removed from `testdata`
//! but what this campaign wrote there.

pub(crate) mod disk;
mod findings;
mod load;

pub(crate) use findings::Failing;
pub(crate) use load::Loaded;

use super::campaign::TestIdx;
use crate::show;
use anyhow::Context as _;
use etcetera::BaseStrategy as _;
use shmfuzz_runtime::limits::Limits;
use shmfuzz_runtime::record::InputKind;
use shmfuzz_runtime::sequence;
use shmfuzz_runtime::shape::Shape;
use shmfuzz_runtime::value::text::{self, TextError};
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Name of the folder in a test's cache that holds findings which do not belong in `testdata`.
const FINDINGS: &str = ".findings";
/// Name of the folder in a test's cache that holds its slowest input, and of the file in it.
const SLOW: &str = ".slow";
const SLOWEST: &str = "slowest";

/// Where the caches of all fuzz tests stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// The user's cache, shared by all workspaces.
    User {
        /// `$XDG_CACHE_HOME/shmfuzz`.
        dir: PathBuf,
        /// The folder of the workspace's manifest, which tells packages of the same name apart.
        workspace: PathBuf,
    },
    /// `--corpus-dir`.
    Given(PathBuf),
}

impl Root {
    /// The user's cache.
    ///
    /// # Errors
    /// If there is no home directory.
    pub(crate) fn user(workspace: &Path) -> anyhow::Result<Self> {
        let strategy = etcetera::choose_base_strategy()
            .context("cannot tell where the user's cache is; `--corpus-dir DIR` says so")?;
        let dir = strategy.cache_dir().join("shmfuzz");
        Ok(Self::User { dir, workspace: workspace.to_owned() })
    }

    /// The folder of a fuzz test's corpus; `folder` is `Record::folder`.
    pub(crate) fn of_test(&self, package: &str, folder: &str) -> PathBuf {
        match self {
            Self::User { dir, workspace } => {
                let hash = blake3::hash(workspace.as_os_str().as_encoded_bytes()).to_hex();
                dir.join(format!("{package}-{}", &hash[..8])).join(folder)
            }
            Self::Given(dir) => dir.join(package).join(folder),
        }
    }
}

/// The inputs of files that only the types of a fuzz test can read, or why they hold none.
pub(crate) type Older = Arc<HashMap<PathBuf, Result<Vec<u8>, TextError>>>;

/// The files in a folder of inputs; none if it cannot be read, which is said when they are.
pub(crate) fn files_of(folder: &Path) -> Vec<PathBuf> {
    load::input_files(folder)
        .map(|found| found.files.into_iter().map(|file| file.path).collect())
        .unwrap_or_default()
}

/// What the store must know of a fuzz test.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    /// The package's name.
    pub(crate) package: String,
    /// The name of the test's folder: `Record::folder`.
    pub(crate) folder: String,
    /// Its folder of seeds and findings: `testdata::seed_folder`.
    pub(crate) seed_folder: PathBuf,
    /// What it takes.
    pub(crate) kind: InputKind,
    /// What its inputs are made of, if they are values.
    pub(crate) shape: Option<Shape>,
    /// What files hold that are not as its inputs are written now.
    pub(crate) older: Older,
    /// The limits of this campaign.
    pub(crate) limits: Limits,
    /// The limits under which `cargo test` replays findings: the attribute's, or the defaults.
    pub(crate) own_limits: Limits,
}

impl Home {
    /// What stands in the file of an input, or of a sequence, which is a file already.
    pub(crate) fn to_file<'a>(&self, input: &'a [u8]) -> Cow<'a, [u8]> {
        match &self.shape {
            Some(shape) if !sequence::is_sequence(input) => {
                Cow::Owned(text::to_file(shape, input).into_bytes())
            }
            _ => Cow::Borrowed(input),
        }
    }

    /// The input in a file.
    ///
    /// # Errors
    /// If it holds no arguments of this fuzz test, with the line.
    pub(crate) fn input_of(&self, path: &Path, file: Vec<u8>) -> Result<Vec<u8>, TextError> {
        match (&self.shape, self.older.get(path)) {
            (Some(_), Some(known)) => known.clone(),
            (Some(shape), None) => text::from_file(shape, &file),
            (None, _) => Ok(file),
        }
    }
}

/// Where one test's files are.
#[derive(Debug)]
struct Shelves {
    home: Home,
    cache: PathBuf,
    /// A folder of which the loose files are inputs too.
    loose: Option<PathBuf>,
    /// Files of the cache that are not named by their hash, by it.
    misnamed: HashMap<String, PathBuf>,
}

/// The disk.
#[derive(Debug)]
pub(crate) struct Store {
    tests: Vec<Shelves>,
    /// Files of `testdata` that this campaign wrote,
    /// with the number of findings that each is of.
    written: HashMap<PathBuf, usize>,
}

impl Store {
    /// The store of these fuzz tests, in the order of the campaign. Touches nothing.
    pub(crate) fn new(root: &Root, homes: Vec<Home>) -> Self {
        let loose = match root {
            Root::Given(dir) if homes.len() == 1 => Some(dir.clone()),
            Root::Given(_) | Root::User { .. } => None,
        };
        let shelves = |home: Home| {
            let cache = root.of_test(&home.package, &home.folder);
            Shelves { home, cache, loose: loose.clone(), misnamed: HashMap::new() }
        };
        Self { tests: homes.into_iter().map(shelves).collect(), written: HashMap::new() }
    }

    /// What it knows of a test.
    pub(crate) fn home(&self, test: TestIdx) -> &Home {
        &self.tests[test.0].home
    }

    /// The folder of a test's cached entries.
    pub(crate) fn cache_dir(&self, test: TestIdx) -> &Path {
        &self.tests[test.0].cache
    }

    /// The committed seeds and cached entries of a test, distinct by content.
    pub(crate) fn load(&mut self, test: TestIdx) -> Loaded {
        load::load(&mut self.tests[test.0])
    }

    /// Writes an entry, then removes the one whose place it takes.
    ///
    /// # Errors
    /// If it cannot be written; the other one is then still there.
    pub(crate) fn save_entry(
        &mut self,
        test: TestIdx,
        input: &[u8],
        replaces: Option<&[u8]>,
    ) -> anyhow::Result<()> {
        let shelves = &mut self.tests[test.0];
        let file = shelves.home.to_file(input);
        let name = hash(&file);
        if !shelves.cache.join(&name).exists() {
            disk::write(&shelves.cache, &name, &file, disk::Care::Cache)?;
        }
        let old = replaces.map(|old| hash(&shelves.home.to_file(old)));
        let Some(old) = old.filter(|old| *old != name) else { return Ok(()) };
        let misnamed = shelves.misnamed.remove(&old);
        disk::remove(&misnamed.unwrap_or_else(|| shelves.cache.join(old)))
    }

    /// Writes a test's slowest input, over the one of an earlier call or campaign; -> its file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn save_slowest(&self, test: TestIdx, input: &[u8]) -> anyhow::Result<PathBuf> {
        let file = self.home(test).to_file(input);
        disk::write(&self.cache_dir(test).join(SLOW), SLOWEST, &file, disk::Care::Cache)
    }

    /// Removes all of a test's cached entries, and its folder if nothing else is in it. Findings
    /// stay; -> how many entries there were.
    ///
    /// # Errors
    /// If one cannot be removed.
    #[cfg_attr(not(test), expect(dead_code, reason = "no subcommand removes a corpus yet"))]
    pub(crate) fn clean(&mut self, test: TestIdx) -> anyhow::Result<usize> {
        let shelves = &mut self.tests[test.0];
        shelves.misnamed.clear();
        let files = load::input_files(&shelves.cache)?.files;
        for file in &files {
            disk::remove(&file.path)?;
        }
        // It is not empty if it holds findings or what is not ours.
        let _ = std::fs::remove_dir(&shelves.cache);
        Ok(files.len())
    }
}

/// Writes an input where the user wants it, over what is there.
///
/// # Errors
/// If it cannot be written; what was there is then still there.
pub(crate) fn write_input(path: &Path, input: &[u8]) -> anyhow::Result<()> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.with_context(|| format!("{} is no name for a file", show::path(path)))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    disk::write(folder, name, input, disk::Care::Source).map(drop)
}

/// Puts an input into the corpus of a fuzz test, for the next campaign: `cache` is
/// [`Root::of_test`].
///
/// # Errors
/// If it cannot be written.
pub(crate) fn add_to_cache(cache: &Path, input: &[u8]) -> anyhow::Result<()> {
    let name = hash(input);
    if cache.join(&name).is_file() {
        return Ok(());
    }
    disk::write(cache, &name, input, disk::Care::Cache).map(drop)
}

/// What an input is called: 16 hex digits of the BLAKE3 hash of its content.
pub(super) fn hash(input: &[u8]) -> String {
    blake3::hash(input).to_hex()[..16].to_owned()
}

#[cfg(test)]
mod tests;
