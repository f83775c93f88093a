//! What only a test binary can say of a fuzz test, asked by the command before a campaign: of what its
//! arguments are made, and what inputs the files are that only their types can read.
//!
//! The request is a file of the paths of such files, each with a zero byte behind it.
//! The answer lies beside it: eight bytes of magic, then the shape, then the files; lengths are `u32`,
//! little-endian. Pure but for the answering.

use crate::shape::Shape;
use crate::value::text::TextError;
#[cfg(feature = "fuzz-test")]
use crate::{fuzz_test::FuzzTest, sequence};
use std::path::{Path, PathBuf};

/// The environment variable that names the request.
pub const DESCRIBE: &str = "SHMFUZZ_DESCRIBE";

/// What an answer begins with; the last byte is its version.
const MAGIC: [u8; 8] = *b"shmdesc\x01";

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// What the arguments are made of.
    pub shape: Shape,
    /// The inputs of files that are not written as the types are now, or why they hold none.
    pub files: Vec<(PathBuf, Result<Vec<u8>, TextError>)>,
}

/// Where the answer to a request is put.
pub fn answer_file(request: &Path) -> PathBuf {
    request.with_extension("answer")
}

impl Description {
    /// The file of an answer.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        put(&self.shape.encode(), &mut out);
        for (path, input) in &self.files {
            put(path.as_os_str().as_encoded_bytes(), &mut out);
            match input {
                Ok(input) => {
                    out.push(1);
                    put(input, &mut out);
                }
                Err(error) => {
                    out.push(0);
                    out.extend((error.line as u32).to_le_bytes());
                    put(error.why.as_bytes(), &mut out);
                }
            }
        }
        out
    }

    /// Reads an answer, which is about these paths. `None` if it is none; never panics.
    pub fn decode(mut answer: &[u8], paths: &[PathBuf]) -> Option<Self> {
        let rest = &mut answer;
        if take(rest, MAGIC.len())? != MAGIC {
            return None;
        }
        let shape = Shape::parse(run(rest)?)?;
        let mut files = Vec::new();
        while !rest.is_empty() {
            let name = run(rest)?;
            let path = paths.iter().find(|path| path.as_os_str().as_encoded_bytes() == name);
            let input = match take(rest, 1)? {
                [1] => Ok(run(rest)?.to_vec()),
                _ => {
                    let line = u32::from_le_bytes(*take(rest, 4)?.first_chunk()?) as usize;
                    let why = String::from_utf8_lossy(run(rest)?).into_owned();
                    Err(TextError { line, why })
                }
            };
            files.push((path?.clone(), input));
        }
        Some(Self { shape, files })
    }
}

fn put(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend((bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn take<'a>(rest: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(n)?;
    *rest = tail;
    Some(head)
}

fn run<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let n = u32::from_le_bytes(*take(rest, 4)?.first_chunk()?) as usize;
    take(rest, n)
}

/// The request for these files.
pub fn request(paths: &[PathBuf]) -> Vec<u8> {
    let mut out = Vec::new();
    for path in paths {
        out.extend_from_slice(path.as_os_str().as_encoded_bytes());
        out.push(0);
    }
    out
}

/// Answers a request.
///
/// # Errors
/// If it cannot be read, or the answer not be written.
#[cfg(all(unix, feature = "fuzz-test"))]
pub(crate) fn answer(test: &FuzzTest, request: &Path) -> Result<(), String> {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let error = |path: &Path, error| format!("{}: {error}", path.display());
    let asked = std::fs::read(request).map_err(|why| error(request, why))?;
    let shape = test.shape().ok_or_else(|| format!("{} takes bytes or text", test.path()))?;
    let mut files = Vec::new();
    for path in asked.split(|byte| *byte == 0).filter(|path| !path.is_empty()) {
        let path = PathBuf::from(OsStr::from_bytes(path));
        // What cannot be read, the command says itself.
        let Ok(file) = std::fs::read(&path) else { continue };
        if sequence::is_sequence(&file) || crate::value::text::from_file(&shape, &file).is_ok() {
            continue;
        }
        let input = test.input_of_file(&file).map(std::borrow::Cow::into_owned);
        files.push((path, input));
    }
    let answer = answer_file(request);
    std::fs::write(&answer, Description { shape, files }.encode())
        .map_err(|why| error(&answer, why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn description() -> (Description, Vec<PathBuf>) {
        let paths = vec![PathBuf::from("a"), PathBuf::from("b/c")];
        let error = TextError { line: 3, why: "missing field `x`".to_owned() };
        let files = vec![(paths[0].clone(), Ok(b"input".to_vec())), (paths[1].clone(), Err(error))];
        (Description { shape: Shape::List(Box::new(Shape::Text)), files }, paths)
    }

    #[test]
    fn answers_come_back() {
        let (description, paths) = description();
        assert_eq!(Description::decode(&description.encode(), &paths), Some(description.clone()));
        assert_eq!(Description::decode(&description.encode(), &[]), None);
        assert_eq!(request(&paths), b"a\0b/c\0");
    }

    proptest! {
        #[test]
        fn damaged_answers_never_panic(at in 0..60_usize, byte: u8, cut in 0..60_usize) {
            let (description, paths) = description();
            let mut answer = description.encode();
            let at = at % answer.len();
            answer[at] = byte;
            let _ = Description::decode(&answer, &paths);
            let _ = Description::decode(&answer[..cut.min(answer.len())], &paths);
        }
    }
}
