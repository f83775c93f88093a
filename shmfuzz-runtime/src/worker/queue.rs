//! The queue: every input worth mutating, with what is known about it. Pure: no I/O, no clock.
//!
//! Invariant: an entry's number is its index, and entries are never removed, so that the log, the
//! header and the coordinator can name them by number.

use super::solve::Edit;
use crate::entries::Origin;
use std::rc::Rc;

/// An input that reached something new, and what is known about it.
#[derive(Debug)]
pub(super) struct Entry {
    /// Shared, so that a pick can hold it while the queue grows.
    pub(super) input: Rc<[u8]>,
    /// What it was the first to reach in this worker.
    pub(super) features: Rc<[u32]>,
    /// Whether one of them is a counter that was never above 0 before, and not just another bucket.
    pub(super) has_new_edge: bool,
    /// Sum of the counters of one execution.
    pub(super) work: u64,
    /// What one execution took, in nanoseconds; 0 where no clock is read.
    pub(super) nanos: u64,
    pub(super) parent: Option<u64>,
    pub(super) origin: Origin,
    /// Whether it was run a second time.
    pub(super) is_examined: bool,
    /// Whether its features came back then.
    pub(super) is_stable: bool,
    /// Whether its edits need not be tried one by one.
    pub(super) is_worked_on: bool,
    /// Edits that its comparisons suggest, once it was traced.
    pub(super) edits: Option<Rc<[Edit]>>,
    /// Whether they were given up for those of others.
    pub(super) has_lost_edits: bool,
    /// How many of them were tried alone.
    pub(super) n_edits_tried: usize,
    /// Whether chains of edits were searched for.
    pub(super) is_chased: bool,
}

impl Entry {
    pub(super) fn new(input: &[u8], features: &[u32], origin: Origin) -> Self {
        Self {
            input: input.into(),
            features: features.into(),
            has_new_edge: false,
            work: 0,
            nanos: 0,
            parent: None,
            origin,
            is_examined: false,
            is_stable: false,
            is_worked_on: false,
            edits: None,
            has_lost_edits: false,
            n_edits_tried: 0,
            is_chased: false,
        }
    }
}

/// All entries of one worker.
#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: Vec<Entry>,
}

impl Queue {
    /// Adds an entry; -> its number.
    pub(super) fn push(&mut self, entry: Entry) -> usize {
        self.entries.push(entry);
        self.entries.len() - 1
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// # Panics
    /// If there is no entry of this number; so does [`Queue::get_mut`].
    pub(super) fn get(&self, idx: usize) -> &Entry {
        &self.entries[idx]
    }

    pub(super) fn get_mut(&mut self, idx: usize) -> &mut Entry {
        &mut self.entries[idx]
    }
}
