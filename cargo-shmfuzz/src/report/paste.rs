//! A finding as Rust code, to paste beside the fuzz test.

use super::Label;
use crate::coordinator::notice::{Finding, Reproducible};
use shmfuzz_runtime::testdata;
use shmfuzz_runtime::value::text;
use std::path::Path;

/// The longest input that is written into the code, in bytes. What is longer is read from its file.
const LONGEST: usize = 1 << 10;

/// A `#[test]` that fails as the finding does, for the target of its fuzz test; the
/// finding's input stands in `file`. `None` if it would not: what ends the process, needs its limits,
/// or a process that has run nothing else, is kept as a file only.
pub(super) fn test(label: &Label, finding: &Finding, file: &Path) -> Option<String> {
    let path = label.path.as_deref()?;
    let fails_by_itself = finding.failure.kind.is_recoverable();
    if !fails_by_itself || finding.reproducible != Reproducible::Yes {
        return None;
    }
    let function = path.rsplit("::").next().unwrap_or(path).trim_start_matches("r#");
    let name = format!("{function}_{}", file.file_stem()?.to_string_lossy());
    let name = name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let input = match finding.input.len() {
        0..=LONGEST if label.shape.is_some() => {
            let shape = label.shape.as_ref()?;
            format!("{:?}", text::to_file(shape, &finding.input))
        }
        0..=LONGEST => format!("b\"{}\"", finding.input.escape_ascii()),
        _ => from_file(file)?,
    };
    let call = format!("shmfuzz_runtime::replay({path:?}, {input});");
    Some(format!("#[test]\nfn {name}() {{\n    {call}\n}}\n"))
}

/// The bytes of a file, as an expression: by its path in the package if it is committed.
fn from_file(file: &Path) -> Option<String> {
    let file = file.to_str()?;
    Some(match file.rfind(&format!("/{}/", testdata::ROOT)) {
        Some(at) => {
            format!("include_bytes!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {:?}))", &file[at..])
        }
        None => format!("include_bytes!({file:?})"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::campaign::{FindingId, TestIdx};
    use crate::coordinator::notice::Failure;
    use shmfuzz_runtime::bucket::Bucket;
    use shmfuzz_runtime::kind::FailureKind;
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
        let label = Label {
            name: "parse".to_owned(),
            package: "p".to_owned(),
            path: Some("tests::parse".to_owned()),
            shape: None,
            cargo_test: String::new(),
            repro: String::new(),
            stability: String::new(),
        };
        let code = |kind, input: &[u8], how| test(&label, &finding(kind, input, how), file);
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
        for kind in FailureKind::ALL {
            let is_one = matches!(kind, FailureKind::Panic | FailureKind::Error);
            assert_eq!(code(kind, b"a", Reproducible::Yes).is_some(), is_one, "{kind:?}");
        }
        for how in [Reproducible::No, Reproducible::InSequence { n_inputs: 2 }] {
            assert_eq!(code(FailureKind::Panic, b"a", how), None, "{how:?}");
        }
    }
}
