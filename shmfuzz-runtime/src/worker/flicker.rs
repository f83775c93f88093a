//! What does not come back: counters that differ between runs of the same input.
//!
//! Pure. It owns which counters were looked at twice and which of them flickered, for the worker's
//! whole life; a counter that has flickered once counts as flickering for good. The share of the
//! others is what AFL++ calls stability.

/// Features of one run, sorted: counter index * 8 + bucket, one for each counter above 0.
pub(super) type Reached = Vec<u32>;

/// What was seen of counters in repeated runs.
#[derive(Debug, Default)]
pub(super) struct Flicker {
    /// By counter.
    marks: Vec<Mark>,
    n_checked: u64,
    n_flickering: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mark {
    #[default]
    Unseen,
    Steady,
    Flickering,
}

impl Flicker {
    /// These features were reached by an input that was run before.
    pub(super) fn check(&mut self, reached: &[u32]) {
        for feature in reached {
            self.mark(feature / 8, Mark::Steady);
        }
    }

    /// The counter of this feature was not the same in two runs of an input.
    pub(super) fn differs(&mut self, feature: u32) {
        self.mark(feature / 8, Mark::Flickering);
    }

    fn mark(&mut self, counter: u32, mark: Mark) {
        let at = counter as usize;
        if at >= self.marks.len() {
            self.marks.resize(at + 1, Mark::Unseen);
        }
        let old = self.marks[at];
        if old == Mark::Flickering || old == mark {
            return;
        }
        self.n_checked += u64::from(old == Mark::Unseen);
        self.n_flickering += u64::from(mark == Mark::Flickering);
        self.marks[at] = mark;
    }

    /// How many counters were looked at.
    pub(super) fn n_checked(&self) -> u64 {
        self.n_checked
    }

    /// How many of them have flickered.
    pub(super) fn n_flickering(&self) -> u64 {
        self.n_flickering
    }
}

/// Calls `differs` with the features of counters that are not the same in two runs.
pub(super) fn differences(a: &[u32], b: &[u32], mut differs: impl FnMut(u32)) {
    let (mut a, mut b) = (a.iter().peekable(), b.iter().peekable());
    loop {
        match (a.peek(), b.peek()) {
            (None, None) => return,
            (Some(x), Some(y)) if x == y => {
                a.next();
                b.next();
            }
            (Some(x), y) if y.is_none_or(|y| x < y) => {
                differs(**x);
                a.next();
            }
            (_, y) => {
                y.into_iter().for_each(|y| differs(**y));
                b.next();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_flickered_once_flickers_for_good() {
        let mut flicker = Flicker::default();
        flicker.check(&[0, 8, 17]);
        assert_eq!((flicker.n_checked(), flicker.n_flickering()), (3, 0));
        flicker.differs(9);
        flicker.differs(80);
        flicker.check(&[8, 80]);
        assert_eq!((flicker.n_checked(), flicker.n_flickering()), (4, 2));
    }

    #[test]
    fn differences_are_found_on_both_sides() {
        let found = |a: &[u32], b: &[u32]| {
            let mut found = Vec::new();
            differences(a, b, |feature| found.push(feature));
            found
        };
        assert_eq!(found(&[1, 9, 20], &[1, 9, 20]), [0; 0]);
        assert_eq!(found(&[1, 9], &[1, 10, 30]), [9, 10, 30]);
        assert_eq!(found(&[1, 9, 40, 50], &[9]), [1, 40, 50]);
        assert_eq!(found(&[], &[3]), [3]);
    }
}
