//! The folders of a build's fuzz tests, seen together: each has its own, and none is nobody's.

use super::dictionaries;
use crate::building::{Build, FuzzTest};
use crate::cli::Selection;
use crate::show;
use crate::workspace::Workspace;
use camino::{Utf8Path, Utf8PathBuf};
use shmfuzz_runtime::record::ReadRecord;
use shmfuzz_runtime::testdata;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The folder of a fuzz test's seeds and findings. It need not exist.
///
/// The folder without the target's name does not count where it is another fuzz test's own.
pub(super) fn seed_folder(build: &Build, test: &FuzzTest) -> PathBuf {
    let dir = &test.binary.package_dir;
    own_or_shared(dir.as_std_path(), &test.record, &records(build, dir))
}

fn own_or_shared(dir: &Path, record: &ReadRecord, all: &[ReadRecord]) -> PathBuf {
    let own = dir.join(testdata::ROOT).join(record.folder());
    let found = testdata::seed_folder(dir, record);
    let is_taken = all.iter().any(|other| found == dir.join(testdata::ROOT).join(other.folder()));
    if is_taken { own } else { found }
}

/// The file of a fuzz test's dictionary. It need not exist.
///
/// As of folders, the one without the target's name does not count where it is another test's own.
pub(super) fn dict_file(build: &Build, test: &FuzzTest) -> PathBuf {
    let dir = &test.binary.package_dir;
    own_or_shared_dict(dir.as_std_path(), &test.record, &records(build, dir))
}

fn own_or_shared_dict(dir: &Path, record: &ReadRecord, all: &[ReadRecord]) -> PathBuf {
    let file = |record: &ReadRecord| {
        dir.join(testdata::ROOT).join(record.folder() + testdata::DICT_ENDING)
    };
    let found = testdata::dict_file(dir, record);
    let is_taken = all.iter().any(|other| found == file(other));
    if is_taken { file(record) } else { found }
}

/// All fuzz tests of a package.
fn records(build: &Build, package_dir: &Utf8Path) -> Vec<ReadRecord> {
    let own = build.binaries.iter().filter(|binary| binary.package_dir == *package_dir);
    own.flat_map(|binary| binary.records.iter().cloned()).collect()
}

/// What is wrong with the folders and dictionaries of the packages that were built; `given` are the
/// dictionaries of the command line.
///
/// Those that belong to no fuzz test can be told only if all targets were built.
///
/// # Errors
/// If the folder of all of them cannot be read.
pub(super) fn warnings(
    build: &Build,
    workspace: &Workspace,
    selection: &Selection,
    given: &[Utf8PathBuf],
) -> anyhow::Result<Vec<String>> {
    let mut dirs: Vec<_> = build.binaries.iter().map(|binary| &binary.package_dir).collect();
    dirs.sort();
    dirs.dedup();
    let mut warnings = Vec::new();
    for dir in dirs {
        let records = records(build, dir);
        let root = dir.join(testdata::ROOT);
        warnings.extend(shared(&root, &records));
        if !selection.targets.options().is_empty() {
            continue;
        }
        // What is wrong with metadata is said where they are used.
        let named = |test: FuzzTest| dictionaries::named(workspace, &test).unwrap_or_default();
        let tests = build.fuzz_tests().filter(|test| test.binary.package_dir == *dir);
        let given = given.iter().map(|file| file.as_std_path().to_owned());
        let named: Vec<PathBuf> = tests.flat_map(named).chain(given).collect();
        warnings.extend(stray(dir, &records, &named)?);
    }
    Ok(warnings)
}

/// The folders and dictionaries of a package that belong to none of its fuzz tests; `named` are the
/// dictionaries that these, or the command line, ask for by their paths.
fn stray(dir: &Utf8Path, records: &[ReadRecord], named: &[PathBuf]) -> anyhow::Result<Vec<String>> {
    let root = dir.join(testdata::ROOT);
    // A path may be written in several ways, and a file may have several paths.
    let named: Vec<PathBuf> = named.iter().filter_map(|file| file.canonicalize().ok()).collect();
    let is_named = |file: &Utf8Path| file.canonicalize().is_ok_and(|file| named.contains(&file));
    let mut warnings = Vec::new();
    for (names, ending) in [
        (testdata::folders(dir.as_std_path())?, ""),
        (testdata::dict_names(dir.as_std_path())?, testdata::DICT_ENDING),
    ] {
        for stray in testdata::stray_folders(&names, records) {
            let place = root.join(stray.name + ending);
            if is_named(&place) {
                continue;
            }
            let nearest = stray.nearest.map(|name| format!(": did you mean `{name}{ending}`?"));
            let nearest = nearest.unwrap_or_default();
            let place = show::path(place);
            warnings.push(format!("{place} belongs to no fuzz test{nearest}"));
        }
    }
    Ok(warnings)
}

