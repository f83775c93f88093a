//! Platforms on which no worker can be watched: starting one is an error that says so.

use rustix::process::Pid;
use shmfuzz_runtime::gauge;
use std::convert::Infallible;
use std::io;
use std::os::fd::BorrowedFd;

/// There is none.
#[derive(Debug)]
pub(super) struct Gauge(Infallible);

impl Gauge {
    pub(super) fn open(_pid: Pid) -> io::Result<Self> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "fuzzing works on Linux only, so far"))
    }

    pub(super) fn ended_fd(&self) -> BorrowedFd<'_> {
        match self.0 {}
    }

    pub(super) fn figures(&self) -> &gauge::Gauge {
        match self.0 {}
    }
}
