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
//! fuzzing", 2021). Here the curve of discoveries is extrapolated instead, which costs an execution
//! nothing: their rate falls like a power of the time spent so far, as failures of machines under
//! repair do (Duane, "Learning curve approach to reliability monitoring", 1964). Time, because speed
//! changes with what is found: executions foretell the next executions as well, but not how many
//! there will be in a minute.
//!
//! What is fitted is the rate alone, over the last discoveries: a curve has steps, wherever something
//! is found that opens up new code, and behind a step the time before it says nothing. To fit the
//! exponent, too, was tried over windows of a fixed length, where it made little difference.

use crate::coordinator::notice::Forecast;
use std::collections::VecDeque;
use std::time::Duration;

/// How fast the rate falls: as the time spent to this power, and another 1.
const DECAY: f64 = 0.4;
/// The shortest part of the time spent, from now back, in which discoveries are counted.
/// Longer ones are looked at until one holds [`ENOUGH`] of them.
const SHORTEST: f64 = 1.0 / 32.0;
/// How much longer the next part is.
const LONGER: f64 = std::f64::consts::SQRT_2;
/// The part of the time spent that is never looked at again.
const OLDEST: f64 = 1.0 / 8.0;
/// Discoveries that tell a rate.
const ENOUGH: f64 = 30.0;
/// A point stands behind the one before it by this part of its time.
const STEP: u32 = 256;
/// Nothing is foretold before.
const FIRST_FORECAST: Duration = Duration::from_secs(1);
/// No fuzz test is at its plateau before: neither one that has not had the time, nor one that
/// needs more of it for each execution.
const PLATEAU_TIME: Duration = Duration::from_secs(10);
/// As [`PLATEAU_TIME`], where there is a corpus: it is gone through first, and campaigns that went on
/// from the corpora of others found most after their first ten seconds.
const RESUMED_PLATEAU_TIME: Duration = Duration::from_secs(30);
const PLATEAU_EXECS: u64 = 10_000;

/// Discoveries at an even rate that are supposed beside those seen, when the age of a search is
/// guessed: that little was found so far is no sign of a rate that falls.
const PRIOR: f64 = 10.0;
/// The greatest age that is told from a rate that does not fall.
const MAX_AGE: f64 = 100.0;

/// What was done for a fuzz test before the campaign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Past {
    /// Nothing: the corpus begins empty.
    #[default]
    Nothing,
    /// Nobody knows how much: there are seeds or cached inputs.
    Unknown,
}

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

/// A fuzz test's discoveries over the time spent on it.
#[derive(Debug, Default)]
pub(super) struct Curve {
    /// Rising; a bounded number, since what is too old is forgotten.
    points: VecDeque<Point>,
    now: Point,
    past: Past,
}

impl Curve {
    /// The curve of a fuzz test that was not fuzzed yet in this campaign.
    pub(super) fn new(past: Past) -> Self {
        Self { past, ..Self::default() }
    }

    /// Takes in how far it has come; nothing in a point ever goes back.
    pub(super) fn advance(&mut self, to: Point) {
        if self.points.is_empty() {
            self.points.push_back(self.now);
        }
        let last = self.points.back().map_or(Duration::ZERO, |point| point.spent);
        if self.now.spent > last + last / STEP {
            self.points.push_back(self.now);
        }
        self.now = to;
        let oldest = self.now.spent.mul_f64(OLDEST);
        while self.points.get(1).is_some_and(|point| point.spent <= oldest) {
            self.points.pop_front();
        }
    }

    /// What is to be expected, if so many workers go on; `None` while nothing can be said.
    pub(super) fn forecast(&self, n_workers: usize) -> Option<Forecast> {
        if self.now.spent < FIRST_FORECAST || self.now.execs == 0 {
            return None;
        }
        let spent = self.now.spent.as_secs_f64();
        let minute = 60.0 * n_workers as f64 / spent;
        let (age, part) = (self.age(), self.part());
        let (found, execs) = self.last(part);
        // One more than were found: no discovery does not mean that there are none.
        let scale = (found + 1.0) / falls(age, 1.0 - part, 1.0);
        // Both of all the time spent so far.
        let (rate, speed) = (scale * DECAY * (age + 1.0).powf(-DECAY - 1.0), execs / part);
        Some(Forecast {
            probability: if rate < speed { rate / speed } else { 1.0 },
            next_minute: scale * falls(age, 1.0, 1.0 + minute),
        })
    }

