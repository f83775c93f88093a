//! The invariants of a campaign, checked on what the engine was told and what it wants.

use super::super::silence::MESSAGES;
use super::draw::CROWD;
use crate::coordinator::action::{Action, Freight};
use crate::coordinator::campaign::{Bytes, FindingId, WorkerId};
use crate::coordinator::notice::Notice;
use shmfuzz_runtime::bucket::Bucket;
use shmfuzz_runtime::message::{Request, Source};
use shmfuzz_runtime::sequence::{from_file, is_sequence};
use std::collections::{BTreeMap, BTreeSet};

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Invariant {
    /// A worker has one request in flight at most, and none before it has said hello.
    OneRequest,
    /// Nothing is sent to a worker that is dead or was told to end.
    LivingOnly,
    /// A finding is written before it is shown.
    SavedBeforeShown,
    /// A failure is written as a finding once per bucket.
    OncePerBucket,
    /// Failures of one place are few findings, whatever they say.
    FewPerPlace,
    /// Exactly the entries that reach something new are written, and before they are announced.
    EntriesSaved,
    /// An interrupt ends the campaign in bounded time.
    InterruptEnds,
    /// The campaign's time ends it, in bounded time.
    DeadlineEnds,
    /// A budget of calls is used exactly.
    RunsExact,
    /// No more workers run than were asked for.
    JobsBound,
    /// The end is said once, and last.
    FinishLast,
    /// An input that ended a process while it was loaded is never loaded again.
    FatalOnce,
    /// An input that a worker has run is never given to be run again.
    LoadedOnce,
    /// What is a finding did fail, and is no committed seed.
    FindingsReal,
    /// No sequence of events makes the engine panic.
    NoPanic,
}

/// What a worker is doing, as the driver would know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    Starting,
    Idle,
    Busy,
    Killed,
    Dead,
}

/// What is known of a campaign from the outside.
#[derive(Debug, Default)]
pub(super) struct Check {
    pub(super) jobs: usize,
    pub(super) doing: BTreeMap<WorkerId, (usize, Doing)>,
    pub(super) is_finished: bool,
    /// Inputs that failed by test, with the class of failure; seeds are not among them.
    pub(super) failed: BTreeMap<(usize, Bytes), (u8, u8)>,
    /// Inputs and seeds of the attribute that ended a process while they were loaded.
    pub(super) fatal: BTreeSet<(usize, Bytes)>,
    pub(super) fatal_seeds: BTreeSet<(usize, usize)>,
    /// Inputs that a worker has said it ran, while loading.
    pub(super) ran: BTreeSet<(usize, Bytes)>,
    /// Entries that must be written in this step.
    pub(super) due: BTreeSet<(usize, Bytes)>,
    written: BTreeSet<(usize, Bytes)>,
    findings: BTreeSet<FindingId>,
    classes: BTreeSet<(usize, (u8, u8))>,
    shown: BTreeSet<(usize, Bucket)>,
    pub(super) violation: Option<(Invariant, String)>,
}

impl Check {
    pub(super) fn of(jobs: usize) -> Self {
        Self { jobs, ..Self::default() }
    }

    pub(super) fn fail(&mut self, invariant: Invariant, what: impl Into<String>) {
        self.violation.get_or_insert((invariant, what.into()));
    }

    pub(super) fn require(&mut self, holds: bool, invariant: Invariant, what: &str) {
        if !holds {
            self.fail(invariant, what);
        }
    }

    /// Looks at one action.
    pub(super) fn action(&mut self, action: &Action) {
        self.require(
            !self.is_finished,
            Invariant::FinishLast,
            &format!("an action after the end: {action:?}"),
        );
        match action {
            Action::Spawn { worker, test, .. } => {
                let old = self.doing.insert(*worker, (test.0, Doing::Starting));
                self.require(old.is_none(), Invariant::LivingOnly, "a name was used twice");
            }
            Action::Send { worker, request, freight, .. } => self.send(*worker, request, freight),
            Action::Interrupt { worker } => {
                let is_busy = self.doing[worker].1 == Doing::Busy;
                self.require(is_busy, Invariant::LivingOnly, "one was interrupted without a job");
            }
            Action::Kill { worker } => {
                let doing = self.doing[worker].1;
                let is_alive = !matches!(doing, Doing::Killed | Doing::Dead);
                self.require(is_alive, Invariant::LivingOnly, "a dead worker was killed");
                self.set(*worker, Doing::Killed);
            }
            Action::SaveEntry { test, input, .. } => {
                self.due.remove(&(test.0, input.clone()));
                self.written.insert((test.0, input.clone()));
            }
            Action::SaveSlowest { .. } => {}
            Action::SaveFinding { finding, test, input, replaces, .. } => {
                self.finding(*finding, test.0, input, replaces.is_some());
            }
            Action::CheckPlain { finding, .. } => {
                let is_saved = self.findings.contains(finding);
                self.require(is_saved, Invariant::SavedBeforeShown, "an unsaved finding is run");
            }
            Action::Show(notice) => self.notice(notice),
            Action::Finish => self.is_finished = true,
        }
        let is_active = |doing: &&(usize, Doing)| matches!(doing.1, Doing::Starting | Doing::Busy);
        let n_active = self.doing.values().filter(is_active).count();
        self.require(n_active <= self.jobs, Invariant::JobsBound, "too many workers run");
    }

