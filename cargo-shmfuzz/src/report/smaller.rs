//! What is told of a minimization that was asked for: its beginning, how the input fails, and what
//! it came to.

use super::{Opening, Report};
use crate::coordinator::notice::{Failure, Finding, Limit, Notice};
use std::path::Path;

/// What a minimization came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Smaller<'a> {
    /// With the smallest input.
    pub(crate) finding: &'a Finding,
    /// The size before, in bytes.
    pub(crate) before: usize,
    /// Why it is not smaller still.
    pub(crate) limit: Limit,
    /// Where it is.
    pub(crate) path: &'a Path,
}

impl Report {
    /// An input, as described, is to be made smaller.
    pub(crate) fn begin_minimizing(&mut self, opening: Opening, input: &str) {
        match &mut self.json {
            Some(json) => json.begin(&opening),
            None => self.human.minimizing(&format!("{}: {input}", opening.labels[0].name)),
        }
        self.human.name(opening.labels);
    }

    /// The first worker is ready: of interest to programs only, as here begins what takes time.
    pub(crate) fn start(&mut self, notice: &Notice) {
        if let Some(json) = &mut self.json {
            json.show(notice, None);
        }
    }

    /// How the input fails.
    pub(crate) fn fails(&mut self, failure: &Failure) {
        if self.json.is_none() {
            self.human.fails(failure);
        }
    }

    /// What it came to.
    pub(crate) fn smaller(&mut self, smaller: &Smaller<'_>) {
        let Smaller { finding, before, limit, path } = *smaller;
        match &mut self.json {
            Some(json) => {
                let finding = finding.clone();
                json.show(&Notice::Minimized { finding, before, limit }, Some(path));
            }
            None => self.human.smaller(smaller),
        }
    }
}
