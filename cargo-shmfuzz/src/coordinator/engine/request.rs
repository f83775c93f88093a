//! What a worker is asked next: settings, then the attribute's seeds, then the corpus (see
//! `loading`), then to fuzz, with what others find delivered between jobs.

use super::Engine;
use super::classify;
use super::mutant::Mutant;
use super::random;
use super::worker::{Job, JobKind, Role, State};
use crate::coordinator::action::{Action, Freight};
use crate::coordinator::campaign::{TestIdx, WorkerId};
use crate::coordinator::event::Cause;
use crate::coordinator::notice::Notice;
use shmfuzz_runtime::message::{Fuzz, Load, Request, Setup, Source};
use std::time::Duration;

/// How long a job is.
pub(super) const JOB: Duration = Duration::from_millis(100);
/// The same in milliseconds.
pub(super) const JOB_MS: u64 = JOB.as_millis() as u64;
/// How long a worker may take for anything but calls of the fuzz test.
pub(super) const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Calls that may be slow, one after the other, before a job sees that its budget is used up: a
/// pick, its second runs, its traces. The driver ends a single call; this is the net below it.
const SLOW_CALLS: u32 = 4;

/// A request on its way.
pub(super) struct Parcel {
    /// What is asked.
    pub(super) request: Request,
    /// What goes along.
    pub(super) freight: Freight,
    /// What it is to the engine.
    pub(super) kind: JobKind,
}

impl Engine {
    /// Gives an idle fuzzer its next request, if there is one for it.
    pub(super) fn ask(&mut self, id: WorkerId) {
        if self.retire(id) {
            return;
        }
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let idx = worker.test;
        // Another worker may have met a seed that ends the process meanwhile.
        let first_seed = self.tests[idx.0].first_seed;
        if worker.next_seed < first_seed {
            (worker.first_seed, worker.next_seed) = (first_seed, first_seed);
        }
        if worker.is_set_up
            && worker.n_jobs == 1
            && let Some(parcel) = self.recall(idx)
        {
            return self.send(id, parcel);
        }
        if self.workers[&id].is_set_up && self.tests[idx.0].n_recalling > 0 {
            // What it would meet may be known in a moment.
            return;
        }
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let parcel = if !worker.is_set_up {
            worker.n_silent = self.tests[idx.0].silence.buckets().len();
            self.setup(id)
        } else if worker.next_seed < self.tests[idx.0].n_seeds {
            self.attribute(id)
        } else if let Some(parcel) = self.run_slow(idx) {
            parcel
        } else {
            match self.try_out(id) {
                Some(load) => load,
                // Others run the last inputs: what they reach is not to be found again.
                None if self.tests[idx.0].pool.is_waiting() => return,
                None => match self.feed(id) {
                    Some(load) => load,
                    None if self.tests[idx.0].budget.has_left() => self.fuzz_job(id),
                    None => return,
                },
            }
        };
        self.send(id, parcel);
    }

