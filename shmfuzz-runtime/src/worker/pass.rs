//! The one pass over a run of counters: bucket, compare with what was seen, sum, clear.
//!
//! It is made over blocks, which the caller lists. Unsafe lives here: counters are memory that
//! instrumented code writes without synchronisation,
//! from any thread, so they are reached by raw pointers only. Invariant: a [`Counters`] spans bytes
//! that stay mapped and writable for the life of the process. Two kernels give equal results:
//! AVX2 (a table shuffle on nibbles, 32 counters at a time) and a portable one, eight at a time.

/// The buckets of a counter's value: 1, 2, 3, 4-7, 8-15, 16-31, 32-127, 128-255, one bit each.
/// AFL's (M. Zalewski, technical whitepaper of AFL).
const BUCKETS: [u8; 256] = {
    let mut table = [0; 256];
    let mut n = 1;
    while n < 256 {
        table[n] = match n {
            1 => 1,
            2 => 2,
            3 => 4,
            4..8 => 8,
            8..16 => 16,
            16..32 => 32,
            32..128 => 64,
            _ => 128,
        };
        n += 1;
    }
    table
};

/// The bucket of a counter's value: one bit, or none for 0.
pub(super) fn bucket(count: u8) -> u8 {
    BUCKETS[count as usize]
}

/// Counters that a pass takes together: a line of the processor's cache.
pub(super) const BLOCK: usize = 64;

/// A run of counters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counters {
    start: *mut u8,
    len: usize,
}

impl Counters {
    /// The `len` counters at `start`.
    ///
    /// # Safety
    /// They must stay readable and writable for the life of the process, and no reference to them
    /// may exist.
    pub(super) unsafe fn new(start: *mut u8, len: usize) -> Self {
        Self { start, len }
    }

    /// How many they are.
    pub(super) fn len(self) -> usize {
        self.len
    }

    /// How many blocks they make.
    pub(super) fn n_blocks(self) -> usize {
        self.len.div_ceil(BLOCK)
    }

    /// Where a block begins, and its length. The last block is whole if the run has as many
    /// counters: it overlaps the one before it.
    fn block(self, block: u32) -> (usize, usize) {
        let len = self.len.min(BLOCK);
        ((block as usize * BLOCK).min(self.len - len), len)
    }

    /// The counter at `at`, 0 if there is none.
    pub(super) fn get(self, at: usize) -> u8 {
        if at >= self.len {
            return 0;
        }
        // SAFETY: `at < len`.
        let place = unsafe { self.start.add(at) };
        // SAFETY: the run is readable for the life of the process.
        unsafe { place.read() }
    }

    /// Sets all of them to 0. Writes only where one is not: most are 0 already, and writing costs
    /// more than looking.
    pub(super) fn clear(self, kernel: Kernel) {
        let mut from = 0;
        while let Some(block) = self.next_dirty(kernel, from) {
            self.clear_blocks(&[block]);
            from = block + 1;
        }
    }

    /// Sets those of the blocks to 0.
    pub(super) fn clear_blocks(self, blocks: &[u32]) {
        for block in blocks {
            let (at, n) = self.block(*block);
            self.clear_range(at, n);
        }
    }

    /// The first block from `from` on that holds a counter above 0.
    pub(super) fn next_dirty(self, kernel: Kernel, from: u32) -> Option<u32> {
        let block = match kernel {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: this kernel is only made where AVX2 was detected.
            Kernel::Avx2 if self.len >= BLOCK => unsafe { avx2::skip_clean(self, from) },
            _ => self.skip_clean(from),
        };
        ((block as usize) < self.n_blocks()).then_some(block)
    }

    /// The first block from `block` on that is not 0, or a number beyond the last block's.
    fn skip_clean(self, mut block: u32) -> u32 {
        let is_clean = |block| match self.block(block) {
            (at, BLOCK) => {
                let word = |i| u64::from_ne_bytes(self.copy::<8>(at + 8 * i));
                (0..BLOCK / 8).fold(0, |any, i| any | word(i)) == 0
            }
            (at, n) => (at..at + n).all(|at| self.get(at) == 0),
        };
        while (block as usize) < self.n_blocks() && is_clean(block) {
            block += 1;
        }
        block
    }

