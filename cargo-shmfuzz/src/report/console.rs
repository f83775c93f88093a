//! Lines on stderr in cargo's form, and live lines on a terminal.
//!
//! Owns the form of a line and what is redrawn; callers own what is said. Escape sequences are
//! written for colour only, and only where `anstream` finds them welcome (`NO_COLOR` and pipes are
//! respected).

use anstyle::{AnsiColor, Style};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::fmt;
use std::io::{IsTerminal, Write};

/// Of something that goes well.
const GOOD: Style = AnsiColor::BrightGreen.on_default().bold();
/// Of a failure.
const BAD: Style = AnsiColor::BrightRed.on_default().bold();
/// Of what needs a look.
const NOTABLE: Style = AnsiColor::BrightYellow.on_default().bold();

/// How a status word is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// All goes well.
    Good,
    /// A failure.
    Bad,
    /// Needs a look.
    Notable,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Good => GOOD,
            Self::Bad => BAD,
            Self::Notable => NOTABLE,
        }
    }
}

/// Where lines go.
pub(crate) struct Console {
    out: Box<dyn Write + Send>,
    /// Present on a terminal.
    live: Option<Live>,
}

struct Live {
    bars: MultiProgress,
    style: ProgressStyle,
    /// By test; made when the test is first heard of.
    by_test: Vec<Option<ProgressBar>>,
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console").field("live", &self.live.is_some()).finish_non_exhaustive()
    }
}

impl Console {
    /// Lines only.
    pub(crate) fn plain(out: Box<dyn Write + Send>) -> Self {
        Self { out, live: None }
    }

    /// Stderr, with live lines if it is a terminal.
    pub(crate) fn live() -> Self {
        let live = std::io::stderr().is_terminal().then(|| Live {
            bars: MultiProgress::new(),
            style: bar_style(),
            by_test: Vec::new(),
        });
        Self { out: Box::new(anstream::stderr()), live }
    }

    /// Whether lines can be redrawn.
    pub(crate) fn is_live(&self) -> bool {
        self.live.is_some()
    }

    /// A status word, right-aligned as cargo's, and what it says.
    pub(crate) fn status(&mut self, tone: Tone, word: &str, text: &str) {
        let style = tone.style();
        self.line(&format!("{style}{word:>12}{style:#} {text}"));
    }

    /// A line that belongs to the status above it.
    pub(crate) fn detail(&mut self, text: &str) {
        self.line(format!("{:12} {text}", "").trim_end());
    }

    /// A warning.
    pub(crate) fn warn(&mut self, text: &str) {
        self.line(&format!("{NOTABLE}warning{NOTABLE:#}: {text}"));
    }

    /// An error.
    pub(crate) fn error(&mut self, text: &str) {
        self.line(&format!("{BAD}error{BAD:#}: {text}"));
    }

    /// Redraws a test's line, on a terminal.
    pub(crate) fn redraw(&mut self, test: usize, text: String) {
        let Some(live) = &mut self.live else { return };
        if live.by_test.len() <= test {
            live.by_test.resize_with(test + 1, || None);
        }
        let bar = live.by_test[test].get_or_insert_with(|| {
            let bar = ProgressBar::new_spinner().with_style(live.style.clone());
            live.bars.add(bar.with_prefix("Fuzzing"))
        });
        bar.set_message(text);
        bar.tick();
    }

    /// Takes the live lines away.
    pub(crate) fn clear(&mut self) {
        if let Some(live) = &mut self.live {
            live.by_test.drain(..).flatten().for_each(|bar| bar.finish_and_clear());
        }
    }

    fn line(&mut self, text: &str) {
        let out = &mut self.out;
        // Nobody is left to be told that stderr is gone.
        let mut write = || drop(writeln!(out, "{text}").and_then(|()| out.flush()));
        match &self.live {
            Some(live) => live.bars.suspend(write),
            None => write(),
        }
    }
}

fn bar_style() -> ProgressStyle {
    let colour = anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    let word = if colour { "{prefix:>12.green.bold}" } else { "{prefix:>12}" };
    let style = ProgressStyle::with_template(&format!("{word} {{wide_msg}}"));
    style.expect("the template is well-formed")
}
