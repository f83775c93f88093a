//! The section of a test binary with the records of its fuzz tests.

use shmfuzz_parsers::record::{
    InputKind, MAGIC, Options, ReadRecord, Record, RecordError, parse_section,
};
use shmfuzz_parsers::shape::{Shape, Tree};
use shmfuzz_runtime::fuzz_test;

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

/// The encoding once more: the runtime's own of records is for constants.
fn encode(record: &ReadRecord) -> Vec<u8> {
    let Record { module, name, bin, tmpdir, file, dict, options, .. } = record;
    let mut body = Vec::new();
    for text in [module, name, bin, tmpdir, file, dict] {
        body.extend((text.len() as u32).to_le_bytes());
        body.extend(text.bytes());
    }
    for number in
        [record.line, record.kind as u32, record.n_seeds, record.ignored, record.structured]
    {
        body.extend(number.to_le_bytes());
    }
    let Options { timeout_ms, max_len, stack_size, rss_limit } = *options;
    for number in [timeout_ms, max_len, stack_size, rss_limit] {
        body.extend(number.to_le_bytes());
    }
    let types = record.types.as_ref().map(Shape::encode).unwrap_or_default();
    body.extend((types.len() as u32).to_le_bytes());
    body.extend(types);
    let len = MAGIC.len() + 4 + body.len();
    [&MAGIC[..], &(len as u32).to_le_bytes(), &body].concat()
}

/// A section is records and zeros between them, and nothing else.
#[fuzz_test(seeds = [BYTES, [&[0; 5][..], &BYTES, &[0; 3], &BYTES].concat(), &BYTES[..40], "shmfuzz\u{9}"])]
fn records_come_back(section: &[u8]) {
    let records = match parse_section(section) {
        Ok(records) => records,
        Err(RecordError::Version { found }) => {
            assert_ne!(found, MAGIC[7]);
            return;
        }
        Err(RecordError::Foreign { offset } | RecordError::Malformed { offset }) => {
            assert!(parse_section(&section[..offset]).is_ok(), "it names the first one");
            assert!(parse_section(&section[offset..]).is_err());
            return;
        }
    };
    let mut rest = section;
    for record in &records {
        let n_zeros = rest.iter().take_while(|byte| **byte == 0).count();
        rest = rest[n_zeros..].strip_prefix(&encode(record)[..]).expect("it stands there");
    }
    assert!(rest.iter().all(|byte| *byte == 0));
}
