//! Says which seed was running if the process ends under it.
//!
//! An in-process seed that aborts or exits takes the whole test run with it, and its name would
//! never be seen: libtest prints results afterwards, and `exit(0)` even makes the run green. So
//! each seed is noted before its call, and handlers of fatal signals and of `exit` write the note.
//!
//! Handlers run at any moment, on any thread. They read only atomics and one thread-local without
//! destructor, never free or allocate, and call nothing but `write`, `getpid`, `sigaction`, `raise`
//! and `_exit`. The notes stand in a fixed table, so that what a handler reads is never freed; a
//! torn note is a garbled name, nothing worse.

use std::cell::Cell;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed};

/// More seeds than this do not run at a time; one without a slot is not named.
const N_SLOTS: usize = 64;

/// Longest note in bytes; longer ones lose their beginning.
const NOTE_LIMIT: usize = 512;

struct Slot {
    /// 0 is free, otherwise the note's length plus one.
    state: AtomicUsize,
    note: [AtomicU8; NOTE_LIMIT],
}

static SLOTS: [Slot; N_SLOTS] =
    [const { Slot { state: AtomicUsize::new(0), note: [const { AtomicU8::new(0) }; NOTE_LIMIT] } };
        N_SLOTS];

thread_local! {
    /// Index of the present thread's slot, plus one.
    static MINE: Cell<usize> = const { Cell::new(0) };
}

/// Runs `f`, which must not unwind; if the process ends meanwhile, `label` is written to standard
/// error.
pub(crate) fn during<R>(label: &str, f: impl FnOnce() -> R) -> R {
    #[cfg(unix)]
    handlers::install();
    let slot_idx = claim(label);
    MINE.set(slot_idx.map_or(0, |idx| idx + 1));
    let result = f();
    MINE.set(0);
    if let Some(idx) = slot_idx {
        SLOTS[idx].state.store(0, Relaxed);
    }
    result
}

fn claim(label: &str) -> Option<usize> {
    let label = label.as_bytes();
    let label = &label[label.len().saturating_sub(NOTE_LIMIT)..];
    // A length of zero until the note is there.
    let is_mine = |slot: &Slot| slot.state.compare_exchange(0, 1, Relaxed, Relaxed).is_ok();
    let idx = SLOTS.iter().position(is_mine)?;
    for (to, from) in SLOTS[idx].note.iter().zip(label) {
        to.store(*from, Relaxed);
    }
    SLOTS[idx].state.store(label.len() + 1, Relaxed);
    Some(idx)
}

#[cfg(unix)]
mod handlers {
    //! The handlers, and what they may call.

