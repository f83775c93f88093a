//! The shared mapping: a temp file that coordinator and worker both map.
//!
//! It owns the address range and, in the coordinator, the file. Invariants: the range spans
//! [`layout::SPAN`] bytes on both sides from the start, so that no pointer ever moves; only the
//! bytes below `INPUT_AT + capacity` exist in the file, and only the coordinator adds to them,
//! with space that is allocated and not sparse; areas are reached only with the [`Turn`], by raw
//! pointers, after every length was clamped to what this process knows itself.
//!
//! Go's `internal/fuzz/mem.go` is the pattern; the turn and the growth are ours.

use crate::area::Area;
use crate::layout::{self, Header, INPUT_AT, MAX_VALUE_LEN, Phase, SPAN, TooLarge};
use crate::turn::{self, Side, Turn};
use memmap2::{MmapOptions, MmapRaw};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{fmt, io, ptr};

/// The version that is written into the mapping, to be named when two do not fit.
pub const RUNTIME_VERSION: &str = env!("CARGO_PKG_VERSION");

/// A mapping of one coordinator and one worker.
#[derive(Debug)]
pub struct Mapping {
    raw: MmapRaw,
    side: Side,
    /// Kept by the coordinator, to extend it and to hand it to the worker.
    file: Option<File>,
}

/// Why a mapping cannot be made, attached, or used.
#[derive(Debug)]
pub enum MappingError {
    /// The operating system refused.
    Io {
        /// What was tried.
        operation: &'static str,
        /// Its answer.
        error: io::Error,
    },
    /// The file could not be made as large as it must be.
    NoRoom {
        /// Its directory, where that is known.
        dir: Option<PathBuf>,
        /// Its size in bytes.
        size: u64,
        /// The system's answer.
        error: io::Error,
    },
    /// An input is over the documented maximum.
    TooLarge(TooLarge),
    /// An input is larger than the input area is now.
    OverCapacity {
        /// Its size in bytes.
        asked: usize,
        /// The area's size in bytes.
        capacity: usize,
    },
    /// The file is no mapping of this format.
    Foreign {
        /// What is wrong with it.
        why: String,
    },
    /// The other side has another version.
    Version {
        /// The `shmfuzz-runtime` version of the coordinator.
        coordinator: String,
        /// The `shmfuzz-runtime` version of this test binary.
        worker: &'static str,
    },
    /// A header field has a value that cannot be.
    Corrupt {
        /// The field.
        field: &'static str,
        /// Its value.
        value: u64,
    },
}

impl fmt::Display for MappingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { operation, error } => write!(f, "cannot {operation}: {error}"),
            Self::NoRoom { dir, size, error } => {
                let dir = dir.as_deref().unwrap_or(Path::new("the temp directory"));
                write!(
                    f,
                    "cannot make the shared memory file in {} {size} bytes large: {error}; make \
                     room there (containers: `--shm-size` for /dev/shm), set TMPDIR to a directory \
                     that has room, or lower --max-len or --jobs",
                    dir.display()
                )
            }
            Self::TooLarge(e) => e.fmt(f),
            Self::OverCapacity { asked, capacity } => {
                write!(f, "{asked} bytes do not fit the input area of {capacity} bytes")
            }
            Self::Foreign { why } => write!(f, "not a shmfuzz mapping: {why}"),
            Self::Version { coordinator, worker } => write!(
                f,
                "cargo-shmfuzz uses shmfuzz-runtime {coordinator}, this test links {worker}; \
                 run `cargo update -p shmfuzz-runtime` or `cargo install cargo-shmfuzz` so that both agree"
            ),
            Self::Corrupt { field, value } => {
                write!(f, "the fuzz test wrote over the mapping: {field} is {value}")
            }
        }
    }
}

impl std::error::Error for MappingError {}

impl From<TooLarge> for MappingError {
    fn from(error: TooLarge) -> Self {
        Self::TooLarge(error)
    }
}

fn io_error(operation: &'static str) -> impl Fn(io::Error) -> MappingError {
    move |error| MappingError::Io { operation, error }
}

/// Maps the whole span of a mapping's file, of which only the start may exist yet.
///
/// # Errors
/// If the operating system refuses the address range.
pub fn map_file(file: &File) -> Result<MmapRaw, MappingError> {
    MmapOptions::new().len(SPAN).map_raw(file).map_err(io_error("map the shared memory file"))
}

impl Mapping {
    /// The header. Its fields may be read at any time.
    pub fn header(&self) -> &Header {
        let header = self.raw.as_ptr().cast::<Header>();
        // SAFETY: the range starts on a page and its first page always exists in the file; every
        // field is an atomic, so that writes of the other process are no aliasing violation.
        unsafe { &*header }
    }

