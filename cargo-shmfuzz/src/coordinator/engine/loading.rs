//! Loading: what is on disk is run once, by one worker each, and what workers know of inputs goes
//! to the others.
//!
//! Invariant: until all of a fuzz test's inputs on disk were run, none of its workers mutates: it
//! would find again what others are loading.

use super::Engine;
use super::classify;
use super::mutant::Mutant;
use super::pool::{PoolInput, PoolOrigin, Reach};
use super::request::{JOB_MS, Parcel};
use super::stats;
use super::worker::{JobKind, Worker};
use crate::coordinator::action::{Freight, Known};
use crate::coordinator::campaign::{Bytes, TestIdx, WorkerId};
use crate::coordinator::event::Harvest;
use crate::coordinator::notice::Notice;
use shmfuzz_runtime::entries::{LARGEST_INBOX_INPUT, known_len};
use shmfuzz_runtime::layout::{INBOX_LEN, MAX_VALUE_LEN};
use shmfuzz_runtime::message::{JobEnd, Load, Loaded, Request, Source};

/// Inputs that one job is given at most and at least. What its time was too short for goes back,
/// so a batch must only be so small that all workers have some to the end.
const LARGEST_BATCH: usize = 4096;
const SMALLEST_BATCH: usize = 16;

impl Engine {
    /// Inputs on disk that nobody has run, smaller ones first.
    pub(super) fn try_out(&mut self, id: WorkerId) -> Option<Parcel> {
        let worker = self.workers.get_mut(&id)?;
        let idx = worker.test;
        let n_left = self.tests[idx.0].pool.n_untried();
        let share = (n_left / (2 * self.campaign.jobs.max(1))).max(SMALLEST_BATCH);
        let limit = share.min(LARGEST_BATCH).min(SMALLEST_BATCH + 2 * worker.n_last_run);
        let (mut batch, mut room, mut from, mut has_too_large) = (Vec::new(), INBOX_LEN, 0, false);
        let pool = &mut self.tests[idx.0].pool;
        let mut large = None;
        while let Some(tag) = pool.next_untried(from).filter(|_| batch.len() < limit) {
            from = tag + 1;
            let Some(bytes) = pool.get(tag).map(|input| input.bytes.clone()) else { break };
            if bytes.len() > MAX_VALUE_LEN {
                pool.drop(tag);
                has_too_large = true;
                continue;
            }
            let is_alone = worker.room.is_some() || bytes.len() > LARGEST_INBOX_INPUT;
            if is_alone && batch.is_empty() {
                worker.room = None;
                pool.claim(tag, id);
                large = Some(by_input_area(tag, bytes, JobKind::Load(vec![tag])));
                break;
            }
            let len = 16 + bytes.len().next_multiple_of(8);
            if len > room {
                break;
            }
            room -= len;
            pool.claim(tag, id);
            batch.push((tag as u64, bytes));
        }
        if has_too_large {
            let text = format!(
                "inputs of more than {MAX_VALUE_LEN} bytes are left out: they are too large to run"
            );
            self.warn_once(idx, "too large", text);
        }
        if large.is_none() && batch.is_empty() {
            return None;
        }
        self.tests[idx.0].loading_since.get_or_insert(self.now);
        large.or_else(|| {
            let tags = batch.iter().map(|(tag, _)| *tag as usize).collect();
            let load = Load { source: Source::Inbox, first: 0, budget_ms: JOB_MS };
            Some(Parcel {
                request: Request::Load(load),
                freight: Freight::Inbox(batch),
                kind: JobKind::Load(tags),
            })
        })
    }

    /// What other workers have in use and this one does not: all of it one job after the other
    /// when the worker is new, and later one job between two jobs of fuzzing.
    pub(super) fn feed(&mut self, id: WorkerId) -> Option<Parcel> {
        let worker = self.workers.get_mut(&id)?;
        let pool = &self.tests[worker.test.0].pool;
        let wanted = |worker: &Worker, at: usize| {
            let tag = pool.fed(at)?;
            Some((tag, pool.in_use(tag).filter(|input| is_wanted(worker, id, input))?))
        };
        while worker.cursor < pool.feed_len() && wanted(worker, worker.cursor).is_none() {
            worker.cursor += 1;
        }
        let is_done = worker.cursor >= pool.feed_len();
        if is_done || (worker.cursor >= worker.baseline_end && worker.has_loaded) {
            worker.has_loaded = false;
            return None;
        }
        worker.has_loaded = true;
        let (mut batch, mut places, mut room) = (Vec::new(), Vec::new(), INBOX_LEN);
        for at in worker.cursor..pool.feed_len() {
            let Some((tag, input)) = wanted(worker, at) else { continue };
            let input_len = input.bytes.len();
            match &input.reach {
                Reach::Known { features, work } if known_len(features.len(), input_len) <= room => {
                    room -= known_len(features.len(), input_len);
                    let (input, features) = (input.bytes.clone(), features.clone());
                    batch.push(Known { tag: tag as u64, input, features, work: *work });
                    places.push(at);
                }
                // What does not fit any inbox is run, as is what nobody knows the features of.
                _ if batch.is_empty() => {
                    let kind = JobKind::Feed { tags: vec![tag], places: vec![at] };
                    return Some(by_input_area(tag, input.bytes.clone(), kind));
                }
                _ => break,
            }
        }
        let tags = batch.iter().map(|known| known.tag as usize).collect();
        let load = Load { source: Source::Known, first: 0, budget_ms: JOB_MS };
        Some(Parcel {
            request: Request::Load(load),
            freight: Freight::Known(batch),
            kind: JobKind::Feed { tags, places },
        })
    }

