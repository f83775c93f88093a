//! Whatever its history, the queue does what a `VecDeque` does.

use ring_queue::Ring;
use shmfuzz_runtime::fuzz_test;
use std::collections::VecDeque;

/// One step of a history.
#[derive(Clone, Copy, Debug)]
enum Op {
    PushBack(u16),
    PushFront(u16),
    PopFront,
    PopBack,
    Remove(usize),
}

/// An input is a list of pairs, and each pair a step.
impl From<(u8, u16)> for Op {
    fn from((kind, value): (u8, u16)) -> Self {
        match kind % 5 {
            0 => Self::PushBack(value),
            1 => Self::PushFront(value),
            2 => Self::PopFront,
            3 => Self::PopBack,
            _ => Self::Remove(usize::from(value)),
        }
    }
}

#[fuzz_test(seeds = [vec![(0, 1), (0, 2), (2, 0)], vec![(1, 7), (4, 0)]])]
fn does_what_a_vec_deque_does(ops: Vec<(u8, u16)>) {
    let (mut ring, mut model) = (Ring::new(), VecDeque::new());
    for op in ops.into_iter().map(Op::from) {
        match op {
            Op::PushBack(element) => {
                ring.push_back(element);
                model.push_back(element);
            }
            Op::PushFront(element) => {
                ring.push_front(element);
                model.push_front(element);
            }
            Op::PopFront => assert_eq!(ring.pop_front(), model.pop_front(), "at {op:?}"),
            Op::PopBack => assert_eq!(ring.pop_back(), model.pop_back(), "at {op:?}"),
            Op::Remove(index) => {
                assert_eq!(ring.remove(index), model.remove(index), "at {op:?}");
            }
        }
        assert_eq!(ring.len(), model.len(), "after {op:?}");
    }
    // Once, and not after each step: then a history twice as long would take four times the time.
    let elements = (0..ring.len()).filter_map(|index| ring.get(index));
    assert_eq!(elements.collect::<Vec<_>>(), model.iter().collect::<Vec<_>>(), "in the end");
}

// The mistake: where the elements behind a gap go around, the one in the first slot has to move into
// the last slot. Both parts are moved by one, but nothing goes from one to the other. What is missing
// in `Ring::remove`, after the two rotations, is
// `let end = self.slots.len() - 1; self.slots.swap(last, end);`.
