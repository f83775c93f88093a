//! The store on real folders.

use super::*;
use crate::coordinator::action::Shelf;
use crate::coordinator::campaign::{Bytes, Place};
use shmfuzz_runtime::kind::FailureKind;
use shmfuzz_runtime::{limits, testdata};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;
use tempfile::TempDir;

const TEST: TestIdx = TestIdx(0);

struct Disk {
    dir: TempDir,
    store: Store,
}

impl Disk {
    fn new(kind: InputKind, limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home {
            package: "package".to_owned(),
            folder: "tests.parses".to_owned(),
            seed_folder: dir.path().join("testdata/fuzz/tests.parses"),
            kind,
            shape: None,
            older: Older::default(),
            limits,
            own_limits: Limits::DEFAULT,
        };
        let store = Store::new(&Root::Given(dir.path().join("corpus")), vec![home]);
        Self { dir, store }
    }

    fn bytes() -> Self {
        Self::new(InputKind::Bytes, Limits::DEFAULT)
    }

    fn seeds(&self) -> PathBuf {
        self.dir.path().join("testdata/fuzz/tests.parses")
    }

    fn cache(&self) -> PathBuf {
        self.dir.path().join("corpus/package/tests.parses")
    }

    fn put(&self, folder: &Path, name: &str, bytes: &[u8]) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join(name), bytes).unwrap();
    }
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn failing(kind: FailureKind, input: &[u8], replaces: Option<&[u8]>, shelf: Shelf) -> Failing {
    Failing { test: TEST, kind, input: input.into(), replaces: replaces.map(Bytes::from), shelf }
}

#[test]
fn caches_of_packages_with_the_same_name_are_apart() {
    let user = |workspace: &str| Root::User { dir: "/cache".into(), workspace: workspace.into() };
    let a = user("/a").of_test("package", "test");
    assert_ne!(a, user("/b").of_test("package", "test"));
    let name = a.parent().unwrap().file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("package-") && name.len() == "package-".len() + 8, "{name}");
    assert_eq!(Root::Given("/c".into()).of_test("p", "t"), Path::new("/c/p/t"));
}

#[test]
fn a_corpus_has_seeds_first_and_each_content_once() {
    let mut disk = Disk::bytes();
    let (seeds, cache) = (disk.seeds(), disk.cache());
    disk.put(&seeds, "long", b"long seed");
    disk.put(&seeds, "b", b"x");
    disk.put(&seeds, "a", b"y");
    disk.put(&seeds, "README.md", b"text");
    disk.put(&cache, "from-elsewhere", b"x");
    disk.put(&cache, "also", b"z");
    disk.put(&cache, "again", b"z");
    disk.put(&cache.join(".findings"), "crash-1", b"boom");
    disk.put(&disk.dir.path().join("corpus"), "loose", b"");
    let loaded = disk.store.load(TEST);
    let got: Vec<_> = loaded.inputs.iter().map(|i| (i.place, i.name.as_str())).collect();
    let expected = [
        (Place::Seed, "a"),
        (Place::Seed, "b"),
        (Place::Seed, "long"),
        (Place::Cache, "loose"),
        (Place::Cache, "again"),
    ];
    assert_eq!(got, expected);
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}

#[test]
fn files_that_cannot_be_inputs_are_named() {
    let mut disk = Disk::new(InputKind::Text, Limits::DEFAULT);
    let seeds = disk.seeds();
    disk.put(&seeds, "latin1", b"\xe9");
    disk.put(&seeds, "utf8", "é".as_bytes());
    fs::File::create(seeds.join("huge")).unwrap().set_len((1 << 30) + 1).unwrap();
    let loaded = disk.store.load(TEST);
    assert_eq!(loaded.inputs.len(), 2, "the worker counts what is not valid");
    assert_eq!(loaded.warnings.len(), 2, "{:?}", loaded.warnings);
    assert!(loaded.warnings[0].contains("/huge has 1073741825 bytes"), "{}", loaded.warnings[0]);
    assert!(loaded.warnings[1].starts_with("latin1 is not valid UTF-8"), "{}", loaded.warnings[1]);
}

#[test]
fn entries_are_private_named_by_content_and_replaced() {
    let mut disk = Disk::bytes();
    let cache = disk.cache();
    disk.put(&cache, "misnamed", b"larger still");
    disk.store.load(TEST);
    disk.store.save_entry(TEST, b"larger", None).unwrap();
    disk.store.save_entry(TEST, b"larger", None).unwrap();
    assert_eq!(names(&cache), [hash(b"larger"), "misnamed".to_owned()]);
    let mode = fs::metadata(cache.join(hash(b"larger"))).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    disk.store.save_entry(TEST, b"small", Some(b"larger")).unwrap();
    disk.store.save_entry(TEST, b"s", Some(b"larger still")).unwrap();
    let mut expected = [hash(b"small"), hash(b"s")];
    expected.sort();
    assert_eq!(names(&cache), expected);
    assert_eq!(disk.store.clean(TEST).unwrap(), 2);
    assert!(!cache.exists());
    assert_eq!(disk.store.clean(TEST).unwrap(), 0);
}

