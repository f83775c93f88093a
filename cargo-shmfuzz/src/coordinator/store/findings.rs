//! Saving failing inputs: in `testdata`, where the next `cargo test` fails on them, else in the
//! cache, else wherever there is room.
//!
//! Invariant: when a save returns, the input is on the disk under the path it returns; a smaller
//! input is there before the larger one goes.

use super::{FINDINGS, Store, disk, hash};
use crate::coordinator::action::Shelf;
use crate::coordinator::campaign::{Bytes, TestIdx};
use crate::show;
use anyhow::Context as _;
use shmfuzz_runtime::kind::FailureKind;
use shmfuzz_runtime::sequence;
use shmfuzz_runtime::{limits, testdata};
use std::path::PathBuf;

/// A failing input to be saved.
#[derive(Clone, Debug)]
pub(crate) struct Failing {
    /// Of which fuzz test.
    pub(crate) test: TestIdx,
    /// How it fails.
    pub(crate) kind: FailureKind,
    /// Its bytes.
    pub(crate) input: Bytes,
    /// The larger input of the same finding; of a leak, the one that was run when memory ran out.
    pub(crate) replaces: Option<Bytes>,
    /// Where to.
    pub(crate) shelf: Shelf,
}

/// Where a finding is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Saved {
    /// Its file.
    pub(crate) path: PathBuf,
    /// Why it is not where it belongs, or what else did not work.
    pub(crate) warning: Option<String>,
}

impl Store {
    /// Writes a failing input, before anything else is done about it.
    ///
    /// # Errors
    /// If there is no place for it at all.
    pub(crate) fn save_finding(&mut self, failing: &Failing) -> anyhow::Result<Saved> {
        let home = &self.tests[failing.test.0].home;
        let file = home.to_file(&failing.input).into_owned();
        let larger = failing.replaces.as_ref().map(|input| home.to_file(input).into_owned());
        let name = file_name(failing.kind, &file);
        let mut saved = match failing.shelf {
            Shelf::Testdata => self.keep_in_testdata(failing, &name, &file)?,
            Shelf::Cache => self.to_cache(failing, &name, &file)?,
        };
        let mut withdrawn = Vec::new();
        if failing.shelf == Shelf::Cache {
            withdrawn.push((name.clone(), &file));
        }
        if let Some(larger) = &larger {
            // Of a leak: its own larger input, or what was saved before it was known to leak.
            let kinds = [failing.kind, kind_before(failing.kind)];
            let mut old_names = kinds.map(|kind| file_name(kind, larger)).to_vec();
            old_names.dedup();
            old_names.retain(|old_name| *old_name != name);
            withdrawn.extend(old_names.into_iter().map(|old_name| (old_name, larger)));
        }
        for (name, input) in withdrawn {
            if let Err(error) = self.withdraw(failing.test, &name, input) {
                saved.warn(show::error(&error));
            }
        }
        Ok(saved)
    }

    fn keep_in_testdata(
        &mut self,
        failing: &Failing,
        name: &str,
        file: &[u8],
    ) -> anyhow::Result<Saved> {
        let folder = self.tests[failing.test.0].home.seed_folder.clone();
        let path = folder.join(name);
        if path.is_file() {
            // Another finding may be of the same input.
            if let Some(n_findings) = self.written.get_mut(&path) {
                *n_findings += 1;
            }
            return Ok(Saved { path, warning: None });
        }
        match disk::write(&folder, name, file, disk::Care::Source) {
            Ok(path) => {
                self.written.insert(path.clone(), 1);
                let mut saved = Saved { path, warning: None };
                if let Err(error) = self.record_limits(failing, name) {
                    saved.warn(show::error(&error));
                }
                Ok(saved)
            }
            Err(error) => {
                let mut saved = self.to_cache(failing, name, file)?;
                saved.warn(format!(
                    "{}; it was saved as {}",
                    show::error(&error),
                    show::path(&saved.path)
                ));
                Ok(saved)
            }
        }
    }

    fn to_cache(&self, failing: &Failing, name: &str, file: &[u8]) -> anyhow::Result<Saved> {
        let folder = self.findings_dir(failing.test);
        match disk::write(&folder, name, file, disk::Care::Finding) {
            Ok(path) => Ok(Saved { path, warning: None }),
            Err(error) => {
                let folder = std::env::temp_dir();
                let path = disk::write(&folder, name, file, disk::Care::Finding)
                    .with_context(|| show::error(&error))?;
                let warning =
                    format!("{}; it was saved as {}", show::error(&error), show::path(&path));
                Ok(Saved { path, warning: Some(warning) })
            }
        }
    }

    /// Takes a file out of `testdata` if this campaign wrote it, with a copy in the cache.
    fn withdraw(&mut self, test: TestIdx, name: &str, input: &[u8]) -> anyhow::Result<()> {
        let path = self.tests[test.0].home.seed_folder.join(name);
        match self.written.get_mut(&path) {
            None => return Ok(()),
            Some(0 | 1) => {}
            Some(n_findings) => {
                *n_findings -= 1;
                return Ok(());
            }
        }
        disk::write(&self.findings_dir(test), name, input, disk::Care::Finding)?;
        disk::remove(&path)?;
        self.written.remove(&path);
        self.change_limits(test, |recorded| recorded.remove(name))
    }

    fn record_limits(&self, failing: &Failing, name: &str) -> anyhow::Result<()> {
        let home = &self.tests[failing.test.0].home;
        let has_limits = matches!(failing.kind, FailureKind::Timeout | FailureKind::Oom);
        if !has_limits || home.limits == home.own_limits {
            return Ok(());
        }
        self.change_limits(failing.test, |recorded| recorded.set(name, home.limits))
    }

    fn change_limits(
        &self,
        test: TestIdx,
        change: impl FnOnce(&mut limits::RecordedLimits),
    ) -> anyhow::Result<()> {
        let folder = &self.tests[test.0].home.seed_folder;
        let path = folder.join(limits::FILE_NAME);
        let before = testdata::recorded_limits(folder)
            .with_context(|| format!("cannot read {}", show::path(&path)))?;
        let mut after = before.clone();
        change(&mut after);
        if after == before {
            return Ok(());
        }
        let text = after.to_string();
        if text.is_empty() {
            return disk::remove(&path);
        }
        disk::write(folder, limits::FILE_NAME, text.as_bytes(), disk::Care::Source).map(drop)
    }

    /// The folder of a test's findings that do not belong in `testdata`.
    pub(crate) fn findings_dir(&self, test: TestIdx) -> PathBuf {
        self.cache_dir(test).join(FINDINGS)
    }
}

impl Saved {
    fn warn(&mut self, text: String) {
        self.warning = Some(match self.warning.take() {
            Some(before) => format!("{before}; {text}"),
            None => text,
        });
    }
}

/// What an input counted as that one of this kind takes the place of: before the input that leaks is
/// known, memory has run out.
const fn kind_before(kind: FailureKind) -> FailureKind {
    match kind {
        FailureKind::Leak => FailureKind::Oom,
        kind => kind,
    }
}

fn file_name(kind: FailureKind, input: &[u8]) -> String {
    let ending = if sequence::is_sequence(input) { sequence::ENDING } else { "" };
    format!("{}-{}{ending}", kind.file_prefix(), hash(input))
}
