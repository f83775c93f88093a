//! What workers find becomes the corpus: their entries are compared with what all workers of the
//! fuzz test have reached, written if they reach something new, and queued for the others.

use super::Engine;
use super::mutant::Mutant;
use super::pool::{PoolOrigin, Reach};
use super::test::BUCKETS;
use crate::coordinator::action::Action;
use crate::coordinator::campaign::{Bytes, TestIdx, WorkerId};
use crate::coordinator::event::Harvest;
use crate::coordinator::notice::Notice;
use shmfuzz_runtime::entries::{EntryChange, LogEntry, Origin};
use std::collections::BTreeSet;

/// Whether what was read out of a mapping can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Integrity {
    /// Nothing contradicts it.
    Sound,
    /// The fuzz test wrote over it: the worker must be replaced.
    Damaged,
}

impl Engine {
    /// Takes the entries of a harvest in. Entries before a damaged place carry checksums and are
    /// kept; features that cannot exist make all entries of the harvest worthless.
    pub(super) fn absorb(&mut self, id: WorkerId, harvest: &mut Harvest) -> Integrity {
        let Some(worker) = self.workers.get(&id) else { return Integrity::Sound };
        let idx = worker.test;
        let entries = std::mem::take(&mut harvest.entries);
        let n_features = self.tests[idx.0].n_counters.unwrap_or(0) * u64::from(BUCKETS);
        let is_possible = |e: &LogEntry| e.features.iter().all(|f| u64::from(*f) < n_features);
        if !entries.iter().all(is_possible) {
            let what = "the fuzz test wrote over the log of entries: it names features that do \
                        not exist";
            self.guard(idx, what);
            return Integrity::Damaged;
        }
        let is_flicker = |e: &&LogEntry| e.change == EntryChange::Flickering;
        let flickers: BTreeSet<u64> = entries.iter().filter(is_flicker).map(|e| e.id).collect();
        for entry in entries {
            match entry.change {
                // Its worker does not use it, and what it has reached is no news to it any more.
                _ if flickers.contains(&entry.id) => {
                    self.tests[idx.0].features.add(&entry.features);
                }
                EntryChange::New => self.take_new(id, entry),
                EntryChange::Smaller => self.take_smaller(id, entry),
                EntryChange::Flickering => {}
            }
        }
        match harvest.damage.take() {
            None => Integrity::Sound,
            Some(damage) => {
                self.guard(idx, &damage);
                Integrity::Damaged
            }
        }
    }

    /// What a fuzz test writes over in one worker it finds read-only in the next, so that the call
    /// shows that does it.
    fn guard(&mut self, idx: TestIdx, damage: &str) {
        self.tests[idx.0].is_guarded = true;
        let text = "the next workers find the memory read-only, and run slower for it";
        self.warn_once(idx, "damage", format!("{damage}; {text}"));
    }

    fn take_new(&mut self, id: WorkerId, entry: LogEntry) {
        let is_mutated = self.is_mutated(Mutant::SaveStale);
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let idx = worker.test;
        let state = &mut self.tests[idx.0];
        let n_new = state.features.add(&entry.features);
        let reach = Reach::Known { features: entry.features.into(), work: entry.work };
        let tag = tag_of(entry.origin);
        if state.pool.get(tag).is_some_and(|input| *input.bytes == *entry.input) {
            state.pool.learn(tag, id, reach, n_new > 0);
            worker.entries.insert(entry.id, tag);
            return;
        }
        if (n_new == 0 && !is_mutated) || state.pool.holds(&entry.input) {
            return;
        }
        let input: Bytes = entry.input.into();
        let origin = match entry.origin {
            Origin::Attribute(seed) => PoolOrigin::Attribute(seed),
            // An inbox tag with other bytes than its input's is not believed, but nothing is lost.
            Origin::Mutation | Origin::Inbox(_) => PoolOrigin::Found(id),
        };
        let is_seed = matches!(origin, PoolOrigin::Attribute(_));
        let tag = state.pool.push(input.clone(), origin, id, reach);
        worker.entries.insert(entry.id, tag);
        if !is_seed {
            self.keep(id, input, n_new);
        }
    }

    /// Writes an entry, and says so.
    fn keep(&mut self, id: WorkerId, input: Bytes, new_features: usize) {
        let Some(test) = self.workers.get(&id).map(|w| w.test) else { return };
        self.tests[test.0].new_entries += 1;
        self.act(Action::SaveEntry { test, input: input.clone(), replaces: None });
        self.show(Notice::NewEntry { test, input, new_features });
    }

    /// A smaller input for an entry. Only the worker by which the entry's features are known can
    /// tell that the smaller one has all of them. Committed seeds are never replaced.
    fn take_smaller(&mut self, id: WorkerId, entry: LogEntry) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let test = worker.test;
        let state = &mut self.tests[test.0];
        state.features.add(&entry.features);
        let Some(tag) = worker.entries.get(&entry.id).copied() else { return };
        // What was left out stays on disk as it is.
        let Some(old) = state.pool.in_use(tag) else { return };
        let is_smaller = entry.input.len() < old.bytes.len();
        if old.owner != Some(id) || !is_smaller || state.pool.holds(&entry.input) {
            return;
        }
        let input: Bytes = entry.input.into();
        let reach = Reach::Known { features: entry.features.into(), work: entry.work };
        let replaces = match old.origin {
            PoolOrigin::Cache | PoolOrigin::Found(_) => {
                state.pool.shrink(tag, input.clone(), reach)
            }
            PoolOrigin::Seed(_) | PoolOrigin::Attribute(_) => {
                let tag = state.pool.push(input.clone(), PoolOrigin::Found(id), id, reach);
                worker.entries.insert(entry.id, tag);
                None
            }
        };
        self.act(Action::SaveEntry { test, input, replaces });
    }

    /// An entry that did not fit the log. Its features are not known, so it is kept unless the
    /// same bytes are there, and other workers must run it.
    pub(super) fn take_large(&mut self, id: WorkerId, harvest: &mut Harvest) {
        let Some(worker) = self.workers.get(&id) else { return };
        let pool = &mut self.tests[worker.test.0].pool;
        let Some(input) = harvest.input.take() else { return };
        if let Some(tag) = pool.tag_of(&input) {
            return pool.keep_unknown(tag, id);
        }
        let input: Bytes = input.into();
        pool.push(input.clone(), PoolOrigin::Found(id), id, Reach::Unknown);
        self.keep(id, input, 0);
    }
}

fn tag_of(origin: Origin) -> usize {
    match origin {
        Origin::Inbox(tag) => usize::try_from(tag).unwrap_or(usize::MAX),
        Origin::Mutation | Origin::Attribute(_) => usize::MAX,
    }
}
