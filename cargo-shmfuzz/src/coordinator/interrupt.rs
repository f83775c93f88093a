//! Ctrl-C and SIGTERM: the first one asks the campaign to end, the second one to end at once.
//!
//! Invariant: the second signal ends the process within [`LAST_WORDS`], whoever is stuck.

use super::driver::Groups;
use super::event::Event;
use anyhow::Context as _;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// How long the campaign may take for its summary after the second signal.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// As long as it lives, signals are caught.
#[derive(Debug)]
pub(super) struct Interrupts {
    handle: Handle,
    /// Closed when it is dropped, which is how the thread learns of it.
    _alive: Sender<()>,
}

impl Interrupts {
    /// Catches signals from now on.
    ///
    /// # Errors
    /// If the system refuses.
    pub(super) fn catch(events: Sender<Event>, groups: Groups) -> anyhow::Result<Self> {
        let explain = "cannot catch signals";
        let mut signals = Signals::new([SIGINT, SIGTERM]).context(explain)?;
        let handle = signals.handle();
        let (alive, gone) = channel();
        let listen = move || {
            for (n, signal) in signals.forever().enumerate() {
                // Nobody listens any more when the campaign is just over.
                let _ = events.send(Event::Interrupt);
                if n > 0 && gone.recv_timeout(LAST_WORDS) == Err(RecvTimeoutError::Timeout) {
                    groups.kill_all();
                    // The shell's convention for a process that a signal ended.
                    signal_hook::low_level::exit(128 + signal);
                }
            }
        };
        thread::Builder::new().name("signals".to_owned()).spawn(listen).context(explain)?;
        Ok(Self { handle, _alive: alive })
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        self.handle.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Pid, Signal, kill_process};
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};

    const ROLE_ENV: &str = "SHMFUZZ_FAKE_COORDINATOR";

    #[test]
    #[expect(clippy::print_stderr, reason = "its parent waits for these lines")]
    fn plays_a_coordinator_when_asked() {
        if std::env::var_os(ROLE_ENV).is_none() {
            return;
        }
        let (events, inbox) = channel();
        let _interrupts = Interrupts::catch(events, Groups::default()).unwrap();
        eprintln!("ready");
        for event in inbox {
            assert!(matches!(event, Event::Interrupt));
            eprintln!("interrupted");
        }
    }

    #[test]
    fn the_second_signal_ends_a_process_that_does_not_listen() {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "coordinator::interrupt::tests::plays_a_coordinator_when_asked"])
            .arg("--nocapture")
            .env(ROLE_ENV, "1")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let pid = Pid::from_child(&child);
        assert_eq!(lines.next().unwrap(), "ready");
        kill_process(pid, Signal::TERM).unwrap();
        assert_eq!(lines.next().unwrap(), "interrupted");
        kill_process(pid, Signal::INT).unwrap();
        assert_eq!(lines.next().unwrap(), "interrupted");
        assert_eq!(child.wait().unwrap().code(), Some(130));
    }
}
