//! Platforms on which no worker can be watched: starting one is an error that says so.

use rustix::process::Pid;
use std::convert::Infallible;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// There is none.
#[derive(Debug)]
pub(in crate::coordinator::driver) struct Gauge(Infallible);

impl Gauge {
    pub(super) fn open(_pid: Pid) -> io::Result<Self> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "fuzzing works on Linux only, so far"))
    }

    pub(super) fn ended_fd(&self) -> BorrowedFd<'_> {
        match self.0 {}
    }

    pub(in crate::coordinator::driver) fn cpu_time(&self) -> Option<Duration> {
        match self.0 {}
    }

    pub(in crate::coordinator::driver) fn resident(&self) -> Option<u64> {
        match self.0 {}
    }

    pub(in crate::coordinator::driver) fn is_blocked(&self) -> bool {
        match self.0 {}
    }
}
