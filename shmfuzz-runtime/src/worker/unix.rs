//! What a worker asks of a Unix system: its descriptors, its limits, to die with its parent, and to
//! be told of its forks.
//!
//! Unsafe lives here, one system call a function. Invariant: an inherited descriptor is owned by
//! exactly one `File` in each table of descriptors, made here once.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether this process is a fork that the fuzz test made of a worker.
static IS_FORK: AtomicBool = AtomicBool::new(false);

/// Takes over an inherited descriptor, which programs that this process starts will not inherit.
///
/// # Errors
/// If no such descriptor is open.
pub(super) fn take_descriptor(fd: RawFd) -> io::Result<File> {
    // SAFETY: the call touches no memory; a number that is no descriptor is an error.
    if unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is open, was inherited for this purpose, and is taken over once.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// Gives the calling thread a table of descriptors of its own, in which `file` is the only one, so
/// that nothing that other threads do to theirs touches it. -> false if the system cannot: then
/// nothing has changed.
pub(super) fn own_table_with_only(file: &File) -> bool {
    #[cfg(target_os = "linux")]
    {
        let fd = file.as_raw_fd() as u32;
        // Those after it are not even copied.
        let is_own = close_range(fd + 1, u32::MAX, libc::CLOSE_RANGE_UNSHARE);
        is_own && (fd == 0 || close_range(0, fd - 1, 0))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = file.as_raw_fd();
        false
    }
}

#[cfg(target_os = "linux")]
fn close_range(first: u32, last: u32, flags: libc::c_uint) -> bool {
    // SAFETY: the call touches no memory. The descriptors belong to other threads' `File`s, which
    // keep theirs, since the caller's table is its own before any is closed in it.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) == 0 }
}

/// Closes a descriptor in the table of the calling thread, while another thread has it in its own.
pub(super) fn close_here(fd: RawFd) {
    // SAFETY: its owner is a `File` of a thread with a table of its own, so nobody uses this copy.
    drop(unsafe { File::from_raw_fd(fd) });
}

/// Makes whole pages of shared memory writable, or readable only. What the system refuses stays as
/// it was. Async-signal-safe.
pub(super) fn set_writable(start: usize, len: usize, is_writable: bool) {
    let protection = libc::PROT_READ | if is_writable { libc::PROT_WRITE } else { 0 };
    // SAFETY: the pages belong to a mapping that lives as long as the process, to which only raw
    // pointers exist, and nobody of this crate writes to it while it is readable only.
    unsafe { libc::mprotect(start as *mut libc::c_void, len, protection) };
}

/// Notes in each fork of this process that it is one.
///
/// # Errors
/// If there is no memory for it.
pub(super) fn note_forks() -> io::Result<()> {
    // SAFETY: the function lives on, and stores to an atomic, which any child may do.
    match unsafe { libc::pthread_atfork(None, None, Some(note_fork)) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

extern "C" fn note_fork() {
    IS_FORK.store(true, Ordering::Relaxed);
}

/// Whether this process is a fork of the worker, which may touch nothing of the campaign's.
/// Async-signal-safe, and cheap enough for each call.
#[inline]
pub(super) fn is_fork() -> bool {
    IS_FORK.load(Ordering::Relaxed)
}

/// The process that started this one, or the one that took over after its death.
pub(super) fn parent() -> i32 {
    // SAFETY: the call has no arguments and cannot fail.
    unsafe { libc::getppid() }
}

/// Asks the kernel to kill this process when its parent ends. -> false if it ended before: the
/// request is bound to the parent of this moment. Elsewhere the control channel's end is the net.
pub(super) fn die_with_parent(parent_at_start: i32) -> bool {
    #[cfg(target_os = "linux")]
    // SAFETY: the option takes a signal number and touches no memory.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
    }
    parent() == parent_at_start
}

/// No core files: a fuzzer's worker may die thousands of times.
pub(super) fn no_core_files() {
    let limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit is a valid structure. A refusal costs disk space, nothing else.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const limit) };
}

/// Bounds the data segment, in bytes.
///
/// # Errors
/// If the system refuses.
pub(super) fn limit_data(bytes: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: bytes as libc::rlim_t, rlim_max: bytes as libc::rlim_t };
    // SAFETY: the limit is a valid structure.
    match unsafe { libc::setrlimit(libc::RLIMIT_DATA, &raw const limit) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Ends the process at once: no destructors, no code that the fuzz test registered to run at exit.
pub(super) fn exit_now(status: i32) -> ! {
    // SAFETY: the call does not return and needs nothing of this process.
    unsafe { libc::_exit(status) }
}
