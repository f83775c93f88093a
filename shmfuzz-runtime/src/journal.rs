//! A worker's life on record: every input that it runs, in order, in shared memory that outlives
//! it, so that a failure that needs earlier inputs can be brought about again.
//!
//! Only workers of fuzz tests that were seen to fail in such a way have one. Invariants: an input is
//! on record before it is run; what does not fit is counted, and nothing is recorded after it; what
//! is read is as untrusted as all that a worker writes.

use crate::mapping::MappingError;
use crate::sequence;
use memmap2::{MmapOptions, MmapRaw};
use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of inputs that fit, with four more for each of them: as much as a worker of a fast test
/// runs in about a second, and no more than can be replayed some hundred times.
pub const CAPACITY: usize = 64 << 20;

/// Inputs that fit, however short they are: each costs some memory when it is looked at.
pub const MOST_INPUTS: u64 = 1 << 20;

/// What stands at the start of the file.
#[derive(Debug)]
#[repr(C)]
struct Header {
    magic: AtomicU64,
    /// Bytes behind the header that hold inputs.
    used: AtomicU64,
    /// Inputs among them.
    n_inputs: AtomicU64,
    /// Inputs that did not fit.
    n_lost: AtomicU64,
}

const MAGIC: u64 = u64::from_le_bytes(*b"shmfjrnl");
/// Where the inputs begin.
const START: usize = 64;
const _: () = assert!(size_of::<Header>() <= START, "the header fits before the inputs");

/// The record of one worker.
#[derive(Debug)]
pub struct Journal {
    raw: MmapRaw,
}

/// What a worker has run in its life, as it is packed by [`sequence::pack`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    packed: Vec<u8>,
}

impl Life {
    /// One that ran these inputs.
    pub fn of(inputs: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
        let mut packed = Vec::new();
        inputs.into_iter().for_each(|input| sequence::pack(&mut packed, input.as_ref()));
        Self { packed }
    }

    /// The inputs, in the order in which they were run.
    pub fn inputs(&self) -> Vec<&[u8]> {
        sequence::unpack(&self.packed).flatten().collect()
    }
}

impl Journal {
    /// Attaches to the file of a journal.
    ///
    /// # Errors
    /// If it is none, or the system refuses to map it.
    pub fn attach(file: &File) -> Result<Self, MappingError> {
        let journal = Self::map(file)?;
        match journal.header().magic.load(Ordering::Relaxed) {
            MAGIC => Ok(journal),
            magic => Err(MappingError::Foreign { why: format!("journal number {magic:#018x}") }),
        }
    }

    fn map(file: &File) -> Result<Self, MappingError> {
        let io = |operation| move |error| MappingError::Io { operation, error };
        let len = file.metadata().map_err(io("read the size of the journal"))?.len();
        if len < (START + CAPACITY) as u64 {
            return Err(MappingError::Foreign { why: format!("a journal of {len} bytes") });
        }
        let raw = MmapOptions::new()
            .len(START + CAPACITY)
            .map_raw(file)
            .map_err(io("map the journal"))?;
        Ok(Self { raw })
    }

    /// Where it is in memory, in bytes.
    pub fn range(&self) -> (*const u8, usize) {
        (self.raw.as_ptr(), self.raw.len())
    }

    fn header(&self) -> &Header {
        let header = self.raw.as_ptr().cast::<Header>();
        // SAFETY: the range begins on a page and is longer than the header (see `map`), whose
        // fields are atomics, valid whatever stands there.
        unsafe { &*header }
    }

    fn used(&self) -> usize {
        usize::try_from(self.header().used.load(Ordering::Acquire)).unwrap_or(usize::MAX)
    }

    /// Whether an input did not fit: the record ends before it.
    pub fn is_full(&self) -> bool {
        self.header().n_lost.load(Ordering::Relaxed) > 0
    }