    /// Calls `each` with the place and value of every counter that is not 0, in order.
    pub(super) fn each_above_0(self, mut each: impl FnMut(usize, u8)) {
        const N: usize = 64;
        let mut at = 0;
        while at < self.len {
            let n = N.min(self.len - at);
            if n < N || self.copy::<N>(at) != [0; N] {
                for i in at..at + n {
                    match self.get(i) {
                        0 => {}
                        value => each(i, value),
                    }
                }
            }
            at += n;
        }
    }

    fn copy<const N: usize>(self, at: usize) -> [u8; N] {
        assert!(at + N <= self.len, "{N} counters at {at} of {}", self.len);
        // SAFETY: `at + N <= len`.
        let place = unsafe { self.start.add(at) };
        // SAFETY: the run is readable, and an array of bytes has alignment 1.
        unsafe { place.cast::<[u8; N]>().read() }
    }

    fn clear_range(self, at: usize, n: usize) {
        assert!(at + n <= self.len, "{n} counters at {at} of {}", self.len);
        // SAFETY: `at + n <= len`.
        let place = unsafe { self.start.add(at) };
        // SAFETY: as above, and the run is writable.
        unsafe { place.write_bytes(0, n) }
    }
}

/// Which code makes the pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kernel {
    /// Eight counters at a time.
    Portable,
    /// 32 at a time.
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

impl Kernel {
    /// The best one that this processor can run.
    pub(super) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            return Self::Avx2;
        }
        Self::Portable
    }
}

/// What a pass has seen before, and where it puts what is new.
#[derive(Debug)]
pub(super) struct Notes<'a> {
    /// Buckets seen, a byte for each counter; as long as the run.
    pub(super) seen: &'a mut [u8],
    /// Number of the run's first counter.
    pub(super) first: u32,
    /// Receives the features that are new: number of the counter * 8 + bit of the bucket.
    pub(super) fresh: &'a mut Vec<u32>,
    /// Grows by the counters that were never above 0 before.
    pub(super) edges: &'a mut u64,
}

impl Notes<'_> {
    /// Notes the values of the counters from `at` on. Not for the hot path.
    #[cold]
    #[inline(never)]
    fn take(&mut self, at: usize, values: &[u8]) {
        for (i, value) in values.iter().enumerate() {
            let (bits, seen) = (bucket(*value), &mut self.seen[at + i]);
            if bits & !*seen != 0 {
                *self.edges += u64::from(*seen == 0);
                *seen |= bits;
                self.fresh.push((self.first + (at + i) as u32) * 8 + bits.trailing_zeros());
            }
        }
    }
}

/// Makes the pass over these blocks of a run, which are all 0 afterwards; -> the sum of their
/// counters.
///
/// # Panics
/// If `notes.seen` has another length than the run.
#[inline]
pub(super) fn scan(
    kernel: Kernel,
    counters: Counters,
    blocks: &[u32],
    notes: &mut Notes<'_>,
) -> u64 {
    assert_eq!(notes.seen.len(), counters.len(), "a byte for each counter");
    match kernel {
        #[cfg(target_arch = "x86_64")]
        Kernel::Avx2 if counters.len() >= BLOCK => {
            // SAFETY: this kernel is only made where AVX2 was detected, and the lengths are right.
            unsafe { avx2::scan(counters, blocks, notes) }
        }
        _ => blocks.iter().map(|block| scan_portable(counters, *block, notes)).sum(),
    }
}

