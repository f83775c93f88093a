//! Uninstrumented: stands in for the runtime.
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering::Relaxed};

#[unsafe(no_mangle)]
static __sancov_should_track: AtomicU64 = AtomicU64::new(0);

static START: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());
static LEN: AtomicUsize = AtomicUsize::new(0);
static CALLS: AtomicU64 = AtomicU64::new(0);
static RECORDING: AtomicBool = AtomicBool::new(false);
static BYTES: AtomicU64 = AtomicU64::new(0);

#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_8bit_counters_init(start: *mut u8, stop: *mut u8) {
    START.store(start, Relaxed);
    LEN.store(stop as usize - start as usize, Relaxed);
}

#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_pcs_init(_: *const usize, _: *const usize) {}

macro_rules! comparisons {
    ($($name:ident($int:ty);)*) => {
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $name(_: $int, _: $int) {
                CALLS.fetch_add(1, Relaxed);
            }
        )*
    };
}

comparisons! {
    __sanitizer_cov_trace_cmp1(u8);
    __sanitizer_cov_trace_cmp2(u16);
    __sanitizer_cov_trace_cmp4(u32);
    __sanitizer_cov_trace_cmp8(u64);
    __sanitizer_cov_trace_const_cmp1(u8);
    __sanitizer_cov_trace_const_cmp2(u16);
    __sanitizer_cov_trace_const_cmp4(u32);
    __sanitizer_cov_trace_const_cmp8(u64);
}

#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_trace_switch(_: u64, _: *const u64) {}

/// Volatile, so that the loop does not become a call of itself.
///
/// # Safety
/// As libc's.
unsafe fn compare(a: *const u8, b: *const u8, n: usize) -> i32 {
    if n == 19 && RECORDING.load(Relaxed) {
        BYTES.fetch_add(1, Relaxed);
    }
    for i in 0..n {
        // SAFETY: the caller gives `n` readable bytes at both.
        let (x, y) = unsafe { (a.add(i).read_volatile(), b.add(i).read_volatile()) };
        if x != y {
            return i32::from(x) - i32::from(y);
        }
    }
    0
}

/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
    // SAFETY: the caller's.
    unsafe { compare(a, b, n) }
}

/// # Safety
/// As libc's.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
    // SAFETY: the caller's.
    unsafe { compare(a, b, n) }
}

pub struct Recorded {
    pub moved: usize,
    pub calls: u64,
    pub bytes: u64,
}

pub fn counters() -> usize {
    LEN.load(Relaxed)
}

/// Runs `body` from cleared counters, with the gate at `gate`.
pub fn record(gate: u64, body: impl FnOnce() -> u32) -> Recorded {
    // SAFETY: LLVM gave the range; the one thread there is neither reads nor writes it meanwhile.
    let clear = |at: usize| unsafe { START.load(Relaxed).add(at).write_volatile(0) };
    (0..counters()).for_each(clear);
    CALLS.store(0, Relaxed);
    BYTES.store(0, Relaxed);
    RECORDING.store(gate != 0, Relaxed);
    __sancov_should_track.store(gate, Relaxed);
    body();
    __sancov_should_track.store(0, Relaxed);
    RECORDING.store(false, Relaxed);
    // SAFETY: as above.
    let read = |at: &usize| unsafe { START.load(Relaxed).add(*at).read_volatile() != 0 };
    Recorded {
        moved: (0..counters()).filter(read).count(),
        calls: CALLS.load(Relaxed),
        bytes: BYTES.load(Relaxed),
    }
}
