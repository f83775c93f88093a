//! Panics of the body: the hook that notes message and place, and what it noted.
//!
//! The hook prints nothing while the body runs. Invariant: only the thread that runs the body
//! writes the notes; the signal handler reads them on that same thread. A panic on any other
//! thread is no failure of the call, unless it reaches the body (`join().unwrap()`), which then
//! panics itself: what is reported then is the panic of that thread, since it is the one that
//! tells something.
//!
//! Two notes are kept, the first and the last since the call began: what leaves the body is the
//! last one (the body may have caught others), while a process that aborts during a panic owes
//! that to the first.

use super::compare::BODY_THREAD;
use super::frames::{self, Frames};
use crate::words::MESSAGE_LIMIT;
use std::cell::UnsafeCell;
use std::panic::{self, PanicHookInfo};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

const FILE_LIMIT: usize = 1 << 10;

/// Message and place of a panic, in memory that is there before it is needed.
pub(super) struct Note {
    file: [u8; FILE_LIMIT],
    file_len: usize,
    message: [u8; MESSAGE_LIMIT],
    message_len: usize,
    line: u32,
    column: u32,
}

impl Note {
    const EMPTY: Self = Self {
        file: [0; FILE_LIMIT],
        file_len: 0,
        message: [0; MESSAGE_LIMIT],
        message_len: 0,
        line: 0,
        column: 0,
    };

    pub(super) fn file(&self) -> &[u8] {
        &self.file[..self.file_len]
    }

    pub(super) fn message(&self) -> &[u8] {
        &self.message[..self.message_len]
    }

    pub(super) fn line(&self) -> u32 {
        self.line
    }

    pub(super) fn column(&self) -> u32 {
        self.column
    }

    fn set(&mut self, info: &PanicHookInfo<'_>) {
        let (file, line, column) =
            info.location().map_or(("", 0, 0), |at| (at.file(), at.line(), at.column()));
        (self.line, self.column) = (line, column);
        self.file_len = copy_start(&mut self.file, file);
        self.message_len = copy_start(&mut self.message, crate::call::message(info.payload()));
    }
}

/// Copies as much of `text` as fits whole characters; -> the length.
fn copy_start(to: &mut [u8], text: &str) -> usize {
    let mut n = text.len().min(to.len());
    while !text.is_char_boundary(n) {
        n -= 1;
    }
    to[..n].copy_from_slice(&text.as_bytes()[..n]);
    n
}

struct Notes(UnsafeCell<[Note; 2]>);

// SAFETY: only the thread that runs the body reaches the notes.
unsafe impl Sync for Notes {}

static NOTES: Notes = Notes(UnsafeCell::new([Note::EMPTY; 2]));
/// How many panics were noted since the call began.
static N_NOTED: AtomicUsize = AtomicUsize::new(0);
/// Whether the body runs now.
static IN_CALL: AtomicBool = AtomicBool::new(false);

/// Installs the hook. Outside of calls, what was installed before goes on printing.
pub(super) fn install() {
    let previous = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !IN_CALL.load(Ordering::Relaxed) {
            previous(info);
        } else if BODY_THREAD.get() {
            note(info);
        } else {
            note_elsewhere(info);
        }
    }));
}

fn note(info: &PanicHookInfo<'_>) {
    let n = N_NOTED.load(Ordering::Relaxed);
    // The standard library's own panics about a panic that may not unwind say less than the first.
    let is_aftermath =
        info.location().is_some_and(|at| at.file().ends_with("core/src/panicking.rs"));
    if n > 0 && is_aftermath {
        return;
    }
    frames::note_panic();
    // SAFETY: this is the body's thread, and no reference to the notes outlives a call of them.
    let notes = unsafe { &mut *NOTES.0.get() };
    notes[n.min(1)].set(info);
    N_NOTED.store(n + 1, Ordering::Relaxed);
}

/// The first panic of another thread since the call began.
#[derive(Clone, Debug)]
pub(super) struct Elsewhere {
    pub(super) file: String,
    pub(super) message: String,
    pub(super) line: u32,
    pub(super) column: u32,
    pub(super) frames: Frames,
}

static ELSEWHERE: Mutex<Option<Elsewhere>> = Mutex::new(None);
/// Whether there is one, so that a call need not take the lock to find none.
static IS_ELSEWHERE: AtomicBool = AtomicBool::new(false);

fn note_elsewhere(info: &PanicHookInfo<'_>) {
    let mut elsewhere = ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner);
    if elsewhere.is_some() {
        return;
    }
    let (file, line, column) =
        info.location().map_or(("", 0, 0), |at| (at.file(), at.line(), at.column()));
    let message = crate::call::message(info.payload()).to_owned();
    let frames = frames::unwound();
    *elsewhere = Some(Elsewhere { file: file.to_owned(), message, line, column, frames });
    IS_ELSEWHERE.store(true, Ordering::Release);
}

/// The first panic of another thread since the call began, if what the body panicked with only
/// passes on that a thread did.
pub(super) fn passed_on() -> Option<Elsewhere> {
    /// What `join().unwrap()` and `thread::scope` say, who know nothing of the panic itself.
    const SAY_NOTHING: [&[u8]; 2] = [b"Any { .. }", b"a scoped thread panicked"];
    if !IS_ELSEWHERE.load(Ordering::Acquire) {
        return None;
    }
    let says_nothing = last().is_none_or(|note| {
        SAY_NOTHING.iter().any(|text| note.message().windows(text.len()).any(|part| part == *text))
    });
    let elsewhere = ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner);
    elsewhere.clone().filter(|_| says_nothing)
}

#[cold]
fn forget_elsewhere() {
    IS_ELSEWHERE.store(false, Ordering::Relaxed);
    *ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Whether the body runs now.
pub(super) fn is_in_call() -> bool {
    IN_CALL.load(Ordering::Relaxed)
}

/// Says that a call of the body begins.
pub(super) fn begin_call() {
    if IS_ELSEWHERE.load(Ordering::Relaxed) {
        forget_elsewhere();
    }
    IN_CALL.store(true, Ordering::Relaxed);
}

/// Says that it has ended; -> whether the body's thread panicked meanwhile.
pub(super) fn end_call() -> bool {
    IN_CALL.store(false, Ordering::Relaxed);
    N_NOTED.load(Ordering::Relaxed) != 0
}

/// Forgets the notes.
pub(super) fn forget() {
    N_NOTED.store(0, Ordering::Relaxed);
}

/// The panic that began it, if the body's thread is the one that asks. Async-signal-safe.
pub(super) fn first() -> Option<&'static Note> {
    noted(0)
}

/// The panic that left the body, if it was seen.
pub(super) fn last() -> Option<&'static Note> {
    noted(N_NOTED.load(Ordering::Relaxed).saturating_sub(1).min(1))
}

fn noted(i: usize) -> Option<&'static Note> {
    if N_NOTED.load(Ordering::Relaxed) == 0 || !BODY_THREAD.get() {
        return None;
    }
    // SAFETY: this is the body's thread, so nobody writes while the reference is used.
    let notes = unsafe { &*NOTES.0.get() };
    notes.get(i)
}
