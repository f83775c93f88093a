//! Where the randomness of workers begins, derived from the campaign's seed. Pure.

/// One step of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators).
fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A number that all of `parts` take part in, in their order.
fn fold(seed: u64, parts: &[u64]) -> u64 {
    parts.iter().fold(mix(seed), |x, part| mix(x.rotate_left(23).wrapping_add(mix(*part))))
}

/// State and increment of the PRNG of one job. The increment is odd.
pub(super) fn of_job(seed: u64, test: usize, worker: u64, job: u64) -> (u64, u64) {
    let state = fold(seed, &[test as u64, worker, job, 0]);
    let increment = fold(seed, &[test as u64, worker, job, 1]) | 1;
    (state, increment)
}

/// Seed of the stream that stands in for the system's randomness in all workers of a fuzz test, so
/// that a failure found by one of them fails in the others.
pub(super) fn of_system(seed: u64, test: usize) -> u64 {
    fold(seed, &[test as u64, 2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_job_has_its_own_odd_stream() {
        let mut streams = BTreeSet::new();
        for (seed, test, worker, job) in
            (0..256).map(|n| (n & 3, n as usize >> 2 & 3, n >> 4 & 3, n >> 6))
        {
            let (state, increment) = of_job(seed, test, worker, job);
            assert_eq!(increment % 2, 1);
            streams.insert((state, increment));
        }
        assert_eq!(streams.len(), 256);
        assert_eq!(of_job(1, 2, 3, 4), of_job(1, 2, 3, 4));
    }
}
