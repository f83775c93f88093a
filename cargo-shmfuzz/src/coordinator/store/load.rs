//! Reading a corpus: seeds first, then the cache, each content once.
//!
//! Invariant: no file is passed over without a warning that names it, and none ends the campaign.

use super::{Home, Shelves, disk, hash};
use crate::coordinator::campaign::{CommittedSequence, CorpusInput, Place};
use crate::show;
use anyhow::Context as _;
use shmfuzz_runtime::layout::MAX_VALUE_LEN;
use shmfuzz_runtime::record::InputKind;
use shmfuzz_runtime::sequence;
use shmfuzz_runtime::testdata::{self, SeedFiles};
use std::collections::HashSet;
use std::fs;
use std::path::Path;

/// A corpus.
#[derive(Clone, Debug, Default)]
pub(crate) struct Loaded {
    /// Seeds, then cached entries; each by size, then by name.
    pub(crate) inputs: Vec<CorpusInput>,
    /// Committed sequences, by name.
    pub(crate) sequences: Vec<CommittedSequence>,
    /// What is wrong with some files.
    pub(crate) warnings: Vec<String>,
}

pub(super) fn load(shelves: &mut Shelves) -> Loaded {
    disk::sweep(&shelves.cache);
    disk::sweep(&shelves.home.seed_folder);
    let mut loaded = Loaded::default();
    let mut seen = HashSet::new();
    loaded.add(&shelves.home, &shelves.home.seed_folder, Place::Seed, &mut seen);
    let n_seeds = loaded.inputs.len();
    loaded.add(&shelves.home, &shelves.cache, Place::Cache, &mut seen);
    for input in &loaded.inputs[n_seeds..] {
        let hash = hash(&shelves.home.to_file(&input.bytes));
        if input.name != hash {
            shelves.misnamed.insert(hash, shelves.cache.join(&input.name));
        }
    }
    if let Some(loose) = &shelves.loose {
        loaded.add(&shelves.home, loose, Place::Cache, &mut seen);
    }
    // Seeds first, as `Place` says it; the sort keeps the order of the names.
    loaded.inputs.sort_by_key(|input| (input.place != Place::Seed, input.bytes.len()));
    if shelves.home.kind == InputKind::Text {
        let is_text = |input: &&CorpusInput| str::from_utf8(&input.bytes).is_ok();
        let warnings = loaded.inputs.iter().filter(|i| !is_text(i)).map(|input| {
            format!(
                "{} is not valid UTF-8, so it is no input of this fuzz test",
                show::line(&input.name)
            )
        });
        loaded.warnings.extend(warnings);
    }
    loaded
}

impl Loaded {
    fn add(&mut self, home: &Home, folder: &Path, place: Place, seen: &mut HashSet<blake3::Hash>) {
        let SeedFiles { files, unnamed } = match input_files(folder) {
            Ok(found) => found,
            Err(error) => return self.warnings.push(show::error(&error)),
        };
        for path in unnamed {
            let path = show::path(path);
            self.warnings.push(format!(
                "{path} has a name that is not valid UTF-8; only cargo test runs it"
            ));
        }
        for file in files {
            match read(&file.path) {
                // An entry of the cache is an input whatever it looks like.
                Ok(bytes) if place == Place::Seed && sequence::is_sequence(&bytes) => {
                    self.add_sequence(file.name, &bytes);
                }
                Ok(bytes) => {
                    let bytes = match home.input_of(&file.path, bytes) {
                        Ok(bytes) => bytes,
                        Err(error) => {
                            let path = show::path(&file.path);
                            let text = format!("{path}: {error}; it is passed over");
                            self.warnings.push(text);
                            continue;
                        }
                    };
                    if seen.insert(blake3::hash(&bytes)) {
                        let bytes = bytes.into();
                        self.inputs.push(CorpusInput { place, name: file.name, bytes });
                    }
                }
                Err(error) => {
                    self.warnings.push(format!("{}; it is passed over", show::error(&error)));
                }
            }
        }
    }
}

impl Loaded {
    fn add_sequence(&mut self, name: String, bytes: &[u8]) {
        match sequence::from_file(bytes) {
            Ok(inputs) => {
                let mut packed = Vec::new();
                inputs.iter().for_each(|input| sequence::pack(&mut packed, input));
                self.sequences.push(CommittedSequence { name, packed: packed.into() });
            }
            Err(error) => self.warnings.push(format!(
                "{} begins like a sequence of inputs and is none: {error}; it is passed over",
                show::line(&name)
            )),
        }
    }
}

/// What is in a folder of inputs; nothing if there is no such folder.
///
/// # Errors
/// If the folder cannot be read.
pub(super) fn input_files(folder: &Path) -> anyhow::Result<SeedFiles> {
    testdata::seed_files(folder).with_context(|| format!("cannot read {}", show::path(folder)))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let explain = || format!("cannot read {}", show::path(path));
    let len = fs::metadata(path).with_context(explain)?.len();
    if len > MAX_VALUE_LEN as u64 {
        anyhow::bail!(
            "{} has {len} bytes, more than the {MAX_VALUE_LEN} bytes that an input may have",
            show::path(path)
        );
    }
    fs::read(path).with_context(explain)
}