    /// Whether fewer discoveries than this are to be expected in the next minute, and there is
    /// reason enough to say so.
    pub(super) fn is_flat(&self, limit: f64, n_workers: usize) -> bool {
        let least = match self.past {
            Past::Nothing => PLATEAU_TIME,
            Past::Unknown => RESUMED_PLATEAU_TIME,
        };
        let is_known = self.now.spent >= least && self.now.execs >= PLATEAU_EXECS;
        is_known && self.forecast(n_workers).is_some_and(|forecast| forecast.next_minute < limit)
    }

    /// The part of the time, up to now, that tells the rate.
    fn part(&self) -> f64 {
        let mut part = SHORTEST;
        while part < 1.0 - OLDEST && self.last(part).0 < ENOUGH {
            part = (part * LONGER).min(1.0 - OLDEST);
        }
        part
    }

    /// How much was spent before the campaign, in times of what the campaign has spent: where much
    /// was, the rate hardly falls any more. What fits the earlier discoveries and those of the
    /// later half.
    fn age(&self) -> f64 {
        if self.past == Past::Nothing {
            return 0.0;
        }
        let ratio = |age| falls(age, OLDEST, 0.5) / falls(age, 0.5, 1.0);
        let late = self.last(0.5).0;
        let early = self.last(1.0 - OLDEST).0 - late;
        let seen = (early + PRIOR * ratio(MAX_AGE)) / (late + PRIOR);
        let (mut low, mut high) = (0.0, MAX_AGE);
        // The ratio falls with the age.
        while high - low > 0.01 {
            let middle = (low + high) / 2.0;
            if ratio(middle) > seen { low = middle } else { high = middle }
        }
        low
    }

    /// Discoveries and executions in the last part of the time.
    fn last(&self, part: f64) -> (f64, f64) {
        let start = self.now.spent.mul_f64(1.0 - part);
        let after = self.points.partition_point(|point| point.spent < start);
        let to = self.points.get(after).unwrap_or(&self.now);
        let from = after.checked_sub(1).and_then(|before| self.points.get(before)).unwrap_or(to);
        let between = to.spent.saturating_sub(from.spent).as_secs_f64();
        // Evenly from one point to the next.
        let behind = match between > 0.0 {
            true => to.spent.saturating_sub(start).as_secs_f64() / between,
            false => 0.0,
        };
        let count = |of: fn(&Point) -> u64| {
            let since = of(&self.now).saturating_sub(of(to)) as f64;
            since + behind * of(to).saturating_sub(of(from)) as f64
        };
        (count(|point| point.found as u64), count(|point| point.execs))
    }
}

/// Discoveries between two times, up to a factor. Times and age are in units of the time spent.
fn falls(age: f64, from: f64, to: f64) -> f64 {
    (age + from).powf(-DECAY) - (age + to).powf(-DECAY)
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
        let step = |n: f64| n.ln() * 60.0 + (n / SPEED as f64 - 30.0).clamp(0.0, 1.0) * 1000.0;
        assert!(next_minute(90, step) < 40.0, "{}", next_minute(90, step));
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
    fn a_search_that_goes_on_does_not_fall_like_a_new_one() {
        // Sixty million executions were made before, in another campaign.
        let law = |n: f64| 20_000.0 * n.ln();
        let goes_on = |n: f64| law(6e7 + n) - law(6e7);
        let expected = goes_on(120.0 * SPEED as f64) - goes_on(60.0 * SPEED as f64);
        let minute = |past| {
            let mut curve = curve(60, goes_on);
            curve.past = past;
            curve.forecast(1).unwrap().next_minute
        };
        assert!((0.8..1.25).contains(&(minute(Past::Unknown) / expected)));
        assert!(minute(Past::Nothing) / expected < 0.8);
        // What falls as that of a new one is one, whatever seeds it began with.
        let law = |n: f64| 5000.0 * (1.0 - (1.0 + n / 1000.0).powf(-DECAY));
        let mut fresh = curve(60, law);
        let nothing = fresh.forecast(1).unwrap().next_minute;
        fresh.past = Past::Unknown;
        assert!((0.9..1.2).contains(&(fresh.forecast(1).unwrap().next_minute / nothing)));
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
        let resumed = |seconds| Curve { past: Past::Unknown, ..curve(seconds, none) };
        assert!(!resumed(29).is_flat(1e9, 1) && resumed(31).is_flat(1e9, 1));
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
        assert!((curve.last(0.5).0 / 50_000.0 - 1.0).abs() < 0.01);
    }
}
