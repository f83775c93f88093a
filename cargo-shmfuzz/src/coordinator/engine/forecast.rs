//! What is left to find: how likely the next execution of a fuzz test discovers something, and how
//! many discoveries to expect in a minute. Pure.
//!
//! A discovery is an input that was kept because it reaches something new: what `new_entries`
//! counts. Edges would be too few to predict.
//!
//! The probability is the one that Good and Turing estimate, the discovery probability of Böhme's
//! STADS ("Software Testing as Species Discovery", 2018). Their estimator counts the species seen
//! exactly once, which would cost a count of each feature on each execution; and where a fuzzer goes
//! on from what it finds, it is too low (Böhme et al., "Estimating residual risk in greybox
//! fuzzing", 2021). Here the curve of discoveries over executions is extrapolated instead, which
//! costs an execution nothing: their rate falls like a power of the executions so far, as failures of
//! machines under repair do (Duane, "Learning curve approach to reliability monitoring", 1964).
//! What is fitted is the rate alone, over the last discoveries: a curve has steps, wherever something
//! is found that opens up new code, and behind a step the time before it says nothing. To fit the
//! exponent, too, was tried, and was worse: it takes a step's end for the end of all discoveries.

use crate::coordinator::notice::Forecast;
use std::collections::VecDeque;
use std::time::Duration;

/// How fast the rate falls: as the executions to this power, and another 1.
const DECAY: f64 = 0.3;
/// The shortest part of the executions, from the last one back, in which discoveries are counted.
/// Longer ones are looked at until one holds [`ENOUGH`] of them.
const SHORTEST: f64 = 1.0 / 32.0;
/// How much longer the next part is.
const LONGER: f64 = std::f64::consts::SQRT_2;
/// The part of the executions that is never looked at again.
const OLDEST: f64 = 1.0 / 8.0;
/// Discoveries that tell a rate.
const ENOUGH: f64 = 12.0;
/// The next point stands so far behind the last one, as a part of its executions.
const STEP: u64 = 256;
/// How far back the speed of executions is taken.
const SPEED_WINDOW: Duration = Duration::from_secs(10);
/// Nothing is foretold before.
const FIRST_FORECAST: Duration = Duration::from_secs(1);
/// No fuzz test is at its plateau before: neither one that has not had the time, nor one that
/// needs more of it for each execution.
const PLATEAU_TIME: Duration = Duration::from_secs(10);
const PLATEAU_EXECS: u64 = 10_000;

/// How far a fuzz test has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Point {
    /// Calls of the fuzzing phase.
    pub(super) execs: u64,
    /// Discoveries.
    pub(super) found: usize,
    /// Time that its workers have spent on those calls, together.
    pub(super) spent: Duration,
}

/// A fuzz test's discoveries over its executions.
#[derive(Debug, Default)]
pub(super) struct Curve {
    /// Rising; a bounded number, since what is too old is forgotten.
    points: VecDeque<Point>,
    now: Point,
}

impl Curve {
    /// Takes in how far it has come; nothing in a point ever goes back.
    pub(super) fn advance(&mut self, to: Point) {
        if self.points.is_empty() {
            self.points.push_back(self.now);
        }
        let last = self.points.back().map_or(0, |point| point.execs);
        if self.now.execs > last.saturating_add(last / STEP) {
            self.points.push_back(self.now);
        }
        self.now = to;
        let oldest = self.now.execs as f64 * OLDEST;
        while self.points.get(1).is_some_and(|point| point.execs as f64 <= oldest) {
            self.points.pop_front();
        }
    }

    /// What is to be expected, if so many workers go on; `None` while nothing can be said.
    pub(super) fn forecast(&self, n_workers: usize) -> Option<Forecast> {
        if self.now.spent < FIRST_FORECAST || self.now.execs == 0 {
            return None;
        }
        let (n, rate) = (self.now.execs as f64, self.rate());
        let minute = self.speed()? * 60.0 * n_workers as f64;
        Some(Forecast {
            probability: rate.min(1.0),
            next_minute: rate * n / DECAY * (1.0 - (1.0 + minute / n).powf(-DECAY)),
        })
    }

    /// Whether fewer discoveries than this are to be expected in the next minute, and there is
    /// reason enough to say so.
    pub(super) fn is_flat(&self, limit: f64, n_workers: usize) -> bool {
        let is_known = self.now.spent >= PLATEAU_TIME && self.now.execs >= PLATEAU_EXECS;
        is_known && self.forecast(n_workers).is_some_and(|forecast| forecast.next_minute < limit)
    }

    /// Discoveries to expect of one execution now.
    fn rate(&self) -> f64 {
        let n = self.now.execs as f64;
        let found_in = |part: f64| self.now.found as f64 - self.found_at(n * (1.0 - part));
        let mut part = SHORTEST;
        while part < 1.0 - OLDEST && found_in(part) < ENOUGH {
            part = (part * LONGER).min(1.0 - OLDEST);
        }
        // One more than were found: no discovery does not mean that there are none.
        (found_in(part) + 1.0) * DECAY / n / ((1.0 - part).powf(-DECAY) - 1.0)
    }

