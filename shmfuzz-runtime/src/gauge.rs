//! What another process uses: CPU time, memory, and whether it waits.
//!
//! Where the system does not tell, each figure is `None` or its modest answer. Invariant: a gauge
//! is opened while its process is not reaped, so it never shows another process.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub use linux::Gauge;

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
pub use elsewhere::Gauge;

use crate::hang::Senses;
use std::time::Duration;

impl Senses for &Gauge {
    fn cpu_time(&mut self) -> Option<Duration> {
        Gauge::cpu_time(self)
    }

    fn is_blocked(&mut self) -> bool {
        Gauge::is_blocked(self)
    }
}
