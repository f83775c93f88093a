//! A campaign as JSON events, one object a line on stdout. `EVENTS.md` beside the crate's manifest
//! describes them for those who read them.
//!
//! Invariants: the first event is `build` and carries the version; the last one is `finish`, and
//! there is one; an event with a `test` has its `package`, too.

use super::{Built, BuiltBinary, Label, Opening, label, paste};
use crate::coordinator::campaign::TestIdx;
use crate::coordinator::notice::{End, Exit, Failure, Finding, Met, Notice, Reproducible, Stats};
use crate::exit_code::ExitCode;
use crate::show;
use crate::stack::Trace;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io::Write;
use std::path::Path;

/// Version of the events. A new field or event does not change it, a changed or removed one does.
const VERSION: u32 = 1;

/// Prints events.
pub(crate) struct Json {
    out: Box<dyn Write + Send>,
    labels: Vec<Label>,
    seed: u64,
    has_finished: bool,
    /// The figures last printed, by test.
    last: Vec<Option<Stats>>,
    /// The slowest inputs, by test.
    slowest: BTreeMap<TestIdx, Slow>,
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Json").field("has_finished", &self.has_finished).finish_non_exhaustive()
    }
}

#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    Build {
        version: u32,
        command: &'a str,
        elapsed: f64,
        binaries: &'a [BuiltBinary],
    },
    Start {
        #[serde(flatten)]
        of: Of<'a>,
        seeds: usize,
        corpus: usize,
        tokens: usize,
        counters: u64,
        workers: usize,
        seed: u64,
    },
    Loading {
        #[serde(flatten)]
        of: Of<'a>,
        elapsed: f64,
        done: usize,
        total: usize,
        useful: usize,
        is_done: bool,
    },
    Stats {
        #[serde(flatten)]
        of: Of<'a>,
        #[serde(flatten)]
        figures: Figures,
    },
    Plateau {
        #[serde(flatten)]
        of: Of<'a>,
        #[serde(flatten)]
        figures: Figures,
    },
    NewEntry {
        #[serde(flatten)]
        of: Of<'a>,
        size: usize,
        new_features: usize,
    },
    Known {
        #[serde(flatten)]
        of: Of<'a>,
        seed: &'a str,
        #[serde(flatten)]
        failure: Failed<'a>,
    },
    Ignored {
        #[serde(flatten)]
        of: Of<'a>,
        #[serde(flatten)]
        failure: Failed<'a>,
    },
    Finding {
        #[serde(flatten)]
        of: Of<'a>,
        #[serde(flatten)]
        found: Found<'a>,
    },
    Minimized {
        #[serde(flatten)]
        of: Of<'a>,
        size_before: usize,
        #[serde(flatten)]
        found: Found<'a>,
    },
    PassesPlain {
        #[serde(flatten)]
        of: Of<'a>,
        #[serde(flatten)]
        found: Found<'a>,
    },
    Warning {
        #[serde(flatten)]
        of: Option<Of<'a>>,
        text: &'a str,
    },
    Broken {
        #[serde(flatten)]
        of: Of<'a>,
        why: &'a str,
        output: &'a str,
    },
    Finish {
        reason: &'a str,
        exit_code: u8,
        tests: Vec<Total<'a>>,
        findings: Vec<Times<'a>>,
    },
}

/// How often a finding was met.
#[derive(Debug, Serialize)]
struct Times<'a> {
    #[serde(flatten)]
    of: Of<'a>,
    kind: &'static str,
    location: Option<&'a str>,
    bucket: String,
    times: u64,
}

/// Of which test.
#[derive(Debug, Serialize)]
struct Of<'a> {
    test: &'a str,
    package: &'a str,
}

#[derive(Debug, Serialize)]
struct Figures {
    elapsed: f64,
    execs: u64,
    extra_execs: u64,
    execs_per_sec: f64,
    corpus: usize,
    new_entries: usize,
    edges: u64,
    edges_total: u64,
    findings: usize,
    stability: f64,
    discovery_probability: Option<f64>,
    expected_next_minute: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Failed<'a> {
    kind: &'a str,
    message: &'a str,
    location: Option<&'a str>,
    bucket: String,
    output: &'a str,
}

