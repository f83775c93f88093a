//! Whether an input leaks: it is called again and again in one process, and memory is looked at
//! after ever longer rounds of calls. The decision, without a clock, a process or a file.
//!
//! Resident memory is what is looked at, since that is what the limit is about, whatever allocates
//! it. Each round has twice the calls of the one before, so a cache that fills once, or grows in
//! steps that double, is told from a leak: a leak costs the same for each call of the last three
//! rounds, which are seven of eight calls. All rounds before them warm up. Workers and the replay
//! of committed files ask here, so that what one calls a leak is one to the other.

use std::time::Duration;

/// How long the calls of one input may take, once there are enough rounds to judge by.
const TIME: Duration = Duration::from_secs(1);
/// How long they may take in any case before the last round, which takes up to twice that.
const MOST_TIME: Duration = Duration::from_secs(2);
/// The longest that a whole measurement takes beside its slowest call, and half as much again.
pub const LONGEST: Duration = Duration::from_secs(10);
/// Rounds by which it is judged: each must cost about as much a call as the others.
const N_JUDGED: usize = 3;
/// Rounds that are too few to stop at when the time is over.
const N_LEAST: usize = N_JUDGED + 1;
/// Calls after which an input is past its warm-up, and does not leak if memory stands still.
const WARM: u64 = 4000;
/// The least that memory grows in the last round of a leak: more than a few pages by chance.
const LEAST_GROWTH: u64 = 64 << 10;
/// Growth up to which memory stands still.
const STILL: u64 = 8 << 10;
/// The part of the memory limit of which a leak need not take more to be believed.
const PART_OF_LIMIT: u64 = 8;
/// The same where there is no limit.
const MUCH: u64 = 64 << 20;
/// How many times that much ends it although the first calls cost less, or more.
const TOO_MUCH: u64 = 3;

/// When calls are enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// By the clock, and after 65,535 calls.
    Clock,
    /// After 16,383 calls, so that runs repeat.
    Calls,
}

impl Measure {
    fn most_calls(self) -> u64 {
        match self {
            Self::Clock => (1 << 16) - 1,
            Self::Calls => (1 << 14) - 1,
        }
    }
}

/// What is known so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// So many calls more, then another look.
    Call(u64),
    /// Memory grows by about so many bytes a call.
    Leaks(u64),
    /// It does not, as far as can be seen.
    Steady,
}

/// Memory over the calls of one input.
#[derive(Clone, Debug)]
pub struct Growth {
    measure: Measure,
    /// Growth in bytes that is enough to judge by, however few the calls.
    enough: u64,
    /// Resident memory before the first call, in bytes, once it was looked at.
    before: Option<u64>,
    /// Calls and growth of each round, in bytes.
    rounds: Vec<(u64, u64)>,
    last: u64,
}

impl Growth {
    /// Before the first look, in a process whose memory has this limit in bytes: 0 or [`u64::MAX`]
    /// for none.
    pub fn new(measure: Measure, rss_limit: u64) -> Self {
        let enough = match rss_limit {
            0 | u64::MAX => MUCH,
            limit => limit / PART_OF_LIMIT,
        };
        Self { measure, enough, before: None, rounds: Vec::new(), last: 0 }
    }

    /// Takes a look: `resident` bytes of memory after the calls that were asked for last (none
    /// before the first look), which is `elapsed` after the first look.
    pub fn look(&mut self, resident: u64, elapsed: Duration) -> Verdict {
        if self.before.is_none() {
            (self.before, self.last) = (Some(resident), resident);
            return Verdict::Call(1);
        }
        let n_calls = 1 << self.rounds.len();
        self.rounds.push((n_calls, resident.saturating_sub(self.last)));
        self.last = resident;
        if self.is_enough(resident, elapsed) {
            return self.judge();
        }
        Verdict::Call(2 * n_calls)
    }

    fn is_enough(&self, resident: u64, elapsed: Duration) -> bool {
        let n_rounds = self.rounds.len();
        let total = (1 << n_rounds) - 1;
        let grown = resident.saturating_sub(self.before.unwrap_or(resident));
        let is_still = self.rounds.iter().rev().take(2).all(|(_, growth)| *growth <= STILL);
        total >= self.measure.most_calls()
            || (total >= WARM && is_still)
            || (grown >= self.enough && self.judge() != Verdict::Steady)
            || grown >= self.enough.saturating_mul(TOO_MUCH)
            || (self.measure == Measure::Clock
                && ((elapsed >= TIME && n_rounds >= N_LEAST) || elapsed >= MOST_TIME))
    }

    fn judge(&self) -> Verdict {
        let Some(judged) = self.rounds.len().checked_sub(N_JUDGED).map(|at| &self.rounds[at..])
        else {
            return Verdict::Steady;
        };
        // Per call, in thousandths of a byte.
        let cost = |(calls, growth): &(u64, u64)| growth.saturating_mul(1000) / calls;
        let least = judged.iter().map(cost).min().unwrap_or(0);
        let most = judged.iter().map(cost).max().unwrap_or(0);
        let last = judged.last().map_or(0, |(_, growth)| *growth);
        if last < LEAST_GROWTH || least < most / 2 {
            return Verdict::Steady;
        }
        let calls: u64 = judged.iter().map(|(calls, _)| calls).sum();
        let growth: u64 = judged.iter().map(|(_, growth)| growth).sum();
        Verdict::Leaks((growth / calls).max(1))
    }
}

