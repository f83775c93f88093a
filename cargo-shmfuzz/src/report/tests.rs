//! Both forms of the same scripted campaign.

use super::*;
use crate::coordinator::campaign::FindingId;
use crate::coordinator::notice::{
    End, Exit, Failure, Finding, Forecast, Limit, Met, Reproducible, Slowest, Stats, Trial,
};
use crate::stack::{Frame, Origin, Trace};
use shmfuzz_runtime::bucket::Bucket;
use shmfuzz_runtime::kind::FailureKind;
use snapbox::{IntoData, assert_data_eq, str};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

/// What was printed.
#[derive(Clone, Debug, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Page {
    fn text(&self) -> String {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        assert!(!text.contains("\x1b[31m") && !text.contains('\u{9b}'), "not escaped: {text:?}");
        anstream::adapter::strip_str(&text).to_string()
    }
}

/// A report and what it prints to stdout and stderr.
fn report_in(format: MessageFormat) -> (Report, Page, Page) {
    let (out, err) = (Page::default(), Page::default());
    let human = Human::new(Console::plain(Box::new(err.clone())));
    let json = (format == MessageFormat::Json).then(|| Json::new(Box::new(out.clone())));
    (Report { human, json, texts: Texts::default() }, out, err)
}

fn opening() -> Opening {
    let label = |name: &str| Label {
        name: name.to_owned(),
        package: "gps".to_owned(),
        path: Some(name.to_owned()),
        shape: None,
        cargo_test: format!("cargo test -p gps {name}"),
        repro: format!("cargo shmfuzz repro {name}"),
        stability: format!("cargo shmfuzz stability {name}"),
    };
    let labels = vec![label("parse"), label("print")];
    Opening {
        labels,
        seed: 7,
        jobs: 2,
        time: Some(Duration::from_secs(60)),
        runs: None,
        until_plateau: None,
    }
}

fn stats(seconds: f64) -> Stats {
    Stats {
        elapsed: Duration::from_secs_f64(seconds),
        execs: 123_456,
        extra_execs: 12,
        execs_per_sec: 41_152.0,
        corpus: 9,
        new_entries: 6,
        edges: 210,
        edges_total: 1204,
        findings: 1,
        stability: 1.0,
        forecast: Some(Forecast { probability: 1.0 / 2.3e6, next_minute: 4.2 }),
    }
}

fn failure(kind: FailureKind, message: &str) -> Failure {
    Failure {
        kind,
        message: message.to_owned(),
        location: Some("src/lib.rs:3:5".to_owned()),
        bucket: Bucket(0xabc),
        silent: Bucket(1),
        any_way: Bucket(2),
        place: Bucket(3),
        stack: Trace::default(),
        output: String::new(),
    }
}

fn trace() -> Trace {
    let frame = |origin, name: &str, place: Option<&str>| Frame {
        function: Some(name.to_owned()),
        place: place.map(str::to_owned),
        origin,
        is_inlined: false,
    };
    let frames = vec![
        frame(Origin::Std, "core::slice::index", Some("core/src/slice/index.rs:4")),
        frame(Origin::Own, "gps::par\u{1b}se", Some("src/lib.rs:3:5")),
        Frame { function: None, place: None, origin: Origin::Dependency, is_inlined: false },
    ];
    Trace { frames, gap: Some((2, 500)) }
}

fn finding(failure: Failure, input: &[u8]) -> Finding {
    Finding {
        id: FindingId(1),
        test: TestIdx(0),
        failure,
        input: input.into(),
        reproducible: Reproducible::Yes,
        elapsed: Duration::from_millis(420),
        execs: 17_000,
    }
}