#[derive(Debug, Serialize)]
struct Found<'a> {
    #[serde(flatten)]
    failure: Failed<'a>,
    path: Option<String>,
    size: usize,
    elapsed: f64,
    execs: u64,
    /// `None` if that was not tried.
    reproducible: Option<bool>,
    /// How often it failed again, of how many times, if it did neither each time nor never.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_again: Option<[u32; 2]>,
    /// How many inputs it takes, one after the other, if one alone is not enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<usize>,
    /// A `#[test]` to paste, if it would fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    unit_test: Option<String>,
    /// The innermost first.
    stack: Vec<StackItem<'a>>,
}

/// A frame, or where frames were left out of a deep stack.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum StackItem<'a> {
    Frame { function: Option<&'a str>, place: Option<&'a str>, origin: &'static str },
    Gap { left_out: u64 },
}

impl<'a> StackItem<'a> {
    fn all(trace: &'a Trace) -> Vec<Self> {
        let frames = trace.frames.iter().map(|frame| Self::Frame {
            function: frame.function.as_deref(),
            place: frame.place.as_deref(),
            origin: frame.origin.name(),
        });
        let mut all: Vec<Self> = frames.collect();
        if let Some((at, left_out)) = trace.gap {
            all.insert(at.min(all.len()), Self::Gap { left_out });
        }
        all
    }
}

#[derive(Debug, Serialize)]
struct Total<'a> {
    #[serde(flatten)]
    of: Of<'a>,
    #[serde(flatten)]
    figures: Figures,
    /// If it takes far longer than others.
    #[serde(skip_serializing_if = "Option::is_none")]
    slowest_input: Option<&'a Slow>,
}

#[derive(Debug, Serialize)]
struct Slow {
    time: f64,
    size: usize,
    path: Option<String>,
}

impl Json {
    /// Prints to `out`.
    pub(crate) fn new(out: Box<dyn Write + Send>) -> Self {
        Self {
            out,
            labels: Vec::new(),
            seed: 0,
            has_finished: false,
            last: Vec::new(),
            slowest: BTreeMap::new(),
        }
    }

    /// The build is done.
    pub(crate) fn built(&mut self, built: &Built) {
        let line = line(&Event::Build {
            version: VERSION,
            command: env!("CARGO_PKG_VERSION"),
            elapsed: built.elapsed.as_secs_f64(),
            binaries: &built.binaries,
        });
        self.print(line);
    }

    /// The campaign begins.
    pub(crate) fn begin(&mut self, opening: &Opening) {
        self.labels.clone_from(&opening.labels);
        self.last = vec![None; self.labels.len()];
        self.seed = opening.seed;
    }

    /// Something that the user should know, outside of the campaign.
    pub(crate) fn warn(&mut self, text: &str) {
        self.print(line(&Event::Warning { of: None, text }));
    }

    /// Closes the stream, unless that is done.
    pub(crate) fn end(&mut self, code: ExitCode) {
        let reason = match code {
            ExitCode::Nothing => "done",
            ExitCode::NoMatch => "no_match",
            ExitCode::Internal => "internal_error",
            ExitCode::Harness => "unusable",
            ExitCode::Found => "crash",
            ExitCode::Build => "build_failed",
            ExitCode::Usage => "wrong_usage",
            ExitCode::Interrupted => "interrupted",
        };
        if !self.has_finished {
            self.finish(&[], &[], reason, code);
        }
    }

