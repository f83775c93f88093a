//! Fatal signals: last words and the stack from the handler, then the death that was due. And the
//! ends of a process that are no signals, and the one by which the coordinator asks where a call
//! hangs.
//!
//! Unsafe lives here. Invariant: the handler does only what is async-signal-safe: it reads atomics
//! and the notes of its own thread, copies bytes into the mapping, and changes the disposition of
//! its signal; the words are complete before it walks the stack, which may be smashed. It runs on an
//! alternate stack on the body's thread, so that it works after a stack
//! overflow. Other threads have the standard library's alternate stacks.

use super::compare::BODY_THREAD;
use super::frames::{self, Registers};
use super::guard;
use super::panics;
use super::unix;
use crate::kind::FailureKind;
use crate::mapping::Mapping;
use crate::message::SAMPLING_SIGNAL;
use crate::stack::StackArea;
use crate::words::{LastWords, WordsArea};
use std::io;
use std::mem::MaybeUninit;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const SIGNALS: [libc::c_int; 6] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT, libc::SIGTRAP];
const ALTERNATE_STACK: usize = 64 << 10;

/// A fault this close to the stack pointer, in bytes, is the end of the stack: a frame is probed
/// page by page as it is entered.
const NEAR_STACK: u64 = 64 << 10;

struct Installed {
    words: WordsArea,
    stack: StackArea,
    previous: [libc::sigaction; SIGNALS.len()],
}

static INSTALLED: OnceLock<Installed> = OnceLock::new();
/// Whether a fatal signal has had its say: what follows, such as the standard library's abort
/// after a stack overflow, is its consequence.
static SPOKEN: AtomicBool = AtomicBool::new(false);
/// The body's thread, as `pthread_self` names it; 0 before it has begun.
static BODY: AtomicU64 = AtomicU64::new(0);

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Installs the handler for all fatal signals, and ignores SIGINT: a terminal sends it to the
/// whole group, and the coordinator decides what it means.
///
/// # Errors
/// If the system refuses.
pub(super) fn install(mapping: &'static Mapping) -> io::Result<()> {
    let (words, stack) = (WordsArea::of(mapping), StackArea::of(mapping));
    let mut previous = [no_action(); SIGNALS.len()];
    for (signal, previous) in SIGNALS.into_iter().zip(&mut previous) {
        // SAFETY: a null pointer asks for the present disposition only.
        check(unsafe { libc::sigaction(signal, std::ptr::null(), previous) })?;
    }
    if INSTALLED.set(Installed { words, stack, previous }).is_err() {
        return Ok(());
    }
    let mut action = no_action();
    action.sa_sigaction =
        on_fatal as extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    for signal in SIGNALS {
        // SAFETY: the handler has the three-argument form that SA_SIGINFO promises, and lives on.
        check(unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) })?;
    }
    let mut ignore = no_action();
    ignore.sa_sigaction = libc::SIG_IGN;
    // SAFETY: ignoring a signal runs no code of ours.
    check(unsafe { libc::sigaction(libc::SIGINT, &raw const ignore, std::ptr::null_mut()) })?;
    action.sa_sigaction =
        on_sample as extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) as usize;
    action.sa_flags |= libc::SA_RESTART;
    // SAFETY: as for the fatal signals.
    check(unsafe { libc::sigaction(SAMPLING_SIGNAL, &raw const action, std::ptr::null_mut()) })?;
    // SAFETY: the function may be called at any exit.
    check(unsafe { libc::atexit(on_exit) })
}

/// The default disposition.
fn no_action() -> libc::sigaction {
    // SAFETY: zeros are valid for each field: SIG_DFL, an empty mask, no flags, no restorer.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// Makes this thread the body's: gives it an alternate stack that lives as long as the process.
///
/// # Errors
/// If the system refuses.
pub(super) fn begin_thread() -> io::Result<()> {
    // SAFETY: it has no preconditions.
    BODY.store(unsafe { libc::pthread_self() } as u64, Ordering::Relaxed);
    let stack = Box::leak(vec![0u8; ALTERNATE_STACK].into_boxed_slice());
    let stack =
        libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: ALTERNATE_STACK };
    // SAFETY: the stack is leaked, so it is there whenever a signal comes.
    check(unsafe { libc::sigaltstack(&raw const stack, std::ptr::null_mut()) })
}

