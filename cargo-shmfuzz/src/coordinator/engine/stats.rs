//! Figures of a fuzz test: what is shown of it a few times a second.

use super::test::FuzzTest;
use crate::coordinator::notice::Stats;
use std::collections::VecDeque;
use std::time::Duration;

/// How often figures are shown at most.
pub(super) const INTERVAL: Duration = Duration::from_millis(500);
/// How far back the speed looks.
const WINDOW: Duration = Duration::from_secs(5);

/// Calls over the last seconds.
#[derive(Debug, Default)]
pub(super) struct Speed {
    samples: VecDeque<(Duration, u64)>,
}

impl Speed {
    /// When the last sample was taken.
    pub(super) fn last(&self) -> Option<Duration> {
        self.samples.back().map(|(at, _)| *at)
    }

    /// Takes a sample, and forgets what is too old.
    pub(super) fn sample(&mut self, now: Duration, execs: u64) {
        self.samples.push_back((now, execs));
        while self.samples.get(1).is_some_and(|(at, _)| now.saturating_sub(*at) >= WINDOW) {
            self.samples.pop_front();
        }
    }

    /// Calls a second between the oldest sample and the newest.
    pub(super) fn per_second(&self) -> f64 {
        let (Some((from, before)), Some((to, after))) = (self.samples.front(), self.samples.back())
        else {
            return 0.0;
        };
        let seconds = to.saturating_sub(*from).as_secs_f64();
        if seconds > 0.0 { after.saturating_sub(*before) as f64 / seconds } else { 0.0 }
    }
}

/// The figures of a fuzz test now, in a campaign of so many workers.
pub(super) fn figures(elapsed: Duration, test: &FuzzTest, n_workers: usize) -> Stats {
    let edges_total = test.n_counters.unwrap_or(0);
    Stats {
        elapsed,
        execs: test.execs,
        extra_execs: test.extra_execs,
        execs_per_sec: test.speed.per_second(),
        corpus: test.pool.n_in_use(),
        new_entries: test.new_entries,
        edges: test.features.edges().max(test.edges).min(edges_total),
        edges_total,
        findings: test.n_findings,
        stability: test.stability(),
        forecast: test.curve.forecast(n_workers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_is_that_of_the_last_seconds() {
        let mut speed = Speed::default();
        assert_eq!(speed.per_second(), 0.0);
        for second in 0..20 {
            speed.sample(Duration::from_secs(second), 100 * second.saturating_sub(10));
        }
        assert_eq!(speed.per_second(), 100.0);
    }
}
