//! Which inputs of a target's corpus become seeds, and which go to the cache.
//!
//! Seeds are part of the sources and run with each `cargo test`, so that there is a limit on them;
//! in the cache, fuzzing goes on from all others.

use crate::show;
use anyhow::Context as _;
use camino::Utf8Path;
use shmfuzz_runtime::testdata::{self, SeedFile};
use std::path::{Path, PathBuf};

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
    /// The files in a folder and in all below it, as libFuzzer reads them. A folder of seeds has no
    /// others below it, so the names of those become part of the file's.
    fn files(
        &mut self,
        fuzz_dir: &Utf8Path,
        kind: &str,
        target: &str,
    ) -> anyhow::Result<Vec<SeedFile>> {
        let name = format!("{kind}/{target}");
        let folder = fuzz_dir.join(&name).into_std_path_buf();
        let (mut files, mut n_unnamed) = (Vec::new(), 0);
        let mut folders = vec![(folder, String::new())];
        while let Some((folder, prefix)) = folders.pop() {
            let found = testdata::seed_files(&folder)
                .with_context(|| format!("cannot read {}", show::path(&folder)))?;
            n_unnamed += found.unnamed.len();
            let named = |file: SeedFile| SeedFile { name: prefix.clone() + &file.name, ..file };
            files.extend(found.files.into_iter().map(named));
            folders.extend(folders_in(&folder, &prefix)?);
        }
        if n_unnamed > 0 {
            let files = show::count(n_unnamed, "file");
            self.remarks.push(format!("{files} in {name} not copied: no names in UTF-8"));
        }
        files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(files)
    }
}

/// The folders in a folder, with what stands before the names of their files. Links are not followed:
/// they could lead back.
fn folders_in(folder: &Path, prefix: &str) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let mut folders = Vec::new();
    if folder.is_dir() {
        for entry in fs_err::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type()?.is_dir() && testdata::is_input(&name) {
                folders.push((entry.path(), format!("{prefix}{name}-")));
            }
        }
    }
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_are_seeds_up_to_a_limit() {
        let dir = tempfile::tempdir().unwrap();
        let fuzz_dir = Utf8Path::from_path(dir.path()).unwrap();
        assert_eq!(of_target(fuzz_dir, "none").unwrap(), Corpus::default());
        for folder in ["corpus/parse", "artifacts/parse"] {
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
        let large = fs_err::File::create(fuzz_dir.join("corpus/parse/0999")).unwrap();
        large.set_len(MAX_SEED_BYTES).unwrap();
        let corpus = of_target(fuzz_dir, "parse").unwrap();
        assert_eq!(names(&corpus.rest), ["0999"]);
    }

    #[test]
    fn folders_below_count_as_for_libfuzzer() {
        let dir = tempfile::tempdir().unwrap();
        let fuzz_dir = Utf8Path::from_path(dir.path()).unwrap();
        for file in ["b", "old/a", "old/er/a", ".git/a", "old/README.md"] {
            let path = fuzz_dir.join("corpus/parse").join(file);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, "").unwrap();
        }
        let corpus = of_target(fuzz_dir, "parse").unwrap();
        let names: Vec<&str> = corpus.seeds.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["b", "old-a", "old-er-a"]);
        assert_eq!(corpus.remarks, [""; 0]);
    }
}
