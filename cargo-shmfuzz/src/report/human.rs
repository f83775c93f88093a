//! A campaign in lines for people.
//!
//! Owns the words and what is worth a line. Everything a worker said goes through
//! [`crate::show`].

use super::console::{Console, Tone};
use super::{Label, Opening, Smaller, label, paste};
use crate::coordinator::campaign::{FindingId, TestIdx};
use crate::coordinator::notice::{
    End, Failure, Finding, Forecast, Limit, Met, Notice, Reproducible, Slowest, Stats, Trial,
};
use crate::show;
use shmfuzz_runtime::kind::FailureKind;
use shmfuzz_runtime::sequence;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a test's figures are printed where lines cannot be redrawn.
const INTERVAL: Duration = Duration::from_secs(3);
/// From how many inputs on the end of loading is worth a line.
const LARGE_CORPUS: usize = 1000;
/// Below this stability the end of a campaign says how to find out why.
const STEADY: f64 = 0.95;
/// How many lines of a dead worker's output, or of a failed build's, are shown.
const OUTPUT_LINES: usize = 20;
/// How many lines of a message are shown, and how many characters of each.
const MESSAGE_LINES: usize = 30;
const MESSAGE_WIDTH: usize = 2000;
/// How many lines of a stack are shown.
const STACK_LINES: usize = 25;

/// Prints for people.
#[derive(Debug)]
pub(crate) struct Human {
    console: Console,
    labels: Vec<Label>,
    /// When each test's figures were last printed, on the campaign's clock.
    printed: Vec<Duration>,
    /// How long each test had been loading when that was last printed.
    loading: Vec<Duration>,
    /// The file of each finding, as last shown.
    paths: HashMap<FindingId, PathBuf>,
    /// The slowest inputs, with their files.
    slowest: HashMap<TestIdx, (Slowest, Option<PathBuf>)>,
}

impl Human {
    /// Prints to a console.
    pub(crate) fn new(console: Console) -> Self {
        Self {
            console,
            labels: Vec::new(),
            printed: Vec::new(),
            loading: Vec::new(),
            paths: HashMap::new(),
            slowest: HashMap::new(),
        }
    }

    /// The campaign's tests are called so.
    pub(crate) fn name(&mut self, labels: Vec<Label>) {
        self.printed = vec![Duration::ZERO; labels.len()];
        self.loading = self.printed.clone();
        self.labels = labels;
    }

    /// The campaign begins.
    pub(crate) fn begin(&mut self, opening: Opening) {
        let time = opening.time.map(|time| format!("for {}", humantime::format_duration(time)));
        let runs = opening.runs.map(|runs| match runs {
            1 => "for 1 run each".to_owned(),
            runs => format!("for {runs} runs each"),
        });
        let plateau = opening.until_plateau.map(|_| "until little is left to find".to_owned());
        let ends: Vec<String> = [time, runs, plateau].into_iter().flatten().collect();
        let until = match &ends[..] {
            [] => "until Ctrl-C".to_owned(),
            ends => ends.join(" or "),
        };
        let text = format!(
            "{} {until}, {}, --seed {}",
            show::count(opening.labels.len(), "fuzz test"),
            show::count(opening.jobs, "worker"),
            opening.seed
        );
        self.console.status(Tone::Good, "Fuzzing", &text);
        self.name(opening.labels);
    }

    /// Something the user should know: a line, and what the end of a longer text says.
    pub(crate) fn warn(&mut self, text: &str) {
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        self.console.warn(&show::line(first));
        self.tail(rest, "");
    }

    /// A survey was made, or a part of it.
    pub(super) fn surveyed(&mut self, tone: Tone, text: &str) {
        self.console.status(tone, "Surveyed", text);
    }

    /// An input is to be made smaller.
    pub(super) fn minimizing(&mut self, text: &str) {
        self.console.status(Tone::Good, "Minimizing", text);
    }

    /// How an input fails.
    pub(super) fn fails(&mut self, failure: &Failure) {
        self.failure(failure);
    }