    /// What the worker says it is doing; `None` if that is no phase.
    pub fn phase(&self) -> Option<Phase> {
        Phase::from_u32(self.header().phase.load(Ordering::Relaxed))
    }

    /// Takes the turn if the other side gave it.
    pub fn take(&self) -> Option<Turn> {
        turn::take(&self.header().turn, self.side)
    }

    /// Gives the turn to the other side, with `raw_in_mem` reset.
    pub fn give(&self, turn: Turn) {
        self.header().raw_in_mem.store(0, Ordering::Relaxed);
        self.give_as_is(turn);
    }

    /// Gives the turn to the coordinator with `raw_in_mem` as it stands: the worker's way to say
    /// that the input area holds the bytes that failed.
    pub fn give_as_is(&self, turn: Turn) {
        turn::give(&self.header().turn, turn);
    }

    /// Bytes that the input area can hold now, as far as this process can tell for sure.
    ///
    /// # Errors
    /// If the header's field is over the maximum.
    pub fn capacity(&self) -> Result<usize, MappingError> {
        let capacity = match &self.file {
            // The coordinator asks the file itself: the field is writable by the worker.
            Some(file) => file
                .metadata()
                .map_err(io_error("read the size of the shared memory file"))?
                .len()
                .saturating_sub(INPUT_AT as u64),
            None => self.header().capacity.load(Ordering::Acquire),
        };
        match usize::try_from(capacity) {
            Ok(n) if n <= MAX_VALUE_LEN => Ok(n),
            _ => Err(MappingError::Corrupt { field: "capacity", value: capacity }),
        }
    }

    /// Length of the value in the input area, checked against the capacity.
    ///
    /// # Errors
    /// If the header's field is over the capacity.
    pub fn value_len(&self) -> Result<usize, MappingError> {
        let value = self.header().value_len.load(Ordering::Relaxed);
        let capacity = self.capacity()?;
        match usize::try_from(value) {
            Ok(n) if n <= capacity => Ok(n),
            _ => Err(MappingError::Corrupt { field: "value_len", value }),
        }
    }

    /// The value in place, for as long as the turn is borrowed.
    ///
    /// # Errors
    /// If its length is not possible.
    pub fn value_ref<'t>(&'t self, turn: &'t Turn) -> Result<&'t [u8], MappingError> {
        debug_assert_eq!(turn.side(), self.side, "the turn of this side");
        let len = self.value_len()?;
        // SAFETY: the bytes exist (checked against the capacity), and the other side does not
        // write while this side has the turn, which outlives the reference.
        Ok(unsafe { std::slice::from_raw_parts(self.at(INPUT_AT), len) })
    }

    /// A copy of the value; safe also against a worker that keeps writing out of turn.
    ///
    /// # Errors
    /// If its length is not possible.
    pub fn value_copy(&self, _turn: &Turn) -> Result<Vec<u8>, MappingError> {
        let len = self.value_len()?;
        Ok(self.copy_out(INPUT_AT, len))
    }

    /// Writes a value.
    ///
    /// # Errors
    /// If it is longer than the capacity; [`Mapping::grow`] is the way out.
    pub fn set_value(&self, turn: &mut Turn, value: &[u8]) -> Result<(), MappingError> {
        self.set_value_len(turn, value.len())?;
        self.copy_in(INPUT_AT, value);
        Ok(())
    }

    /// Says that the first `len` bytes of the input area are the value.
    ///
    /// # Errors
    /// If that is more than the capacity.
    pub fn set_value_len(&self, _turn: &mut Turn, len: usize) -> Result<(), MappingError> {
        let capacity = self.capacity()?;
        if len > capacity {
            return Err(MappingError::OverCapacity { asked: len, capacity });
        }
        self.header().value_len.store(len as u64, Ordering::Relaxed);
        Ok(())
    }

    /// The input area, to be changed in place.
    ///
    /// # Errors
    /// If the header's capacity or length is not possible.
    pub fn input_area<'t>(&'t self, _turn: &'t mut Turn) -> Result<Area<'t>, MappingError> {
        let (len, capacity) = (self.value_len()?, self.capacity()?);
        // SAFETY: `capacity` bytes exist in the file from `INPUT_AT` on; the turn is borrowed
        // exclusively, so neither the other side nor another area touches them.
        Ok(unsafe { Area::from_raw(self.at(INPUT_AT), len, capacity) })
    }

    /// A copy of `len` bytes at `offset`.
    ///
    /// # Panics
    /// If they are not all below the input area or in the input area's maximum: a caller's error.
    pub(crate) fn copy_out(&self, offset: usize, len: usize) -> Vec<u8> {
        assert!(offset + len <= SPAN, "{len} bytes at {offset}");
        let mut copy = Vec::with_capacity(len);
        // SAFETY: the source is inside the range and exists in the file (areas of fixed size
        // always do, the input area was checked against the capacity); the destination has room.
        unsafe { ptr::copy_nonoverlapping(self.at(offset), copy.as_mut_ptr(), len) };
        // SAFETY: `len` bytes were just written.
        unsafe { copy.set_len(len) };
        copy
    }

