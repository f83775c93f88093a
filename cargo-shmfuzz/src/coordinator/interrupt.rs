//! Ctrl-C and SIGTERM: the first one asks the campaign to end, the second one ends everything.
//!
//! Invariant: the second signal needs nobody else to be alive, not even the main loop.

use super::driver::Groups;
use super::event::Event;
use anyhow::Context as _;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use std::sync::mpsc::Sender;
use std::thread;

/// As long as it lives, signals are caught.
#[derive(Debug)]
pub(super) struct Interrupts {
    handle: Handle,
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
        let listen = move || {
            let mut is_second = false;
            for signal in signals.forever() {
                if is_second {
                    groups.kill_all();
                    // The shell's convention for a process that a signal ended.
                    signal_hook::low_level::exit(128 + signal);
                }
                is_second = true;
                // Nobody listens any more when the campaign is just over.
                let _ = events.send(Event::Interrupt);
            }
        };
        thread::Builder::new().name("signals".to_owned()).spawn(listen).context(explain)?;
        Ok(Self { handle })
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
    use std::sync::mpsc::channel;

    const ROLE_ENV: &str = "SHMFUZZ_FAKE_COORDINATOR";

    #[test]
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
    fn the_first_signal_asks_and_the_second_one_ends() {
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
        assert_eq!(child.wait().unwrap().code(), Some(130));
    }
}
