//! Where everything stands in the shared mapping: one definition for both processes.
//!
//! The file is a [`Header`] of one page, then the words, stack, inbox and log areas of fixed size, and
//! last the input area, which can grow by making the file longer. Nothing here touches memory.
//!
//! The pattern, and the meaning of `count`, `value_len`, `rand_state`, `rand_inc` and
//! `raw_in_mem`, are those of Go's `internal/fuzz/mem.go`.

use std::mem::{offset_of, size_of};
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64};

/// First eight bytes of every mapping.
pub const MAGIC: u64 = u64::from_le_bytes(*b"shmfuzz\0");

/// Version of the layout and of the messages. Both sides must have the same.
pub const VERSION: u32 = 2;

/// Bytes for the header.
pub const HEADER_LEN: usize = 4096;
/// Bytes for the last words of a worker: message, location, signal.
pub const WORDS_LEN: usize = (64 << 10) - STACK_LEN;
/// Bytes for the stack of a thread that failed or hangs: its head and 128 frames.
pub const STACK_LEN: usize = 16 + 8 * 128;
/// Bytes for inputs on their way to the worker.
pub const INBOX_LEN: usize = 1 << 20;
/// Bytes for entries that the worker found.
pub const LOG_LEN: usize = 4 << 20;

/// Offset of the words area.
pub const WORDS_AT: usize = HEADER_LEN;
/// Offset of the stack area.
pub const STACK_AT: usize = WORDS_AT + WORDS_LEN;
/// Offset of the inbox area.
pub const INBOX_AT: usize = STACK_AT + STACK_LEN;
/// Offset of the log area.
pub const LOG_AT: usize = INBOX_AT + INBOX_LEN;
/// Offset of the input area, the last one.
pub const INPUT_AT: usize = LOG_AT + LOG_LEN;

/// The longest input, in bytes: 1 GiB on 64-bit platforms, 64 MiB on others. Both sides reserve
/// address space for it; memory is taken only as the input area grows.
pub const MAX_VALUE_LEN: usize = if size_of::<usize>() >= 8 { 1 << 30 } else { 64 << 20 };

/// Address space of a mapping, in bytes.
pub const SPAN: usize = INPUT_AT + MAX_VALUE_LEN;

/// Longest version string that the header holds.
pub const VERSION_TEXT_LEN: usize = 32;

/// The head of the mapping. Every field is an atomic, since the other process may look at it at
/// any time; what else is in the mapping belongs to whoever has the turn.
#[derive(Debug)]
#[repr(C)]
pub struct Header {
    /// [`MAGIC`].
    pub magic: AtomicU64,
    /// [`VERSION`].
    pub version: AtomicU32,
    /// [`HEADER_LEN`].
    pub header_len: AtomicU32,
    /// [`WORDS_LEN`].
    pub words_len: AtomicU32,
    /// [`INBOX_LEN`].
    pub inbox_len: AtomicU32,
    /// [`LOG_LEN`].
    pub log_len: AtomicU32,
    /// Who has the turn; see [`crate::turn`].
    pub turn: AtomicU32,
    /// Bytes of the input area that exist in the file. Only the coordinator changes it.
    pub capacity: AtomicU64,
    /// Version of the `shmfuzz-runtime` that made the mapping, as text ended by zeros.
    pub made_by: [AtomicU32; VERSION_TEXT_LEN / 4],
    /// Set by the coordinator at any time: end the current job at the next call.
    pub stop: AtomicU32,
    /// What the worker is doing: a [`Phase`].
    pub phase: AtomicU32,
    /// How often the worker has called the fuzz test, incremented *before* each call. Reset by the
    /// coordinator only, at a hand-over.
    pub count: AtomicU64,
    /// How many bytes of the input area are valid.
    pub value_len: AtomicU64,
    /// State of the PCG from which the current run of mutations is replayed.
    pub rand_state: AtomicU64,
    /// Increment of that PCG; odd.
    pub rand_inc: AtomicU64,
    /// 1 while the input area holds exactly the bytes being run. Reset at every hand-over, so that
    /// no input of an earlier job is taken for the cause of a later death.
    pub raw_in_mem: AtomicU32,
    /// Bytes of last words that are valid; 0 for none.
    pub words_used: AtomicU32,
    /// The queue entry being mutated, by the worker's number; -1 for none.
    pub entry: AtomicI64,
    /// Tag of the inbox input being run, or index of the attribute's seed; -1 for none.
    pub loading: AtomicI64,
    /// Bytes of the inbox that are valid.
    pub inbox_used: AtomicU64,
    /// Bytes of the log that are published.
    pub log_used: AtomicU64,
    /// How many of the calls that `count` counts were none of the phase's own: traces, second runs
    /// of new entries, trimming, batches run again. Incremented *before* each of them, and reset
    /// with `count`.
    pub extra_count: AtomicU64,
    /// How many stacks were published in the stack area since the last hand-over.
    pub n_stacks: AtomicU32,
}