extern "C" fn on_fatal(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    let Some(installed) = INSTALLED.get() else { return };
    if unix::is_fork() {
        // What it dies of is for its parent to judge. The signal comes again: a fault by itself.
        set_default(signal);
        // SAFETY: the signal is blocked until the handler returns, and then ends the process.
        unsafe { libc::raise(signal) };
        return;
    }
    // SAFETY: the kernel passes a valid pointer to a handler with SA_SIGINFO.
    let info = unsafe { &*info };
    let code = info.si_code;
    if !SPOKEN.swap(true, Ordering::Relaxed) {
        // SAFETY: the field is some number for signals that are no faults; it is not used then.
        let address = unsafe { info.si_addr() } as u64;
        let is_fault = code > 0 && signal != libc::SIGABRT;
        let registers = frames::registers(context);
        let address = if is_fault { address } else { 0 };
        let was_closed = guard::open();
        speak(installed.words, signal, address, registers);
        frames::in_handler(|frames| {
            frames::interrupted(frames, registers, address as usize);
            frames.publish(installed.stack);
        });
        if was_closed {
            // Or the instruction that faulted would come to an end now.
            guard::close();
        }
    }
    let is_memory_fault = matches!(signal, libc::SIGSEGV | libc::SIGBUS);
    let previous = SIGNALS.iter().position(|s| *s == signal).map(|i| &installed.previous[i]);
    if let (true, true, Some(previous)) = (code > 0, is_memory_fault, previous) {
        // What the standard library's handler does next is to abort, on what may be a small stack.
        set_default(libc::SIGABRT);
        // The instruction faults again, under the standard library's handler, which tells a stack
        // overflow on stderr, or under the default.
        // SAFETY: the previous disposition was read at the start.
        unsafe { libc::sigaction(signal, previous, std::ptr::null_mut()) };
        return;
    }
    set_default(signal);
    // SAFETY: the signal is blocked until the handler returns, and then ends the process.
    unsafe { libc::raise(signal) };
}

fn set_default(signal: libc::c_int) {
    let default = no_action();
    // SAFETY: the default disposition runs no code.
    unsafe { libc::sigaction(signal, &raw const default, std::ptr::null_mut()) };
}

fn speak(words: WordsArea, signal: libc::c_int, address: u64, registers: Option<Registers>) {
    let mut last_words = LastWords {
        kind: FailureKind::Signal,
        signal,
        address,
        line: 0,
        column: 0,
        trail: 0,
        file: &b""[..],
        message: &b""[..],
    };
    if signal == libc::SIGABRT {
        last_words.kind = FailureKind::Abort;
        // A panic that ended before the abort was caught, and is not its cause.
        if let Some(note) = panics::first().filter(|_| std::thread::panicking()) {
            last_words.file = note.file();
            last_words.message = note.message();
            (last_words.line, last_words.column) = (note.line(), note.column());
        }
    } else if address != 0
        && !guard::holds(address as usize)
        && registers.is_some_and(|now| (now.stack as u64).abs_diff(address) <= NEAR_STACK)
    {
        last_words.kind = FailureKind::StackOverflow;
    }
    words.write(&last_words);
}

/// Publishes where the body's thread is. The coordinator asks when a call takes too long, and then
/// ends the process.
extern "C" fn on_sample(
    signal: libc::c_int,
    _info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    let (Some(installed), body) = (INSTALLED.get(), BODY.load(Ordering::Relaxed)) else { return };
    if unix::is_fork() {
        return;
    }
    if BODY_THREAD.get() {
        let was_closed = guard::open();
        frames::in_handler(|frames| {
            frames::interrupted(frames, frames::registers(context), 0);
            frames.publish(installed.stack);
        });
        if was_closed {
            guard::close();
        }
    } else if body != 0 {
        // The system chose another thread.
        // SAFETY: the body's thread lives as long as the process.
        unsafe { libc::pthread_kill(body as libc::pthread_t, signal) };
    }
}

/// Publishes from where the process is ended, if a call of the body does that.
extern "C" fn on_exit() {
    let is_due = panics::is_in_call() && !unix::is_fork();
    if let (Some(installed), true) = (INSTALLED.get(), is_due) {
        guard::open();
        frames::unwound().publish(installed.stack);
    }
}
