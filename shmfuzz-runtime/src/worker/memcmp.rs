//! `memcmp` and `bcmp`, interposed in fuzzing builds: fuzzing builds keep LLVM from expanding short
//! comparisons, so that all of them arrive here, and are recorded while the gate is open.
//!
//! Unsafe lives here. Invariants: no slice comparison, no panic and no overflow check in this file,
//! since each of them may compile to a call of the function being defined. Closed, the hook only
//! calls libc's own function, found once when the counters are registered; until then, and in
//! static binaries, a loop over raw pointers stands in, whose volatile reads keep LLVM from making
//! a call of `memcmp` out of it.

use super::{compare, sancov};
#[cfg(shmfuzz_instrumented)]
use std::sync::atomic::{AtomicPtr, Ordering};

#[cfg(shmfuzz_instrumented)]
static LIBC: AtomicPtr<libc::c_void> = AtomicPtr::new(std::ptr::null_mut());

/// Finds libc's own function.
pub(super) fn resolve() {
    #[cfg(shmfuzz_instrumented)]
    {
        // SAFETY: the name ends with a zero; the call only reads the loader's tables.
        let own = unsafe { libc::dlsym(libc::RTLD_NEXT, c"memcmp".as_ptr()) };
        LIBC.store(own, Ordering::Relaxed);
    }
}

/// Bytes until libc's function is found.
unsafe fn by_loop(a: *const u8, b: *const u8, n: usize) -> i32 {
    let mut i = 0;
    while i < n {
        // SAFETY: the caller says that both have `n` bytes.
        let x = unsafe { a.wrapping_add(i).read_volatile() };
        // SAFETY: as above.
        let y = unsafe { b.wrapping_add(i).read_volatile() };
        if x != y {
            return (x as i32).wrapping_sub(y as i32);
        }
        i = i.wrapping_add(1);
    }
    0
}

unsafe extern "C" fn compare_bytes(a: *const u8, b: *const u8, n: usize, place: usize) -> i32 {
    if sancov::is_gate_open() {
        // SAFETY: the caller says that both have `n` bytes.
        unsafe { compare::record_bytes(sancov::site_of(place), a, b, n) };
    }
    #[cfg(shmfuzz_instrumented)]
    {
        let own = LIBC.load(Ordering::Relaxed);
        if !own.is_null() {
            type Memcmp = unsafe extern "C" fn(*const u8, *const u8, usize) -> i32;
            // SAFETY: `own` is libc's `memcmp`, which has this type.
            let own = unsafe { std::mem::transmute::<*mut libc::c_void, Memcmp>(own) };
            // SAFETY: as for this function.
            return unsafe { own(a, b, n) };
        }
    }
    // SAFETY: as for this function.
    unsafe { by_loop(a, b, n) }
}

sancov::hooks! {
    /// C's `memcmp`.
    memcmp = compare_bytes(a: *const u8, b: *const u8, n: usize) "rcx" "x3";
    /// C's `bcmp`, of which only being 0 counts.
    bcmp = compare_bytes(a: *const u8, b: *const u8, n: usize) "rcx" "x3";
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn order_is_that_of_slices(a: Vec<u8>, b: Vec<u8>) {
            let n = a.len().min(b.len());
            // SAFETY: both have at least `n` bytes.
            let order = unsafe { memcmp(a.as_ptr(), b.as_ptr(), n) };
            // SAFETY: as above.
            let equal = unsafe { bcmp(a.as_ptr(), b.as_ptr(), n) } == 0;
            prop_assert_eq!(order.cmp(&0), a[..n].cmp(&b[..n]));
            prop_assert_eq!(equal, a[..n] == b[..n]);
        }
    }
}
