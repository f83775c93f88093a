//! How long a job may go on: by the clock, or by work alone, so that runs repeat.
//!
//! The unit of work is what a call costs: the sum of its counters and a fixed amount for the call
//! itself. The clock is read once per pick, never per call.

use std::time::{Duration, Instant};

/// Cost of a call beside its work: roughly what an empty one takes, in nanoseconds, where one unit
/// of work takes about one.
pub(super) const CALL: u64 = 50;

/// Cost of a call that failed, beside its work: unwinding is slow.
pub(super) const FAILURE: u64 = 2000;

/// Units of work that stand for a millisecond where the clock must not be read.
const PER_MS: u64 = 1_000_000;

/// What is left of a job.
#[derive(Debug)]
pub(super) enum Budget {
    /// Until a moment.
    Clock(Instant),
    /// So much work.
    Work(u64),
}

/// How decisions measure time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    /// With the clock.
    Clock,
    /// By work alone.
    Work,
}

impl Budget {
    pub(super) fn new(measure: Measure, ms: u64) -> Self {
        match measure {
            Measure::Clock => Self::Clock(Instant::now() + Duration::from_millis(ms)),
            Measure::Work => Self::Work(ms.saturating_mul(PER_MS)),
        }
    }

    /// Accounts for work done.
    pub(super) fn spend(&mut self, cost: u64) {
        if let Self::Work(left) = self {
            *left = left.saturating_sub(cost);
        }
    }

    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::Clock(end) => Instant::now() >= *end,
            Self::Work(left) => *left == 0,
        }
    }
}

/// How much work a pick may do: what takes about [`Pace::PICK`], learned from the clock.
#[derive(Debug)]
pub(super) struct Pace {
    measure: Measure,
    /// Picoseconds that a unit of work takes, as an average over the last picks.
    ps_per_unit: u64,
}

impl Pace {
    /// The time of one pick, in nanoseconds. Picks of 0.1-0.3 ms reach coverage fastest.
    pub(super) const PICK: u64 = 200_000;

    pub(super) fn new(measure: Measure) -> Self {
        Self { measure, ps_per_unit: 1000 }
    }

    /// The work of one pick.
    pub(super) fn pick_cost(&self) -> u64 {
        (Self::PICK * 1000 / self.ps_per_unit.max(1)).max(1)
    }

    /// Reads the clock, if decisions may depend on it.
    pub(super) fn start(&self) -> Option<Instant> {
        (self.measure == Measure::Clock).then(Instant::now)
    }

    /// Nanoseconds since `start`, 0 where there is no clock.
    pub(super) fn nanos_since(start: Option<Instant>) -> u64 {
        start.map_or(0, |start| u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// Learns from work that took so many nanoseconds.
    pub(super) fn learn(&mut self, cost: u64, nanos: u64) {
        if cost == 0 || nanos == 0 {
            return;
        }
        let now = nanos.saturating_mul(1000) / cost;
        let average = (self.ps_per_unit.saturating_mul(7).saturating_add(now)) / 8;
        self.ps_per_unit = average.clamp(10, 1_000_000_000_000);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_of_work_reads_no_clock() {
        let mut budget = Budget::new(Measure::Work, 2);
        budget.spend(PER_MS);
        assert!(!budget.is_over());
        budget.spend(PER_MS);
        assert!(budget.is_over());
        assert!(Budget::new(Measure::Clock, 0).is_over());
        assert_eq!(Pace::new(Measure::Work).start(), None);
    }

    #[test]
    fn the_pace_follows_slow_work() {
        let mut pace = Pace::new(Measure::Clock);
        assert_eq!(pace.pick_cost(), Pace::PICK);
        for _ in 0..100 {
            pace.learn(1000, 100_000);
        }
        let cost = pace.pick_cost();
        assert!((1900..2200).contains(&cost), "{cost}");
        pace.learn(0, 5);
        pace.learn(5, 0);
        assert_eq!(pace.pick_cost(), cost);
    }
}
