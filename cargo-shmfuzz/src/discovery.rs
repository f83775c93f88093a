//! Which fuzz tests a test binary holds: read from the file, so that nobody's code runs.
//!
//! Owns the way from an executable to its records and the message for one that another version
//! made; the records' format is [`shmfuzz_runtime::record`]'s.

use crate::show;
use std::io::BufReader;

use anyhow::Context;
use camino::Utf8Path;
use cargo_metadata::semver::Version;
use object::read::ReadCache;
use object::{Object, ObjectSection};
use shmfuzz_runtime::record::{self, ReadRecord, RecordError};

/// What a test binary holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Found {
    /// The records of its fuzz tests, by file and line.
    pub(crate) records: Vec<ReadRecord>,
    /// Whether its main function is the runtime's, so that no `#[test]` is run.
    pub(crate) has_own_main: bool,
}

/// The fuzz tests of an executable; nothing if it holds none.
///
/// # Errors
/// If the file cannot be read, or was made with another version of the runtime (`runtimes` are
/// those of the workspace, for the message).
pub(crate) fn read(executable: &Utf8Path, runtimes: &[Version]) -> anyhow::Result<Found> {
    let file = fs_err::File::open(executable)?;
    // Only headers and one section are read: debug information makes such files large.
    let cache = ReadCache::new(BufReader::new(file));
    let object = object::File::parse(&cache).with_context(|| {
        format!("{} is no executable of a known format", show::path(executable))
    })?;
    let Some(section) = object.section_by_name(record::SECTION) else {
        return Ok(Found::default());
    };
    let data = section.data().with_context(|| {
        format!("{}: cannot read section {}", show::path(executable), record::SECTION)
    })?;
    let mut records =
        record::parse_section(data).map_err(|error| explain(error, executable, runtimes))?;
    records.sort_by(|a, b| (&a.file, a.line, &a.name).cmp(&(&b.file, b.line, &b.name)));
    let has_own_main = object.section_by_name(record::MAIN_SECTION).is_some();
    Ok(Found { records, has_own_main })
}

fn explain(error: RecordError, executable: &Utf8Path, runtimes: &[Version]) -> anyhow::Error {
    let RecordError::Version { .. } = error else {
        return anyhow::Error::new(error).context(show::path(executable));
    };
    let ours = env!("CARGO_PKG_VERSION");
    let executable = show::path(executable);
    let theirs = runtimes.iter().map(Version::to_string).collect::<Vec<_>>().join(" and ");
    // The runtime's newest version suits a package manifest; the command is the one to follow it.
    let newest = runtimes.iter().max().map_or(ours.to_owned(), Version::to_string);
    anyhow::anyhow!(
        "{executable}: {error}\n\
         it was built with shmfuzz-runtime {theirs}, and this is cargo-shmfuzz {ours}\n\
         run `cargo install cargo-shmfuzz --version {newest}`, or \
         `cargo update -p shmfuzz-runtime --precise {ours}`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use shmfuzz_runtime::record::{InputKind, MAGIC, Options, Record};

    const RECORD: Record = Record {
        module: "kitchen::tests",
        name: "cooks",
        bin: "",
        tmpdir: "",
        file: "src/lib.rs",
        dict: "",
        line: 3,
        kind: InputKind::Bytes,
        n_seeds: 1,
        ignored: 0,
        structured: 0,
        options: Options { timeout_ms: 0, max_len: 0, stack_size: 0, rss_limit: 0 },
        types: None,
    };
    const BYTES: [u8; RECORD.encoded_len()] = RECORD.encode();

    /// A relocatable file whose section holds `bytes`.
    fn object_file(dir: &Utf8Path, bytes: &[u8]) -> camino::Utf8PathBuf {
        let hex: Vec<String> = bytes.iter().map(u8::to_string).collect();
        let source = format!(
            "#![no_std]\n#[used]\n#[unsafe(link_section = \"{}\")]\npub static R: [u8; {}] = [{}];",
            record::SECTION,
            bytes.len(),
            hex.join(",")
        );
        fs_err::write(dir.join("r.rs"), source).unwrap();
        let status = std::process::Command::new("rustc")
            .args(["--crate-type=lib", "--emit=obj", "--edition=2024", "-o", "r.o", "r.rs"])
            .current_dir(dir)
            .status()
            .unwrap();
        assert!(status.success());
        dir.join("r.o")
    }

    fn with_file<T>(bytes: &[u8], check: impl FnOnce(&Utf8Path) -> T) -> T {
        let dir = tempfile::tempdir().unwrap();
        check(&object_file(Utf8Path::from_path(dir.path()).unwrap(), bytes))
    }

    #[test]
    fn records_are_read_from_the_file() {
        let found = with_file(&BYTES, |file| read(file, &[])).unwrap().records;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path(), "tests::cooks");
    }

    #[test]
    fn another_version_is_explained_with_what_to_run() {
        let mut bytes = BYTES;
        bytes[7] = MAGIC[7] + 1;
        let error =
            with_file(&bytes, |file| read(file, &[Version::new(9, 9, 9), Version::new(0, 10, 0)]))
                .unwrap_err();
        let text = error.to_string();
        assert!(text.contains("shmfuzz-runtime 9.9.9 and 0.10.0"), "{text}");
        assert!(text.contains(concat!("cargo-shmfuzz ", env!("CARGO_PKG_VERSION"))), "{text}");
        assert!(text.contains("`cargo install cargo-shmfuzz --version 9.9.9`"), "{text}");
    }

    #[test]
    fn a_file_that_is_no_executable_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("text");
        fs_err::write(&path, "text").unwrap();
        assert!(read(&path, &[]).unwrap_err().to_string().contains("no executable"));
    }

    #[test]
    fn an_executable_has_the_fuzz_tests_that_it_was_built_with() {
        let own = std::env::current_exe().unwrap();
        let own = read(Utf8Path::from_path(&own).unwrap(), &[]).unwrap().records;
        assert!(own.iter().any(|record| record.path().starts_with("dictionary::tests::")));
        assert!(own.iter().all(|record| record.bin == "cargo-shmfuzz"));
        assert_eq!(read(Utf8Path::new(env!("CARGO")), &[]).unwrap(), Found::default());
    }
}
