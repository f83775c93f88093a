//! The one module that prints what a campaign tells: as lines for people ([`human`]) or as JSON
//! events ([`json`]).
//!
//! Owns stdout and stderr while a command runs; cargo and the children of `repro` excepted.
//! Invariants: stdout carries data only; whatever a worker said is escaped; a stream of events is
//! closed by exactly one `finish`.

pub(crate) mod console;
mod human;
mod json;
mod paste;
mod smaller;
mod steadiness;
mod texts;

use crate::cli::MessageFormat;
use crate::coordinator::campaign::TestIdx;
use crate::coordinator::notice::Notice;
use crate::exit_code::ExitCode;
use crate::show;
pub(crate) use smaller::Smaller;
pub(crate) use steadiness::Steadiness;

use console::Console;
use human::Human;
use json::Json;
use serde::Serialize;
use shmfuzz_runtime::shape::Shape;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use texts::Texts;

/// Columns of a table.
const N_COLUMNS: usize = 5;

/// How a fuzz test is called, and how people get at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    /// Its name, unique in the campaign.
    pub(crate) name: String,
    /// Its package.
    pub(crate) package: String,
    /// Its path in its binary, as `cargo test` prints it; `None` if a `#[test]` beside it is not run.
    pub(crate) path: Option<String>,
    /// What its inputs are made of, if they are values.
    pub(crate) shape: Option<Shape>,
    /// The command that runs its seeds.
    pub(crate) cargo_test: String,
    /// The command that runs one input; the input is to be added.
    pub(crate) repro: String,
    /// The command that lists what does not come back.
    pub(crate) stability: String,
}

/// What a campaign begins with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Opening {
    /// Its fuzz tests, by index.
    pub(crate) labels: Vec<Label>,
    /// The seed of all randomness.
    pub(crate) seed: u64,
    /// How many workers run at once.
    pub(crate) jobs: usize,
    /// When it ends, if by time.
    pub(crate) time: Option<Duration>,
    /// After how many calls each fuzz test ends, if by count.
    pub(crate) runs: Option<u64>,
    /// Below how many discoveries a minute each fuzz test ends, if by those.
    pub(crate) until_plateau: Option<f64>,
}

/// What was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Built {
    /// How long it took.
    pub(crate) elapsed: Duration,
    /// The binaries that hold fuzz tests.
    pub(crate) binaries: Vec<BuiltBinary>,
}

/// One test binary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct BuiltBinary {
    /// Its package.
    pub(crate) package: String,
    /// Its target's name.
    pub(crate) target: String,
    /// `lib`, `bin`, `test` or another kind of cargo's.
    pub(crate) kind: String,
    /// The file.
    pub(crate) path: String,
    /// Paths of its fuzz tests.
    pub(crate) tests: Vec<String>,
}

/// Tells the user.
#[derive(Debug)]
pub(crate) struct Report {
    human: Human,
    /// Present with `--message-format json`: then people are told only what went wrong.
    json: Option<Json>,
    texts: Texts,
}

impl Report {
    /// Prints to the process's own streams.
    pub(crate) fn new(format: MessageFormat) -> Self {
        match format {
            MessageFormat::Human => {
                Self { human: Human::new(Console::live()), json: None, texts: Texts::default() }
            }
            MessageFormat::Json => Self {
                human: Human::new(Console::plain(Box::new(anstream::stderr()))),
                json: Some(Json::new(Box::new(std::io::stdout()))),
                texts: Texts::default(),
            },
        }
    }

    /// The build is done, and a campaign follows.
    pub(crate) fn built(&mut self, built: &Built) {
        if let Some(json) = &mut self.json {
            json.built(built);
        }
    }

    /// The build is done, and was all that was asked for: what was built is data.
    pub(crate) fn binaries(&mut self, built: &Built) {
        if self.json.is_some() {
            return self.built(built);
        }
        let head = ["PACKAGE", "TARGET", "KIND", "TESTS", "PATH"].map(str::to_owned);
        let row = |binary: &BuiltBinary| {
            let BuiltBinary { package, target, kind, path, tests } = binary.clone();
            [package, target, kind, tests.len().to_string(), path]
        };
        let rows: Vec<_> = std::iter::once(head).chain(built.binaries.iter().map(row)).collect();
        self.table(&rows);
    }

    /// The campaign begins.
    pub(crate) fn begin(&mut self, opening: Opening) {
        match &mut self.json {
            Some(json) => {
                json.begin(&opening);
                self.human.name(opening.labels);
            }
            None => self.human.begin(opening),
        }
    }

    /// From now on what is told of findings is kept as texts, too, in a folder for each test.
    pub(crate) fn keep_texts(&mut self, folders: Vec<PathBuf>, labels: Vec<Label>) {
        self.texts = Texts::new(folders, labels);
    }

    /// Tells one thing; `path` is where a finding's input stands.
    pub(crate) fn show(&mut self, notice: &Notice, path: Option<&Path>) {
        self.tell(notice, path);
        if let Err(error) = self.texts.note(notice, path) {
            self.warn(&show::error(&error));
        }
    }

    fn tell(&mut self, notice: &Notice, path: Option<&Path>) {
        let Some(json) = &mut self.json else { return self.human.show(notice, path) };
        json.show(notice, path);
        // Who reads the events may not read these, so they stand in a log, too.
        if matches!(notice, Notice::Warning { .. } | Notice::Broken { .. }) {
            self.human.show(notice, path);
        }
    }

    /// Something that the user should know, outside of the campaign; a lowercase fragment.
    pub(crate) fn warn(&mut self, text: &str) {
        if let Some(json) = &mut self.json {
            json.warn(text);
        }
        self.human.warn(text);
    }

    /// A table with a head, as data: on stdout, in columns.
    pub(crate) fn table(&mut self, rows: &[[String; N_COLUMNS]]) {
        let escaped = |row: &[String; N_COLUMNS]| row.each_ref().map(|cell| show::line(cell));
        let rows: Vec<_> = rows.iter().map(escaped).collect();
        let width = |i: usize| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0);
        let widths: [usize; N_COLUMNS] = std::array::from_fn(width);
        let mut out = anstream::stdout().lock();
        for row in &rows {
            let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
            let line = cells.collect::<Vec<_>>().join("  ");
            // Who closes the pipe has read enough.
            let _ = writeln!(out, "{}", line.trim_end());
        }
    }

    /// Objects, as data: on stdout, one a line.
    pub(crate) fn lines(&mut self, objects: &[impl Serialize]) {
        let mut out = std::io::stdout().lock();
        for object in objects {
            let _ = out.write_all(json::line(object).as_bytes());
        }
    }

    /// The command ends with this code. Closes the stream of events, if nobody has.
    pub(crate) fn end(&mut self, code: ExitCode) {
        if let Some(json) = &mut self.json {
            json.end(code);
        }
    }
}

/// The label of a test; the engine knows no test that the campaign does not have.
fn label(labels: &[Label], test: TestIdx) -> &Label {
    &labels[test.0]
}

#[cfg(test)]
mod tests;