    /// Tells one thing.
    pub(crate) fn show(&mut self, notice: &Notice, path: Option<&Path>) {
        let labels = &self.labels;
        let event = match notice {
            Notice::Start { test, seeds, corpus, tokens, counters, workers } => Event::Start {
                of: of(labels, *test),
                seeds: *seeds,
                corpus: *corpus,
                tokens: *tokens,
                counters: *counters,
                workers: *workers,
                seed: self.seed,
            },
            Notice::Loading { test, trial, elapsed, is_done } => Event::Loading {
                of: of(labels, *test),
                elapsed: elapsed.as_secs_f64(),
                done: trial.done,
                total: trial.total,
                useful: trial.useful,
                is_done: *is_done,
            },
            Notice::Stats { test, stats } => {
                self.last[test.0] = Some(*stats);
                Event::Stats { of: of(labels, *test), figures: Figures::of(stats) }
            }
            Notice::Plateau { test, stats } => {
                Event::Plateau { of: of(labels, *test), figures: Figures::of(stats) }
            }
            Notice::NewEntry { test, input, new_features } => Event::NewEntry {
                of: of(labels, *test),
                size: input.len(),
                new_features: *new_features,
            },
            Notice::Known { test, seed, failure } => {
                Event::Known { of: of(labels, *test), seed, failure: Failed::of(failure) }
            }
            Notice::Ignored { test, failure } => {
                Event::Ignored { of: of(labels, *test), failure: Failed::of(failure) }
            }
            Notice::Finding(finding) => Event::Finding {
                of: of(labels, finding.test),
                found: Found::of(labels, finding, path),
            },
            Notice::Minimized { finding, before, .. } => Event::Minimized {
                of: of(labels, finding.test),
                size_before: *before,
                found: Found::of(labels, finding, path),
            },
            Notice::PassesPlain(finding) => {
                // A test of the ordinary build would pass.
                let found = Found { unit_test: None, ..Found::of(labels, finding, path) };
                Event::PassesPlain { of: of(labels, finding.test), found }
            }
            // It is told with the totals.
            Notice::Slowest { test, slowest } => {
                let path = path.map(|path| path.display().to_string());
                let slow = Slow { time: slowest.took.as_secs_f64(), size: slowest.size, path };
                self.slowest.insert(*test, slow);
                return;
            }
            // No event: what comes of it has its own.
            Notice::Checking { .. } => return,
            Notice::Warning { test, text } => {
                Event::Warning { of: test.map(|test| of(labels, test)), text }
            }
            Notice::Broken { test, why, output } => {
                Event::Broken { of: of(labels, *test), why, output }
            }
            Notice::Finish { totals, met, end, exit } => {
                return self.finished(totals, met, *end, *exit);
            }
        };
        let line = line(&event);
        self.print(line);
    }

    fn finished(&mut self, totals: &[(TestIdx, Stats)], met: &[Met], end: End, exit: Exit) {
        // The totals are the last figures, so that who follows one test misses nothing.
        for (test, stats) in totals {
            if self.last[test.0] != Some(*stats) {
                self.show(&Notice::Stats { test: *test, stats: *stats }, None);
            }
        }
        let reason = match end {
            End::Time => "time",
            End::Runs => "runs",
            End::Plateau => "plateau",
            End::Crash => "crash",
            End::Interrupted => "interrupted",
            End::Broken => "broken",
        };
        self.finish(totals, met, reason, exit.into());
    }

    fn finish(&mut self, totals: &[(TestIdx, Stats)], met: &[Met], reason: &str, code: ExitCode) {
        let total = |(test, stats): &(TestIdx, Stats)| Total {
            of: of(&self.labels, *test),
            figures: Figures::of(stats),
            slowest_input: self.slowest.get(test),
        };
        let tests = totals.iter().map(total).collect();
        let times = met.iter().map(|met| Times {
            of: of(&self.labels, met.test),
            kind: met.kind.name(),
            location: met.location.as_deref(),
            bucket: met.bucket.to_string(),
            times: met.times,
        });
        let findings = times.collect();
        let line = line(&Event::Finish { reason, exit_code: code.number(), tests, findings });
        self.print(line);
        self.has_finished = true;
    }

