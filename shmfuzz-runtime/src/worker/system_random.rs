//! The system's randomness, replaced by a seeded stream where a run must repeat: `HashMap` takes
//! its keys from `getrandom`, and the order of its entries decides which code an input reaches.
//!
//! Unsafe lives here. Invariant: without a seed the hook asks the kernel, as libc's function does.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

static SEEDED: AtomicBool = AtomicBool::new(false);
static STATE: AtomicU64 = AtomicU64::new(0);

/// From now on, randomness is the stream of this seed.
pub(super) fn seed(seed: u64) {
    STATE.store(seed, Ordering::Relaxed);
    SEEDED.store(true, Ordering::Relaxed);
}

/// The next eight bytes: SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number
/// Generators", 2014).
fn next() -> u64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let state = STATE.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// C's `getrandom`.
///
/// # Safety
/// `buffer` must have `len` writable bytes.
#[cfg(target_os = "linux")]
#[cfg_attr(shmfuzz_instrumented, unsafe(export_name = "getrandom"))]
pub unsafe extern "C" fn getrandom(buffer: *mut u8, len: usize, flags: u32) -> isize {
    if !SEEDED.load(Ordering::Relaxed) {
        // SAFETY: the caller says that the buffer has `len` bytes.
        return unsafe { libc::syscall(libc::SYS_getrandom, buffer, len, flags) } as isize;
    }
    let mut at = 0;
    while at < len {
        let bytes = next().to_le_bytes();
        let n = (len - at).min(bytes.len());
        let place = buffer.wrapping_add(at);
        // SAFETY: `at + n <= len`, and the array is no part of the buffer.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), place, n) };
        at += n;
    }
    len as isize
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn draw() -> [u8; 20] {
        let mut buffer = [0; 20];
        // SAFETY: the buffer has 20 bytes.
        assert_eq!(unsafe { getrandom(buffer.as_mut_ptr(), buffer.len(), 0) }, 20);
        buffer
    }

    #[test]
    fn a_seeded_stream_repeats() {
        let _alone = super::super::compare::ALONE.lock();
        assert_ne!(draw(), draw());
        seed(7);
        let first = [draw(), draw()];
        assert_ne!(first[0], first[1]);
        seed(7);
        assert_eq!([draw(), draw()], first);
        SEEDED.store(false, Ordering::Relaxed);
    }
}