    use std::mem::MaybeUninit;
    use std::sync::Once;
    use std::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU32,
        Ordering::{Acquire, Relaxed, Release},
    };

    use super::{MINE, NOTE_LIMIT, SLOTS, Slot};

    const FATAL: [libc::c_int; 7] = [
        libc::SIGABRT,
        libc::SIGBUS,
        libc::SIGFPE,
        libc::SIGILL,
        libc::SIGSEGV,
        libc::SIGSYS,
        libc::SIGTRAP,
    ];

    /// Where SIGABRT stands among them.
    const ABORT_IDX: usize = 0;
    const _: () = assert!(FATAL[ABORT_IDX] == libc::SIGABRT, "the index is that of SIGABRT");

    /// libtest's exit status when tests have failed.
    const EXIT_FAILED: libc::c_int = 101;

    type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

    /// The actions that ours replaced, by index in [`FATAL`]: std's, for stack overflows. Leaked,
    /// never freed.
    static PREVIOUS: [AtomicPtr<libc::sigaction>; FATAL.len()] =
        [const { AtomicPtr::new(std::ptr::null_mut()) }; FATAL.len()];

    /// std's handler of a stack overflow aborts, which is a second signal.
    static SAID: AtomicBool = AtomicBool::new(false);

    /// The process that installed the handlers.
    static PID: AtomicU32 = AtomicU32::new(0);

    pub(super) fn install() {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| {
            PID.store(std::process::id(), Relaxed);
            // SAFETY: `at_exit` is a function of this program, which is never unloaded. It cannot
            // unwind. A full table only means that exits are not explained.
            let _ = unsafe { libc::atexit(at_exit) };
            for (idx, signal) in FATAL.into_iter().enumerate() {
                install_one(idx, signal);
            }
        });
    }

    fn install_one(idx: usize, signal: libc::c_int) {
        let Some(previous) = exchange(signal, None) else { return };
        if previous.sa_sigaction == libc::SIG_IGN {
            return;
        }
        PREVIOUS[idx].store(Box::into_raw(Box::new(previous)), Release);
        let mut action = default_action();
        action.sa_sigaction = on_signal as Handler as usize;
        // The stack may be what is broken; std gives each thread another one for signals.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        let _ = exchange(signal, Some(&action));
    }

    fn default_action() -> libc::sigaction {
        // SAFETY: all zeroes is a valid `sigaction`: SIG_DFL, no flags, an empty mask.
        unsafe { MaybeUninit::zeroed().assume_init() }
    }

    /// Async-signal-safe: `sigaction` is.
    fn exchange(signal: libc::c_int, action: Option<&libc::sigaction>) -> Option<libc::sigaction> {
        let action = action.map_or(std::ptr::null(), std::ptr::from_ref);
        let mut previous = default_action();
        // SAFETY: both pointers are null or to values that outlive the call, and a handler that is
        // installed is `on_signal`, which keeps to what handlers may do.
        let result = unsafe { libc::sigaction(signal, action, &raw mut previous) };
        (result == 0).then_some(previous)
    }

    /// An `exit(0)` must not make the run green, whichever thread calls it: while a seed runs, it is
    /// not the end of the tests.
    extern "C" fn at_exit() {
        say();
        let runs = SLOTS.iter().any(|slot| slot.state.load(Relaxed) != 0);
        if runs && is_the_test_process() {
            // SAFETY: takes a number only. It ends the process, as `exit` is about to.
            unsafe { libc::_exit(EXIT_FAILED) }
        }
    }

    /// Acquire, so that another thread's box is seen complete.
    fn previous(idx: usize) -> Option<&'static libc::sigaction> {
        let previous = PREVIOUS[idx].load(Acquire);
        // SAFETY: null, or a leaked box that was complete before it was stored.
        unsafe { previous.as_ref() }
    }

    fn restore(idx: usize) {
        if let Some(previous) = previous(idx) {
            let _ = exchange(FATAL[idx], Some(previous));
        }
    }

    extern "C" fn on_signal(
        signal: libc::c_int,
        info: *mut libc::siginfo_t,
        context: *mut libc::c_void,
    ) {
        say();
        // std's handler of a stack overflow aborts, on a signal stack too small for a second frame.
        if signal != libc::SIGABRT {
            restore(ABORT_IDX);
        }
        let idx = FATAL.iter().position(|fatal| *fatal == signal);
        let previous = idx.and_then(previous);
        let handler = previous.filter(|p| p.sa_flags & libc::SA_SIGINFO != 0);
        if let Some(handler) = handler.map(|p| p.sa_sigaction).filter(|h| *h > libc::SIG_IGN) {
            // SAFETY: with SA_SIGINFO, the field holds a function of this signature.
            let handler: Handler = unsafe { std::mem::transmute(handler) };
            // std's handler removes itself when it finds no overflow and returns, so that the
            // fault occurs again and is fatal: it removes ours, since ours is the one installed.
            handler(signal, info, context);
            return;
        }
        if let Some(previous) = previous.filter(|p| p.sa_sigaction > libc::SIG_IGN) {
            // A handler without SA_SIGINFO: it takes over, and the signal comes again.
            let _ = exchange(signal, Some(previous));
        } else {
            let _ = exchange(signal, Some(&default_action()));
        }
        // SAFETY: takes a number only, and is async-signal-safe. The signal is blocked until this
        // handler returns, and ends the process then.
        let _ = unsafe { libc::raise(signal) };
    }

    /// Not a fork of it that the body made, which may end as it likes.
    fn is_the_test_process() -> bool {
        std::process::id() == PID.load(Relaxed)
    }

    fn say() {
        if SAID.load(Relaxed) || !is_the_test_process() {
            return;
        }
        match MINE.get().checked_sub(1) {
            Some(idx) => {
                SAID.store(true, Relaxed);
                write(b"\nshmfuzz: the process ends while this seed runs: ");
                say_slot(&SLOTS[idx]);
                write(b"\n");
            }
            // A thread that some seed started, or the end of the whole run.
            None => say_all(),
        }
    }

    fn say_all() {
        for slot in SLOTS.iter().filter(|slot| slot.state.load(Relaxed) > 1) {
            if !SAID.swap(true, Relaxed) {
                write(b"\nshmfuzz: the process ends while these seeds run:\n");
            }
            write(b"  ");
            say_slot(slot);
            write(b"\n");
        }
    }

    fn say_slot(slot: &Slot) {
        let mut note = [0; NOTE_LIMIT];
        let len = slot.state.load(Relaxed).saturating_sub(1).min(NOTE_LIMIT);
        for (to, from) in note.iter_mut().zip(&slot.note) {
            *to = from.load(Relaxed);
        }
        write(&note[..len]);
    }

    /// Past libtest's capture, to whatever standard error is.
    fn write(bytes: &[u8]) {
        // SAFETY: the pointer and the length are those of one slice. `write` is async-signal-safe,
        // and that it fails is nothing that a dying process could do something about.
        let _ = unsafe { libc::write(libc::STDERR_FILENO, bytes.as_ptr().cast(), bytes.len()) };
    }
}