    /// Discoveries within so many executions.
    fn found_at(&self, execs: f64) -> f64 {
        let after = self.points.partition_point(|point| (point.execs as f64) < execs);
        let to = self.points.get(after).unwrap_or(&self.now);
        let from = after.checked_sub(1).and_then(|before| self.points.get(before)).unwrap_or(to);
        let (n_execs, n_found) = (to.execs - from.execs, to.found.saturating_sub(from.found));
        if n_execs == 0 {
            return from.found as f64;
        }
        let part = ((execs - from.execs as f64) / n_execs as f64).clamp(0.0, 1.0);
        from.found as f64 + part * n_found as f64
    }

    /// Executions a second of a worker, lately.
    fn speed(&self) -> Option<f64> {
        let start = self.now.spent.saturating_sub(SPEED_WINDOW);
        let after = self.points.partition_point(|point| point.spent <= start);
        let from = self.points.get(after.saturating_sub(1)).copied().unwrap_or_default();
        let seconds = self.now.spent.saturating_sub(from.spent).as_secs_f64();
        (seconds > 0.0).then(|| (self.now.execs - from.execs) as f64 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEED: u64 = 10_000;

    /// A curve that was advanced each tenth of a second, at a constant speed.
    fn curve(seconds: u64, found: impl Fn(f64) -> f64) -> Curve {
        let mut curve = Curve::default();
        for tenths in 1..=seconds * 10 {
            let execs = tenths * SPEED / 10;
            let spent = Duration::from_millis(tenths * 100);
            curve.advance(Point { execs, found: found(execs as f64) as usize, spent });
        }
        curve
    }

    fn next_minute(seconds: u64, found: impl Fn(f64) -> f64) -> f64 {
        curve(seconds, found).forecast(1).unwrap().next_minute
    }

    #[test]
    fn a_curve_of_the_model_is_foretold_exactly() {
        let law = |n: f64| 5000.0 * (1.0 - (1.0 + n / 1000.0).powf(-DECAY));
        for seconds in [10, 60, 600] {
            let n = (seconds * SPEED) as f64;
            let (expected, seen) =
                (law(n + 60.0 * SPEED as f64) - law(n), next_minute(seconds, law));
            assert!((seen / expected - 1.0).abs() < 0.15, "{seconds} s: {seen}, not {expected}");
        }
    }

    #[test]
    fn other_laws_of_growth_are_foretold_within_a_factor_of_two() {
        let laws: [fn(f64) -> f64; 3] =
            [|n| 300.0 * n.ln(), |n| 5.0 * n.powf(0.4), |n| 9000.0 - 9e6 * n.powf(-0.6)];
        for (i, law) in laws.into_iter().enumerate() {
            for seconds in [30, 60, 300] {
                let n = (seconds * SPEED) as f64;
                let expected = law(n + 60.0 * SPEED as f64) - law(n);
                let ratio = (next_minute(seconds, law) + 1.0) / (expected + 1.0);
                assert!((0.5..2.0).contains(&ratio), "law {i}, {seconds} s: {ratio}");
            }
        }
    }

    #[test]
    fn a_step_is_forgotten_soon_after_it() {
        // A thousand discoveries within a second, after half of a minute of slow growth.
        let step = |n: f64| n.ln() * 20.0 + (n / SPEED as f64 - 30.0).clamp(0.0, 1.0) * 1000.0;
        assert!(next_minute(90, step) < 30.0, "{}", next_minute(90, step));
        assert!(next_minute(31, step) > 100.0);
    }

    #[test]
    fn nothing_found_for_long_is_little_to_expect_but_never_nothing() {
        let none = |_: f64| 0.0;
        assert!(curve(60, none).forecast(1).unwrap().next_minute < 0.3);
        assert!(next_minute(600, none) < next_minute(60, none) / 5.0);
        assert!(next_minute(600, none) > 0.0);
        assert_eq!(Curve::default().forecast(1), None);
        assert_eq!(curve(0, none).forecast(1), None);
    }

    #[test]
    fn the_probability_is_that_of_one_execution() {
        let law = |n: f64| 300.0 * n.ln();
        let Forecast { probability, next_minute } = curve(600, law).forecast(1).unwrap();
        let executions = 60.0 * SPEED as f64;
        assert!((probability * executions / next_minute - 1.0).abs() < 0.1);
        let certain = |n: f64| n * 10.0;
        assert_eq!(curve(2, certain).forecast(1).unwrap().probability, 1.0);
    }

    #[test]
    fn more_workers_have_longer_minutes() {
        let curve = curve(60, |n| 300.0 * n.ln());
        let [one, two] = [1, 2].map(|n| curve.forecast(n).unwrap().next_minute);
        assert!(one < two && two < 2.0 * one, "{one} {two}");
    }

    #[test]
    fn a_plateau_needs_time_and_executions() {
        let none = |_: f64| 0.0;
        assert!(!curve(9, none).is_flat(1e9, 1));
        assert!(curve(11, none).is_flat(1.0, 1));
        assert!(!curve(11, none).is_flat(0.01, 1));
        let mut slow = Curve::default();
        slow.advance(Point { execs: 9_999, found: 0, spent: Duration::from_secs(1000) });
        assert!(!slow.is_flat(1e9, 1));
    }

    #[test]
    fn a_long_campaign_keeps_few_points() {
        let mut curve = Curve::default();
        for job in 1..=100_000 {
            let spent = Duration::from_millis(job * 100);
            curve.advance(Point { execs: job * 100_000, found: job as usize, spent });
        }
        assert!(curve.points.len() < 600, "{}", curve.points.len());
        assert!((curve.found_at(5e9) / 50_000.0 - 1.0).abs() < 0.01);
    }
}
