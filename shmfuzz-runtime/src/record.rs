//! The record that `#[fuzz_test]` leaves in the test binary, so that the command can list fuzz
//! tests by reading the file, without running anybody's code.
//!
//! A record is plain bytes without relocations, made at compile time: [`MAGIC`], the length of the
//! whole as `u32`, then the fields of [`Record`] in order. Integers are little-endian, strings are
//! a `u32` length and UTF-8 bytes. Records stand in [`SECTION`], possibly with zero padding between.

use crate::shape::{Shape, Tree};
use std::fmt;

/// The link section's name in ELF files (and in COFF and Mach-O ones, where the macro's
/// expansion adds what the format asks for).
pub const SECTION: &str = "shmfuzz_tests";

/// The link section that a binary has whose main function is `shmfuzz_runtime::main!()`.
pub const MAIN_SECTION: &str = "shmfuzz_main";

/// First bytes of each record; the last one is the format's version.
pub const MAGIC: [u8; 8] = *b"shmfuzz\x03";

/// What a fuzz test takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum InputKind {
    /// Any bytes: `&[u8]`, `Vec<u8>`.
    Bytes = 0,
    /// Valid UTF-8: `&str`, `String`.
    Text = 1,
}

impl InputKind {
    fn from_u32(n: u32) -> Option<Self> {
        match n {
            0 => Some(Self::Bytes),
            1 => Some(Self::Text),
            _ => None,
        }
    }
}

/// Options of the attribute. 0 and "" mean: not given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Longest time of one call, in milliseconds.
    pub timeout_ms: u64,
    /// Longest input, in bytes.
    pub max_len: u64,
    /// Stack of the thread that runs the body, in bytes.
    pub stack_size: u64,
    /// Largest resident memory of a worker, in bytes.
    pub rss_limit: u64,
}

/// A fuzz test as the attribute knows it: `S` and `T` are what they are in the test binary, `String`
/// and `Option<Shape>` elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<S = &'static str, T = Option<&'static Tree>> {
    /// `module_path!()`: the crate's name and the modules.
    pub module: S,
    /// The function's name.
    pub name: S,
    /// The binary's name (`CARGO_BIN_NAME`), empty for other targets.
    pub bin: S,
    /// Not empty in integration tests and benches (`CARGO_TARGET_TMPDIR`).
    pub tmpdir: S,
    /// `file!()`: relative to the workspace's root.
    pub file: S,
    /// File of the attribute's dictionary, relative to the package's root; empty if there is none.
    pub dict: S,
    /// Line of the attribute.
    pub line: u32,
    /// What it takes.
    pub kind: InputKind,
    /// Number of seeds in the attribute.
    pub n_seeds: u32,
    /// 1 if `#[ignore]` is on it.
    pub ignored: u32,
    /// 1 if only the binary itself knows what its arguments are made of.
    pub structured: u32,
    /// Options of the attribute.
    pub options: Options,
    /// Its arguments, unless the input is the only argument as it is.
    pub types: T,
}

/// A record as it was read.
pub type ReadRecord = Record<String, Option<Shape>>;

const HEAD: usize = MAGIC.len() + 4;
const FIXED: usize = HEAD + 6 * 4 + 5 * 4 + 4 * 8 + 4;

impl Record<&str> {
    /// Length of the encoding in bytes.
    pub const fn encoded_len(&self) -> usize {
        FIXED
            + self.module.len()
            + self.name.len()
            + self.bin.len()
            + self.tmpdir.len()
            + self.file.len()
            + self.dict.len()
            + self.types_len()
    }

    const fn types_len(&self) -> usize {
        match self.types {
            Some(tree) => tree.encoded_len(),
            None => 0,
        }
    }