/// Fuzz tests of one package whose folder is the same: they run each other's seeds, and where one
/// fails, the other seems to.
fn shared(root: &Utf8Path, records: &[ReadRecord]) -> Vec<String> {
    let mut by_folder: BTreeMap<String, Vec<&ReadRecord>> = BTreeMap::new();
    for record in records {
        by_folder.entry(record.folder()).or_default().push(record);
    }
    let several = by_folder.into_iter().filter(|(_, records)| records.len() > 1);
    let warning = |(folder, records): (String, Vec<&ReadRecord>)| {
        let name = |record: &&ReadRecord| {
            let target = record.target().map(|target| format!(" of target `{target}`"));
            let target = target.unwrap_or_else(|| " of the library".to_owned());
            format!("`{}`{target} ({}:{})", record.path(), record.file, record.line)
        };
        let names: Vec<String> = records.iter().map(name).collect();
        let folder = root.join(folder);
        show::line(&format!(
            "{} have the same folder {folder}: rename one of these functions or its target",
            names.join(" and ")
        ))
    };
    several.map(warning).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shmfuzz_runtime::record::{InputKind, Options, Record};

    /// Cargo sets no `tmpdir` for the library.
    fn record(module: &str, tmpdir: &str) -> ReadRecord {
        Record {
            module: module.to_owned(),
            name: "parse".to_owned(),
            bin: String::new(),
            tmpdir: tmpdir.to_owned(),
            file: "a.rs".to_owned(),
            dict: String::new(),
            line: 1,
            kind: InputKind::Bytes,
            n_seeds: 0,
            ignored: 0,
            structured: 0,
            options: Options::default(),
            types: None,
        }
    }

    #[test]
    fn a_folder_that_is_another_tests_own_is_not_taken_for_the_short_one() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join(testdata::ROOT);
        fs_err::create_dir_all(root.join("parse")).unwrap();
        let (integration, library) = (record("fuzz", "/tmp"), record("gps", ""));
        assert_eq!(library.folder(), "parse");
        let of = |record, all: &[_]| own_or_shared(dir.path(), record, all);
        let both = [integration.clone(), library.clone()];
        assert_eq!(of(&integration, &both[..1]), root.join("parse"), "it stands alone");
        assert_eq!(of(&integration, &both), root.join("fuzz.parse"));
        assert_eq!(of(&library, &both), root.join("parse"));

        fs_err::write(root.join("parse.dict"), "").unwrap();
        let of = |record, all: &[_]| own_or_shared_dict(dir.path(), record, all);
        assert_eq!(of(&integration, &both[..1]), root.join("parse.dict"), "it stands alone");
        assert_eq!(of(&integration, &both), root.join("fuzz.parse.dict"));
        assert_eq!(of(&library, &both), root.join("parse.dict"));
    }

    #[test]
    fn a_dictionary_is_stray_unless_a_fuzz_test_is_called_so_or_names_it() {
        let package = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(package.path()).unwrap();
        let root = dir.join(testdata::ROOT);
        fs_err::create_dir_all(root.join("stray")).unwrap();
        for name in ["parse", "words", "other"] {
            fs_err::write(root.join(name).with_extension("dict"), "").unwrap();
        }
        let warnings = |named: &[&str]| {
            let named: Vec<_> = named.iter().map(|file| dir.join(file).into()).collect();
            stray(dir, &[record("gps", "")], &named).unwrap()
        };
        let belongs = |name| format!("{} belongs to no fuzz test", root.join(name));
        let all = ["stray", "other.dict", "words.dict"].map(belongs);
        assert_eq!(warnings(&["dict/none.dict"]), all);
        let named = ["testdata/fuzz/words.dict", "testdata/../testdata/fuzz/other.dict"];
        assert_eq!(warnings(&named), all[..1]);
    }

    #[test]
    fn two_tests_with_one_folder_are_named() {
        let both = [record("fuzz", "/tmp"), record("gps::fuzz", "")];
        let expected = "`parse` of target `fuzz` (a.rs:1) and `fuzz::parse` of the library (a.rs:1) \
                        have the same folder r/fuzz.parse: \
                        rename one of these functions or its target";
        assert_eq!(shared("r".into(), &both), [expected]);
        assert!(shared("r".into(), &both[..1]).is_empty());
    }
}
