//! How time is divided: who gets the next slice. Pure.
//!
//! Each claimant (a fuzz test, or a finding to be minimized) has a virtual time that grows with
//! what it uses; the least goes next. A claimant that was away does not hoard: it comes back at
//! most [`LEAD`] behind the others. Time is cheaper for a fuzz test that promises more discoveries
//! than others do: a bandit that plays each arm in proportion to what it is expected to pay, within
//! bounds, so that none starves and each is heard of again.

use std::time::Duration;

/// A slice of time.
pub(super) const SLICE: Duration = Duration::from_secs(1);
/// A slice for a claimant that has used less than [`SLICE`] so far, so that all tests of a
/// campaign are seen early.
pub(super) const FIRST_SLICE: Duration = Duration::from_millis(200);
/// How far behind the others a claimant may start.
const LEAD: Duration = SLICE;

/// Who asks for a slice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim<T> {
    /// Whose it is.
    pub(super) who: T,
    /// Its virtual time.
    pub(super) used: Duration,
    /// How many slices of it are running.
    pub(super) n_running: usize,
    /// What a second costs it in virtual time.
    pub(super) price: f64,
}

/// The virtual time of a campaign: how far the one served last has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock(Duration);

impl Clock {
    /// The claim to serve next, and the virtual time its claimant goes on from. Ties go to the
    /// first.
    pub(super) fn pick<T: Copy>(
        &mut self,
        claims: impl IntoIterator<Item = Claim<T>>,
    ) -> Option<(T, Duration)> {
        let floor = self.floor();
        let (_, claim) = claims
            .into_iter()
            .map(|claim| {
                let used = claim.used.max(floor);
                let running = SLICE.mul_f64(claim.price * claim.n_running as f64);
                (used + running, Claim { used, ..claim })
            })
            .min_by_key(|(at, _)| *at)?;
        // Not by what runs already: that would lift all others over what they were charged.
        self.0 = self.0.max(claim.used);
        Some((claim.who, claim.used))
    }

    /// Where a claimant that comes now starts.
    pub(super) fn floor(self) -> Duration {
        self.0.saturating_sub(LEAD)
    }
}

/// How many times as much time as an average fuzz test the most promising one gets at most, and
/// the least promising one at least a part of that size.
const MOST: f64 = 4.0;

/// What a second of time costs a fuzz test in virtual time, which promises so many discoveries,
/// where the mean of all is `mean`. Of one that nothing can be said of yet, the average is thought.
pub(super) fn price(promise: Option<f64>, mean: f64) -> f64 {
    match promise {
        Some(promise) if mean > 0.0 && promise.is_finite() => {
            (mean / promise.max(f64::MIN_POSITIVE)).clamp(1.0 / MOST, MOST)
        }
        _ => 1.0,
    }
}

/// How long the next slice of a claimant is that has used `used`.
pub(super) fn slice(used: Duration) -> Duration {
    if used < SLICE { FIRST_SLICE } else { SLICE }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve(clock: &mut Clock, used: &mut [Duration], away: usize, cost: Duration) -> usize {
        let claims = used
            .iter()
            .enumerate()
            .filter(|(who, _)| *who != away)
            .map(|(who, used)| Claim { who, used: *used, n_running: 0, price: 1.0 })
            .collect::<Vec<_>>();
        let (who, at) = clock.pick(claims).unwrap();
        used[who] = at + cost;
        who
    }

    #[test]
    fn slices_go_around() {
        let (mut clock, mut used) = (Clock::default(), [Duration::ZERO; 3]);
        let order = [(); 6].map(|()| serve(&mut clock, &mut used, 9, SLICE));
        assert_eq!(order, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn one_that_was_away_catches_up_by_one_slice_only() {
        let (mut clock, mut used) = (Clock::default(), [Duration::ZERO; 2]);
        for _ in 0..100 {
            assert_eq!(serve(&mut clock, &mut used, 1, SLICE), 0);
        }
        let n = (0..10).filter(|_| serve(&mut clock, &mut used, 9, SLICE) == 1).count();
        assert!((5..=6).contains(&n), "{n}");
    }

    #[test]
    fn time_goes_where_discoveries_are_likely_and_none_starves() {
        let promises = [30.0, 10.0, 0.0, 20.0];
        let mean = promises.iter().sum::<f64>() / 4.0;
        let (mut clock, mut used) = (Clock::default(), [Duration::ZERO; 4]);
        let mut served = [0u32; 4];
        for _ in 0..1000 {
            let claims = (0..4).map(|who| Claim { who, used: used[who], n_running: 0, price: 1.0 });
            let (who, at) = clock.pick(claims).unwrap();
            used[who] = at + SLICE.mul_f64(price(Some(promises[who]), mean));
            served[who] += 1;
        }
        assert!(served[0] > served[3] && served[3] > served[1] && served[1] > served[2]);
        let part = |who: usize| f64::from(served[who]) / f64::from(served[1]);
        assert!((2.0..4.0).contains(&part(0)) && (1.5..2.5).contains(&part(3)), "{served:?}");
        assert!(served[2] > 50, "{served:?}");
        assert_eq!((price(None, 7.0), price(Some(7.0), 0.0)), (1.0, 1.0));
    }

    #[test]
    fn prices_hold_where_there_are_more_slots_than_tests() {
        // Eight slots, slices of a second, two tests of which one costs a quarter of the other.
        let prices = [0.5, 2.0];
        let (mut clock, mut used) = (Clock::default(), [Duration::ZERO; 2]);
        let mut running = std::collections::VecDeque::new();
        let mut served = [0u32; 2];
        for _ in 0..1000 {
            if running.len() == 8 {
                let who: usize = running.pop_front().unwrap();
                used[who] += SLICE.mul_f64(prices[who]);
            }
            let claims = (0..2).map(|who| Claim {
                who,
                used: used[who],
                n_running: running.iter().filter(|other| **other == who).count(),
                price: prices[who],
            });
            let (who, at) = clock.pick(claims).unwrap();
            used[who] = at;
            served[who] += 1;
            running.push_back(who);
        }
        let part = f64::from(served[0]) / f64::from(served[1]);
        assert!((3.0..5.0).contains(&part), "{served:?}");
    }

    #[test]
    fn a_second_slot_goes_to_another_test() {
        let claims = [
            Claim { who: 'a', used: Duration::ZERO, n_running: 1, price: 1.0 },
            Claim { who: 'b', used: FIRST_SLICE, n_running: 0, price: 1.0 },
        ];
        assert_eq!(Clock::default().pick(claims).unwrap().0, 'b');
    }
}