    /// A job of loading is over.
    pub(super) fn loaded(
        &mut self,
        id: WorkerId,
        kind: &JobKind,
        loaded: &Loaded,
        mut harvest: Harvest,
    ) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let idx = worker.test;
        let tags = kind.tags();
        let Some(ran) = tags.get(..loaded.n_run) else {
            return self.reject(id, "it ran inputs that it was not given");
        };
        worker.n_last_run = loaded.n_run;
        if let JobKind::Feed { places, .. } = kind {
            worker.cursor = after(places, loaded.n_run, worker.cursor);
        }
        if !self.is_mutated(Mutant::LoadAgain) {
            for tag in ran {
                self.tests[idx.0].pool.ran(*tag, id);
            }
        }
        self.count_load(id, loaded);
        match loaded.end {
            JobEnd::Failed => {
                let failure = classify::words(&harvest);
                match ran.last() {
                    Some(tag) => self.input_failed(idx, *tag, failure, harvest.input.take()),
                    None => self.failure_found(idx, failure, harvest.take_culprit()),
                }
            }
            JobEnd::LargeEntry => self.take_large(id, &mut harvest),
            JobEnd::NeedsCapacity { bytes } => self.make_room(id, bytes),
            _ => {}
        }
        if self.stalled(id, loaded.n_run as u64) {
            let Some(worker) = self.workers.get_mut(&id) else { return };
            match kind {
                JobKind::Feed { places, .. } => worker.cursor = after(places, 1, worker.cursor),
                _ => tags.iter().take(1).for_each(|tag| self.tests[idx.0].pool.ran(*tag, id)),
            }
        }
    }

    /// A worker that had these inputs to run is gone, or has no more to say about them. Those
    /// before the one that it was running were run.
    pub(super) fn take_back(&mut self, id: WorkerId, idx: TestIdx, kind: &JobKind, h: &Harvest) {
        let JobKind::Load(tags) = kind else { return };
        let last = self.at_fault(idx, tags, h);
        let pool = &mut self.tests[idx.0].pool;
        let n_ran = last.and_then(|last| tags.iter().position(|tag| *tag == last)).unwrap_or(0);
        for tag in &tags[..n_ran] {
            pool.ran(*tag, id);
        }
        pool.release(tags, id);
    }

    /// Sorts out the inputs of fuzz tests that were all run.
    pub(super) fn settle_pools(&mut self) {
        for (i, test) in self.tests.iter_mut().enumerate() {
            if !test.pool.settle() {
                continue;
            }
            // Its workers are given all of it before they fuzz, as new ones are.
            let end = test.pool.feed_len();
            let fuzzers = self.workers.values_mut().filter(|w| w.is_fuzzer());
            for worker in fuzzers.filter(|w| w.test == TestIdx(i)) {
                worker.baseline_end = end;
            }
        }
    }

    /// Says how far loading is: a few times a second, and when it is done.
    pub(super) fn show_loading(&mut self) {
        if !self.gives_jobs() {
            return;
        }
        for i in 0..self.tests.len() {
            let state = &mut self.tests[i];
            // Nobody loads them any more.
            if state.is_over() || self.stop.is_some() {
                continue;
            }
            let Some(since) = state.loading_since.filter(|_| !state.is_loaded) else { continue };
            let is_done = state.pool.is_settled();
            let last = state.loading_told.map_or(since, |(at, _)| at);
            if !is_done && self.now.saturating_sub(last) < stats::INTERVAL {
                continue;
            }
            let trial = state.pool.trial();
            let is_news = state.loading_told.is_none_or(|(_, told)| told != trial);
            (state.loading_told, state.is_loaded) = (Some((self.now, trial)), is_done);
            if !is_news && !is_done {
                continue;
            }
            let elapsed = self.now.saturating_sub(since);
            self.show(Notice::Loading { test: TestIdx(i), trial, elapsed, is_done });
        }
    }
}

/// Whether a worker does not have this input of its own accord.
fn is_wanted(worker: &Worker, id: WorkerId, input: &PoolInput) -> bool {
    match &input.origin {
        PoolOrigin::Attribute(seed) => *seed < worker.first_seed,
        PoolOrigin::Found(_) | PoolOrigin::Seed(_) | PoolOrigin::Cache => input.owner != Some(id),
    }
}

fn by_input_area(tag: usize, bytes: Bytes, kind: JobKind) -> Parcel {
    let source = Source::InputArea { tag: tag as u64 };
    let load = Load { source, first: 0, budget_ms: JOB_MS };
    Parcel { request: Request::Load(load), freight: Freight::Input(bytes), kind }
}

/// The place behind the first `n` of `places`.
fn after(places: &[usize], n: usize, cursor: usize) -> usize {
    match (places.get(n), places.last()) {
        (Some(next), _) => *next,
        (None, Some(last)) => last + 1,
        (None, None) => cursor,
    }
}