const _: () = {
    assert!(size_of::<Header>() <= HEADER_LEN, "the header fits its page");
    assert!(offset_of!(Header, magic) == 0, "the magic comes first");
    assert!(offset_of!(Header, turn) == 28 && offset_of!(Header, capacity) == 32);
    assert!(offset_of!(Header, count) % 8 == 0 && offset_of!(Header, log_used) % 8 == 0);
    assert!(offset_of!(Header, extra_count) == offset_of!(Header, log_used) + 8);
    assert!(INPUT_AT % 4096 == 0, "the input area starts on a page");
};

/// What a worker is doing, so that the coordinator knows what its death means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Phase {
    /// Before the first message: the harness, set-up code.
    Starting = 0,
    /// Waiting for a message.
    Idle = 1,
    /// Running inputs from the inbox or seeds from the attribute.
    Loading = 2,
    /// Mutating and running.
    Fuzzing = 3,
    /// Running an entry again, to trace comparisons or to measure stability.
    Tracing = 4,
    /// Shrinking an input.
    Minimizing = 5,
    /// Running one input again to confirm a finding.
    Replaying = 6,
    /// Running the fuzz test's setup, before any input.
    SettingUp = 7,
}

impl Phase {
    /// The phase with this number, if there is one.
    pub fn from_u32(n: u32) -> Option<Self> {
        [
            Self::Starting,
            Self::Idle,
            Self::Loading,
            Self::Fuzzing,
            Self::Tracing,
            Self::Minimizing,
            Self::Replaying,
            Self::SettingUp,
        ]
        .into_iter()
        .find(|p| *p as u32 == n)
    }
}

/// The size of a mapping's file for inputs of up to `value_size` bytes.
///
/// # Errors
/// If `value_size` is more than [`MAX_VALUE_LEN`].
pub fn shared_mem_size(value_size: usize) -> Result<usize, TooLarge> {
    if value_size > MAX_VALUE_LEN {
        return Err(TooLarge { asked: value_size });
    }
    Ok(INPUT_AT + value_size)
}

/// An input that no mapping can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// Its size in bytes.
    pub asked: usize,
}

impl std::fmt::Display for TooLarge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "an input of {} bytes is over the maximum of {MAX_VALUE_LEN} bytes", self.asked)
    }
}

impl std::error::Error for TooLarge {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn size_is_header_and_areas_and_value_or_an_error(value_size: usize) {
            match shared_mem_size(value_size) {
                Ok(size) => prop_assert_eq!(size, HEADER_LEN + WORDS_LEN + STACK_LEN + INBOX_LEN + LOG_LEN + value_size),
                Err(e) => {
                    prop_assert!(value_size > MAX_VALUE_LEN);
                    prop_assert_eq!(e, TooLarge { asked: value_size });
                }
            }
        }

        #[test]
        fn sizes_up_to_the_maximum_are_accepted(value_size in 0..=MAX_VALUE_LEN) {
            prop_assert_eq!(shared_mem_size(value_size), Ok(INPUT_AT + value_size));
        }
    }

    #[test]
    fn phases_and_numbers_agree() {
        for n in 0..8 {
            assert_eq!(Phase::from_u32(n).map(|p| p as u32), Some(n));
        }
        assert_eq!(Phase::from_u32(8), None);
    }
}