    /// Sends a request to an idle worker.
    pub(super) fn send(&mut self, id: WorkerId, parcel: Parcel) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let idx = worker.test;
        let timeout = match (worker.role, &parcel.kind) {
            (Role::Chore(id), JobKind::Minimize | JobKind::Try) => self.findings[id].try_limit(),
            _ => None,
        };
        let timeout = timeout.unwrap_or(self.campaign.tests[idx.0].timeout);
        let Parcel { request, freight, kind } = parcel;
        let longest = match kind {
            // As many calls as were made in a life.
            JobKind::Sequence(_) | JobKind::Recall(_) => self.campaign.sequence_time,
            _ => Duration::ZERO,
        };
        let until = self.now + ANSWER_LIMIT + longest + timeout.saturating_mul(SLOW_CALLS);
        worker.n_jobs += 1;
        self.n_sent += 1;
        worker.last_used = self.n_sent;
        let random = random::of_job(self.campaign.seed, idx.0, worker.ordinal, worker.n_jobs);
        worker.state = State::Busy(Job { kind, since: self.now, until, interrupted: None });
        let random = (!matches!(request, Request::Setup(_))).then_some(random);
        self.act(Action::Send { worker: id, request, freight, random, timeout });
    }

    /// Settings. A worker that serves a finding must see that finding's failure.
    pub(super) fn setup(&self, id: WorkerId) -> Parcel {
        let worker = &self.workers[&id];
        let (idx, role, heeds) = (worker.test, worker.role, worker.heeds.clone());
        let (test, state) = (&self.campaign.tests[idx.0], &self.tests[idx.0]);
        let (own, tokens) = match role {
            Role::Fuzzer => (heeds, &test.tokens[..]),
            Role::Chore(id) => ([self.findings[id].finding.failure.bucket].into(), &[][..]),
        };
        let by_work = self.campaign.by_work;
        let stream = match role {
            Role::Fuzzer => 0,
            Role::Chore(id) => self.findings[id].stream(),
        };
        let seed = self.campaign.seed.wrapping_add(stream);
        let setup = Setup {
            max_len: test.max_len.max(1),
            silent: state.silence.all_but(&own),
            data_limit: match test.rss_limit {
                0 => 0,
                limit => limit.saturating_add(limit / 4).saturating_add(worker.spare),
            },
            random: by_work.then(|| random::of_system(seed, idx.0)),
            by_work,
            is_guarded: state.is_guarded,
            n_tokens: tokens.len(),
        };
        let freight = match tokens {
            [] => Freight::None,
            tokens => Freight::Inbox((0..).zip(tokens.iter().cloned()).collect()),
        };
        Parcel { request: Request::Setup(setup), freight, kind: JobKind::Setup }
    }

    fn attribute(&mut self, id: WorkerId) -> Parcel {
        let worker = self.workers.get_mut(&id).expect("the caller has seen it");
        let first = worker.next_seed;
        let freight = worker.room.take().map_or(Freight::None, Freight::Room);
        let load = Load { source: Source::Attribute, first: first as usize, budget_ms: JOB_MS };
        Parcel { request: Request::Load(load), freight, kind: JobKind::Attribute { first } }
    }

    fn fuzz_job(&mut self, id: WorkerId) -> Parcel {
        let left = self.time_left();
        let worker = self.workers.get_mut(&id).expect("the caller has seen it");
        let state = &mut self.tests[worker.test.0];
        let granted = state.budget.grant(self.campaign.jobs);
        let silent = state.silence.buckets().get(worker.n_silent..).unwrap_or_default().to_vec();
        worker.n_silent = state.silence.buckets().len();
        let freight = worker.room.take().map_or(Freight::None, Freight::Room);
        let budget_ms = match left {
            // A deadline is read from the clock, which must not decide where work does.
            Some(left) if !self.campaign.by_work => {
                u64::try_from(left.as_millis()).unwrap_or(u64::MAX).clamp(1, JOB_MS)
            }
            _ => JOB_MS,
        };
        let request = Request::Fuzz(Fuzz { budget_ms, max_execs: granted, silent });
        Parcel { request, freight, kind: JobKind::Fuzz { granted } }
    }

    /// Ends a worker's process.
    pub(super) fn kill(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let job = match std::mem::replace(&mut worker.state, State::Idle) {
            State::Busy(job) => Some(job),
            State::Starting { .. } | State::Idle => None,
            dying @ State::Dying { .. } => {
                worker.state = dying;
                return;
            }
        };
        worker.state = State::Dying { since: self.now, job };
        if let Role::Chore(finding) = worker.role {
            self.findings[finding].worker = None;
        }
        self.act(Action::Kill { worker: id });
    }

    /// Ends a worker that does not keep to the protocol.
    pub(super) fn reject(&mut self, id: WorkerId, what: &str) {
        let Some(idx) = self.workers.get(&id).map(|w| w.test) else { return };
        let how = classify::describe(&Cause::BrokeProtocol(what.to_owned()));
        self.warn_once(idx, "protocol", worker_did(&how));
        self.replace(id, &how);
    }

    /// Ends a worker that is of no use; another takes its place.
    pub(super) fn replace(&mut self, id: WorkerId, how: &str) {
        let Some(worker) = self.workers.get(&id) else { return };
        let (idx, role) = (worker.test, worker.role);
        self.kill(id);
        match role {
            Role::Fuzzer => {
                self.back_off(idx);
                self.lost_for_nothing(idx, how, "");
            }
            Role::Chore(finding) => self.chore_lost(finding),
        }
    }

    /// A worker was lost that had brought nothing. Many of them in a row are a broken harness.
    pub(super) fn lost_for_nothing(&mut self, idx: TestIdx, how: &str, output: &str) {
        /// How many workers are tried, one after the other.
        const TRIES: u32 = 16;
        let state = &mut self.tests[idx.0];
        state.fruitless += 1;
        if state.fruitless >= TRIES {
            let why = format!("{TRIES} workers in a row came to nothing: the last one {how}");
            self.break_test(idx, why, output.to_owned());
        }
    }

    /// Gives a fuzz test up.
    pub(super) fn break_test(&mut self, idx: TestIdx, why: String, output: String) {
        let state = &mut self.tests[idx.0];
        if std::mem::replace(&mut state.is_broken, true) {
            return;
        }
        self.show(Notice::Broken { test: idx, why, output });
        for finding in self.findings.ids(|f| f.finding.test == idx && f.is_open()) {
            self.give_up(finding);
        }
        let mine = self.workers.iter().filter(|(_, w)| w.test == idx).map(|(id, _)| *id);
        for id in mine.collect::<Vec<_>>() {
            self.kill(id);
        }
    }

    /// Whether a dropped input must still be given out: never, but in the mutant.
    pub(super) fn drop_input(&mut self, idx: TestIdx, tag: usize) {
        if !self.is_mutated(Mutant::RunFatalSeedAgain) {
            self.tests[idx.0].pool.drop(tag);
        }
    }
}

/// What a worker did, as a warning.
pub(super) fn worker_did(what: &str) -> String {
    format!("a worker {what}; it was replaced")
}
