//! How long a job may go on: by the clock, or by work alone, so that runs repeat.
//!
//! The unit of work is what a call costs: the sum of its counters and a fixed amount for the call
//! itself. The clock is read a few times per pick, never per call. Where it must not be
//! read, calls are limited too: work says nothing about a call that waits.

use std::time::{Duration, Instant};

/// Cost of a call beside its work: roughly what an empty one takes, in nanoseconds, where one unit
/// of work takes about one.
pub(super) const CALL: u64 = 50;

/// Cost of a call that failed, beside its work: unwinding is slow.
pub(super) const FAILURE: u64 = 2000;

/// Units of work that stand for a millisecond where the clock must not be read.
const PER_MS: u64 = 1_000_000;

/// The most calls of a job by work.
const MAX_CALLS: u64 = 50_000;

/// The most calls of a pick by work.
const MAX_CALLS_OF_PICK: u64 = 500;

/// What is left of a job.
#[derive(Debug)]
pub(super) enum Budget {
    /// Until a moment.
    Clock(Instant),
    /// So much work, and so many calls.
    Work {
        /// Units of work.
        cost: u64,
        /// Calls.
        calls: u64,
    },
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
            Measure::Work => Self::Work { cost: ms.saturating_mul(PER_MS), calls: MAX_CALLS },
        }
    }

    /// Accounts for work done in so many calls.
    pub(super) fn spend(&mut self, cost: u64, calls: u64) {
        if let Self::Work { cost: cost_left, calls: calls_left } = self {
            *cost_left = cost_left.saturating_sub(cost);
            *calls_left = calls_left.saturating_sub(calls);
        }
    }

    pub(super) fn is_over(&self) -> bool {
        match self {
            Self::Clock(end) => Instant::now() >= *end,
            Self::Work { cost, calls } => *cost == 0 || *calls == 0,
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

    /// The most calls of one pick, of an entry whose execution was measured at `nanos`.
    pub(super) fn pick_calls(&self, nanos: u64) -> u64 {
        match self.measure {
            Measure::Work => MAX_CALLS_OF_PICK,
            // The one time that was measured may have been an outlier.
            Measure::Clock => {
                Self::PICK.checked_div(nanos).map_or(u64::MAX, |n| n.saturating_mul(4).max(1))
            }
        }
    }

    /// Whether a pick that began at `start` has taken far longer than it should: its calls turn
    /// out slower than the entry's measured one.
    pub(super) fn is_overdue(start: Option<Instant>) -> bool {
        Self::nanos_since(start) > 4 * Self::PICK
    }

    /// Reads the clock, if decisions may depend on it.
    pub(super) fn start(&self) -> Option<Instant> {
        (self.measure == Measure::Clock).then(Instant::now)
    }

    /// Nanoseconds since `start`, 0 where there is no clock.
    pub(super) fn nanos_since(start: Option<Instant>) -> u64 {
        start.map_or(0, |start| u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// What work costs that was estimated at `cost` and took so many nanoseconds: where there is a
    /// clock, no less than what else could have been done in that time.
    pub(super) fn cost_of(&self, cost: u64, nanos: u64) -> u64 {
        cost.max(nanos.saturating_mul(1000) / self.ps_per_unit.max(1))
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
        budget.spend(PER_MS, 10);
        assert!(!budget.is_over());
        budget.spend(PER_MS, 10);
        assert!(budget.is_over());
        let mut budget = Budget::new(Measure::Work, u64::MAX);
        budget.spend(1, MAX_CALLS);
        assert!(budget.is_over(), "calls that wait are no work");
        assert_eq!(Pace::new(Measure::Work).pick_calls(1), MAX_CALLS_OF_PICK);
        assert_eq!(Pace::new(Measure::Clock).pick_calls(Pace::PICK), 4);
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
        assert_eq!((pace.cost_of(7, 0), pace.cost_of(7, 1_000_000)), (7, 10 * (cost / 2)));
        pace.learn(0, 5);
        pace.learn(5, 0);
        assert_eq!(pace.pick_cost(), cost);
    }
}