    /// The encoding; `N` must be [`Self::encoded_len`].
    ///
    /// # Panics
    /// At compile time, if `N` is another length.
    pub const fn encode<const N: usize>(&self) -> [u8; N] {
        assert!(N == self.encoded_len(), "N must be the encoded length");
        let (out, at) = ([0; N], 0);
        let (out, at) = put(out, at, &MAGIC);
        let (out, at) = put(out, at, &(N as u32).to_le_bytes());
        let (out, at) = put_str(out, at, self.module);
        let (out, at) = put_str(out, at, self.name);
        let (out, at) = put_str(out, at, self.bin);
        let (out, at) = put_str(out, at, self.tmpdir);
        let (out, at) = put_str(out, at, self.file);
        let (out, at) = put_str(out, at, self.dict);
        let (out, at) = put(out, at, &self.line.to_le_bytes());
        let (out, at) = put(out, at, &(self.kind as u32).to_le_bytes());
        let (out, at) = put(out, at, &self.n_seeds.to_le_bytes());
        let (out, at) = put(out, at, &self.ignored.to_le_bytes());
        let (out, at) = put(out, at, &self.structured.to_le_bytes());
        let (out, at) = put(out, at, &self.options.timeout_ms.to_le_bytes());
        let (out, at) = put(out, at, &self.options.max_len.to_le_bytes());
        let (out, at) = put(out, at, &self.options.stack_size.to_le_bytes());
        let (out, at) = put(out, at, &self.options.rss_limit.to_le_bytes());
        let (out, at) = put(out, at, &(self.types_len() as u32).to_le_bytes());
        let (out, at) = match self.types {
            Some(tree) => tree.put(out, at),
            None => (out, at),
        };
        assert!(at == N, "every byte was written");
        out
    }
}

const fn put<const N: usize>(mut out: [u8; N], at: usize, bytes: &[u8]) -> ([u8; N], usize) {
    let mut i = 0;
    while i < bytes.len() {
        out[at + i] = bytes[i];
        i += 1;
    }
    (out, at + bytes.len())
}

const fn put_str<const N: usize>(out: [u8; N], at: usize, text: &str) -> ([u8; N], usize) {
    let (out, at) = put(out, at, &(text.len() as u32).to_le_bytes());
    put(out, at, text.as_bytes())
}

impl<S: AsRef<str>, T> Record<S, T> {
    /// The path as `cargo test` prints it: modules and name, without the crate's name.
    pub fn path(&self) -> String {
        match self.module.as_ref().split_once("::") {
            Some((_, modules)) => format!("{modules}::{}", self.name.as_ref()),
            None => self.name.as_ref().to_owned(),
        }
    }

    /// The crate's name, if the target is not the package's library.
    pub fn target(&self) -> Option<&str> {
        let in_library = self.bin.as_ref().is_empty() && self.tmpdir.as_ref().is_empty();
        let module = self.module.as_ref();
        let root = module.split_once("::").map_or(module, |(root, _)| root);
        (!in_library).then_some(root)
    }

    /// The name of its folder under `testdata/fuzz/`: the path with `.` for `::`, and for targets
    /// other than the library the target's name before it.
    pub fn folder(&self) -> String {
        let path = self.path().replace("::", ".");
        match self.target() {
            Some(target) => format!("{target}.{path}"),
            None => path,
        }
    }
}

/// Why a section does not parse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// Bytes that are neither padding nor a record.
    Foreign {
        /// Offset in the section.
        offset: usize,
    },
    /// A record of another version of `shmfuzz-runtime`.
    Version {
        /// The version found.
        found: u8,
    },
    /// A record that ends early or holds an impossible value.
    Malformed {
        /// Offset in the section.
        offset: usize,
    },
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign { offset } => {
                write!(f, "bytes at offset {offset} of section {SECTION} are no fuzz test record")
            }
            Self::Version { found } => write!(
                f,
                "fuzz test records of format {found}, this command reads format {}",
                MAGIC[7]
            ),
            Self::Malformed { offset } => {
                write!(f, "malformed fuzz test record at offset {offset} of section {SECTION}")
            }
        }
    }
}

impl std::error::Error for RecordError {}

