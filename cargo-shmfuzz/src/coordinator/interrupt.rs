//! Ctrl-C and SIGTERM, from before the build: the first one ends the build, or asks the campaign to
//! end; the second one ends at once.
//!
//! Invariants: a signal is never lost between build and campaign; the second one ends the process
//! within [`LAST_WORDS`], whoever is stuck.

use super::driver::Groups;
use super::event::Event;
use anyhow::Context as _;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How long the campaign may take for its summary after the second signal.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// As long as it lives, signals are caught.
#[derive(Debug)]
pub(crate) struct Interrupts {
    /// What the signals are for the campaign.
    pub(super) events: Receiver<Event>,
    /// Where all other events come from.
    pub(super) sender: Sender<Event>,
    /// What the signals end.
    pub(crate) groups: Groups,
    stage: Arc<Mutex<Stage>>,
    handle: Handle,
    /// Closed when it is dropped, which is how the thread learns of it.
    _alive: Sender<()>,
}

/// What the first signal is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The build and all else before the campaign: there is nothing to be kept of it.
    Preparing,
    /// A signal came meanwhile.
    Interrupted,
    /// The campaign, which ends in good order.
    Fuzzing,
}

/// A signal came before the campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted before the campaign")
    }
}

impl std::error::Error for Interrupted {}

impl Interrupts {
    /// Catches signals from now on.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) fn catch() -> anyhow::Result<Self> {
        let explain = "cannot catch signals";
        let mut signals = Signals::new([SIGINT, SIGTERM]).context(explain)?;
        let handle = signals.handle();
        let (sender, events) = channel();
        let (alive, gone) = channel();
        let (groups, stage) = (Groups::default(), Arc::new(Mutex::new(Stage::Preparing)));
        let (to_end, told, shared) = (groups.clone(), sender.clone(), Arc::clone(&stage));
        let listen = move || {
            for (n, signal) in signals.forever().enumerate() {
                {
                    let mut stage = shared.lock().unwrap_or_else(PoisonError::into_inner);
                    if *stage == Stage::Preparing {
                        *stage = Stage::Interrupted;
                        to_end.kill_all();
                    }
                }
                // Nobody listens any more when the campaign is just over.
                let _ = told.send(Event::Interrupt);
                if n > 0 && gone.recv_timeout(LAST_WORDS) == Err(RecvTimeoutError::Timeout) {
                    to_end.kill_all();
                    // The shell's convention for a process that a signal ended.
                    signal_hook::low_level::exit(128 + signal);
                }
            }
        };
        thread::Builder::new().name("signals".to_owned()).spawn(listen).context(explain)?;
        Ok(Self { events, sender, groups, stage, handle, _alive: alive })
    }

    /// From now on, the first signal is an event of the campaign.
    ///
    /// # Errors
    /// If one came before.
    pub(crate) fn begin_campaign(&self) -> Result<(), Interrupted> {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if *stage == Stage::Interrupted {
            return Err(Interrupted);
        }
        *stage = Stage::Fuzzing;
        Ok(())
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
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
    use std::process::{Child, Command, Stdio};

    /// `build` or `campaign`.
    const ROLE_ENV: &str = "SHMFUZZ_FAKE_COORDINATOR";

    #[test]
    #[expect(clippy::print_stderr, reason = "its parent waits for these lines")]
    fn plays_a_coordinator_when_asked() {
        let Some(role) = std::env::var_os(ROLE_ENV) else { return };
        let interrupts = Interrupts::catch().unwrap();
        let sleep = || {
            let child = Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
            interrupts.groups.add(Pid::from_child(&child));
            child
        };
        let is_killed = |mut child: Child| child.wait().unwrap().signal() == Some(9);
        match role.to_str() {
            Some("build") => {
                let child = sleep();
                eprintln!("ready");
                assert!(is_killed(child));
                assert!(is_killed(sleep()));
                assert_eq!(interrupts.begin_campaign(), Err(Interrupted));
            }
            _ => {
                interrupts.begin_campaign().unwrap();
                eprintln!("ready");
                for event in &interrupts.events {
                    assert!(matches!(event, Event::Interrupt));
                    eprintln!("interrupted");
                }
            }
        }
    }

    fn coordinator(role: &str) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "coordinator::interrupt::tests::plays_a_coordinator_when_asked"])
            .arg("--nocapture")
            .env(ROLE_ENV, role)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    #[test]
    fn the_first_signal_ends_what_a_build_runs_then_and_later() {
        let mut child = coordinator("build");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        assert_eq!(lines.next().unwrap(), "ready");
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }

    #[test]
    fn the_second_signal_ends_a_process_that_does_not_listen() {
        let mut child = coordinator("campaign");
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
