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
    /// How often it was picked.
    pub(super) n_picks: u64,
    /// How many entries were mutated from it.
    pub(super) n_finds: u64,
    /// Edits that its comparisons suggest, once it was traced.
    pub(super) edits: Option<Rc<[Edit]>>,
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
            n_picks: 0,
            n_finds: 0,
            edits: None,
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
        if let Some(parent) = entry.parent.and_then(|id| self.entries.get_mut(id as usize)) {
            parent.n_finds += 1;
        }
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

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// What an entry reached does not come back: its parent gets no credit for it.
    pub(super) fn disown(&mut self, idx: usize) {
        let parent = self.entries[idx].parent;
        if let Some(parent) = parent.and_then(|id| self.entries.get_mut(id as usize)) {
            parent.n_finds = parent.n_finds.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_are_credited_to_the_parent() {
        let mut queue = Queue::default();
        let first = queue.push(Entry::new(b"a", &[1], Origin::Inbox(0)));
        let mut child = Entry::new(b"abc", &[2], Origin::Mutation);
        child.parent = Some(first as u64);
        let second = queue.push(child);
        assert_eq!((queue.get(first).n_finds, queue.get(second).n_finds), (1, 0));
        queue.disown(second);
        assert_eq!((queue.get(first).n_finds, queue.len()), (0, 2));
    }
}