/// A campaign with one of each notice.
fn play(report: &mut Report) {
    let path = Path::new("/p/testdata/fuzz/parse/crash-00");
    report.built(&Built {
        elapsed: Duration::from_secs(2),
        binaries: vec![BuiltBinary {
            package: "gps".to_owned(),
            target: "fuzz".to_owned(),
            kind: "test".to_owned(),
            path: "/t/fuzz-1".to_owned(),
            tests: vec!["parse".to_owned(), "print".to_owned()],
        }],
    });
    report.begin(opening());
    let test = TestIdx(0);
    let show = |report: &mut Report, notice| report.show(&notice, None);
    show(
        report,
        Notice::Start { test, seeds: 1, corpus: 2, tokens: 5, counters: 1204, workers: 2 },
    );
    let trial = |done| Trial { done, total: 2000, useful: done / 10 };
    let loading = |seconds, done| Notice::Loading {
        test,
        trial: trial(done),
        elapsed: Duration::from_secs(seconds),
        is_done: done == 2000,
    };
    for (seconds, done) in [(1, 100), (3, 1500), (4, 2000)] {
        show(report, loading(seconds, done));
    }
    let known = failure(FailureKind::Panic, "was there before");
    let failure_ignored = known.clone();
    show(report, Notice::Known { test, seed: "crash-11".to_owned(), failure: known });
    show(report, Notice::Ignored { test, failure: failure_ignored });
    show(report, Notice::Stats { test, stats: stats(0.5) });
    show(report, Notice::Stats { test, stats: stats(3.2) });
    show(report, Notice::Plateau { test, stats: stats(3.2) });
    show(report, Notice::NewEntry { test, input: b"ab".as_slice().into(), new_features: 3 });
    let panic =
        finding(failure(FailureKind::Panic, "assertion failed\n  left: \x1b[31m1"), b"$$ab\n");
    report.show(&Notice::Finding(panic.clone()), Some(path));
    let smaller = Finding { input: b"$".as_slice().into(), ..panic.clone() };
    let limit = Limit::Smallest;
    let smaller_path = Path::new("/p/testdata/fuzz/parse/crash-01");
    report.show(
        &Notice::Minimized { finding: smaller.clone(), before: 5, limit },
        Some(smaller_path),
    );
    report.show(&Notice::Minimized { finding: smaller, before: 1, limit }, Some(smaller_path));
    let mut signal = finding(failure(FailureKind::Signal, "SIGSEGV"), b"\x00\xff");
    signal.failure.output = "some\u{9b}2J\nwords\n".to_owned();
    signal.failure.location = None;
    signal.failure.stack = trace();
    signal.reproducible = Reproducible::No;
    report.show(&Notice::Finding(signal), Some(Path::new("/cache/it's")));
    report.show(&Notice::PassesPlain(panic), Some(Path::new("/cache/crash-00")));
    show(report, Notice::Warning { test: None, text: "the cache is gone".to_owned() });
    let text = "there is no plain build\n".to_owned() + &"error\x1b\n".repeat(2);
    show(report, Notice::Warning { test: Some(test), text });
    let (why, output) = ("it exited with 3".to_owned(), "no database\n".to_owned());
    show(report, Notice::Broken { test: TestIdx(1), why, output });
    let totals = vec![(test, stats(60.0)), (TestIdx(1), Stats::default())];
    let met = vec![Met {
        finding: FindingId(1),
        test,
        kind: FailureKind::Panic,
        location: Some("src/lib.rs:3:5".to_owned()),
        bucket: Bucket(0xabc),
        times: 31,
    }];
    show(report, Notice::Finish { totals, met, end: End::Time, exit: Exit::Found });
    report.end(ExitCode::Found);
}