    /// What a minimization that was asked for came to.
    pub(super) fn smaller(&mut self, smaller: &Smaller<'_>) {
        let Smaller { finding, before, limit, path } = smaller;
        let name = self.test(finding.test).to_owned();
        let after = finding.input.len();
        let change = match after == *before {
            true => show::size(after),
            false => format!("from {before} to {}", show::size(after)),
        };
        let text = format!("{name}: {change}, {}", why_not_smaller(*limit));
        self.console.status(Tone::Good, "Minimized", &text);
        self.bytes(finding.test, &finding.input);
        let path = shown_path(path);
        self.console.detail(&format!("in {path}"));
        let repro = &label(&self.labels, finding.test).repro;
        self.console.detail(&format!("fails again with `{repro} {}`", show::shell_word(&path)));
    }

    /// Tells one thing.
    pub(crate) fn show(&mut self, notice: &Notice, path: Option<&Path>) {
        match notice {
            Notice::Start { test, seeds, corpus, tokens, counters, .. } => {
                let tokens = match tokens {
                    0 => String::new(),
                    tokens => format!("{}, ", show::count(*tokens, "token")),
                };
                let text = format!(
                    "{}: {}, {corpus} cached, {tokens}{counters} counters",
                    self.test(*test),
                    show::count(*seeds, "seed")
                );
                self.console.status(Tone::Good, "Started", &text);
            }
            Notice::Loading { test, trial, elapsed, is_done } => {
                self.loading(*test, *trial, *elapsed, *is_done);
            }
            Notice::Stats { test, stats } => self.stats(*test, stats),
            Notice::Plateau { test, stats } => {
                let outlook = stats.forecast.map(|forecast| format!(", {}", outlook(&forecast)));
                let text = format!(
                    "{}: little is left to find after {}{}",
                    self.test(*test),
                    show::time(stats.elapsed),
                    outlook.unwrap_or_default()
                );
                self.console.status(Tone::Good, "Plateau", &text);
            }
            // A line for each would be all there is to see.
            Notice::NewEntry { .. } => {}
            Notice::Known { test, seed, failure } => {
                let text = format!("{}: {} still fails", self.test(*test), show::line(seed));
                self.console.status(Tone::Notable, "Known", &text);
                self.failure(failure);
            }
            Notice::Ignored { test, failure } => {
                let text = format!(
                    "{}: {} of bucket {}",
                    self.test(*test),
                    failure.kind.name(),
                    failure.bucket
                );
                self.console.status(Tone::Notable, "Ignored", &text);
                self.failure(failure);
            }
            Notice::Finding(finding) => self.finding(finding, path),
            Notice::Minimized { finding, before, limit } => {
                self.minimized(finding, *before, *limit, path);
            }
            Notice::PassesPlain(finding) => self.passes_plain(finding, path),
            // It is told with the totals.
            Notice::Slowest { test, slowest } => {
                self.slowest.insert(*test, (*slowest, path.map(Path::to_owned)));
            }
            Notice::Checking { n_findings } => {
                let findings = show::count(*n_findings, "finding");
                let text = format!("{findings} in the ordinary build, as `cargo test` makes it");
                self.console.status(Tone::Good, "Checking", &text);
            }
            Notice::Warning { test, text } => {
                let of = test.map(|test| format!("{}: ", self.test(test))).unwrap_or_default();
                self.warn(&format!("{of}{text}"));
            }
            Notice::Broken { test, why, output } => {
                let text = format!("{} cannot be fuzzed: {}", self.test(*test), show::line(why));
                self.console.error(&text);
                self.output(output);
            }
            Notice::Finish { totals, met, end, .. } => self.finish(totals, met, *end),
        }
    }

    fn loading(&mut self, test: TestIdx, trial: Trial, elapsed: Duration, is_done: bool) {
        let Trial { done, total, useful } = trial;
        if is_done {
            // A small corpus is no news: "Started" has told of it.
            if total >= LARGE_CORPUS {
                let text = format!(
                    "{}: {done} inputs in {}, {useful} of them reach something that the others \
                     do not",
                    self.test(test),
                    show::time(elapsed)
                );
                self.console.status(Tone::Good, "Loaded", &text);
            }
            return;
        }
        let text = format!("{}: {done} of {total} inputs, {useful} useful", self.test(test));
        if self.console.is_live() {
            return self.console.redraw(test.0, format!("loading {text}"));
        }
        if elapsed.saturating_sub(self.loading[test.0]) >= INTERVAL {
            self.loading[test.0] = elapsed;
            self.console.status(Tone::Good, "Loading", &text);
        }
    }

