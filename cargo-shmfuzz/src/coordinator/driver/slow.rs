//! Calls that take long, seen from the outside: the hot loop reads no clock for them. Pure.
//!
//! The count of calls stands still while one goes on. Its worker's thread looks often enough anyway;
//! what stands still from look to look is a call that took at least as long. Whether the call or the
//! machine was slow is for the engine to find out.

use crate::coordinator::event::Slow;
use shmfuzz_runtime::mapping::Peeked;
use std::time::Duration;

/// How long a call must go on to be noticed.
pub(super) const LEAST: Duration = Duration::from_millis(100);

/// The slowest call of one job.
#[derive(Debug, Default)]
pub(super) struct Slowness {
    /// The count last seen, and when it was first seen, from the start of the job.
    count: u64,
    since: Duration,
    /// The slowest call so far: its number, and what is known of it.
    slowest: Option<(u64, Slow)>,
}

impl Slowness {
    /// One look, `elapsed` after the start of the job. The input is asked for only of a call that is
    /// slower than all before it, once.
    pub(super) fn look(&mut self, elapsed: Duration, count: u64, peek: impl FnOnce() -> Peeked) {
        if count != self.count {
            (self.count, self.since) = (count, elapsed);
        }
        let took = elapsed.saturating_sub(self.since);
        let is_slowest = self.slowest.as_ref().is_none_or(|(_, slow)| took > slow.took);
        if count == 0 || took < LEAST || !is_slowest {
            return;
        }
        match &mut self.slowest {
            Some((of, slow)) if *of == count => slow.took = took,
            slowest => {
                let peeked = peek();
                // It may have come to its end meanwhile.
                if let (true, Some(input)) = (peeked.count == count, peeked.input) {
                    *slowest = Some((count, Slow { input: input.into(), took }));
                }
            }
        }
    }

    /// What was seen.
    pub(super) fn into_slow(self) -> Option<Slow> {
        self.slowest.map(|(_, slow)| slow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// The slowest of calls that take so many milliseconds, looked at every ten.
    fn slowest(calls: &[u32]) -> (Option<(Vec<u8>, u32)>, u32) {
        let (mut slowness, mut n_peeks) = (Slowness::default(), 0);
        let total: u32 = calls.iter().sum();
        for at in (0..=total).step_by(10) {
            let mut end = 0;
            let n = calls.iter().position(|took| {
                end += took;
                at < end
            });
            let count = n.map_or(calls.len(), |n| n + 1) as u64;
            slowness.look(MS * at, count, || {
                n_peeks += 1;
                Peeked { count, input: Some(vec![count as u8]) }
            });
        }
        let slow = slowness.into_slow();
        (slow.map(|slow| (slow.input.to_vec(), slow.took.as_millis() as u32)), n_peeks)
    }

    #[test]
    fn the_slowest_call_is_seen_with_its_input() {
        assert_eq!(slowest(&[90, 90, 5, 90]), (None, 0));
        assert_eq!(slowest(&[5, 400, 5]), (Some((vec![2], 390)), 1));
        assert_eq!(slowest(&[300, 200, 800, 5]), (Some((vec![3], 790)), 2));
    }

    #[test]
    fn what_was_peeked_at_too_late_is_nobodys() {
        let mut slowness = Slowness::default();
        for at in 0..20 {
            slowness.look(MS * 10 * at, 1, || Peeked { count: 2, input: Some(Vec::new()) });
        }
        assert_eq!(slowness.into_slow(), None);
    }
}
