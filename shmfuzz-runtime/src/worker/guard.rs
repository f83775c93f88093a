//! Shared memory that the body cannot write to.
//!
//! A fuzz test that was seen to write over the mapping is run with all of it read-only while the
//! body runs: the stray write is then a fault, at the place and with the input that it comes from.
//! It costs two system calls for each call of the body, so it is for such tests only. Invariant:
//! what this process writes to the mapping itself is written between [`open`] and [`close`], also
//! from signal handlers and exit handlers, for which both are async-signal-safe.

use super::unix;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// An address range, empty without a guard.
struct Range {
    start: AtomicUsize,
    len: AtomicUsize,
}

impl Range {
    const EMPTY: Self = Self { start: AtomicUsize::new(0), len: AtomicUsize::new(0) };
}

static RANGES: [Range; 2] = [Range::EMPTY; 2];
static IS_ON: AtomicBool = AtomicBool::new(false);
static IS_CLOSED: AtomicBool = AtomicBool::new(false);

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
        set(true);
    }
}

/// Makes it writable again; -> whether it was not. Where a fork of the process asks, nothing
/// happens to the worker itself.
#[inline]
pub(super) fn open() -> bool {
    let was_closed = IS_CLOSED.load(Ordering::Relaxed);
    if was_closed {
        set(false);
    }
    was_closed
}

/// Whether this is an address in the memory. Async-signal-safe.
pub(super) fn holds(address: usize) -> bool {
    RANGES.iter().any(|range| {
        let (start, len) = (range.start.load(Ordering::Relaxed), range.len.load(Ordering::Relaxed));
        address.checked_sub(start).is_some_and(|offset| offset < len)
    })
}

#[cold]
fn set(is_closed: bool) {
    for range in &RANGES {
        let len = range.len.load(Ordering::Relaxed);
        if len > 0 {
            unix::set_writable(range.start.load(Ordering::Relaxed), len, !is_closed);
        }
    }
    IS_CLOSED.store(is_closed, Ordering::Relaxed);
}