    /// Writes `bytes` at `offset`, with the turn of the caller.
    ///
    /// # Panics
    /// If they do not fit the range: a caller's error.
    pub(crate) fn copy_in(&self, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= SPAN, "{} bytes at {offset}", bytes.len());
        // SAFETY: the destination is inside the range and exists, see `copy_out`; `bytes` is no
        // part of the mapping, of which no mutable reference exists.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.at(offset), bytes.len()) };
    }

    /// Where it is in memory, in bytes.
    pub fn range(&self) -> (*const u8, usize) {
        (self.raw.as_ptr(), self.raw.len())
    }

    pub(crate) fn at(&self, offset: usize) -> *mut u8 {
        debug_assert!(offset < SPAN, "offset {offset}");
        // SAFETY: the range spans `SPAN` bytes, and the offset is below that.
        unsafe { self.raw.as_mut_ptr().add(offset) }
    }
}

/// The worker's side.
impl Mapping {
    /// Attaches to the coordinator's file and checks that both sides speak the same format.
    /// The file may be closed afterwards.
    ///
    /// # Errors
    /// If the file is no mapping, or one of another version.
    pub fn attach(file: &File) -> Result<Self, MappingError> {
        let len = file.metadata().map_err(io_error("read the size of the mapping"))?.len();
        if len < INPUT_AT as u64 {
            return Err(MappingError::Foreign {
                why: format!("{len} bytes, at least {INPUT_AT} expected"),
            });
        }
        let mapping = Self { raw: map_file(file)?, side: Side::Worker, file: None };
        let header = mapping.header();
        let magic = header.magic.load(Ordering::Relaxed);
        if magic != layout::MAGIC {
            return Err(MappingError::Foreign { why: format!("magic number {magic:#018x}") });
        }
        if header.version.load(Ordering::Relaxed) != layout::VERSION {
            return Err(MappingError::Version {
                coordinator: version_text(&header.made_by),
                worker: RUNTIME_VERSION,
            });
        }
        for (field, value, expected) in [
            ("header_len", &header.header_len, layout::HEADER_LEN),
            ("words_len", &header.words_len, layout::WORDS_LEN),
            ("inbox_len", &header.inbox_len, layout::INBOX_LEN),
            ("log_len", &header.log_len, layout::LOG_LEN),
        ] {
            let value = value.load(Ordering::Relaxed);
            if value as usize != expected {
                return Err(MappingError::Corrupt { field, value: u64::from(value) });
            }
        }
        let capacity = mapping.capacity()?;
        if len < (INPUT_AT + capacity) as u64 {
            return Err(MappingError::Corrupt { field: "capacity", value: capacity as u64 });
        }
        Ok(mapping)
    }
}

fn version_text(words: &[AtomicU32]) -> String {
    let bytes: Vec<u8> = words
        .iter()
        .flat_map(|w| w.load(Ordering::Relaxed).to_le_bytes())
        .take_while(|b| *b != 0)
        .collect();
    String::from_utf8_lossy(&bytes).escape_default().to_string()
}

/// The coordinator's side.
#[cfg(feature = "coordinator")]
mod coordinator {
    use super::*;
    use crate::space;

    /// What a worker was running at a moment.
    #[derive(Clone, Debug)]
    pub struct Peeked {
        /// How many calls it had begun.
        pub count: u64,
        /// The input of the call that went on, if one did.
        pub input: Option<Vec<u8>>,
    }

    /// A temp file of mode 0600 that has no name any more, with space for a mapping of inputs of
    /// up to `value_size` bytes. In memory (`/dev/shm`) where that has room, since a file on disk
    /// would be written back over and over; else in the temp directory.
    ///
    /// # Errors
    /// If the size is over the maximum, or no place has room.
    pub fn temp_file(value_size: usize) -> Result<File, MappingError> {
        private_file(layout::shared_mem_size(value_size)? as u64)
    }

    /// Such a file of any size in bytes.
    ///
    /// # Errors
    /// If no place has room.
    pub(crate) fn private_file(size: u64) -> Result<File, MappingError> {
        let mut refused = None;
        for dir in space::dirs(size) {
            let file = tempfile::tempfile_in(&dir).and_then(|file| {
                space::make_private(&file)?;
                space::allocate(&file, size)?;
                Ok(file)
            });
            match file {
                Ok(file) => return Ok(file),
                // The first directory is the one to be told of: it had the best chances.
                Err(error) => {
                    refused.get_or_insert(MappingError::NoRoom { dir: Some(dir), size, error });
                }
            }
        }
        Err(refused.expect("the temp directory was tried"))
    }

