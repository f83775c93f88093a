//! Where the seeds and findings of a fuzz test stand, and which files count.
//!
//! The test binary and the command both ask here, so that `cargo test` replays exactly what
//! fuzzing wrote. Nothing here writes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::limits::{self, Limits, RecordedLimits};
use crate::record::Record;

/// The folder of all fuzz tests' folders, below the package's.
pub const ROOT: &str = "testdata/fuzz";

/// How the name of a fuzz test's dictionary ends, which stands beside its folder.
pub const DICT_ENDING: &str = ".dict";

/// The folder of a fuzz test's seeds and findings. It need not exist.
///
/// It has the target's name in it, unless the target is the library; a folder without it counts
/// too, where it stands alone, so that a test may move between targets.
pub fn seed_folder<S: AsRef<str>, T>(package_dir: &Path, record: &Record<S, T>) -> PathBuf {
    let root = package_dir.join(ROOT);
    let folder = root.join(record.folder());
    let short = root.join(short_folder(record));
    if !folder.is_dir() && short.is_dir() { short } else { folder }
}

/// The file of a fuzz test's dictionary: beside its folder, with the same name and `.dict`. It need
/// not exist; one without the target's name counts as such a folder does.
pub fn dict_file<S: AsRef<str>, T>(package_dir: &Path, record: &Record<S, T>) -> PathBuf {
    let root = package_dir.join(ROOT);
    let file = root.join(record.folder() + DICT_ENDING);
    let short = root.join(short_folder(record) + DICT_ENDING);
    if !file.is_file() && short.is_file() { short } else { file }
}

/// The names of the dictionaries under a package's [`ROOT`], without their ending, sorted; none if
/// there is no such folder.
///
/// # Errors
/// If the folder cannot be read.
pub fn dict_names(package_dir: &Path) -> io::Result<Vec<String>> {
    let names = names_below(package_dir, Path::is_file)?;
    Ok(names.iter().filter_map(|name| name.strip_suffix(DICT_ENDING)).map(str::to_owned).collect())
}

fn short_folder<S: AsRef<str>, T>(record: &Record<S, T>) -> String {
    record.path().replace("::", ".")
}

/// Whether a file of this name is an input: texts for people and hidden files are not.
pub fn is_input(file_name: &str) -> bool {
    !file_name.starts_with('.') && !file_name.ends_with(".md")
}

/// An input in a fuzz test's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedFile {
    /// Its name.
    pub name: String,
    /// Its path: the folder's with the name added.
    pub path: PathBuf,
}

/// What is in a folder of inputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeedFiles {
    /// The inputs, sorted by name.
    pub files: Vec<SeedFile>,
    /// Files whose names are not valid UTF-8, which nothing can select.
    pub unnamed: Vec<PathBuf>,
}

/// The inputs in a folder; none if there is no such folder.
///
/// # Errors
/// If the folder cannot be read.
pub fn seed_files(folder: &Path) -> io::Result<SeedFiles> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(SeedFiles::default()),
        other => other?,
    };
    let (mut files, mut unnamed) = (Vec::new(), Vec::new());
    for entry in entries {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if is_input(&name) && path.is_file() {
                unnamed.push(path);
            }
            continue;
        };
        if is_input(name) && path.is_file() {
            files.push(SeedFile { name: name.to_owned(), path });
        }
    }
    files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    unnamed.sort_unstable();
    Ok(SeedFiles { files, unnamed })
}

/// The limits recorded for the findings in a folder.
///
/// # Errors
/// If the file is there and cannot be read, or a line of it does not parse.
pub fn recorded_limits(folder: &Path) -> io::Result<RecordedLimits> {
    match fs::read_to_string(folder.join(limits::FILE_NAME)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(RecordedLimits::default()),
        text => text?.parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)),
    }
}

/// The limits under which a file of a fuzz test is replayed.
pub fn limits_of<S, T>(
    recorded: &RecordedLimits,
    record: &Record<S, T>,
    file_name: &str,
) -> Limits {
    recorded.get(file_name).unwrap_or_else(|| Limits::of(&record.options))
}

/// A folder under [`ROOT`] that belongs to no fuzz test: nobody replays what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrayFolder {
    /// The folder's name.
    pub name: String,
    /// The folder of the fuzz test whose name is most like it, if one is.
    pub nearest: Option<String>,
}

/// Which of these folders belong to none of the package's fuzz tests. One without the target's name
/// does not, beside the one with it.
pub fn stray_folders<S: AsRef<str>, T>(
    folders: &[String],
    records: &[Record<S, T>],
) -> Vec<StrayFolder> {
    let own: Vec<[String; 2]> = records.iter().map(|r| [r.folder(), short_folder(r)]).collect();
    let is_known = |name: &String| {
        own.iter().any(|[long, short]| name == long || (name == short && !folders.contains(long)))
    };
    let is_stray = |name: &&String| !name.starts_with('.') && !is_known(name);
    let nearest = |name: &str| {
        let mut passed_over = own.iter().filter(|[_, short]| name == short);
        if let Some([long, _]) = passed_over.find(|[long, _]| folders.contains(long)) {
            return Some(long.clone());
        }
        let distances = records.iter().map(|r| (edit_distance(name, &r.folder()), r.folder()));
        // Further away than half of its letters, a name is another name, not a misspelt one.
        let limit = name.chars().count().div_ceil(2);
        distances.min().filter(|(distance, _)| *distance <= limit).map(|(_, folder)| folder)
    };
    let stray = folders.iter().filter(is_stray);
    stray.map(|name| StrayFolder { name: name.clone(), nearest: nearest(name) }).collect()
}