#[test]
fn the_slowest_input_is_told_with_the_totals() {
    for format in [MessageFormat::Human, MessageFormat::Json] {
        let (mut report, out, err) = report_in(format);
        report.begin(opening());
        let slowest = Slowest { took: Duration::from_millis(812), size: 3 };
        let path = Path::new("/cache/parse/.slow/slowest");
        report.show(&Notice::Slowest { test: TestIdx(0), slowest }, Some(path));
        let told = "slowest input: 812 ms, /cache/parse/.slow/slowest";
        let field =
            r#""slowest_input":{"time":0.812,"size":3,"path":"/cache/parse/.slow/slowest"}"#;
        let has_told = || [err.text().contains(told), out.text().contains(field)];
        assert_eq!(has_told(), [false, false], "not before the end");
        let totals = vec![(TestIdx(0), Stats::default()), (TestIdx(1), Stats::default())];
        let (met, end, exit) = (Vec::new(), End::Time, Exit::Nothing);
        report.show(&Notice::Finish { totals, met, end, exit }, None);
        let is_json = format == MessageFormat::Json;
        assert_eq!(has_told(), [!is_json, is_json]);
        assert_eq!(out.text().matches("slowest_input").count(), usize::from(is_json));
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one page, to be read as a whole")]
fn people_read_this() {
    let (mut report, out, err) = report_in(MessageFormat::Human);
    play(&mut report);
    assert_eq!(out.text(), "");
    assert_data_eq!(
        err.text(),
        str![[r#"
     Fuzzing 2 fuzz tests for 1m, 2 workers, --seed 7
     Started parse: 1 seed, 2 cached, 5 tokens, 1204 counters
     Loading parse: 1500 of 2000 inputs, 150 useful
      Loaded parse: 2000 inputs in 4.00s, 200 of them reach something that the others do not
       Known parse: crash-11 still fails
             was there before
             at src/lib.rs:3:5
     Ignored parse: panic of bucket 0000000000000abc
             was there before
             at src/lib.rs:3:5
     Fuzzing parse: 3.20s, 123.5k execs (41.2k/s), corpus 9 (+6), edges 210/1204, 1 finding, ~4 new/min to come
     Plateau parse: little is left to find after 3.20s, about 1 new input per 2.3M executions, ~4 more in the next minute
       Crash panic in parse after 0.42s, 17000 execs
             assertion failed
               left: \u{1b}[31m1
             at src/lib.rs:3:5
             input, 5 bytes:
               b"$$ab\n"
             bucket 0000000000000abc
             written to /p/testdata/fuzz/parse/crash-00
             fails again with `cargo test -p gps parse`
                           or `cargo shmfuzz repro parse /p/testdata/fuzz/parse/crash-00`
   Minimized parse: from 5 to 1 byte
             assertion failed
               left: \u{1b}[31m1
               b"$"
             written to /p/testdata/fuzz/parse/crash-01
             fails again with `cargo test -p gps parse`
                           or `cargo shmfuzz repro parse /p/testdata/fuzz/parse/crash-01`
             as a test, to paste into the same target:
               #[test]
               fn parse_crash_01() {
                   shmfuzz_runtime::replay("parse", b"$");
               }
   Minimized parse: 1 byte, nothing simpler fails in the same way
             as a test, to paste into the same target:
               #[test]
               fn parse_crash_01() {
                   shmfuzz_runtime::replay("parse", b"$");
               }
       Crash signal in parse after 0.42s, 17000 execs
             SIGSEGV
             stack:
               (1 frame of libraries)
               gps::par\u{1b}se at src/lib.rs:3:5
               (500 more frames)
               (unknown function)
             input, 2 bytes:
               00000000  00 ff                                            |..|
             output of the worker:
               some\u{9b}2J
               words
             bucket 0000000000000abc
             written to /cache/it's
             it did not fail again in a fresh worker; try
               `cargo shmfuzz repro parse '/cache/it'\''s'`
warning: parse: the panic does not happen without instrumentation and `cfg(fuzzing)`
             its input is kept in /cache/crash-00
warning: the cache is gone
warning: parse: there is no plain build
             error\u{1b}
             error\u{1b}
error: print cannot be fuzzed: it exited with 3
             output of the worker:
               no database
      Fuzzed parse: 1m00s, 123.5k execs (41.2k/s), corpus 9 (+6), edges 210/1204, 1 finding
             left to find: about 1 new input per 2.3M executions, ~4 more in the next minute
      Fuzzed print: 0.00s, 0 execs (0/s), corpus 0 (+0), edges 0/0, 0 findings
       Found panic in parse at src/lib.rs:3:5, 31 times
             /cache/it's
    Finished 1 finding in 1m00s, 123456 execs: the time is over

"#]]
        .raw()
    );
}

#[test]
fn a_simpler_input_of_the_same_length_is_no_smaller_one() {
    let (mut report, _, err) = report_in(MessageFormat::Human);
    report.begin(opening());
    let simple = finding(failure(FailureKind::Panic, "no"), b"000");
    let path = Path::new("/p/crash-00");
    let minimized = Notice::Minimized { finding: simple, before: 3, limit: Limit::Smallest };
    report.show(&minimized, Some(path));
    assert!(err.text().contains("Minimized parse: simplified, 3 bytes\n"), "{}", err.text());
}

#[test]
fn the_first_line_says_when_it_ends() {
    let minute = Some(Duration::from_secs(60));
    for (time, runs, expected) in [
        (None, None, "until Ctrl-C, 2 workers"),
        (None, Some(1000), "for 1000 runs each, 2 workers"),
        (minute, Some(1), "for 1m or for 1 run each, 2 workers"),
    ] {
        let (mut report, _, err) = report_in(MessageFormat::Human);
        report.begin(Opening { time, runs, ..opening() });
        assert!(err.text().contains(expected), "{}", err.text());
    }
}

#[test]
fn programs_read_this() {
    let (mut report, out, err) = report_in(MessageFormat::Json);
    play(&mut report);
    assert_data_eq!(out.text(), str![[r##"
{"event":"build","version":1,"command":"0.1.0","elapsed":2.0,"binaries":[{"package":"gps","target":"fuzz","kind":"test","path":"/t/fuzz-1","tests":["parse","print"]}]}
{"event":"start","test":"parse","package":"gps","seeds":1,"corpus":2,"tokens":5,"counters":1204,"workers":2,"seed":7}
{"event":"loading","test":"parse","package":"gps","elapsed":1.0,"done":100,"total":2000,"useful":10,"is_done":false}
{"event":"loading","test":"parse","package":"gps","elapsed":3.0,"done":1500,"total":2000,"useful":150,"is_done":false}
{"event":"loading","test":"parse","package":"gps","elapsed":4.0,"done":2000,"total":2000,"useful":200,"is_done":true}
{"event":"known","test":"parse","package":"gps","seed":"crash-11","kind":"panic","message":"was there before","location":"src/lib.rs:3:5","bucket":"0000000000000abc","output":""}
{"event":"ignored","test":"parse","package":"gps","kind":"panic","message":"was there before","location":"src/lib.rs:3:5","bucket":"0000000000000abc","output":""}
{"event":"stats","test":"parse","package":"gps","elapsed":0.5,"execs":123456,"extra_execs":12,"execs_per_sec":41152.0,"corpus":9,"new_entries":6,"edges":210,"edges_total":1204,"findings":1,"stability":1.0,"discovery_probability":4.347826086956522e-7,"expected_next_minute":4.2}
{"event":"stats","test":"parse","package":"gps","elapsed":3.2,"execs":123456,"extra_execs":12,"execs_per_sec":41152.0,"corpus":9,"new_entries":6,"edges":210,"edges_total":1204,"findings":1,"stability":1.0,"discovery_probability":4.347826086956522e-7,"expected_next_minute":4.2}
{"event":"plateau","test":"parse","package":"gps","elapsed":3.2,"execs":123456,"extra_execs":12,"execs_per_sec":41152.0,"corpus":9,"new_entries":6,"edges":210,"edges_total":1204,"findings":1,"stability":1.0,"discovery_probability":4.347826086956522e-7,"expected_next_minute":4.2}
{"event":"new_entry","test":"parse","package":"gps","size":2,"new_features":3}
{"event":"finding","test":"parse","package":"gps","kind":"panic","message":"assertion failed\n  left: \u001b[31m1","location":"src/lib.rs:3:5","bucket":"0000000000000abc","output":"","path":"/p/testdata/fuzz/parse/crash-00","size":5,"elapsed":0.42,"execs":17000,"reproducible":true,"unit_test":"#[test]\nfn parse_crash_00() {\n    shmfuzz_runtime::replay(\"parse\", b\"$$ab\\n\");\n}\n","stack":[]}
{"event":"minimized","test":"parse","package":"gps","size_before":5,"kind":"panic","message":"assertion failed\n  left: \u001b[31m1","location":"src/lib.rs:3:5","bucket":"0000000000000abc","output":"","path":"/p/testdata/fuzz/parse/crash-01","size":1,"elapsed":0.42,"execs":17000,"reproducible":true,"unit_test":"#[test]\nfn parse_crash_01() {\n    shmfuzz_runtime::replay(\"parse\", b\"$\");\n}\n","stack":[]}
{"event":"minimized","test":"parse","package":"gps","size_before":1,"kind":"panic","message":"assertion failed\n  left: \u001b[31m1","location":"src/lib.rs:3:5","bucket":"0000000000000abc","output":"","path":"/p/testdata/fuzz/parse/crash-01","size":1,"elapsed":0.42,"execs":17000,"reproducible":true,"unit_test":"#[test]\nfn parse_crash_01() {\n    shmfuzz_runtime::replay(\"parse\", b\"$\");\n}\n","stack":[]}
{"event":"finding","test":"parse","package":"gps","kind":"signal","message":"SIGSEGV","location":null,"bucket":"0000000000000abc","output":"some\u009b2J\nwords\n","path":"/cache/it's","size":2,"elapsed":0.42,"execs":17000,"reproducible":false,"stack":[{"function":"core::slice::index","place":"core/src/slice/index.rs:4","origin":"std"},{"function":"gps::par\u001bse","place":"src/lib.rs:3:5","origin":"own"},{"left_out":500},{"function":null,"place":null,"origin":"dependency"}]}
{"event":"passes_plain","test":"parse","package":"gps","kind":"panic","message":"assertion failed\n  left: \u001b[31m1","location":"src/lib.rs:3:5","bucket":"0000000000000abc","output":"","path":"/cache/crash-00","size":5,"elapsed":0.42,"execs":17000,"reproducible":true,"stack":[]}
{"event":"warning","text":"the cache is gone"}
{"event":"warning","test":"parse","package":"gps","text":"there is no plain build\nerror\u001b\nerror\u001b\n"}
{"event":"broken","test":"print","package":"gps","why":"it exited with 3","output":"no database\n"}
{"event":"stats","test":"parse","package":"gps","elapsed":60.0,"execs":123456,"extra_execs":12,"execs_per_sec":41152.0,"corpus":9,"new_entries":6,"edges":210,"edges_total":1204,"findings":1,"stability":1.0,"discovery_probability":4.347826086956522e-7,"expected_next_minute":4.2}
{"event":"stats","test":"print","package":"gps","elapsed":0.0,"execs":0,"extra_execs":0,"execs_per_sec":0.0,"corpus":0,"new_entries":0,"edges":0,"edges_total":0,"findings":0,"stability":0.0,"discovery_probability":null,"expected_next_minute":null}
{"event":"finish","reason":"time","exit_code":100,"tests":[{"test":"parse","package":"gps","elapsed":60.0,"execs":123456,"extra_execs":12,"execs_per_sec":41152.0,"corpus":9,"new_entries":6,"edges":210,"edges_total":1204,"findings":1,"stability":1.0,"discovery_probability":4.347826086956522e-7,"expected_next_minute":4.2},{"test":"print","package":"gps","elapsed":0.0,"execs":0,"extra_execs":0,"execs_per_sec":0.0,"corpus":0,"new_entries":0,"edges":0,"edges_total":0,"findings":0,"stability":0.0,"discovery_probability":null,"expected_next_minute":null}],"findings":[{"test":"parse","package":"gps","kind":"panic","location":"src/lib.rs:3:5","bucket":"0000000000000abc","times":31}]}

"##]].raw());
    assert_data_eq!(
        err.text(),
        str![[r#"
warning: the cache is gone
warning: parse: there is no plain build
             error\u{1b}
             error\u{1b}
error: print cannot be fuzzed: it exited with 3
             output of the worker:
               no database

"#]]
        .raw()
    );
}

#[test]
fn the_stream_is_closed_once_whatever_happens() {
    let finishes = |text: String| text.lines().filter(|line| line.contains("\"finish\"")).count();
    let (mut report, out, _) = report_in(MessageFormat::Json);
    report.end(ExitCode::Build);
    assert_data_eq!(
        out.text(),
        str![[r#"
{"event":"finish","reason":"build_failed","exit_code":101,"tests":[],"findings":[]}

"#]]
        .raw()
    );
    let (mut report, out, _) = report_in(MessageFormat::Json);
    play(&mut report);
    report.end(ExitCode::Internal);
    assert_eq!(finishes(out.text()), 1);
}

#[test]
fn every_event_is_one_object_and_names_the_package_beside_the_test() {
    let (mut report, out, _) = report_in(MessageFormat::Json);
    play(&mut report);
    for line in out.text().lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(event["event"].is_string(), "{line}");
        assert_eq!(event.get("test").is_some(), event.get("package").is_some(), "{line}");
        assert!(!line.contains(show::is_unsafe), "{line}");
    }
    let last = out.text().lines().last().map(str::to_owned).unwrap();
    assert!(last.contains("\"exit_code\":100"), "{last}");
}

#[test]
fn what_was_not_tried_again_is_not_said_to_have_passed() {
    let mut cut_short = finding(failure(FailureKind::Panic, "no"), b"xx");
    cut_short.reproducible = Reproducible::NotTried;
    let tell = |format| {
        let (mut report, out, err) = report_in(format);
        report.begin(opening());
        let path = Some(Path::new("/p/crash-00"));
        report.show(&Notice::Finding(cut_short.clone()), path);
        let (finding, limit) = (cut_short.clone(), Limit::Time);
        report.show(&Notice::Minimized { finding, before: 2, limit }, path);
        report.show(&Notice::PassesPlain(cut_short.clone()), path);
        (out.text(), err.text())
    };
    let (events, _) = tell(MessageFormat::Json);
    assert!(events.contains("\"reproducible\":null"), "{events}");
    let (_, lines) = tell(MessageFormat::Human);
    for wrong in ["did not fail again", "nothing simpler fails", "without instrumentation"] {
        assert!(!lines.contains(wrong), "{lines}");
    }
    assert!(lines.contains("nothing simpler was found before the time ran out"), "{lines}");
}

/// What `EVENTS.md` says in code spans.
fn documented() -> BTreeSet<&'static str> {
    include_str!("../../EVENTS.md").split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_event_and_field_is_documented() {
    let (mut report, out, _) = report_in(MessageFormat::Json);
    play(&mut report);
    let documented = documented();
    for line in out.text().lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let name = event["event"].as_str().unwrap();
        assert!(documented.contains(name), "{name}");
        let tests = event["tests"].as_array().into_iter().flatten();
        for object in tests.chain([&event]) {
            let fields = object.as_object().unwrap().keys().filter(|field| *field != "event");
            for field in fields {
                assert!(documented.contains(&field[..]), "{field} of {name}");
            }
        }
    }
}

#[test]
fn what_was_told_of_a_finding_is_kept_beside_the_cache() {
    let dir = tempfile::tempdir().unwrap();
    let (mut report, _, err) = report_in(MessageFormat::Json);
    report.begin(opening());
    let folders = vec![dir.path().join("parse"), dir.path().join("print")];
    report.keep_texts(folders, opening().labels);
    let mut found = finding(failure(FailureKind::Panic, "no \u{1b}[31m"), b"0\xff\"");
    found.failure.stack = trace();
    report.show(&Notice::Finding(found.clone()), Some(Path::new("/p/crash-00")));
    let first = std::fs::read_to_string(dir.path().join("parse/crash-00.txt")).unwrap();
    assert!(first.contains("panic in parse") && first.contains("gps::par"), "{first}");
    assert!(!first.contains('\u{1b}'), "{first}");
    let seed = r#"#[fuzz_test(seeds = [b"0\xff\""])]"#;
    assert!(first.ends_with(&format!("{seed}\n")), "{first}");
    let smaller = Finding { input: b"0".as_slice().into(), ..found };
    let smaller = Notice::Minimized { finding: smaller, before: 3, limit: Limit::Smallest };
    report.show(&smaller, Some(Path::new("/p/crash-01")));
    let files: Vec<_> = std::fs::read_dir(dir.path().join("parse")).unwrap().collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let second = std::fs::read_to_string(dir.path().join("parse/crash-01.txt")).unwrap();
    assert!(second.contains("panic in parse") && second.contains("from 3 to 1 byte"), "{second}");
    assert_eq!(err.text(), "");
    // A file where the folder should be.
    std::fs::write(dir.path().join("print"), "").unwrap();
    let other = Finding { test: TestIdx(1), ..finding(failure(FailureKind::Panic, "no"), b"") };
    report.show(&Notice::Finding(other), None);
    assert!(err.text().contains("cannot write"), "{}", err.text());
}
