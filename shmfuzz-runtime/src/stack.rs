//! The stack of a thread that failed or hangs, as it goes from the worker to the coordinator:
//! program counters, the innermost first.
//!
//! Like the last words it may be written by a signal handler, so [`StackArea::write`] is
//! async-signal-safe. Unsafe lives here. It is published by `n_stacks`, which counts: of a hang several are taken.
//! What is read was written by an untrusted process and is checked.

use crate::layout::{Header, STACK_AT, STACK_LEN};
use crate::mapping::Mapping;
use crate::turn::Turn;
use std::sync::atomic::{AtomicU32, Ordering};

const HEAD: usize = 16;
/// The most frames that are kept.
pub const MAX_FRAMES: usize = (STACK_LEN - HEAD) / 8;
/// How many of them are the outermost ones, where a stack has more: the calls with which a
/// recursion began.
pub const N_OUTERMOST: usize = 30;

/// A stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stack {
    /// Program counters relative to [`ANCHOR`](crate::message::ANCHOR), the innermost first. For
    /// callers they lie within the call, not behind it.
    pub pcs: Vec<i64>,
    /// How many frames are left out before the last [`N_OUTERMOST`], 0 for none.
    pub left_out: u64,
}

/// The stack area of an attached mapping, for hooks that can borrow nothing.
///
/// Invariant: the mapping it comes from is never unmapped; the worker leaks it.
#[derive(Clone, Copy, Debug)]
pub struct StackArea {
    at: *mut u8,
    n_stacks: *const AtomicU32,
}

// SAFETY: the pointers stay valid for the life of the process; concurrent writers may mix their
// program counters, each of which is checked by whoever looks it up.
unsafe impl Send for StackArea {}
// SAFETY: as for `Send`.
unsafe impl Sync for StackArea {}

impl StackArea {
    /// The area of a mapping that lives as long as the process.
    pub fn of(mapping: &'static Mapping) -> Self {
        let header: &'static Header = mapping.header();
        Self { at: mapping.at(STACK_AT), n_stacks: &raw const header.n_stacks }
    }

    /// Writes and publishes what fits. Async-signal-safe.
    pub fn write(self, pcs: impl ExactSizeIterator<Item = i64>, left_out: u64) {
        self.put(0, (pcs.len().min(MAX_FRAMES) as u64).to_ne_bytes());
        self.put(8, left_out.to_ne_bytes());
        for (i, pc) in pcs.take(MAX_FRAMES).enumerate() {
            self.put(HEAD + 8 * i, pc.to_ne_bytes());
        }
        // SAFETY: the header lives as long as the process.
        unsafe { &*self.n_stacks }.fetch_add(1, Ordering::Release);
    }

    fn put(self, at: usize, bytes: [u8; 8]) {
        debug_assert!(at + 8 <= STACK_LEN);
        // SAFETY: the limit above keeps `at` inside the area.
        let place = unsafe { self.at.add(at) };
        // SAFETY: eight bytes from there are in the area, as above.
        unsafe { place.cast::<[u8; 8]>().write(bytes) };
    }
}

/// Asks the worker with this process id for the stack of its fuzz test's thread, which it publishes
/// unless it is in no state to. One that has not begun is ended by that.
///
/// # Errors
/// If there is no such process.
#[cfg(all(unix, feature = "coordinator"))]
pub fn ask(pid: u32) -> std::io::Result<()> {
    let pid = libc::pid_t::try_from(pid).map_err(std::io::Error::other)?;
    // SAFETY: it has no preconditions.
    match unsafe { libc::kill(pid, crate::message::SAMPLING_SIGNAL) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// How many stacks were published since the last hand-over.
pub fn n_published(mapping: &Mapping) -> u32 {
    mapping.header().n_stacks.load(Ordering::Acquire)
}

/// The stack that was published last, after a hand-over or a death; `None` if none was, or it is
/// garbage. Never panics, whatever the bytes.
pub fn read(mapping: &Mapping, _turn: &Turn) -> Option<Stack> {
    read_now(mapping)
}

/// The stack that was published last, of a process that is about to be killed. What else it does
/// to the area meanwhile makes a wrong stack, and no other harm.
pub fn read_now(mapping: &Mapping) -> Option<Stack> {
    if n_published(mapping) == 0 {
        return None;
    }
    let bytes = mapping.copy_out(STACK_AT, STACK_LEN);
    let mut words = bytes.chunks_exact(8).filter_map(|word| <[u8; 8]>::try_from(word).ok());
    let n = usize::try_from(u64::from_ne_bytes(words.next()?)).ok()?;
    let left_out = u64::from_ne_bytes(words.next()?);
    let is_possible = n <= MAX_FRAMES && (left_out == 0 || n == MAX_FRAMES);
    is_possible.then(|| Stack { pcs: words.take(n).map(i64::from_ne_bytes).collect(), left_out })
}

#[cfg(all(test, feature = "coordinator"))]
mod tests {
    use super::*;

    fn mapping() -> (&'static Mapping, Turn) {
        let (mapping, turn) = Mapping::create(16).expect("room for a mapping");
        (Box::leak(Box::new(mapping)), turn)
    }

    #[test]
    fn stacks_come_back_and_are_cut_at_the_limit() {
        let (mapping, mut turn) = mapping();
        assert_eq!(read(mapping, &turn), None);
        let area = StackArea::of(mapping);
        area.write([-1, 0, i64::MAX].into_iter(), 0);
        assert_eq!(read(mapping, &turn).unwrap().pcs, [-1, 0, i64::MAX]);
        area.write([7; MAX_FRAMES + 9].into_iter(), u64::MAX);
        let stack = read(mapping, &turn).unwrap();
        assert_eq!((stack.pcs.len(), stack.left_out), (MAX_FRAMES, u64::MAX));
        assert_eq!(n_published(mapping), 2);
        mapping.reset_job(&mut turn);
        assert_eq!(read(mapping, &turn), None);
    }

    #[test]
    fn what_is_no_stack_is_not_read() {
        let (mapping, turn) = mapping();
        let area = StackArea::of(mapping);
        area.write([1].into_iter(), 5);
        assert_eq!(read(mapping, &turn), None, "nothing is left out of a short one");
        area.write([].into_iter(), 0);
        area.put(0, u64::MAX.to_ne_bytes());
        assert_eq!(read(mapping, &turn), None);
    }
}
