//! What a worker asks of a Unix system: its descriptors, its limits, and to die with its parent.
//!
//! Unsafe lives here, one system call a function. Invariant: an inherited descriptor is owned by
//! exactly one `File`, made here once.

use std::fs::File;
use std::io;
use std::os::fd::{FromRawFd, RawFd};

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
