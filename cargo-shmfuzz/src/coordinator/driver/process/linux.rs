//! What a process uses, and the descriptor that tells its end.

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use shmfuzz_runtime::gauge;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The figures of one process, and its end.
#[derive(Debug)]
pub(super) struct Gauge {
    figures: gauge::Gauge,
    ended: OwnedFd,
}

impl Gauge {
    /// Opens the figures of a child.
    ///
    /// # Errors
    /// If `/proc` is not mounted or the kernel is older than 5.3.
    pub(super) fn open(pid: Pid) -> io::Result<Self> {
        let figures = gauge::Gauge::open(pid.as_raw_nonzero().get().unsigned_abs())?;
        Ok(Self { figures, ended: pidfd_open(pid, PidfdFlags::empty())? })
    }

    pub(super) fn ended_fd(&self) -> BorrowedFd<'_> {
        self.ended.as_fd()
    }

    pub(super) fn figures(&self) -> &gauge::Gauge {
        &self.figures
    }
}
