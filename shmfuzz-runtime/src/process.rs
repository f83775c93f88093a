//! The few things about processes that std has no safe call for.
//!
//! Every call here takes and returns plain numbers; the only pointers passed are to locals that
//! outlive the call.

use std::io;

/// Whether a child has ended. It stays to be reaped, so its number is not given to another process.
pub(crate) fn has_ended(pid: u32) -> io::Result<bool> {
    let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: `info` is a local that the call may write for as long as it runs, and no longer.
    let result = unsafe { libc::waitid(libc::P_PID, pid, info.as_mut_ptr(), options) };
    if result != 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::Interrupted { Ok(false) } else { Err(error) };
    }
    // SAFETY: all zeroes is a valid `siginfo_t` (integers and a union of integers), and the call
    // overwrote it, if at all, with one.
    let info = unsafe { info.assume_init() };
    // The signal number is SIGCHLD if the child has ended, and stays zero if not.
    Ok(info.si_signo != 0)
}

/// Kills a child, and what is left of the process group that it leads or led. The child is not
/// reaped yet.
pub(crate) fn kill_group(pid: u32) -> io::Result<()> {
    let group = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    // SAFETY: takes numbers only. The group is the child's own: it has its number until the child
    // is reaped, which the caller does afterwards.
    let killed = unsafe { libc::kill(-group, libc::SIGKILL) };
    let error = io::Error::last_os_error();
    // The child itself may have joined another group.
    // SAFETY: as above.
    if unsafe { libc::kill(group, libc::SIGKILL) } == 0 || killed == 0 {
        return Ok(());
    }
    // macOS says EPERM for a group of which only the ended leader is left.
    match error.raw_os_error() {
        Some(libc::ESRCH | libc::EPERM) => Ok(()),
        _ => Err(error),
    }
}

/// Limits what this process may allocate, in bytes. It cannot be raised again.
#[cfg(feature = "fuzz-test")]
pub(crate) fn limit_data(bytes: u64) -> io::Result<()> {
    let bytes = libc::rlim_t::try_from(bytes).unwrap_or(libc::RLIM_INFINITY);
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a local that outlives the call.
    if unsafe { libc::getrlimit(libc::RLIMIT_DATA, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    limit.rlim_cur = bytes.min(limit.rlim_max);
    limit.rlim_max = limit.rlim_cur;
    // SAFETY: `limit` is a local that outlives the call.
    if unsafe { libc::setrlimit(libc::RLIMIT_DATA, &raw const limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Asks the kernel to kill this process when the thread that started it ends: nobody else would
/// stop what hangs. The caller checks afterwards that it has not ended before.
#[cfg(all(feature = "fuzz-test", any(target_os = "linux", target_os = "android")))]
pub(crate) fn die_with_parent() -> io::Result<()> {
    // SAFETY: takes numbers only.
    if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Only Linux has such a signal.
#[cfg(all(feature = "fuzz-test", not(any(target_os = "linux", target_os = "android"))))]
pub(crate) fn die_with_parent() -> io::Result<()> {
    Ok(())
}

/// Bytes of a page of memory.
#[cfg(target_os = "linux")]
pub(crate) fn page_size() -> Option<u64> {
    configured(libc::_SC_PAGESIZE)
}

/// Unit of the CPU times in `/proc`.
#[cfg(target_os = "linux")]
pub(crate) fn clock_ticks_per_second() -> Option<u64> {
    configured(libc::_SC_CLK_TCK)
}

#[cfg(target_os = "linux")]
fn configured(name: libc::c_int) -> Option<u64> {
    // SAFETY: takes a number only.
    let value = unsafe { libc::sysconf(name) };
    u64::try_from(value).ok()
}
