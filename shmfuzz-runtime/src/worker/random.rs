//! The worker's random numbers: a PCG32 whose whole state stands in the mapping's header, so that
//! a run of mutations can be replayed.
//!
//! Algorithm: M. O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically Good
//! Algorithms for Random Number Generation" (2014), variant XSH RR 64/32, with state and increment
//! as Go's `internal/fuzz/pcg.go` keeps them. In tests the answers can be scripted.

const MULTIPLIER: u64 = 6_364_136_223_846_793_005;

/// A source of random numbers.
#[derive(Debug)]
pub(super) struct Random {
    state: u64,
    inc: u64,
    #[cfg(test)]
    script: std::collections::VecDeque<u64>,
}

impl Random {
    /// Goes on from a state; the increment is made odd, as the algorithm wants it.
    pub(super) fn from_state(state: u64, inc: u64) -> Self {
        Self {
            state,
            inc: inc | 1,
            #[cfg(test)]
            script: Default::default(),
        }
    }

    /// State and increment, from which [`Random::from_state`] goes on.
    pub(super) fn state(&self) -> (u64, u64) {
        (self.state, self.inc)
    }

    /// A source whose first answers are these, whatever is asked.
    #[cfg(test)]
    pub(super) fn scripted(answers: &[u64]) -> Self {
        let mut random = Self::from_state(0, 1);
        random.script = answers.iter().copied().collect();
        random
    }

    /// Whether every scripted answer was used.
    #[cfg(test)]
    pub(super) fn is_used_up(&self) -> bool {
        self.script.is_empty()
    }

    fn next(&mut self) -> u32 {
        let old = self.state;
        self.state = old.wrapping_mul(MULTIPLIER).wrapping_add(self.inc);
        let xored = (((old >> 18) ^ old) >> 27) as u32;
        xored.rotate_right((old >> 59) as u32)
    }

    /// Any 64 bits.
    pub(super) fn bits(&mut self) -> u64 {
        #[cfg(test)]
        if let Some(answer) = self.script.pop_front() {
            return answer;
        }
        u64::from(self.next()) << 32 | u64::from(self.next())
    }

    /// A number below `n`, or 0 if `n` is 0. By multiplication, without a division; the bias is
    /// below `n / 2^32` (D. Lemire, "Fast Random Integer Generation in an Interval", 2019).
    pub(super) fn below(&mut self, n: u32) -> u32 {
        #[cfg(test)]
        if let Some(answer) = self.script.pop_front() {
            assert!(answer < u64::from(n.max(1)), "scripted answer {answer} below {n}");
            return answer as u32;
        }
        ((u64::from(self.next()) * u64::from(n)) >> 32) as u32
    }

    /// An index below `n`, or 0 if `n` is 0.
    pub(super) fn index(&mut self, n: usize) -> usize {
        self.below(u32::try_from(n).unwrap_or(u32::MAX)) as usize
    }

    /// A number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.index((high - low).saturating_add(1))
    }

    /// Any byte.
    pub(super) fn byte(&mut self) -> u8 {
        self.below(256) as u8
    }

    /// True once in `n` times.
    pub(super) fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }

    /// A length of 1 to `most`, short ones far more often: up to 8 half of the time.
    pub(super) fn length(&mut self, most: usize) -> usize {
        // A table, since nobody can predict a branch.
        const CAPS: [usize; 16] =
            [8, 8, 8, 8, 8, 8, 8, 8, 32, 32, 32, 32, 32, 128, 128, usize::MAX];
        let cap = CAPS[self.below(16) as usize];
        self.between(1, most.min(cap).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_reference_implementation() {
        // The state that pcg32_srandom(42, 54) leaves, and the first numbers of pcg32-demo.
        let mut random = Random::from_state(0, (54 << 1) | 1);
        random.next();
        random.state = random.state.wrapping_add(42);
        random.next();
        let numbers: Vec<u32> = (0..4).map(|_| random.next()).collect();
        assert_eq!(numbers, [0xa15c_02b7, 0x7b47_f409, 0xba1d_3330, 0x83d2_f293]);
    }

    #[test]
    fn a_state_goes_on_where_it_was_left() {
        let mut random = Random::from_state(7, 8);
        random.bits();
        let (state, inc) = random.state();
        assert_eq!(inc, 9);
        let mut again = Random::from_state(state, inc);
        assert_eq!(random.bits(), again.bits());
    }

    #[test]
    fn numbers_stay_in_their_range() {
        let mut random = Random::from_state(1, 1);
        for n in [0, 1, 2, 3, 1000, u32::MAX] {
            for _ in 0..1000 {
                assert!(random.below(n) < n.max(1));
            }
        }
        for _ in 0..1000 {
            assert!((3..=5).contains(&random.between(3, 5)));
            assert!((1..=9).contains(&random.length(9)));
        }
        assert_eq!(random.length(0), 1);
    }
}