/// How the message of a leak begins.
pub(crate) const LEAKS: &str = "memory grows by about";

/// The message of a leak of so many bytes a call, which is rounded to two digits, since no look at
/// memory is more exact.
pub fn message(bytes: u64) -> String {
    let unit = 10_u64.pow(bytes.max(1).ilog10().saturating_sub(1));
    let rounded = bytes.saturating_add(unit / 2) / unit * unit;
    format!("{LEAKS} {rounded} bytes a call")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// What comes of an input after whose n-th call memory has grown by `grown(n)`, whose calls take
    /// this long; and how many calls were made.
    fn measure(measure: Measure, call: Duration, grown: impl Fn(u64) -> u64) -> (Verdict, u64) {
        let mut growth = Growth::new(measure, 512 * MIB);
        let mut n_calls = 0;
        loop {
            // Whole pages, as the system counts them.
            let resident = (10 * MIB + grown(n_calls)) & !4095;
            match growth.look(resident, call * u32::try_from(n_calls).unwrap()) {
                Verdict::Call(more) => n_calls += more,
                verdict => return (verdict, n_calls),
            }
        }
    }

    const US: Duration = Duration::from_micros(1);

    #[test]
    fn a_leak_is_measured_whatever_its_size_and_however_slow_its_calls() {
        for bytes in [32, 96, 5000, 100_000, 20 * MIB] {
            for (call, by) in [
                (US, Measure::Clock),
                (1000 * US, Measure::Clock),
                (US, Measure::Calls),
                (1_000_000 * US, Measure::Calls),
            ] {
                if bytes < 1000 && call > US && by == Measure::Clock {
                    continue;
                }
                let (verdict, n_calls) = measure(by, call, |n| n * bytes);
                let Verdict::Leaks(about) = verdict else { panic!("{bytes} {call:?} {by:?}") };
                assert!(about.abs_diff(bytes) <= bytes / 50, "{bytes}: {about}");
                assert!(n_calls * bytes < 300 * MIB, "{bytes}: {n_calls}");
            }
        }
        assert_eq!(measure(Measure::Clock, 20_000 * US, |n| n * 10_000).1, 63);
        assert_eq!(measure(Measure::Clock, 250_000 * US, |n| n * 100_000).1, 15);
        assert_eq!(measure(Measure::Clock, 500_000 * US, |n| n * 100_000).1, 7);
    }

    #[test]
    fn a_leak_may_begin_with_the_second_call() {
        let (verdict, _) = measure(Measure::Clock, US, |n| n.saturating_sub(1) * 20 * MIB);
        assert_eq!(verdict, Verdict::Leaks(20 * MIB));
        let (verdict, n_calls) = measure(Measure::Clock, US, |n| n.min(2) * 100 * MIB);
        assert_eq!((verdict, n_calls), (Verdict::Steady, 3));
    }

    #[test]
    fn what_fills_once_is_no_leak() {
        let fills_at = |limit: u64, bytes: u64| move |n: u64| n.min(limit) * bytes;
        for limit in [0, 1, 3, 100, 1000, 10_000] {
            let (verdict, _) = measure(Measure::Clock, US, fills_at(limit, 1000));
            assert_eq!(verdict, Verdict::Steady, "{limit}");
        }
        for limit in [0, 1, 3, 100, 1000] {
            let (verdict, _) = measure(Measure::Calls, US, fills_at(limit, 1000));
            assert_eq!(verdict, Verdict::Steady, "{limit}");
        }
        assert_eq!(measure(Measure::Clock, US, |_| 0), (Verdict::Steady, 4095));
    }

    #[test]
    fn a_table_that_doubles_as_it_grows_is_a_leak() {
        let (verdict, _) = measure(Measure::Clock, US, |n| n.next_power_of_two() * 16);
        assert!(matches!(verdict, Verdict::Leaks(_)), "{verdict:?}");
    }

    #[test]
    fn memory_that_comes_and_goes_is_no_leak() {
        let saw = |n: u64| if n.count_ones() % 2 == 0 { 4 * MIB } else { 0 };
        assert_eq!(measure(Measure::Clock, US, saw).0, Verdict::Steady);
    }

    #[test]
    fn calls_that_take_seconds_say_nothing() {
        let (verdict, n_calls) = measure(Measure::Clock, 6_000_000 * US, |n| n * MIB);
        assert_eq!((verdict, n_calls), (Verdict::Steady, 1));
    }

    #[test]
    fn messages_round_to_two_digits() {
        let said = |bytes| message(bytes)[LEAKS.len()..].to_owned();
        assert_eq!(said(7), " 7 bytes a call");
        assert_eq!(said(96), " 96 bytes a call");
        assert_eq!(said(1234), " 1200 bytes a call");
        assert_eq!(said(99_999), " 100000 bytes a call");
    }
}
