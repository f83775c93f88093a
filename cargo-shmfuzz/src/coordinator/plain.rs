//! Running a finding's input once in the plain build: no instrumentation, no `cfg(fuzzing)`.
//!
//! It owns one thread, which builds at the first check and never again. Invariant: each check is
//! answered by one `Checked`, unless the campaign ends first.

use super::campaign::{Bytes, FindingId, TestIdx};
use super::driver::Launch;
use super::event::{Event, PlainVerdict};
use crate::show;
use anyhow::Context as _;
use shmfuzz_runtime::child::{self, End};
use shmfuzz_runtime::kind::FailureKind;
use shmfuzz_runtime::limits::Limits;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

/// Builds what `cargo test` would build, and says how to start each fuzz test of the campaign
/// there, in its order; `None` for one that only fuzzing builds have. Called once at most, on a
/// thread of its own.
pub(crate) type Build = Box<dyn FnOnce() -> anyhow::Result<Vec<Option<Launch>>> + Send>;

/// Longest time of a check that is not about time, at least: the plain build is slower.
const PATIENCE: Duration = Duration::from_secs(60);

/// One input to run.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) finding: FindingId,
    pub(super) test: TestIdx,
    pub(super) kind: FailureKind,
    /// What stands in its file.
    pub(super) input: Bytes,
    /// Those of the campaign, as [`super::campaign::Test`] has them.
    pub(super) timeout: Duration,
    pub(super) rss_limit: u64,
}

/// The thread that checks. When it is dropped, the thread ends after the check at hand, or with
/// this process; a child never outlives it.
#[derive(Debug)]
pub(super) struct Checker {
    checks: Sender<Check>,
}

impl Checker {
    /// Starts the thread.
    ///
    /// # Errors
    /// If there can be no more threads.
    pub(super) fn start(build: Build, events: Sender<Event>) -> io::Result<Self> {
        let (checks, inbox) = channel();
        thread::Builder::new()
            .name("plain".to_owned())
            .spawn(move || work(build, &inbox, &events))?;
        Ok(Self { checks })
    }

    /// Asks for a check.
    pub(super) fn check(&self, check: Check) {
        // The thread ends only after this.
        let _ = self.checks.send(check);
    }
}

fn work(build: Build, checks: &Receiver<Check>, events: &Sender<Event>) {
    let (mut build, mut built) = (Some(build), Some(Vec::new()));
    for check in checks {
        // A compiler's errors are long, and the same for each finding: they are told once.
        let mut why_none = "there is no plain build".to_owned();
        if let Some(build) = build.take() {
            match build() {
                Ok(launches) => built = Some(launches),
                Err(error) => {
                    why_none = format!("{why_none}: {}", show::error(&error));
                    built = None;
                }
            }
        }
        let verdict = match &built {
            None => PlainVerdict::Unknown(why_none),
            Some(launches) => match launches.get(check.test.0) {
                Some(Some(launch)) => run(launch, &check)
                    .unwrap_or_else(|error| PlainVerdict::Unknown(show::error(&error))),
                _ => PlainVerdict::Unknown("the plain build has no such fuzz test".to_owned()),
            },
        };
        if events.send(Event::Checked { finding: check.finding, verdict }).is_err() {
            break;
        }
    }
}

fn run(launch: &Launch, check: &Check) -> anyhow::Result<PlainVerdict> {
    // The file has no name, so that nothing is left behind whatever ends this process; the child
    // opens it by way of our own descriptor.
    let mut file = tempfile::tempfile().context("cannot make a file for the input")?;
    file.write_all(&check.input).context("cannot write the input to a file")?;
    let path = PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()));
    let limits = limits(check);
    let request = child::Request {
        program: &launch.executable,
        folder: Some(&launch.package_dir),
        env: &launch.env,
        path: &launch.test_path,
        file: &path,
        limits,
        calls: child::Calls::of_kind(check.kind),
    };
    let replay = child::replay(&request, child::Output::Kept)
        .with_context(|| format!("cannot run {}", show::path(&launch.executable)))?;
    Ok(verdict(check.kind, replay.end))
}

fn limits(check: &Check) -> Limits {
    let timeout = match check.kind {
        // What counts is whether `cargo test` fails on it, and that has this limit.
        FailureKind::Timeout => check.timeout,
        _ => PATIENCE.max(check.timeout.saturating_mul(10)),
    };
    Limits::new(timeout, check.rss_limit)
}

fn verdict(kind: FailureKind, end: End) -> PlainVerdict {
    match end {
        End::Passed => PlainVerdict::Passes,
        End::TimedOut(_) if kind != FailureKind::Timeout => PlainVerdict::Unknown(end.to_string()),
        End::NeverStarted | End::NotSetUp(_) => PlainVerdict::Unknown(end.to_string()),
        _ => PlainVerdict::Fails,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_failure_counts_but_being_too_slow_only_for_hangs() {
        let second = Duration::from_secs(1);
        for (kind, end, fails) in [
            (FailureKind::Panic, End::Failed("panicked".to_owned()), true),
            (FailureKind::Exit, End::Exited(0), true),
            (FailureKind::Timeout, End::TimedOut(second), true),
            (FailureKind::Panic, End::TimedOut(second), false),
            (FailureKind::Panic, End::NeverStarted, false),
            (FailureKind::Panic, End::NotSetUp("setup `x` panicked".to_owned()), false),
            (FailureKind::Panic, End::Passed, false),
        ] {
            assert_eq!(verdict(kind, end.clone()) == PlainVerdict::Fails, fails, "{end:?}");
        }
    }

    #[test]
    fn a_build_that_fails_is_tried_once_and_answers_every_check() {
        let (events, inbox) = channel();
        let build: Build = Box::new(|| anyhow::bail!("no compiler"));
        let checker = Checker::start(build, events).unwrap();
        let whys = ["there is no plain build: no compiler", "there is no plain build"];
        for (n, expected) in (0..).zip(whys) {
            checker.check(Check {
                finding: FindingId(n),
                test: TestIdx(0),
                kind: FailureKind::Panic,
                input: Bytes::from(&b"x"[..]),
                timeout: Duration::from_secs(1),
                rss_limit: 0,
            });
            let event = inbox.recv_timeout(Duration::from_secs(60)).unwrap();
            let Event::Checked { finding, verdict: PlainVerdict::Unknown(why) } = event else {
                panic!("{event:?}");
            };
            assert_eq!(finding, FindingId(n));
            assert_eq!(why, expected);
        }
    }
}
