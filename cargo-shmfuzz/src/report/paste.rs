//! A finding as Rust code, to paste beside the fuzz test.

use crate::coordinator::notice::{Finding, Reproducible};
use shmfuzz_runtime::kind::FailureKind;
use shmfuzz_runtime::{sequence, testdata};
use std::path::Path;

/// The longest input that is written into the code, in bytes. What is longer is read from its file.
const LONGEST: usize = 1 << 10;

/// A `#[test]` that fails as the finding does, for the target of the fuzz test at `path`; the
/// finding's input stands in `file`. `None` if it would not fail each time, or not by one call.
pub(super) fn test(path: &str, finding: &Finding, file: &Path) -> Option<String> {
    let inputs = match finding.reproducible {
        Reproducible::Yes => vec![finding.input.to_vec()],
        Reproducible::InSequence { .. } => sequence::from_file(&finding.input).ok()?,
        Reproducible::NotTried | Reproducible::Sometimes { .. } | Reproducible::No => return None,
    };
    if finding.failure.kind == FailureKind::Leak {
        return None;
    }
    let function = path.rsplit("::").next().unwrap_or(path).trim_start_matches("r#");
    let name = format!("{function}_{}", file.file_stem()?.to_string_lossy());
    let name = name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let is_long = finding.input.len() > LONGEST;
    let inputs = match is_long {
        true => vec![from_file(file)],
        false => inputs.iter().map(|input| format!("b\"{}\"", input.escape_ascii())).collect(),
    };
    let calls: String = inputs
        .iter()
        .map(|input| format!("    shmfuzz_runtime::replay({path:?}, {input});\n"))
        .collect();
    Some(format!("#[test]\nfn {name}() {{\n{calls}}}\n"))
}

/// The bytes of a file, as an expression: by its path in the package if it is committed.
fn from_file(file: &Path) -> String {
    let file = file.to_string_lossy();
    match file.rfind(&format!("/{}/", testdata::ROOT)) {
        Some(at) => {
            format!("include_bytes!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {:?}))", &file[at..])
        }
        None => format!("include_bytes!({file:?})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::campaign::{FindingId, TestIdx};
    use crate::coordinator::notice::Failure;
    use shmfuzz_runtime::bucket::Bucket;
    use std::time::Duration;

    fn finding(kind: FailureKind, input: &[u8], reproducible: Reproducible) -> Finding {
        let failure = Failure {
            kind,
            message: String::new(),
            location: None,
            bucket: Bucket(0),
            silent: Bucket(0),
            any_way: Bucket(0),
            place: Bucket(0),
            stack: Default::default(),
            output: String::new(),
        };
        Finding {
            id: FindingId(0),
            test: TestIdx(0),
            failure,
            input: input.into(),
            reproducible,
            elapsed: Duration::ZERO,
            execs: 0,
        }
    }

    #[test]
    fn an_input_is_written_into_the_code_and_a_long_one_read_from_its_file() {
        let file = Path::new("/home/p/testdata/fuzz/tests.parse/crash-0123");
        let code = |kind, input: &[u8], how| test("tests::parse", &finding(kind, input, how), file);
        let panics = |input| code(FailureKind::Panic, input, Reproducible::Yes).unwrap();
        assert_eq!(
            panics(b"\"\xff\n"),
            "#[test]\nfn parse_crash_0123() {\n    \
             shmfuzz_runtime::replay(\"tests::parse\", b\"\\\"\\xff\\n\");\n}\n"
        );
        let long = panics(&[0; LONGEST + 1]);
        let bytes = "include_bytes!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \
                     \"/testdata/fuzz/tests.parse/crash-0123\"))";
        assert!(long.contains(bytes), "{long}");
        let sequence = sequence::to_file(&[b"a", b"b"]);
        let how = Reproducible::InSequence { n_inputs: 2 };
        let both = code(FailureKind::Panic, &sequence, how).unwrap();
        assert!(both.contains("b\"a\");\n") && both.contains("b\"b\");\n}"), "{both}");
        assert_eq!(code(FailureKind::Leak, b"a", Reproducible::Yes), None);
        assert_eq!(code(FailureKind::Panic, b"a", Reproducible::No), None);
    }
}
