//! What a survey of a fuzz test is told as: a table of lines for people, events for programs.

use super::Report;
use super::console::Tone;
use crate::show;
use crate::source::Line;
use serde::Serialize;
use std::io::Write as _;

/// What a survey has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Steadiness {
    /// The fuzz test.
    pub(crate) test: String,
    /// Its package.
    pub(crate) package: String,
    /// Inputs that were run.
    pub(crate) n_inputs: usize,
    /// Inputs that were left out, because they fail or end the process.
    pub(crate) n_failing: usize,
    /// Inputs that there are.
    pub(crate) n_all: usize,
    /// Whether all of them were run, or left out.
    pub(crate) is_done: bool,
    /// How often each was run.
    pub(crate) times: u32,
    /// Edges reached, and those of them that flickered.
    pub(crate) checked: (u64, u64),
    /// Lines whose blocks flickered, with the inputs that made them: most first.
    pub(crate) lines: Vec<(Line, u32)>,
    /// Blocks that flickered and that no line is known of.
    pub(crate) n_unknown: usize,
}

#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    Flickering {
        test: &'a str,
        package: &'a str,
        file: &'a str,
        line: u32,
        inputs: u32,
    },
    Stability {
        test: &'a str,
        package: &'a str,
        inputs: usize,
        failing: usize,
        total: usize,
        is_done: bool,
        times: u32,
        edges: u64,
        edges_flickering: u64,
        stability: f64,
        lines: usize,
        blocks_without_line: usize,
    },
}

impl Steadiness {
    /// Part of the edges that come back.
    fn share(&self) -> f64 {
        let (checked, flickering) = self.checked;
        if checked == 0 { 1.0 } else { 1.0 - flickering as f64 / checked as f64 }
    }

    /// For programs.
    fn events(&self) -> Vec<Event<'_>> {
        let (test, package) = (&self.test[..], &self.package[..]);
        let flickering = self.lines.iter().map(|(line, inputs)| Event::Flickering {
            test,
            package,
            file: &line.file,
            line: line.line,
            inputs: *inputs,
        });
        let whole = Event::Stability {
            test,
            package,
            inputs: self.n_inputs,
            failing: self.n_failing,
            total: self.n_all,
            is_done: self.is_done,
            times: self.times,
            edges: self.checked.0,
            edges_flickering: self.checked.1,
            stability: self.share(),
            lines: self.lines.len(),
            blocks_without_line: self.n_unknown,
        };
        flickering.chain([whole]).collect()
    }

    /// For people: what it comes to.
    fn summary(&self) -> String {
        let left_out = match self.n_failing {
            0 => String::new(),
            n => format!(" ({n} that fail left out)"),
        };
        let inputs = match self.is_done {
            true => show::count(self.n_inputs, "input"),
            false => {
                format!(
                    "interrupted after {} of {}",
                    self.n_inputs,
                    show::count(self.n_all, "input")
                )
            }
        };
        format!(
            "{}: {inputs}{left_out}, {} times each: {:.1}% of {} edges come back each time",
            self.test,
            self.times,
            self.share() * 100.0,
            self.checked.0
        )
    }
}

impl Report {
    /// What a survey has found: lines on stdout.
    pub(crate) fn steadiness(&mut self, found: &Steadiness) {
        if self.json.is_some() {
            return self.lines(&found.events());
        }
        let tone = if found.is_done { Tone::Good } else { Tone::Notable };
        self.human.surveyed(tone, &found.summary());
        let mut out = anstream::stdout().lock();
        for (line, n_inputs) in &found.lines {
            let of = show::count(found.n_inputs, "input");
            let line = show::line(&line.to_string());
            // Who closes the pipe has read enough.
            let _ = writeln!(out, "{line}  flickers with {n_inputs} of {of}");
        }
        if found.n_unknown > 0 {
            let blocks = show::count(found.n_unknown, "block");
            let _ = writeln!(out, "{blocks} of which the debug information names no line");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::json;

    #[test]
    fn lines_and_the_whole_are_told_to_programs() {
        let found = Steadiness {
            test: "t".to_owned(),
            package: "p".to_owned(),
            n_inputs: 7,
            n_failing: 1,
            n_all: 8,
            is_done: true,
            times: 8,
            checked: (200, 10),
            lines: vec![(Line { file: "src/lib.rs".to_owned(), line: 3 }, 5)],
            n_unknown: 0,
        };
        let lines: String = found.events().iter().map(json::line).collect();
        snapbox::assert_data_eq!(
            lines,
            snapbox::str![[r#"
{"event":"flickering","test":"t","package":"p","file":"src/lib.rs","line":3,"inputs":5}
{"event":"stability","test":"t","package":"p","inputs":7,"failing":1,"total":8,"is_done":true,"times":8,"edges":200,"edges_flickering":10,"stability":0.95,"lines":1,"blocks_without_line":0}

"#]]
        );
        snapbox::assert_data_eq!(
            found.summary(),
            "t: 7 inputs (1 that fail left out), 8 times each: 95.0% of 200 edges come back each time"
        );
        let interrupted = Steadiness { n_all: 20, is_done: false, ..found };
        snapbox::assert_data_eq!(
            interrupted.summary(),
            "t: interrupted after 7 of 20 inputs (1 that fail left out), 8 times each: 95.0% of 200 edges come back each time"
        );
        assert!(
            json::line(interrupted.events().last().unwrap())
                .contains(r#""total":20,"is_done":false"#)
        );
    }
}
