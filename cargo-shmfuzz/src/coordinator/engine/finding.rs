//! The findings of a campaign, and where each stands in its life: found and saved, confirmed,
//! minimized, checked in the plain build, settled.

use super::leak::Hunt;
use super::minimization::Minimization;
use super::sequence::Sequence;
use crate::coordinator::action::Shelf;
use crate::coordinator::campaign::{FindingId, WorkerId};
use crate::coordinator::notice::{Finding, Limit};
use shmfuzz_runtime::journal::Life;
use std::ops::{Index, IndexMut};
use std::sync::Arc;
use std::time::Duration;

/// What is to be done about a finding next.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    /// Run it again in a fresh worker.
    Confirm {
        /// In how many fresh workers it was run.
        runs: u32,
        /// In how many of them it failed.
        failures: u32,
        /// How many workers were lost over it.
        losses: u32,
    },
    /// It passes alone, after memory ran out: look for the input that leaks.
    Hunt(Box<Hunt>),
    /// Nothing, until a worker with a journal meets it again.
    Await {
        /// What its fuzz test had spent on fuzzing when the wait began.
        since: Duration,
    },
    /// Find out which inputs before it it needs.
    Sequence(Box<Sequence>),
    /// Make it smaller.
    Minimize(Minimization),
    /// Run the smaller input again, since the message shown must belong to what is written.
    Verify {
        /// The minimization that has come to it.
        minimization: Minimization,
        /// How often it was run, or its worker was lost.
        tries: u32,
        /// What ended the minimization.
        limit: Limit,
    },
    /// Nothing more that needs a worker; it was not run in the plain build.
    Checkable,
    /// It is being run in the plain build.
    Checking,
    /// Nothing.
    Settled,
}

/// A finding and what the engine knows of it.
#[derive(Debug)]
pub(super) struct Found {
    /// As it is shown.
    pub(super) finding: Finding,
    /// What is next.
    pub(super) stage: Stage,
    /// Where its file is.
    pub(super) shelf: Shelf,
    /// Whether the user was told.
    pub(super) is_shown: bool,
    /// Whether it turned out to be what a committed seed does, and counts as no finding.
    pub(super) is_withdrawn: bool,
    /// All that the worker had run that found it, until it is known whether that matters.
    pub(super) life: Option<Arc<Life>>,
    /// The worker that serves it.
    pub(super) worker: Option<WorkerId>,
    /// Its virtual time.
    pub(super) used: Duration,
}

impl Found {
    /// Whether it waits for a short job that goes before all others.
    pub(super) fn is_urgent(&self) -> bool {
        matches!(self.stage, Stage::Confirm { .. } | Stage::Verify { .. })
    }

    /// Whether it is not known yet to fail again.
    pub(super) fn is_confirming(&self) -> bool {
        matches!(self.stage, Stage::Confirm { .. })
    }

    /// Whether it was, or is to be, made smaller, so that a smaller input may get lost.
    pub(super) fn is_shrinking(&self) -> bool {
        matches!(self.stage, Stage::Minimize(_) | Stage::Verify { .. })
    }

    /// Begins what is being measured from the start.
    pub(super) fn begin_measurement(&mut self) {
        match &mut self.stage {
            Stage::Hunt(hunt) => hunt.begin(),
            Stage::Minimize(minimization) | Stage::Verify { minimization, .. } => {
                minimization.begin_measurement();
            }
            _ => {}
        }
    }

    /// Whether it is made smaller, and what counts is how memory grows.
    pub(super) fn is_measured(&self) -> bool {
        match &self.stage {
            Stage::Minimize(minimization) | Stage::Verify { minimization, .. } => {
                minimization.is_measured()
            }
            _ => false,
        }
    }

    /// How long a call of its minimization may take, if there is one.
    pub(super) fn try_limit(&self) -> Option<Duration> {
        match &self.stage {
            Stage::Minimize(minimization) => Some(minimization.limit),
            _ => None,
        }
    }

    /// Which stream of the system's randomness its next worker is to have.
    pub(super) fn stream(&self) -> u64 {
        match &self.stage {
            Stage::Sequence(search) => search.stream(),
            _ => 0,
        }
    }

    /// Whether it needs a worker.
    pub(super) fn is_open(&self) -> bool {
        let is_long =
            matches!(self.stage, Stage::Hunt(_) | Stage::Minimize(_) | Stage::Sequence(_));
        self.is_urgent() || is_long
    }
}

/// All findings of a campaign, in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Found>);

impl Findings {
    /// The name of the next one.
    pub(super) fn next_id(&self) -> FindingId {
        FindingId(self.0.len() as u64)
    }

    /// Adds one, whose name was [`Findings::next_id`].
    pub(super) fn push(&mut self, found: Found) {
        debug_assert_eq!(found.finding.id, self.next_id());
        self.0.push(found);
    }

    /// The finding of this name, if the name is one: events may say anything.
    pub(super) fn get(&self, id: FindingId) -> Option<&Found> {
        self.0.get(usize::try_from(id.0).ok()?)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Found> {
        self.0.iter()
    }

    /// The names of those that are as asked.
    pub(super) fn ids(&self, are: impl Fn(&Found) -> bool) -> Vec<FindingId> {
        self.0.iter().filter(|f| are(f)).map(|f| f.finding.id).collect()
    }

    /// Whether there is none that counts.
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|found| found.is_withdrawn)
    }
}

impl Index<FindingId> for Findings {
    type Output = Found;

    fn index(&self, id: FindingId) -> &Found {
        &self.0[id.0 as usize]
    }
}

impl IndexMut<FindingId> for Findings {
    fn index_mut(&mut self, id: FindingId) -> &mut Found {
        &mut self.0[id.0 as usize]
    }
}