/// The pass over one block.
fn scan_portable(counters: Counters, block: u32, notes: &mut Notes<'_>) -> u64 {
    let (start, len) = counters.block(block);
    let mut work = 0;
    for at in (start..start + len).step_by(8) {
        let n = (start + len - at).min(8);
        let mut values = [0; 8];
        if n == 8 {
            values = counters.copy::<8>(at);
        } else {
            for (i, value) in values[..n].iter_mut().enumerate() {
                *value = counters.get(at + i);
            }
        }
        if values != [0; 8] {
            counters.clear_range(at, n);
            let mut fresh = 0;
            for (value, seen) in values[..n].iter().zip(&notes.seen[at..at + n]) {
                work += u64::from(*value);
                fresh |= bucket(*value) & !seen;
            }
            if fresh != 0 {
                notes.take(at, &values[..n]);
            }
        }
    }
    work
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{BLOCK, Counters, Notes};
    use std::arch::x86_64::*;

    /// Bytes of a vector.
    const N: usize = 32;

    /// The buckets of 0-15, then those of the upper nibble for 16-255; twice, since a shuffle
    /// looks up within 16 bytes. The upper nibble's bucket is the larger number where it counts.
    const LOW: [u8; 32] = [
        0, 1, 2, 4, 8, 8, 8, 8, 16, 16, 16, 16, 16, 16, 16, 16, //
        0, 1, 2, 4, 8, 8, 8, 8, 16, 16, 16, 16, 16, 16, 16, 16,
    ];
    const HIGH: [u8; 32] = [
        0, 32, 64, 64, 64, 64, 64, 64, 128, 128, 128, 128, 128, 128, 128, 128, //
        0, 32, 64, 64, 64, 64, 64, 64, 128, 128, 128, 128, 128, 128, 128, 128,
    ];

    #[derive(Clone, Copy)]
    struct Constants {
        low: __m256i,
        high: __m256i,
        nibble: __m256i,
        zero: __m256i,
    }

    /// The first block from `block` on that is not 0, or a number beyond the last block's.
    ///
    /// # Safety
    /// The processor must have AVX2, and `counters` must be one block at least.
    #[target_feature(enable = "avx2")]
    #[expect(unused_unsafe, reason = "intrinsics without pointers are safe since Rust 1.87")]
    #[expect(clippy::multiple_unsafe_ops_per_block, reason = "arithmetic on registers is one step")]
    pub(super) unsafe fn skip_clean(counters: Counters, block: u32) -> u32 {
        let mut at = block as usize * BLOCK;
        // Two blocks at once: what limits it are the loads.
        while at + 2 * BLOCK <= counters.len {
            // SAFETY: `at + 128 <= len`, and the loads need no alignment.
            let any = unsafe {
                let place = counters.start.add(at).cast::<__m256i>();
                let first =
                    _mm256_or_si256(_mm256_loadu_si256(place), _mm256_loadu_si256(place.add(1)));
                let second = _mm256_or_si256(
                    _mm256_loadu_si256(place.add(2)),
                    _mm256_loadu_si256(place.add(3)),
                );
                _mm256_or_si256(first, second)
            };
            // SAFETY: arithmetic on registers.
            if unsafe { _mm256_testz_si256(any, any) } == 0 {
                break;
            }
            at += 2 * BLOCK;
        }
        let mut block = (at / BLOCK) as u32;
        while (block as usize) < counters.n_blocks() {
            let (at, _) = counters.block(block);
            // SAFETY: a block of a run that is as long as one, and the loads need no alignment.
            let any = unsafe {
                let place = counters.start.add(at).cast::<__m256i>();
                _mm256_or_si256(_mm256_loadu_si256(place), _mm256_loadu_si256(place.add(1)))
            };
            // SAFETY: arithmetic on registers.
            if unsafe { _mm256_testz_si256(any, any) } == 0 {
                break;
            }
            block += 1;
        }
        block
    }

    /// # Safety
    /// The processor must have AVX2, `notes.seen` the length of `counters`, and that must be one
    /// block at least.
    #[target_feature(enable = "avx2")]
    #[expect(clippy::multiple_unsafe_ops_per_block, reason = "arithmetic on registers is one step")]
    pub(super) unsafe fn scan(counters: Counters, blocks: &[u32], notes: &mut Notes<'_>) -> u64 {
        // SAFETY: the tables have 32 bytes, and the loads need no alignment.
        let constants = unsafe {
            Constants {
                low: _mm256_loadu_si256(LOW.as_ptr().cast()),
                high: _mm256_loadu_si256(HIGH.as_ptr().cast()),
                nibble: _mm256_set1_epi8(0x0f),
                zero: _mm256_setzero_si256(),
            }
        };
        let mut sum = constants.zero;
        let last = counters.len - BLOCK;
        for block in blocks {
            // The last block overlaps the one before it, whose counters are 0 by then.
            let at = (*block as usize * BLOCK).min(last);
            // SAFETY: `at + 64 <= len`.
            unsafe { vector(counters, at, constants, &mut sum, notes) };
            // SAFETY: as above.
            unsafe { vector(counters, at + N, constants, &mut sum, notes) };
        }
        let mut sums = [0u64; 4];
        // SAFETY: the array has 32 bytes.
        unsafe { _mm256_storeu_si256(sums.as_mut_ptr().cast(), sum) };
        sums.iter().sum()
    }

    /// # Safety
    /// As for [`scan`]; and `at + 32` must not be over the length.
    #[inline]
    #[target_feature(enable = "avx2")]
    #[expect(unused_unsafe, reason = "intrinsics without pointers are safe since Rust 1.87")]
    #[expect(clippy::multiple_unsafe_ops_per_block, reason = "arithmetic on registers is one step")]
    unsafe fn vector(
        counters: Counters,
        at: usize,
        constants: Constants,
        sum: &mut __m256i,
        notes: &mut Notes<'_>,
    ) {
        let Constants { low, high, nibble, zero } = constants;
        // SAFETY: `at + 32 <= len`.
        let place = unsafe { counters.start.add(at) };
        // SAFETY: 32 readable bytes; the load needs no alignment.
        let values = unsafe { _mm256_loadu_si256(place.cast()) };
        // SAFETY: arithmetic on registers.
        if unsafe { _mm256_testz_si256(values, values) } == 1 {
            return;
        }
        // SAFETY: 32 writable bytes.
        unsafe { _mm256_storeu_si256(place.cast(), zero) };
        // SAFETY: arithmetic on registers.
        let bits = unsafe {
            *sum = _mm256_add_epi64(*sum, _mm256_sad_epu8(values, zero));
            let low_nibbles = _mm256_and_si256(values, nibble);
            let high_nibbles = _mm256_and_si256(_mm256_srli_epi16(values, 4), nibble);
            _mm256_max_epu8(
                _mm256_shuffle_epi8(low, low_nibbles),
                _mm256_shuffle_epi8(high, high_nibbles),
            )
        };
        // SAFETY: `seen` has the length of the run.
        let seen = unsafe { notes.seen.as_ptr().add(at) };
        // SAFETY: 32 readable bytes.
        let seen = unsafe { _mm256_loadu_si256(seen.cast()) };
        // SAFETY: arithmetic on registers.
        if unsafe { _mm256_testc_si256(seen, bits) } == 0 {
            let mut copy = [0; N];
            // SAFETY: the array has 32 bytes.
            unsafe { _mm256_storeu_si256(copy.as_mut_ptr().cast(), values) };
            notes.take(at, &copy);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Default, PartialEq)]
    struct Result {
        work: u64,
        counters: Vec<u8>,
        seen: Vec<u8>,
        fresh: Vec<u32>,
        edges: u64,
    }

    fn run(kernel: Kernel, values: &[u8], seen: &[u8]) -> Result {
        // Bytes before and after must stay as they are.
        let mut around = [&[9], values, &[9]].concat();
        let mut result = Result { seen: seen.to_vec(), ..Result::default() };
        // SAFETY: the buffer outlives the run, and nothing else touches it meanwhile.
        let counters = unsafe { Counters::new(around.as_mut_ptr().wrapping_add(1), values.len()) };
        let mut notes = Notes {
            seen: &mut result.seen,
            first: 100,
            fresh: &mut result.fresh,
            edges: &mut result.edges,
        };
        let blocks: Vec<u32> = (0..counters.n_blocks() as u32).collect();
        result.work = scan(kernel, counters, &blocks, &mut notes);
        assert_eq!((around[0], around[values.len() + 1]), (9, 9), "nothing beyond the run");
        result.counters = around[1..=values.len()].to_vec();
        result
    }

    #[test]
    fn buckets_are_those_of_afl() {
        let at = |n: u8| bucket(n).checked_ilog2();
        assert_eq!(at(0), None);
        let firsts = [1u8, 2, 3, 4, 8, 16, 32, 128];
        for (bit, first) in firsts.iter().enumerate() {
            let next = firsts.get(bit + 1).map_or(256, |n| u16::from(*n));
            for n in u16::from(*first)..next {
                assert_eq!(at(n as u8), Some(bit as u32), "{n}");
            }
        }
    }

    fn values() -> impl Strategy<Value = Vec<(u8, u8)>> {
        let value = prop_oneof![4 => Just(0u8), 1 => any::<u8>(), 1 => 1u8..5];
        prop::collection::vec((value, prop_oneof![Just(0u8), Just(0xffu8), any::<u8>()]), 0..200)
    }

    proptest! {
        #[test]
        fn a_pass_notes_each_new_bucket_once(pairs in values()) {
            let (values, seen): (Vec<u8>, Vec<u8>) = pairs.into_iter().unzip();
            let result = run(Kernel::Portable, &values, &seen);
            prop_assert_eq!(result.work, values.iter().map(|v| u64::from(*v)).sum::<u64>());
            prop_assert!(result.counters.iter().all(|c| *c == 0));
            for (i, (value, before)) in values.iter().zip(&seen).enumerate() {
                let bits = bucket(*value);
                prop_assert_eq!(result.seen[i], before | bits);
                let feature = (100 + i as u32) * 8 + bits.trailing_zeros();
                let is_fresh = bits != 0 && result.fresh.contains(&feature);
                prop_assert_eq!(bits & !before != 0, is_fresh);
            }
            let again = run(Kernel::Portable, &values, &result.seen);
            prop_assert!(again.fresh.is_empty() && again.edges == 0);
        }

        #[test]
        fn all_counters_are_cleared_and_nothing_beyond(
            values in prop::collection::vec(prop_oneof![99 => Just(0u8), 1 => any::<u8>()], 0..1600),
            portable: bool,
        ) {
            let kernel = if portable { Kernel::Portable } else { Kernel::detect() };
            let mut around = [&[9], &values[..], &[9]].concat();
            // SAFETY: the buffer outlives the run, and nothing else touches it meanwhile.
            let counters =
                unsafe { Counters::new(around.as_mut_ptr().wrapping_add(1), values.len()) };
            let mut dirty = Vec::new();
            while let Some(block) =
                counters.next_dirty(kernel, dirty.last().map_or(0, |last| last + 1))
            {
                dirty.push(block);
            }
            let is_dirty = |block: &u32| {
                let (at, n) = counters.block(*block);
                values[at..at + n].iter().any(|value| *value != 0)
            };
            let all: Vec<u32> = (0..counters.n_blocks() as u32).filter(is_dirty).collect();
            prop_assert_eq!(&dirty, &all);
            counters.clear(kernel);
            prop_assert_eq!(around, [&[9], &vec![0; values.len()][..], &[9]].concat());
        }

        #[test]
        fn all_kernels_agree(pairs in values()) {
            let (values, seen): (Vec<u8>, Vec<u8>) = pairs.into_iter().unzip();
            let best = run(Kernel::detect(), &values, &seen);
            prop_assert_eq!(best, run(Kernel::Portable, &values, &seen));
        }
    }
}