/// Reads all records of a section. Never panics, whatever the bytes.
///
/// # Errors
/// If the section holds anything but records and zero padding.
pub fn parse_section(section: &[u8]) -> Result<Vec<ReadRecord>, RecordError> {
    let mut records = Vec::new();
    let mut at = 0;
    while at < section.len() {
        if section[at] == 0 {
            at += 1;
            continue;
        }
        let rest = &section[at..];
        if rest.len() < HEAD || rest[..7] != MAGIC[..7] {
            return Err(RecordError::Foreign { offset: at });
        }
        if rest[7] != MAGIC[7] {
            return Err(RecordError::Version { found: rest[7] });
        }
        let malformed = RecordError::Malformed { offset: at };
        let len = u32::from_le_bytes([rest[8], rest[9], rest[10], rest[11]]) as usize;
        let body = rest.get(HEAD..len).ok_or(malformed)?;
        records.push(parse_record(&mut Fields(body)).ok_or(malformed)?);
        at += len;
    }
    Ok(records)
}

fn parse_record(fields: &mut Fields<'_>) -> Option<ReadRecord> {
    let record = Record {
        module: fields.text()?,
        name: fields.text()?,
        bin: fields.text()?,
        tmpdir: fields.text()?,
        file: fields.text()?,
        dict: fields.text()?,
        line: fields.u32()?,
        kind: InputKind::from_u32(fields.u32()?)?,
        n_seeds: fields.u32()?,
        ignored: fields.u32()?,
        structured: fields.u32()?,
        options: Options {
            timeout_ms: fields.u64()?,
            max_len: fields.u64()?,
            stack_size: fields.u64()?,
            rss_limit: fields.u64()?,
        },
        types: match fields.u32()? as usize {
            0 => None,
            n => Some(Shape::parse(fields.take(n)?)?),
        },
    };
    fields.0.is_empty().then_some(record)
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(n)?;
        self.0 = tail;
        Some(head)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn text(&mut self) -> Option<String> {
        let len = self.u32()? as usize;
        String::from_utf8(self.take(len)?.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RECORD: Record = Record {
        module: "my_crate::json::tests",
        name: "parses",
        bin: "",
        tmpdir: "",
        file: "src/json.rs",
        dict: "json.dict",
        line: 7,
        kind: InputKind::Text,
        n_seeds: 2,
        ignored: 0,
        structured: 0,
        options: Options { timeout_ms: 1000, max_len: 4096, stack_size: 0, rss_limit: 0 },
        types: Some(&Tree::Tuple(&[&Tree::Text, &Tree::List(&Tree::Unsigned(2))])),
    };
    const BYTES: [u8; RECORD.encoded_len()] = RECORD.encode();

    #[test]
    fn records_and_padding_come_back() {
        let section = [&BYTES[..], &[0; 5], &BYTES].concat();
        let records = parse_section(&section).unwrap();
        assert_eq!(records.len(), 2);
        assert_eq!(records[0], records[1]);
        assert_eq!(records[0].file, "src/json.rs");
        assert_eq!(records[0].dict, "json.dict");
        assert_eq!(records[0].options, RECORD.options);
        assert_eq!(records[0].types, RECORD.types.map(Shape::of));
    }

    #[test]
    fn folders_name_the_target_unless_it_is_the_library() {
        assert_eq!(RECORD.folder(), "json.tests.parses");
        let integration = Record { module: "round_trip", tmpdir: "/tmp", ..RECORD };
        assert_eq!(integration.folder(), "round_trip.parses");
        let bin = Record { module: "tool::tests", bin: "tool", ..RECORD };
        assert_eq!(bin.folder(), "tool.tests.parses");
        assert_eq!(bin.path(), "tests::parses");
    }

    #[test]
    fn another_version_is_named() {
        let mut other = BYTES;
        other[7] = 9;
        assert_eq!(parse_section(&other), Err(RecordError::Version { found: 9 }));
    }

    proptest! {
        #[test]
        fn damaged_sections_never_panic(at in 0..BYTES.len(), byte: u8, cut in 0..BYTES.len()) {
            let mut bytes = BYTES;
            bytes[at] = byte;
            let _ = parse_section(&bytes);
            let _ = parse_section(&bytes[..cut]);
        }

        #[test]
        fn random_sections_never_panic(bytes: Vec<u8>) {
            let _ = parse_section(&bytes);
        }
    }
}