    fn stats(&mut self, test: TestIdx, stats: &Stats) {
        let text = format!("{}: {}", self.test(test), figures(stats));
        if self.console.is_live() {
            return self.console.redraw(test.0, text);
        }
        if stats.elapsed.saturating_sub(self.printed[test.0]) >= INTERVAL {
            self.printed[test.0] = stats.elapsed;
            self.console.status(Tone::Good, "Fuzzing", &text);
        }
    }

    fn finding(&mut self, finding: &Finding, path: Option<&Path>) {
        let text = format!(
            "{} in {} after {}, {} execs",
            finding.failure.kind.name(),
            self.test(finding.test),
            show::time(finding.elapsed),
            finding.execs
        );
        self.console.status(Tone::Bad, "Crash", &text);
        self.failure(&finding.failure);
        self.input(finding);
        self.output(&finding.failure.output);
        self.console.detail(&format!("bucket {}", finding.failure.bucket));
        self.written(finding, path);
    }

    /// The input, or those of a sequence.
    fn input(&mut self, finding: &Finding) {
        /// The most inputs of a sequence that are shown.
        const MOST: usize = 16;
        let inputs = match finding.reproducible {
            Reproducible::InSequence { .. } => sequence::from_file(&finding.input),
            _ => Ok(vec![finding.input.to_vec()]),
        };
        let inputs = inputs.unwrap_or_default();
        match &inputs[..] {
            [input] => self.console.detail(&format!("input, {}:", show::size(input.len()))),
            inputs => self.console.detail(&format!(
                "{} inputs one after the other in one process, of which the last one fails and \
                 passes alone:",
                inputs.len()
            )),
        }
        for input in inputs.iter().take(MOST) {
            self.bytes(finding.test, input);
        }
        if inputs.len() > MOST {
            self.console.detail(&format!("  and {} more", inputs.len() - MOST));
        }
    }

    fn bytes(&mut self, test: TestIdx, input: &[u8]) {
        for line in show::input(label(&self.labels, test).shape.as_ref(), input) {
            self.console.detail(&format!("  {line}"));
        }
    }

    /// Where the input is, and how to see it fail.
    fn written(&mut self, finding: &Finding, path: Option<&Path>) {
        let Some(path) = path else {
            return self.console.warn("the input could not be written");
        };
        self.paths.insert(finding.id, path.to_owned());
        self.console.detail(&format!("written to {}", shown_path(path)));
        let label = label(&self.labels, finding.test);
        let (cargo_test, repro) = (label.cargo_test.clone(), label.repro.clone());
        if !finding.reproducible.is_flaky() && finding.reproducible != Reproducible::NotTried {
            self.console.detail(&format!("fails again with `{cargo_test}`"));
            self.console.detail(&format!(
                "              or `{repro} {}`",
                show::shell_word(&shown_path(path))
            ));
        } else {
            let why = match finding.reproducible {
                Reproducible::NotTried => {
                    "there was no time to run it again in a fresh worker; try".to_owned()
                }
                Reproducible::Sometimes { failures, runs } => {
                    format!("it failed again in {failures} of {runs} fresh workers; try")
                }
                Reproducible::Yes | Reproducible::InSequence { .. } | Reproducible::No => {
                    "it did not fail again in a fresh worker; try".to_owned()
                }
            };
            self.console.detail(&why);
            self.console.detail(&format!("  `{repro} {}`", show::shell_word(&shown_path(path))));
        }
    }

