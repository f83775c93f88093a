//! Recorded limits, and the folders under `testdata/fuzz/`.

use shmfuzz_parsers::limits::{Limits, RecordedLimits};
use shmfuzz_parsers::record::{InputKind, Options, Record};
use shmfuzz_parsers::sequence;
use shmfuzz_parsers::testdata;
use shmfuzz_runtime::fuzz_test;
use std::time::Duration;

/// A file that is written from what was read says the same, and names the same files.
#[fuzz_test(seeds = [
    "a name with spaces timeout_ms=10000 rss_limit=2147483648\ntimeout-01 timeout_ms=250 rss_limit=0\n",
    "a timeout_ms=1 rss_limit=2\r\n\nb timeout_ms=x rss_limit=2\n",
    "a timeout_ms=1 timeout_ms=18446744073709551615 rss_limit=18446744073709551615",
])]
fn recorded_limits_come_back(text: &str) {
    match text.parse::<RecordedLimits>() {
        Ok(recorded) => {
            let written = recorded.to_string();
            assert_eq!(written.parse(), Ok(recorded), "{written:?}");
            let n_lines = text.lines().filter(|line| !line.trim().is_empty()).count();
            assert!(written.lines().count() <= n_lines, "no line becomes two");
        }
        Err(error) => {
            let (before, at) = (error.line - 1, text.lines().nth(error.line - 1));
            let at = at.expect("the line that it names is there");
            assert!(at.parse::<RecordedLimits>().is_err(), "{at:?}");
            let good: Vec<&str> = text.lines().take(before).collect();
            assert!(good.join("\n").parse::<RecordedLimits>().is_ok(), "it names the first one");
        }
    }
}

/// The limits of any name on one line are found again under it, and change those of no other.
#[fuzz_test(seeds = ["crash-0123456789abcdef", "a name timeout_ms=1 rss_limit=1", " ", "a\rb"])]
fn limits_of_any_file_come_back(name: &str) {
    if name.contains('\n') {
        return;
    }
    let other = (format!("{name}x"), Limits::DEFAULT);
    let limits = Limits { timeout: Duration::from_millis(name.len() as u64), rss_limit: u64::MAX };
    let mut recorded = RecordedLimits::default();
    recorded.set(&other.0, other.1);
    recorded.set(name, limits);
    let written = recorded.to_string();
    let read: RecordedLimits = written.parse().unwrap_or_else(|e| panic!("{e} of {written:?}"));
    assert_eq!((read.get(name), read.get(&other.0)), (Some(limits), Some(other.1)));
    assert_eq!(read, recorded);
}

/// As a child process gets them.
#[fuzz_test(seeds = ["1000,0", "0,18446744073709551615", "18446744073709551615,+1", "1"])]
fn limits_of_a_child_come_back(text: &str) {
    let Ok(limits) = text.parse::<Limits>() else { return };
    assert_eq!(limits.to_string().parse(), Ok(limits));
    assert_ne!(limits.rss_limit, 0, "which means none in texts only");
}

fn record(module: &str) -> Record<&str> {
    Record {
        module,
        name: "parses",
        bin: "",
        tmpdir: "/tmp",
        file: "",
        dict: "",
        line: 1,
        kind: InputKind::Bytes,
        n_seeds: 0,
        ignored: 0,
        structured: 0,
        options: Options::default(),
        types: None,
    }
}

/// Folders are stray if they are no fuzz test's, and hidden ones never. The input is names of
/// modules, one a line, up to an empty line, and then names of folders.
#[fuzz_test(seeds = [
    "round_trip\n\nround_trip.parses\nparses\nround_trip.parse\n.git",
    "a::b\nc\n\na.b.parses\nb.parses\nc.parses\n\u{e9}",
    "\n\n",
])]
fn folders_of_fuzz_tests_are_never_stray(text: &str) {
    let (modules, folders) = text.split_once("\n\n").unwrap_or((text, ""));
    let records: Vec<_> = modules.lines().take(9).map(record).collect();
    let folders: Vec<String> =
        folders.lines().take(9).map(|name| name.chars().take(50).collect()).collect();
    let stray = testdata::stray_folders(&folders, &records);
    let mut rest = stray.iter().peekable();
    for name in &folders {
        let short = |r: &Record<&str>| r.path().replace("::", ".");
        let is_test = |r: &Record<&str>| {
            r.folder() == *name || (short(r) == *name && !folders.contains(&r.folder()))
        };
        if name.starts_with('.') || records.iter().any(is_test) {
            continue;
        }
        let stray = rest.next().expect("every other folder is one");
        assert_eq!(stray.name, *name, "in their order");
        let Some(nearest) = &stray.nearest else { continue };
        assert!(records.iter().any(|record| record.folder() == *nearest));
        if records.iter().any(|record| short(record) == *name) {
            assert!(folders.contains(nearest), "{name} is passed over for {nearest}");
            continue;
        }
        let (a, b) = (name.chars().count(), nearest.chars().count());
        assert!(a.abs_diff(b) <= a.div_ceil(2), "{nearest} is nothing like {name}");
    }
    assert_eq!(rest.next(), None);
}

/// A sequence is understood as it is written down again, whoever wrote it.
#[fuzz_test(seeds = [
    "b\"a\\n\\x7F\\0 \u{fc}\"\r\n# why\n\nb\"\"",
    "b\"\\q\"",
    "b\"open",
    "b\"a\" b",
])]
fn sequences_come_back(lines: &[u8]) {
    let file = [sequence::FIRST_LINE.as_bytes(), lines].concat();
    let n_lines = file.split(|byte| *byte == b'\n').count();
    match sequence::from_file(&file) {
        Ok(inputs) => {
            assert!((1..n_lines).contains(&inputs.len()), "{inputs:?}");
            let written = sequence::to_file(&inputs);
            assert!(sequence::is_sequence(&written) && written.is_ascii());
            assert_eq!(sequence::from_file(&written), Ok(inputs));
        }
        Err(error) => {
            let line = file.split(|byte| *byte == b'\n').nth(error.line - 1).unwrap();
            assert!((1..=line.len() + 1).contains(&error.column), "{error}: {line:?}");
        }
    }
}

/// Inputs on their way to a worker are unpacked exactly if they may have been packed.
#[fuzz_test(seeds = ["\x03\0\0\0abc\0\0\0\0", "\x03\0\0\0ab", "\0\0\0"])]
fn packed_inputs_come_back(packed: &[u8]) {
    let inputs: Vec<Option<&[u8]>> = sequence::unpack(packed).collect();
    let mut again = Vec::new();
    inputs.iter().flatten().for_each(|input| sequence::pack(&mut again, input));
    assert!(packed.starts_with(&again));
    // What is cut short is the last one.
    let is_whole = again.len() == packed.len();
    assert_eq!(inputs.iter().position(Option::is_none), (!is_whole).then(|| inputs.len() - 1));
}
