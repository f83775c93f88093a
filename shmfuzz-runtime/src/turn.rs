//! Whose turn it is: the hand-over between coordinator and worker.
//!
//! The word has four states, so that a turn is taken at most once for each time it was given:
//! held by the coordinator, given to the worker, held by the worker, given to the coordinator.
//! Giving releases all that was written under the turn, taking acquires it. Messages on the
//! control channel tell *when* to look; only this word says that the areas may be touched, so a
//! worker that answers without giving its turn back is found out.

use std::sync::atomic::{AtomicU32, Ordering};

/// One of the two processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// `cargo shmfuzz`.
    Coordinator,
    /// The test binary.
    Worker,
}

impl Side {
    const fn held(self) -> u32 {
        match self {
            Self::Coordinator => 0,
            Self::Worker => 2,
        }
    }

    /// The state in which this side may take the turn.
    const fn given(self) -> u32 {
        match self {
            Self::Worker => 1,
            Self::Coordinator => 3,
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Coordinator => Self::Worker,
            Self::Worker => Self::Coordinator,
        }
    }
}

/// The right to touch the areas of one mapping. Made by the hand-over only, and neither `Clone`
/// nor `Copy`: giving it away consumes it, so no access outlives it.
#[derive(Debug)]
#[must_use = "a turn that is dropped can never be given back"]
pub struct Turn {
    side: Side,
}

impl Turn {
    /// Who holds it.
    pub fn side(&self) -> Side {
        self.side
    }
}

/// An atomic word that can carry the hand-over: the standard library's in a mapping, loom's in
/// its model.
pub trait TurnWord {
    /// Stores with release ordering.
    fn release(&self, value: u32);
    /// Replaces `from` by `to` with acquire ordering; false if the word is not `from`.
    fn acquire(&self, from: u32, to: u32) -> bool;
}

impl TurnWord for AtomicU32 {
    fn release(&self, value: u32) {
        self.store(value, Ordering::Release);
    }

    fn acquire(&self, from: u32, to: u32) -> bool {
        self.compare_exchange(from, to, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }
}

/// The coordinator's first turn, on a word that nobody else knows yet.
pub fn first(word: &impl TurnWord) -> Turn {
    word.release(Side::Coordinator.held());
    Turn { side: Side::Coordinator }
}

/// Gives the turn to the other side.
pub fn give(word: &impl TurnWord, turn: Turn) {
    word.release(turn.side.other().given());
}

/// Takes the turn if it was given to `side` and not yet taken.
pub fn take(word: &impl TurnWord, side: Side) -> Option<Turn> {
    word.acquire(side.given(), side.held()).then_some(Turn { side })
}

/// The coordinator's turn after the worker's process has ended and was waited for, which is what
/// orders the worker's last writes before this.
pub fn reclaim(word: &impl TurnWord) -> Turn {
    first(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;
    use loom::thread;

    impl TurnWord for loom::sync::atomic::AtomicU32 {
        fn release(&self, value: u32) {
            self.store(value, Ordering::Release);
        }

        fn acquire(&self, from: u32, to: u32) -> bool {
            self.compare_exchange(from, to, Ordering::Acquire, Ordering::Relaxed).is_ok()
        }
    }

    struct Model {
        word: loom::sync::atomic::AtomicU32,
        area: UnsafeCell<u32>,
    }

    // SAFETY: `area` is only touched with the turn, which is what the model checks.
    unsafe impl Sync for Model {}

    impl Model {
        fn new() -> Arc<Self> {
            Arc::new(Self { word: loom::sync::atomic::AtomicU32::new(0), area: UnsafeCell::new(0) })
        }

        fn add_one(&self, _turn: &mut Turn) -> u32 {
            self.area.with_mut(|area| {
                // SAFETY: the caller holds the turn; loom reports any overlapping access.
                unsafe {
                    *area += 1;
                }
                // SAFETY: as above.
                unsafe { *area }
            })
        }

        fn take_waiting(&self, side: Side) -> Turn {
            loop {
                match take(&self.word, side) {
                    Some(turn) => return turn,
                    None => thread::yield_now(),
                }
            }
        }
    }

    #[test]
    fn areas_are_never_touched_by_both_sides_at_once() {
        loom::model(|| {
            let model = Model::new();
            let mut turn = first(&model.word);
            let worker = thread::spawn({
                let model = Arc::clone(&model);
                move || {
                    let mut turn = model.take_waiting(Side::Worker);
                    assert_eq!(model.add_one(&mut turn), 2);
                    give(&model.word, turn);
                }
            });
            assert_eq!(model.add_one(&mut turn), 1);
            give(&model.word, turn);
            let mut turn = model.take_waiting(Side::Coordinator);
            assert_eq!(model.add_one(&mut turn), 3);
            worker.join().unwrap();
        });
    }

    #[test]
    fn one_gift_is_taken_once() {
        loom::model(|| {
            let model = Model::new();
            give(&model.word, first(&model.word));
            let rival = thread::spawn({
                let model = Arc::clone(&model);
                move || take(&model.word, Side::Worker).is_some()
            });
            let here = take(&model.word, Side::Worker).is_some();
            assert!(here ^ rival.join().unwrap());
            assert!(take(&model.word, Side::Coordinator).is_none());
        });
    }

    #[test]
    fn a_dead_workers_turn_comes_back() {
        loom::model(|| {
            let model = Model::new();
            give(&model.word, first(&model.word));
            let worker = thread::spawn({
                let model = Arc::clone(&model);
                move || {
                    let mut turn = model.take_waiting(Side::Worker);
                    model.add_one(&mut turn);
                }
            });
            worker.join().unwrap();
            let mut turn = reclaim(&model.word);
            assert_eq!(model.add_one(&mut turn), 2);
        });
    }
}
