//! The child's end on Unix: its limits, and what it says to its parent.

use std::env;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use super::{FAILED, LIMITS, NOT_SET_UP, PASSED, SETTING_UP, STARTED, VERDICT};
use crate::limits::Limits;
use crate::process;

/// What the child has in hand of its parent.
#[derive(Debug)]
pub(crate) struct Parent(Option<UnixStream>);

impl Parent {
    /// Called in the child before the body. Does nothing in a process that no parent watches.
    pub(crate) fn attach() -> io::Result<Self> {
        if let Ok(text) = env::var(LIMITS) {
            let limits: Limits = text.parse().map_err(|_| {
                let message = format!("{LIMITS}={text}: expected `<timeout_ms>,<rss_bytes>`");
                io::Error::new(ErrorKind::InvalidInput, message)
            })?;
            process::limit_data(data_limit(&limits))?;
        }
        if env::var_os(VERDICT).is_none() {
            return Ok(Self(None));
        }
        process::die_with_parent()?;
        // It may have ended before it could be asked for.
        if !super::is_meant_for_this_process() {
            return Err(io::Error::other("the process that started this replay has ended"));
        }
        let socket: OwnedFd = io::stdin().as_fd().try_clone_to_owned()?;
        Ok(Self(Some(UnixStream::from(socket))))
    }

    pub(crate) fn say_setting_up(&mut self) {
        self.say(SETTING_UP);
    }

    pub(crate) fn say_whether_set_up(&mut self, result: &Result<(), String>) {
        if let Err(failure) = result {
            self.say(&format!("{NOT_SET_UP}{failure}"));
        }
    }

    pub(crate) fn say_started(&mut self) {
        self.say(STARTED);
    }

    pub(crate) fn say_result(&mut self, result: &Result<(), String>) {
        match result {
            Ok(()) => self.say(PASSED),
            Err(failure) => self.say(&format!("{FAILED}{failure}")),
        }
    }

    /// A parent that cannot hear takes silence for failure, so there is nobody to tell.
    fn say(&mut self, line: &str) {
        if let Some(socket) = &mut self.0 {
            let _ = socket.write_all(format!("{line}\n").as_bytes());
        }
    }
}

/// The parent watches resident memory; this catches what grows between two looks, and leaves room
/// for what is allocated but never touched.
fn data_limit(limits: &Limits) -> u64 {
    const ROOM: u64 = 64 << 20;
    limits.rss_limit.saturating_add(limits.rss_limit / 4).saturating_add(ROOM)
}
