//! How long inputs may become: short at first, longer with every thousand calls.
//!
//! The idea, and the growth by a few bytes at a time, are libFuzzer's `-len_control`. Growth by a
//! part of the limit was tried: within a second of finding nothing, inputs were so long that a
//! test of lists fell from 1 M to 20 k calls a second. Pure.

/// Length that inputs may have from the start, in bytes.
const START: usize = 64;
/// How many calls make the limit grow by a byte: about as many bytes a second as
/// libFuzzer's, which makes a tenth of the calls.
const PATIENCE: u64 = 1000;

/// The limit, and the calls since it last grew.
#[derive(Debug)]
pub(super) struct LengthLimit {
    now: usize,
    max: usize,
    calls: u64,
    /// The largest capacity that was asked for.
    asked: usize,
}

impl LengthLimit {
    /// A limit that grows up to `max` bytes.
    pub(super) fn new(max: usize) -> Self {
        let max = max.max(1);
        Self { now: START.min(max), max, calls: 0, asked: 0 }
    }

    /// The limit now, in bytes.
    pub(super) fn now(&self) -> usize {
        self.now
    }

    /// The limit that it never passes, in bytes.
    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// The capacity to ask for, if the limit has outgrown the present one and it was not asked for
    /// in vain: in powers of two, so that few jobs end for it.
    pub(super) fn ask(&mut self, capacity: usize) -> Option<usize> {
        let bytes = self.now.next_power_of_two().min(self.max);
        if self.now <= capacity || bytes <= self.asked {
            return None;
        }
        self.asked = bytes;
        Some(bytes)
    }

    /// An input of `len` bytes was found worth keeping. That does not hold the growth up: most
    /// finds are one more hit of an edge, and there are always some of those.
    pub(super) fn found(&mut self, len: usize) {
        self.now = self.now.max(len.min(self.max));
    }

    /// So many calls were made.
    pub(super) fn called(&mut self, n: u64) {
        self.calls += n;
        let bytes = self.calls / PATIENCE;
        self.calls %= PATIENCE;
        self.now = self.now.saturating_add(bytes as usize).min(self.max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_grows_whatever_is_found_and_never_passes_the_maximum() {
        let mut limit = LengthLimit::new(100);
        assert_eq!(limit.now(), 64);
        limit.called(900);
        limit.found(10);
        limit.called(900);
        assert_eq!(limit.now(), 65, "a find does not hold it up");
        limit.called(9_200);
        assert_eq!(limit.now(), 75);
        limit.found(1000);
        assert_eq!(limit.now(), 100);
        limit.called(1_000_000);
        assert_eq!((limit.now(), limit.max()), (100, 100));
        assert_eq!(LengthLimit::new(0).now(), 1);
    }

    #[test]
    fn a_larger_capacity_is_asked_for_once() {
        let mut limit = LengthLimit::new(1000);
        assert_eq!(limit.ask(64), None);
        limit.found(65);
        assert_eq!((limit.ask(64), limit.ask(64)), (Some(128), None));
        limit.found(600);
        assert_eq!((limit.ask(128), limit.ask(1000)), (Some(1000), None));
    }
}