    impl Mapping {
        /// Makes a mapping with room for inputs of `value_size` bytes; the coordinator has the
        /// first turn.
        ///
        /// # Errors
        /// If the size is over the maximum, or the system refuses file or address range.
        pub fn create(value_size: usize) -> Result<(Self, Turn), MappingError> {
            let file = temp_file(value_size)?;
            let mapping = Self { raw: map_file(&file)?, side: Side::Coordinator, file: Some(file) };
            let header = mapping.header();
            header.magic.store(layout::MAGIC, Ordering::Relaxed);
            header.version.store(layout::VERSION, Ordering::Relaxed);
            header.header_len.store(layout::HEADER_LEN as u32, Ordering::Relaxed);
            header.words_len.store(layout::WORDS_LEN as u32, Ordering::Relaxed);
            header.inbox_len.store(layout::INBOX_LEN as u32, Ordering::Relaxed);
            header.log_len.store(layout::LOG_LEN as u32, Ordering::Relaxed);
            header.capacity.store(value_size as u64, Ordering::Release);
            header.entry.store(-1, Ordering::Relaxed);
            header.loading.store(-1, Ordering::Relaxed);
            let mut text = [0; layout::VERSION_TEXT_LEN];
            for (place, byte) in text.iter_mut().zip(RUNTIME_VERSION.bytes()) {
                *place = byte;
            }
            for (word, bytes) in header.made_by.iter().zip(text.chunks_exact(4)) {
                let bytes = bytes.try_into().expect("chunks of four");
                word.store(u32::from_le_bytes(bytes), Ordering::Relaxed);
            }
            let turn = turn::first(&mapping.header().turn);
            Ok((mapping, turn))
        }

        /// The file to hand to the worker.
        pub fn file(&self) -> Option<&File> {
            self.file.as_ref()
        }

        /// Makes room for inputs of `value_size` bytes. Pointers stay valid on both sides, and
        /// the worker sees the new capacity when it next takes the turn. Never shrinks.
        ///
        /// # Errors
        /// If that is over the maximum or the disk is full; the mapping stays as it was.
        pub fn grow(&self, _turn: &mut Turn, value_size: usize) -> Result<(), MappingError> {
            let size = layout::shared_mem_size(value_size)?;
            if value_size > self.capacity()? {
                let file = self.file.as_ref().expect("the coordinator keeps the file");
                let size = size as u64;
                space::allocate(file, size).map_err(|error| MappingError::NoRoom {
                    dir: space::dir_of(file),
                    size,
                    error,
                })?;
            }
            self.header().capacity.store(self.capacity()? as u64, Ordering::Release);
            Ok(())
        }

        /// What a worker is running at this moment, although it has the turn: for one that is about
        /// to be killed for it. If it goes on meanwhile, the bytes may be torn.
        pub fn peek(&self) -> Peeked {
            let header = self.header();
            let count = header.count.load(Ordering::Acquire);
            let is_running = header.raw_in_mem.load(Ordering::Acquire) == 1;
            let len = usize::try_from(header.value_len.load(Ordering::Relaxed)).ok();
            let len = len.filter(|len| is_running && self.capacity().is_ok_and(|all| *len <= all));
            Peeked { count, input: len.map(|len| self.copy_out(INPUT_AT, len)) }
        }

        /// The turn after the worker's death. Call it only once the process was waited for: that
        /// is what makes its last writes visible, and what keeps it from making more.
        pub fn reclaim(&self) -> Turn {
            turn::reclaim(&self.header().turn)
        }

        /// Resets what belongs to one worker's life or job before a hand-over: the count, the
        /// stop request, inbox, log, last words and stacks.
        pub fn reset_job(&self, _turn: &mut Turn) {
            let header = self.header();
            header.count.store(0, Ordering::Relaxed);
            header.extra_count.store(0, Ordering::Relaxed);
            header.stop.store(0, Ordering::Relaxed);
            header.words_used.store(0, Ordering::Relaxed);
            header.n_stacks.store(0, Ordering::Relaxed);
            header.inbox_used.store(0, Ordering::Relaxed);
            header.log_used.store(0, Ordering::Relaxed);
            header.entry.store(-1, Ordering::Relaxed);
            header.loading.store(-1, Ordering::Relaxed);
        }
    }
}

#[cfg(feature = "coordinator")]
pub(crate) use coordinator::private_file;
#[cfg(feature = "coordinator")]
pub use coordinator::{Peeked, temp_file};

// By its path, which is then the same for a crate that includes this file by path.
#[cfg(all(test, feature = "coordinator"))]
#[path = "mapping/tests.rs"]
mod tests;