    fn minimized(&mut self, finding: &Finding, before: usize, limit: Limit, path: Option<&Path>) {
        let name = self.test(finding.test).to_owned();
        let after = show::size(finding.input.len());
        if path == self.paths.get(&finding.id).map(PathBuf::as_path) {
            let text = format!("{name}: {after}, {}", why_not_smaller(limit));
            self.console.status(Tone::Good, "Minimized", &text);
            return self.unit_test(finding, path);
        }
        let text = match finding.input.len() == before {
            true => format!("{name}: simplified, {after}"),
            false => format!("{name}: from {before} to {after}"),
        };
        self.console.status(Tone::Good, "Minimized", &text);
        // Which part of the message depends on the input: it belongs to the file that is there now.
        self.message(&finding.failure.message);
        match finding.reproducible {
            Reproducible::InSequence { .. } => self.input(finding),
            _ => self.bytes(finding.test, &finding.input),
        }
        self.written(finding, path);
        self.unit_test(finding, path);
    }

    /// The finding as code.
    fn unit_test(&mut self, finding: &Finding, path: Option<&Path>) {
        let label = label(&self.labels, finding.test);
        let code = path.and_then(|path| paste::test(label, finding, path));
        let Some(code) = code else { return };
        self.console.detail("as a test, to paste into the same target:");
        for line in code.lines() {
            self.console.detail(&format!("  {}", show::line(line)));
        }
    }

    fn passes_plain(&mut self, finding: &Finding, path: Option<&Path>) {
        let name = self.test(finding.test).to_owned();
        let where_not = match finding.reproducible {
            Reproducible::Yes | Reproducible::InSequence { .. } => {
                "does not happen without instrumentation and `cfg(fuzzing)`"
            }
            Reproducible::Sometimes { .. } | Reproducible::No | Reproducible::NotTried => {
                "did not happen again in the ordinary build, and was not tried elsewhere"
            }
        };
        self.console.warn(&format!("{name}: the {} {where_not}", finding.failure.kind.name()));
        if let Some(path) = path {
            self.console.detail(&format!("its input is kept in {}", shown_path(path)));
        }
    }

    fn failure(&mut self, failure: &Failure) {
        self.message(&failure.message);
        if let Some(location) = &failure.location {
            self.console.detail(&format!("at {}", show::line(location)));
        }
        let mut lines = failure.stack.lines();
        if lines.is_empty() {
            return;
        }
        let n_left_out = lines.len().saturating_sub(STACK_LINES);
        if n_left_out > 0 {
            lines.truncate(STACK_LINES);
            lines.push(format!("({} more)", show::count(n_left_out, "line")));
        }
        self.console.detail(match failure.kind {
            FailureKind::Timeout => "hangs in:",
            _ => "stack:",
        });
        for line in lines {
            self.console.detail(&format!("  {}", show::line(&line)));
        }
    }

    /// What a failure says, as much of it as can be read.
    fn message(&mut self, message: &str) {
        let n_lines = message.lines().count();
        for line in show::lines(message).take(MESSAGE_LINES) {
            let n_more = line.chars().count().saturating_sub(MESSAGE_WIDTH);
            if n_more == 0 {
                self.console.detail(&line);
            } else {
                let start: String = line.chars().take(MESSAGE_WIDTH).collect();
                self.console.detail(&format!("{start}... ({n_more} more characters)"));
            }
        }
        if n_lines > MESSAGE_LINES {
            let more = show::count(n_lines - MESSAGE_LINES, "line");
            self.console.detail(&format!("({more} more)"));
        }
    }

    fn output(&mut self, output: &str) {
        if !output.trim().is_empty() {
            self.console.detail("output of the worker:");
            self.tail(output, "  ");
        }
    }

    /// The last lines of a text, as details.
    fn tail(&mut self, text: &str, indent: &str) {
        let (left_out, lines) = show::tail(text, OUTPUT_LINES);
        if left_out > 0 {
            self.console.detail(&format!("{indent}... {} before", show::count(left_out, "line")));
        }
        for line in lines {
            self.console.detail(&format!("{indent}{line}"));
        }
    }