    fn print(&mut self, line: String) {
        // Who closes the pipe has read enough; the campaign's files do not depend on it.
        let _ = self.out.write_all(line.as_bytes()).and_then(|()| self.out.flush());
    }
}

impl Figures {
    fn of(stats: &Stats) -> Self {
        Self {
            elapsed: stats.elapsed.as_secs_f64(),
            execs: stats.execs,
            extra_execs: stats.extra_execs,
            execs_per_sec: stats.execs_per_sec,
            corpus: stats.corpus,
            new_entries: stats.new_entries,
            edges: stats.edges,
            edges_total: stats.edges_total,
            findings: stats.findings,
            stability: stats.stability,
            discovery_probability: stats.forecast.map(|forecast| forecast.probability),
            expected_next_minute: stats.forecast.map(|forecast| forecast.next_minute),
        }
    }
}

impl<'a> Failed<'a> {
    fn of(failure: &'a Failure) -> Self {
        Self {
            kind: failure.kind.name(),
            message: &failure.message,
            location: failure.location.as_deref(),
            bucket: failure.bucket.to_string(),
            output: &failure.output,
        }
    }
}

impl<'a> Found<'a> {
    fn of(labels: &[Label], finding: &'a Finding, path: Option<&Path>) -> Self {
        let label = label(labels, finding.test);
        Self {
            unit_test: path.and_then(|path| paste::test(label, finding, path)),
            failure: Failed::of(&finding.failure),
            path: path.map(|path| path.to_string_lossy().into_owned()),
            size: finding.input.len(),
            elapsed: finding.elapsed.as_secs_f64(),
            execs: finding.execs,
            reproducible: match finding.reproducible {
                Reproducible::Yes | Reproducible::InSequence { .. } => Some(true),
                Reproducible::Sometimes { .. } | Reproducible::No => Some(false),
                Reproducible::NotTried => None,
            },
            failed_again: match finding.reproducible {
                Reproducible::Sometimes { failures, runs } => Some([failures, runs]),
                Reproducible::Yes
                | Reproducible::InSequence { .. }
                | Reproducible::No
                | Reproducible::NotTried => None,
            },
            sequence: match finding.reproducible {
                Reproducible::InSequence { n_inputs } => Some(n_inputs),
                _ => None,
            },
            stack: StackItem::all(&finding.failure.stack),
        }
    }
}

fn of(labels: &[Label], test: TestIdx) -> Of<'_> {
    let label = label(labels, test);
    Of { test: &label.name, package: &label.package }
}

/// One event as one line.
///
/// JSON escapes the characters below U+0020. The others that a terminal may obey can stand in
/// strings only, so they are escaped afterwards, without loss.
pub(super) fn line(event: &impl Serialize) -> String {
    let json = serde_json::to_string(event).expect("events have string keys");
    let mut line = String::with_capacity(json.len() + 1);
    for c in json.chars() {
        if show::is_unsafe(c) {
            // Writing to a string does not fail; all of them are below U+10000.
            let _ = write!(line, "\\u{:04x}", u32::from(c));
        } else {
            line.push(c);
        }
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use shmfuzz_runtime::fuzz_test;

    /// Whatever texts an event holds, it is one line that no terminal obeys, and holds them.
    #[fuzz_test(seeds = ["a\x1b[31mb\u{9b}0m\"c\\\r\n", "\u{202e}\u{2028}\u{7f}\u{feff}\u{10ffff}", ""])]
    fn an_event_is_one_line_that_says_the_same(text: &str) {
        let of = Of { test: text, package: text };
        let line = line(&Event::Broken { of, why: text, output: text });
        let json = line.strip_suffix('\n').expect("a line ends");
        assert!(!json.chars().any(|c| c.is_control() || show::is_unsafe(c)), "{json:?}");
        let Ok(Value::Object(event)) = serde_json::from_str(json) else {
            panic!("no object: {json:?}")
        };
        assert_eq!(event.len(), 5);
        for field in ["test", "package", "why", "output"] {
            assert_eq!(event[field], text, "{field}");
        }
    }
}
