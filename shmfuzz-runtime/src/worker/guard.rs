//! Shared memory that the body cannot write to.
//!
//! A fuzz test that was seen to write over the mapping is run with all of it read-only while the
//! body runs: the stray write is then a fault, at the place and with the input that it comes from.
//! It costs two system calls for each call of the body, four with a journal, so it is for such tests
//! only. Invariant:
//! what this process writes to the mapping itself is written between [`open`] and [`close`], also
//! from signal handlers and exit handlers, for which both are async-signal-safe.

use super::unix;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

/// An address range, empty without a guard.
struct Range {
    start: AtomicUsize,
    len: AtomicUsize,
}

impl Range {
    const fn empty() -> Self {
        Self { start: AtomicUsize::new(0), len: AtomicUsize::new(0) }
    }
}

static RANGES: [Range; 2] = [Range::empty(), Range::empty()];
static IS_ON: AtomicBool = AtomicBool::new(false);
static STATE: AtomicU8 = AtomicU8::new(OPEN);
const OPEN: u8 = 0;
/// Read-only, or about to be.
const CLOSED: u8 = 1;
/// About to be writable: a signal that comes now must not leave it read-only.
const OPENING: u8 = 2;

/// From now on [`close`] and [`open`] do something, for these parts of shared memory: pages that
/// stay mapped as long as the process.
pub(super) fn turn_on(parts: impl IntoIterator<Item = (*const u8, usize)>) {
    for (range, (start, len)) in RANGES.iter().zip(parts) {
        range.start.store(start as usize, Ordering::Relaxed);
        range.len.store(len, Ordering::Relaxed);
    }
    IS_ON.store(true, Ordering::Relaxed);
}

/// Makes the memory read-only, if there is a guard.
#[inline]
pub(super) fn close() {
    if IS_ON.load(Ordering::Relaxed) {
        // A handler that interrupts this finds it closed, whether it is by now or not.
        STATE.store(CLOSED, Ordering::Relaxed);
        set_writable(false);
    }
}

/// Makes it writable again; -> whether it was closed, for those who interrupt the body and
/// [`close`] it again.
#[inline]
pub(super) fn open() -> bool {
    let before = STATE.load(Ordering::Relaxed);
    if before != OPEN {
        STATE.store(OPENING, Ordering::Relaxed);
        set_writable(true);
        STATE.store(OPEN, Ordering::Relaxed);
    }
    before == CLOSED
}

/// Whether this is an address in the memory. Async-signal-safe.
pub(super) fn holds(address: usize) -> bool {
    RANGES.iter().any(|range| {
        let (start, len) = (range.start.load(Ordering::Relaxed), range.len.load(Ordering::Relaxed));
        address.checked_sub(start).is_some_and(|offset| offset < len)
    })
}

#[cold]
fn set_writable(is_writable: bool) {
    for range in &RANGES {
        let len = range.len.load(Ordering::Relaxed);
        if len > 0 {
            unix::set_writable(range.start.load(Ordering::Relaxed), len, is_writable);
        }
    }
}