    fn finish(&mut self, totals: &[(TestIdx, Stats)], met: &[Met], end: End) {
        self.console.clear();
        let (mut execs, mut findings, mut elapsed) = (0, 0, Duration::ZERO);
        for (test, stats) in totals {
            execs += stats.execs;
            findings += stats.findings;
            elapsed = elapsed.max(stats.elapsed);
            // What is to come has a line of its own.
            let past = Stats { forecast: None, ..*stats };
            let text = format!("{}: {}", self.test(*test), figures(&past));
            self.console.status(Tone::Good, "Fuzzed", &text);
            if stats.execs > 0 && stats.stability < STEADY {
                let command = label(&self.labels, *test).stability.clone();
                self.console.detail(&format!(
                    "what an input reaches differs from run to run; `{command}` lists the lines"
                ));
            }
            if let Some(forecast) = &stats.forecast {
                self.console.detail(&format!("left to find: {}", outlook(forecast)));
            }
            if let Some((slowest, path)) = self.slowest.get(test) {
                let path = path.as_ref().map(|path| format!(", {}", shown_path(path)));
                let (ms, path) = (slowest.took.as_millis(), path.unwrap_or_default());
                self.console.detail(&format!("slowest input: {ms} ms{path}"));
            }
        }
        for met in met {
            self.met(met);
        }
        let why = match end {
            End::Time => "the time is over",
            End::Runs => "all runs are done",
            End::Plateau => "little is left to find",
            End::Crash => "a failure was found",
            End::Interrupted => "interrupted",
            End::Broken => "no fuzz test is left that works",
        };
        let tone = if findings == 0 && end != End::Broken { Tone::Good } else { Tone::Bad };
        let text = format!(
            "{} in {}, {execs} execs: {why}",
            show::count(findings, "finding"),
            show::time(elapsed)
        );
        self.console.status(tone, "Finished", &text);
    }

    /// A finding in one line, and where its input is.
    fn met(&mut self, met: &Met) {
        let Met { finding, test, kind, location, times, .. } = met;
        let at = location.as_ref().map(|at| format!(" at {}", show::line(at)));
        let times = if *times == 1 { "once".to_owned() } else { format!("{times} times") };
        let text =
            format!("{} in {}{}, {times}", kind.name(), self.test(*test), at.unwrap_or_default());
        self.console.status(Tone::Bad, "Found", &text);
        if let Some(path) = self.paths.get(finding) {
            self.console.detail(&shown_path(path));
        }
    }

    fn test(&self, test: TestIdx) -> &str {
        &label(&self.labels, test).name
    }
}

fn why_not_smaller(limit: Limit) -> &'static str {
    match limit {
        Limit::Smallest => "nothing simpler fails in the same way",
        Limit::Time => "nothing simpler was found before the time ran out",
        Limit::Setbacks => "what is simpler does not fail reliably in the same way",
    }
}

fn figures(stats: &Stats) -> String {
    let mut text = format!(
        "{}, {} execs ({}/s), corpus {} (+{}), edges {}/{}, {}",
        show::time(stats.elapsed),
        show::short(stats.execs as f64),
        show::short(stats.execs_per_sec),
        stats.corpus,
        stats.new_entries,
        stats.edges,
        stats.edges_total,
        show::count(stats.findings, "finding")
    );
    if let Some(forecast) = stats.forecast {
        text.push_str(&format!(", {} new/min to come", few(forecast.next_minute)));
    }
    if stats.stability < 0.995 && stats.corpus > 0 {
        text.push_str(&format!(", {:.0}% stable", stats.stability * 100.0));
    }
    text
}

/// What is left to find, in words.
fn outlook(forecast: &Forecast) -> String {
    let between = 1.0 / forecast.probability.max(f64::MIN_POSITIVE);
    let executions = match between.round() {
        1.0 => "execution".to_owned(),
        n => format!("{} executions", show::short(n)),
    };
    let next = few(forecast.next_minute);
    format!("about 1 new input per {executions}, {next} more in the next minute")
}

/// An expected number: what is below one is said to be that, not none.
fn few(n: f64) -> String {
    match n.round() {
        0.0 => "<1".to_owned(),
        n => format!("~{}", show::short(n)),
    }
}

/// Relative to the current directory, where it is below it.
fn shown_path(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let below = here.as_deref().and_then(|here| path.strip_prefix(here).ok());
    show::path(below.unwrap_or(path))
}