    /// Looks at what a step has left undone.
    pub(super) fn step_done(&mut self) {
        self.require(self.due.is_empty(), Invariant::EntriesSaved, "a new entry was not saved");
        self.due.clear();
    }

    pub(super) fn set(&mut self, worker: WorkerId, doing: Doing) {
        self.doing.entry(worker).or_insert((0, doing)).1 = doing;
    }

    fn send(&mut self, worker: WorkerId, request: &Request, freight: &Freight) {
        let (test, doing) = self.doing[&worker];
        match doing {
            Doing::Idle => {}
            Doing::Busy | Doing::Starting => {
                self.fail(Invariant::OneRequest, format!("{request:?} while {doing:?}"));
            }
            Doing::Killed | Doing::Dead => {
                self.fail(Invariant::LivingOnly, format!("{request:?} while {doing:?}"));
            }
        }
        self.set(worker, Doing::Busy);
        let Request::Load(load) = request else { return };
        let loaded: Vec<&Bytes> = match (load.source, freight) {
            (Source::Attribute, _) => {
                let again = self.fatal_seeds.range((test, load.first)..(test + 1, 0)).next();
                self.require(again.is_none(), Invariant::FatalOnce, "a fatal seed is run again");
                Vec::new()
            }
            (_, Freight::Inbox(inputs)) => inputs.iter().map(|(_, input)| input).collect(),
            (_, Freight::Input(input)) => vec![input],
            _ => Vec::new(),
        };
        let again = loaded.iter().any(|input| self.ran.contains(&(test, (*input).clone())));
        self.require(!again, Invariant::LoadedOnce, "an input is run again");
        let is_fatal = |input: &&Bytes| self.fatal.contains(&(test, (*input).clone()));
        let again = loaded.into_iter().any(|input| is_fatal(&input));
        self.require(!again, Invariant::FatalOnce, "a fatal input is run again");
    }

    fn finding(&mut self, id: FindingId, test: usize, input: &Bytes, is_smaller: bool) {
        // Of a sequence, the last input is the one that fails.
        let last = is_sequence(input).then(|| from_file(input).ok()?.pop()).flatten();
        let input = &last.map_or_else(|| input.clone(), Bytes::from);
        let class = self.failed.get(&(test, input.clone())).copied();
        self.require(class.is_some(), Invariant::FindingsReal, "what is saved never failed");
        if self.findings.insert(id) {
            self.require(!is_smaller, Invariant::SavedBeforeShown, "the first file is smaller");
            let is_new = class.is_none_or(|class| self.classes.insert((test, class)));
            self.require(is_new, Invariant::OncePerBucket, "a failure was saved twice");
            let crowd = (test, (b'P', CROWD))..=(test, (b'P', u8::MAX));
            let is_few = self.classes.range(crowd).count() <= MESSAGES;
            self.require(is_few, Invariant::FewPerPlace, "a place has too many findings");
        }
    }

    fn notice(&mut self, notice: &Notice) {
        match notice {
            Notice::Finding(finding) => {
                let is_saved = self.findings.contains(&finding.id);
                self.require(is_saved, Invariant::SavedBeforeShown, "shown before it was saved");
                let is_new = self.shown.insert((finding.test.0, finding.failure.bucket));
                self.require(is_new, Invariant::OncePerBucket, "a failure was shown twice");
            }
            Notice::NewEntry { test, input, new_features } => {
                let is_written = self.written.contains(&(test.0, input.clone()));
                let holds = is_written && *new_features > 0;
                self.require(holds, Invariant::EntriesSaved, "announced but not saved, or not new");
            }
            Notice::Finish { totals, .. } => {
                let n_shown = self.shown.len();
                let n_saved = self.findings.len();
                self.require(n_shown == n_saved, Invariant::SavedBeforeShown, "not all are shown");
                let n_found: usize = totals.iter().map(|(_, stats)| stats.findings).sum();
                self.require(n_found == n_saved, Invariant::FindingsReal, "the totals are wrong");
            }
            _ => {}
        }
    }
}