    /// Puts an input on record; false if it does not fit, or an earlier one did not. Only one
    /// thread of one process may do so.
    pub fn record(&self, input: &[u8]) -> bool {
        let (header, used) = (self.header(), self.used());
        let room = CAPACITY.saturating_sub(used);
        let len = u32::try_from(input.len()).ok().filter(|_| input.len() + 4 <= room);
        let has_room = header.n_inputs.load(Ordering::Relaxed) < MOST_INPUTS;
        let Some(len) = len.filter(|_| has_room && !self.is_full()) else {
            let n_lost = header.n_lost.load(Ordering::Relaxed);
            header.n_lost.store(n_lost.saturating_add(1), Ordering::Relaxed);
            return false;
        };
        self.write(START + used, &len.to_le_bytes());
        self.write(START + used + 4, input);
        // Release: a reader that sees the length sees the bytes.
        header.used.store((used + 4 + input.len()) as u64, Ordering::Release);
        let n_inputs = header.n_inputs.load(Ordering::Relaxed);
        header.n_inputs.store(n_inputs.saturating_add(1), Ordering::Relaxed);
        true
    }

    fn write(&self, at: usize, bytes: &[u8]) {
        assert!(at + bytes.len() <= START + CAPACITY, "{} bytes at {at}", bytes.len());
        // SAFETY: inside the range, by the assertion.
        let place = unsafe { self.raw.as_mut_ptr().add(at) };
        // SAFETY: the range holds as many bytes; `bytes` is no part of it, since no reference into
        // it is ever given out.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) };
    }

    /// All that is on record, up to the last input that was run; `None` if something is missing, or
    /// it was written over.
    pub fn read(&self) -> Option<Life> {
        let used = self.used();
        if self.is_full() || used > CAPACITY {
            return None;
        }
        let mut packed = vec![0; used];
        // SAFETY: the range holds as many bytes behind its header.
        let start = unsafe { self.raw.as_ptr().add(START) };
        // SAFETY: as above, and `packed` is memory of this process alone.
        unsafe { std::ptr::copy_nonoverlapping(start, packed.as_mut_ptr(), used) };
        let n_inputs = sequence::unpack(&packed).try_fold(0, |n, input| input.map(|_| n + 1))?;
        (n_inputs <= MOST_INPUTS).then_some(Life { packed })
    }
}

#[cfg(feature = "coordinator")]
impl Journal {
    /// Makes an empty journal, and its file for the worker: without a name, private, with all its
    /// space reserved.
    ///
    /// # Errors
    /// If no place has room, or the system refuses to map it.
    pub fn create() -> Result<(Self, File), MappingError> {
        let file = crate::mapping::private_file((START + CAPACITY) as u64)?;
        let journal = Self::map(&file)?;
        journal.header().magic.store(MAGIC, Ordering::Relaxed);
        Ok((journal, file))
    }
}

#[cfg(all(test, feature = "coordinator"))]
mod tests {
    use super::*;

    #[test]
    fn what_was_recorded_is_read_on_the_other_side() {
        let (ours, file) = Journal::create().unwrap();
        let theirs = Journal::attach(&file).unwrap();
        let inputs = [&b"one"[..], b"", b"three"];
        assert!(inputs.iter().all(|input| theirs.record(input)));
        assert_eq!(ours.read().unwrap().inputs(), inputs);
    }

    #[test]
    fn a_record_with_a_gap_is_none() {
        let (journal, _file) = Journal::create().unwrap();
        let half = vec![7; CAPACITY / 2 - 4];
        assert!(journal.record(&half) && journal.record(&half) && !journal.is_full());
        assert!(journal.read().is_some_and(|life| life.inputs().len() == 2));
        assert!(!journal.record(b"") && journal.is_full());
        assert_eq!(journal.read(), None);
    }

    #[test]
    fn what_was_written_over_is_none() {
        let (journal, file) = Journal::create().unwrap();
        assert!(journal.record(b"input"));
        for used in [8, CAPACITY as u64 + 1, u64::MAX] {
            journal.header().used.store(used, Ordering::Relaxed);
            assert_eq!(journal.read(), None, "{used}");
        }
        assert!(!journal.record(b"more"), "there is no room behind the end");
        journal.header().magic.store(1, Ordering::Relaxed);
        assert!(Journal::attach(&file).is_err());
        assert!(Journal::attach(&tempfile::tempfile().unwrap()).is_err());
    }
}