/// The names of the folders under a package's [`ROOT`], sorted; none if there is no such folder.
///
/// # Errors
/// If the folder cannot be read.
pub fn folders(package_dir: &Path) -> io::Result<Vec<String>> {
    names_below(package_dir, Path::is_dir)
}

fn names_below(package_dir: &Path, counts: fn(&Path) -> bool) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(package_dir.join(ROOT)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if counts(&entry.path()) {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Levenshtein's distance: insertions, deletions and substitutions of characters.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{InputKind, Options};

    const RECORD: Record = Record {
        module: "round_trip",
        name: "parses",
        bin: "",
        tmpdir: "/tmp",
        file: "tests/round_trip.rs",
        dict: "",
        line: 1,
        kind: InputKind::Bytes,
        n_seeds: 0,
        ignored: 0,
        structured: 0,
        options: Options { timeout_ms: 0, max_len: 0, stack_size: 0, rss_limit: 0 },
        types: None,
    };

    #[test]
    fn the_folder_without_the_target_counts_where_it_stands_alone() {
        let package = tempfile::tempdir().unwrap();
        let long = package.path().join("testdata/fuzz/round_trip.parses");
        let short = package.path().join("testdata/fuzz/parses");
        assert_eq!(seed_folder(package.path(), &RECORD), long);
        fs::create_dir_all(&short).unwrap();
        assert_eq!(seed_folder(package.path(), &RECORD), short);
        fs::create_dir_all(&long).unwrap();
        assert_eq!(seed_folder(package.path(), &RECORD), long);
        assert_eq!(folders(package.path()).unwrap(), ["parses", "round_trip.parses"]);
    }

    #[test]
    fn dictionaries_stand_beside_the_folders_and_are_named_like_them() {
        let package = tempfile::tempdir().unwrap();
        let root = package.path().join(ROOT);
        let (long, short) = (root.join("round_trip.parses.dict"), root.join("parses.dict"));
        assert_eq!(dict_file(package.path(), &RECORD), long);
        assert_eq!(dict_names(package.path()).unwrap(), [] as [String; 0]);
        fs::create_dir_all(root.join("folder.dict")).unwrap();
        fs::write(&short, "").unwrap();
        assert_eq!(dict_file(package.path(), &RECORD), short);
        fs::write(&long, "").unwrap();
        assert_eq!(dict_file(package.path(), &RECORD), long);
        assert_eq!(dict_names(package.path()).unwrap(), ["parses", "round_trip.parses"]);
        assert_eq!(folders(package.path()).unwrap(), ["folder.dict"]);
    }

    #[test]
    fn texts_hidden_files_and_folders_are_no_inputs() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(seed_files(&folder.path().join("none")).unwrap(), SeedFiles::default());
        for name in ["b", "a.bin", "README.md", ".limits"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        fs::create_dir(folder.path().join("sub")).unwrap();
        let SeedFiles { files, unnamed } = seed_files(folder.path()).unwrap();
        assert_eq!(files.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["a.bin", "b"]);
        assert_eq!(unnamed, [] as [PathBuf; 0]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_that_is_no_text_hides_no_other_file() {
        use std::os::unix::ffi::OsStrExt as _;

        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join(std::ffi::OsStr::from_bytes(b"odd-\xff"));
        fs::write(&odd, "x").unwrap();
        fs::write(folder.path().join("a"), "x").unwrap();
        let SeedFiles { files, unnamed } = seed_files(folder.path()).unwrap();
        assert_eq!(files.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["a"]);
        assert_eq!(unnamed, [odd]);
    }

    #[test]
    fn limits_come_from_the_file_then_the_attribute() {
        let folder = tempfile::tempdir().unwrap();
        let line = "timeout-1 timeout_ms=5 rss_limit=6\n";
        fs::write(folder.path().join(limits::FILE_NAME), line).unwrap();
        let recorded = recorded_limits(folder.path()).unwrap();
        assert_eq!(limits_of(&recorded, &RECORD, "timeout-1").rss_limit, 6);
        assert_eq!(limits_of(&recorded, &RECORD, "timeout-2"), Limits::DEFAULT);
        fs::write(folder.path().join(limits::FILE_NAME), "nonsense").unwrap();
        let error = recorded_limits(folder.path()).unwrap_err();
        assert!(error.to_string().starts_with("line 1: "), "{error}");
    }

    #[test]
    fn stray_folders_name_the_nearest_test() {
        let names = ["round_trip.parses", "parses", "round_trip.parse", "zzz", ".git"];
        let names = names.map(str::to_owned);
        let nearest = Some("round_trip.parses".to_owned());
        let stray = stray_folders(&names, &[RECORD]);
        assert_eq!(stray[1], StrayFolder { name: "round_trip.parse".to_owned(), nearest });
        let beside = Some("round_trip.parses".to_owned());
        assert_eq!(stray[0], StrayFolder { name: "parses".to_owned(), nearest: beside });
        assert_eq!(stray[2], StrayFolder { name: "zzz".to_owned(), nearest: None });
        assert_eq!(stray.len(), 3);
        assert_eq!(stray_folders(&names[1..2], &[RECORD]), [], "it stands alone");
    }

    #[test]
    fn edits_are_counted() {
        for (a, b, n) in [("", "", 0), ("", "ab", 2), ("kitten", "sitting", 3), ("ä", "a", 1)] {
            assert_eq!(edit_distance(a, b), n, "{a} {b}");
        }
    }
}
