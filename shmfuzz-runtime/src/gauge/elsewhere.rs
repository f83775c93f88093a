//! Platforms on which no figures are read.

use std::io;
use std::time::Duration;

/// The figures of one process: none are known.
#[derive(Debug)]
pub struct Gauge(());

impl Gauge {
    /// Never fails.
    ///
    /// # Errors
    /// None.
    pub fn open(_pid: u32) -> io::Result<Self> {
        Ok(Self(()))
    }

    /// Not known.
    pub fn cpu_time(&self) -> Option<Duration> {
        None
    }

    /// Not known.
    pub fn resident(&self) -> Option<u64> {
        None
    }

    /// Not known, so it is not said to be.
    pub fn is_blocked(&self) -> bool {
        false
    }
}
