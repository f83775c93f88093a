//! A queue of two ends in a ring of slots, **with a mistake left in on purpose**.
//!
//! The mistake is of a kind that is made in such code: it shows after a certain history only, which
//! nobody thought of who wrote the unit tests, and they pass. The fuzz test in `tests/fuzz.rs` runs
//! histories on the queue and on a [`VecDeque`](std::collections::VecDeque), which has to agree
//! with it at each step. It knows nothing of the mistake, starts from two short histories that pass, and finds the
//! history within seconds:
//!
//! ```console
//! $ cargo shmfuzz run -p ring-queue --time 30s --stop-on-crash
//! ```
//!
//! `cargo test -p ring-queue` passes, as it did for the one who made the mistake, until fuzzing has
//! written a history that fails into `testdata/fuzz/`. That file is text, one step in each inner pair of
//! brackets, and small: try to find the mistake with it, in [`Ring::remove`], before you read the
//! comment at the end of `tests/fuzz.rs`. With it mended, `cargo test` passes on that file as well.

/// A queue of two ends. Slots are reused from the front to the end and then around.
#[derive(Clone, Debug)]
pub struct Ring<T> {
    /// Those that are in use begin at `head`, and go on at the start behind the last one.
    slots: Vec<Option<T>>,
    head: usize,
    len: usize,
}

impl<T> Default for Ring<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), head: 0, len: 0 }
    }
}

impl<T> Ring<T> {
    /// An empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The element at an index from the front.
    pub fn get(&self, index: usize) -> Option<&T> {
        if index < self.len { self.slots[self.slot(index)].as_ref() } else { None }
    }

    /// Puts an element behind all others.
    ///
    /// ```
    /// let mut ring = ring_queue::Ring::new();
    /// ring.push_back('a');
    /// ring.push_back('b');
    /// assert_eq!(ring.pop_front(), Some('a'));
    /// ```
    pub fn push_back(&mut self, element: T) {
        self.make_room();
        let slot = self.slot(self.len);
        self.slots[slot] = Some(element);
        self.len += 1;
    }

    /// Puts an element before all others.
    pub fn push_front(&mut self, element: T) {
        self.make_room();
        self.head = self.head.checked_sub(1).unwrap_or(self.slots.len() - 1);
        self.slots[self.head] = Some(element);
        self.len += 1;
    }

    /// Takes the first element.
    pub fn pop_front(&mut self) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        let element = self.slots[self.head].take();
        self.head = (self.head + 1) % self.slots.len();
        self.len -= 1;
        element
    }

    /// Takes the last element.
    pub fn pop_back(&mut self) -> Option<T> {
        let slot = self.slot(self.len.checked_sub(1)?);
        self.len -= 1;
        self.slots[slot].take()
    }

    /// Takes the element at an index, and closes the gap with those behind it.
    pub fn remove(&mut self, index: usize) -> Option<T> {
        if index >= self.len {
            return None;
        }
        let (gap, last) = (self.slot(index), self.slot(self.len - 1));
        let element = self.slots[gap].take();
        if gap <= last {
            self.slots[gap..=last].rotate_left(1);
        } else {
            // They go around: those before the end of the slots, and those at their start.
            self.slots[gap..].rotate_left(1);
            self.slots[..=last].rotate_left(1);
        }
        self.len -= 1;
        element
    }

    /// Where the element at an index lies, or would lie.
    fn slot(&self, index: usize) -> usize {
        (self.head + index) % self.slots.len()
    }

    /// Doubles the slots if all are in use.
    fn make_room(&mut self) {
        let n_slots = self.slots.len();
        if self.len < n_slots {
            return;
        }
        self.slots.resize_with((n_slots * 2).max(4), || None);
        // What had gone around goes on behind the old end.
        for slot in 0..self.head {
            self.slots.swap(slot, n_slots + slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(elements: impl IntoIterator<Item = u32>) -> Ring<u32> {
        let mut ring = Ring::new();
        elements.into_iter().for_each(|element| ring.push_back(element));
        ring
    }

    fn elements(ring: &Ring<u32>) -> Vec<u32> {
        (0..ring.len()).filter_map(|index| ring.get(index).copied()).collect()
    }

    #[test]
    fn elements_stay_in_order_when_the_slots_grow() {
        let mut ring = ring(0..4);
        assert_eq!(ring.pop_front(), Some(0));
        (4..9).for_each(|element| ring.push_back(element));
        ring.push_front(0);
        assert_eq!(elements(&ring), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn any_element_can_be_removed() {
        for index in 0..4 {
            let mut ring = ring(0..4);
            assert_eq!(ring.remove(index), u32::try_from(index).ok());
            assert_eq!(ring.remove(3), None);
            let rest = (0..4).filter(|element| *element as usize != index);
            assert_eq!(elements(&ring), rest.collect::<Vec<_>>());
        }
    }

    #[test]
    fn both_ends_take_and_give() {
        let mut ring = Ring::new();
        ring.push_front(1);
        ring.push_back(2);
        assert_eq!((ring.pop_back(), ring.pop_back(), ring.pop_back()), (Some(2), Some(1), None));
        assert!(ring.is_empty());
    }
}