#[test]
fn a_file_that_has_the_name_already_is_replaced_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    for bytes in [&b"first"[..], b"2nd"] {
        for care in [disk::Care::Cache, disk::Care::Finding, disk::Care::Text, disk::Care::Source] {
            let path = disk::write(dir.path(), "name", bytes, care).unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes);
            assert_eq!(names(dir.path()), ["name"]);
        }
    }
}

#[test]
fn a_cache_that_was_deleted_is_made_again() {
    let mut disk = Disk::bytes();
    disk.store.save_entry(TEST, b"one", None).unwrap();
    let corpus = disk.dir.path().join("corpus");
    assert_eq!(fs::metadata(&corpus).unwrap().permissions().mode() & 0o777, 0o700);
    fs::remove_dir_all(&corpus).unwrap();
    disk.store.save_entry(TEST, b"two", None).unwrap();
    assert_eq!(names(&disk.cache()), [hash(b"two")]);
}

#[test]
fn a_smaller_finding_takes_the_place_of_the_larger_one() {
    let mut disk = Disk::bytes();
    let (seeds, findings) = (disk.seeds(), disk.cache().join(".findings"));
    let first = failing(FailureKind::Panic, b"aaaa", None, Shelf::Testdata);
    let saved = disk.store.save_finding(&first).unwrap();
    assert_eq!(saved.path, seeds.join(format!("crash-{}", hash(b"aaaa"))));
    assert_eq!(saved.warning, None);
    assert_ne!(fs::metadata(&saved.path).unwrap().permissions().mode() & 0o044, 0);
    let second = failing(FailureKind::Panic, b"aa", Some(b"aaaa"), Shelf::Testdata);
    disk.store.save_finding(&second).unwrap();
    assert_eq!(names(&seeds), [format!("crash-{}", hash(b"aa"))]);
    assert_eq!(names(&findings), [format!("crash-{}", hash(b"aaaa"))]);
    // It passes in the plain build.
    let third = failing(FailureKind::Panic, b"aa", None, Shelf::Cache);
    let saved = disk.store.save_finding(&third).unwrap();
    assert_eq!(saved.path, findings.join(format!("crash-{}", hash(b"aa"))));
    assert!(names(&seeds).is_empty());
    assert_eq!(names(&findings).len(), 2);
}

#[test]
fn what_was_committed_is_never_removed() {
    let mut disk = Disk::bytes();
    let seeds = disk.seeds();
    let name = format!("crash-{}", hash(b"committed"));
    disk.put(&seeds, &name, b"committed");
    for shelf in [Shelf::Testdata, Shelf::Cache] {
        disk.store.save_finding(&failing(FailureKind::Panic, b"committed", None, shelf)).unwrap();
    }
    let smaller = failing(FailureKind::Panic, b"c", Some(b"committed"), Shelf::Testdata);
    disk.store.save_finding(&smaller).unwrap();
    assert!(names(&seeds).contains(&name));
    assert_eq!(names(&seeds).len(), 2);
}

#[test]
fn limits_other_than_the_tests_own_are_recorded_with_hangs() {
    let limits = Limits { timeout: Duration::from_millis(300), ..Limits::DEFAULT };
    let mut disk = Disk::new(InputKind::Bytes, limits);
    let seeds = disk.seeds();
    let hang = failing(FailureKind::Timeout, b"slow", None, Shelf::Testdata);
    disk.store.save_finding(&hang).unwrap();
    let panic = failing(FailureKind::Panic, b"p", None, Shelf::Testdata);
    disk.store.save_finding(&panic).unwrap();
    let name = format!("timeout-{}", hash(b"slow"));
    let recorded = testdata::recorded_limits(&seeds).unwrap();
    assert_eq!(recorded.get(&name), Some(limits));
    assert_eq!(recorded.to_string().lines().count(), 1);
    let hang = failing(FailureKind::Timeout, b"slow", None, Shelf::Cache);
    disk.store.save_finding(&hang).unwrap();
    assert!(!seeds.join(limits::FILE_NAME).exists(), "it holds nothing any more");
}

#[test]
fn a_finding_goes_to_the_cache_where_testdata_cannot_be_written() {
    let mut disk = Disk::bytes();
    // A file stands where the folder should be: that stops root too.
    fs::write(disk.dir.path().join("testdata"), "").unwrap();
    let saved =
        disk.store.save_finding(&failing(FailureKind::Panic, b"a", None, Shelf::Testdata)).unwrap();
    let name = format!("crash-{}", hash(b"a"));
    assert_eq!(saved.path, disk.cache().join(".findings").join(&name));
    let warning = saved.warning.unwrap();
    let wanted = disk.seeds().join(&name);
    assert!(warning.starts_with(&format!("cannot write {}", wanted.display())), "{warning}");
    assert!(warning.ends_with(&format!("it was saved as {}", saved.path.display())), "{warning}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_no_text_is_a_warning_of_its_own() {
    use std::os::unix::ffi::OsStrExt as _;

    let mut disk = Disk::bytes();
    disk.put(&disk.seeds(), "a", b"x");
    fs::write(disk.seeds().join(std::ffi::OsStr::from_bytes(b"odd-\xff")), "y").unwrap();
    let loaded = disk.store.load(TEST);
    assert_eq!(loaded.inputs.len(), 1);
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
    assert!(loaded.warnings[0].contains("/odd-\u{fffd} has a name"), "{}", loaded.warnings[0]);
}
