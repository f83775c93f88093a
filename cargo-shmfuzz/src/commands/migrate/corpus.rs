//! Which inputs of a target's corpus become seeds, and which go to the cache.
//!
//! Seeds are part of the sources and run with each `cargo test`, so that there is a limit on them;
//! in the cache, fuzzing goes on from all others.

use anyhow::Context as _;
use camino::Utf8Path;
use shmfuzz_runtime::testdata::{self, SeedFile};
use std::path::Path;

/// Most inputs of a corpus that become seeds.
const MAX_SEEDS: usize = 1000;
/// Most bytes that they have together.
const MAX_SEED_BYTES: u64 = 4 << 20;

/// The inputs of a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Corpus {
    /// The smallest, which become seeds.
    pub(super) seeds: Vec<SeedFile>,
    /// The others.
    pub(super) rest: Vec<SeedFile>,
    /// Those that failed, which become seeds whatever their number.
    pub(super) artifacts: Vec<SeedFile>,
    /// What is passed over.
    pub(super) remarks: Vec<String>,
}

/// The inputs of a target in a fuzz folder.
///
/// # Errors
/// If a folder cannot be read.
pub(super) fn of_target(fuzz_dir: &Utf8Path, target: &str) -> anyhow::Result<Corpus> {
    let mut corpus = Corpus::default();
    corpus.artifacts = corpus.files(fuzz_dir, "artifacts", target)?;
    let mut files = Vec::new();
    for file in corpus.files(fuzz_dir, "corpus", target)? {
        let len = fs_err::metadata(&file.path)?.len();
        files.push((len, file));
    }
    // Of one length, in the order of their names: the sort is stable.
    files.sort_by_key(|(len, _)| *len);
    let mut n_bytes = 0;
    for (len, file) in files {
        n_bytes += len;
        let fits = corpus.seeds.len() < MAX_SEEDS && n_bytes <= MAX_SEED_BYTES;
        if fits { &mut corpus.seeds } else { &mut corpus.rest }.push(file);
    }
    Ok(corpus)
}

impl Corpus {
    fn files(
        &mut self,
        fuzz_dir: &Utf8Path,
        kind: &str,
        target: &str,
    ) -> anyhow::Result<Vec<SeedFile>> {
        let name = format!("{kind}/{target}");
        let folder = fuzz_dir.join(&name);
        let found = testdata::seed_files(folder.as_std_path())
            .with_context(|| format!("cannot read {name}"))?;
        if !found.unnamed.is_empty() {
            let n_unnamed = found.unnamed.len();
            self.remarks.push(format!("{n_unnamed} in {name} have names that are not UTF-8"));
        }
        if has_folders(folder.as_std_path())? {
            self.remarks.push(format!("the folders in {name} are passed over"));
        }
        Ok(found.files)
    }
}

fn has_folders(folder: &Path) -> anyhow::Result<bool> {
    if !folder.is_dir() {
        return Ok(false);
    }
    for entry in fs_err::read_dir(folder)? {
        if entry?.path().is_dir() {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_are_seeds_up_to_a_limit() {
        let dir = tempfile::tempdir().unwrap();
        let fuzz_dir = Utf8Path::from_path(dir.path()).unwrap();
        assert_eq!(of_target(fuzz_dir, "none").unwrap(), Corpus::default());
        for folder in ["corpus/parse/sub", "artifacts/parse"] {
            fs_err::create_dir_all(fuzz_dir.join(folder)).unwrap();
        }
        for n in 0..=MAX_SEEDS {
            let text = "x".repeat(MAX_SEEDS - n);
            fs_err::write(fuzz_dir.join(format!("corpus/parse/{n:04}")), text).unwrap();
        }
        fs_err::write(fuzz_dir.join("corpus/parse/.gitkeep"), "").unwrap();
        fs_err::write(fuzz_dir.join("artifacts/parse/crash-1"), "").unwrap();
        let corpus = of_target(fuzz_dir, "parse").unwrap();
        let names =
            |files: &[SeedFile]| files.iter().map(|file| file.name.clone()).collect::<Vec<_>>();
        assert_eq!(corpus.seeds.len(), MAX_SEEDS);
        assert_eq!(corpus.seeds[0].name, "1000");
        assert_eq!(names(&corpus.rest), ["0000"]);
        assert_eq!(names(&corpus.artifacts), ["crash-1"]);
        assert_eq!(corpus.remarks, ["the folders in corpus/parse are passed over"]);
        let large = fs_err::File::create(fuzz_dir.join("corpus/parse/0999")).unwrap();
        large.set_len(MAX_SEED_BYTES).unwrap();
        let corpus = of_target(fuzz_dir, "parse").unwrap();
        assert_eq!(names(&corpus.rest), ["0999"]);
    }
}
