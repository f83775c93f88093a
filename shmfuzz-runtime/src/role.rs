//! What a test binary was started for: the environment and the arguments say so, and nothing but
//! this reads them.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::exit;

use crate::child;
use crate::description::{self, DESCRIBE};
use crate::fuzz_test::FuzzTest;

/// Set, the process is a worker of a campaign.
const WORKER: &str = "SHMFUZZ_WORKER";

/// The value of [`child::REPLAY`] that keeps all replays in this process.
const IN_PROCESS: &str = "in-process";

/// The exit status of a harness that cannot do what it was started for.
const EXIT_SETUP: i32 = 96;

/// Where inputs are replayed that end the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replaying {
    /// In a child of this process.
    Apart,
    /// In this process, as the environment demands: for debuggers.
    InProcess,
}

/// What the process was started for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Fuzzing, for a coordinator.
    Worker,
    /// Replaying this one file.
    ReplayOne(PathBuf),
    /// Answering this request for a description.
    Describe(PathBuf),
    /// Replaying all seeds.
    Tests(Replaying),
}

impl Role {
    /// The role that the environment gives.
    pub(crate) fn of_this_process() -> Self {
        if env::var_os(WORKER).is_some() {
            return Self::Worker;
        }
        if let Some(request) = env::var_os(DESCRIBE) {
            return Self::Describe(request.into());
        }
        match env::var_os(child::REPLAY) {
            Some(value) if value == IN_PROCESS => Self::Tests(Replaying::InProcess),
            Some(file) if child::is_meant_for_this_process() => {
                Self::ReplayOne(PathBuf::from(file))
            }
            _ => Self::Tests(Replaying::Apart),
        }
    }
}

/// Whether this process was started for the test of this path and for no other, as far as the
/// arguments say: the path is its one filter.
pub(crate) fn is_alone(path: &str) -> bool {
    filters(env::args_os().skip(1)).eq([OsStr::new(path)])
}

/// libtest's options whose value may be an argument of its own.
const WITH_VALUE: [&str; 7] =
    ["--test-threads", "--skip", "--logfile", "--color", "--format", "--shuffle-seed", "-Z"];

fn filters(arguments: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    let (mut is_value, mut no_options) = (false, false);
    arguments.filter(move |argument| {
        if std::mem::take(&mut is_value) {
            return false;
        }
        let is_option = !no_options && argument.as_encoded_bytes().starts_with(b"-");
        is_value = is_option && WITH_VALUE.iter().any(|option| argument == option);
        no_options |= argument == "--";
        !is_option
    })
}

/// Serves a fuzz test in the role of a worker or of a child that replays one file. `None` if the
/// process is to run its tests, the result of the replay otherwise.
pub(crate) fn serve(test: &'static FuzzTest, role: &Role) -> Option<Result<(), String>> {
    match role {
        Role::Worker => worker_entry(test),
        Role::ReplayOne(file) => Some(child::replay_here(test, file)),
        Role::Describe(request) => Some(description::answer(test, request)),
        Role::Tests(_) => None,
    }
}

/// Entered instead of the tests when the process is a worker.
fn worker_entry(test: &'static FuzzTest) -> ! {
    #[cfg(all(unix, any(shmfuzz_instrumented, feature = "coordinator", test)))]
    if cfg!(shmfuzz_instrumented) {
        crate::worker::run(test)
    }
    fail(&format!(
        "{}: this binary was built without instrumentation; start it through `cargo shmfuzz`",
        test.path()
    ))
}

/// Says why this process cannot do what it was started for, and ends it.
///
/// Past libtest's capture, which would be lost with the process.
pub(crate) fn fail(reason: &str) -> ! {
    fail_with(EXIT_SETUP, reason)
}

/// The same with another exit code.
pub(crate) fn fail_with(code: i32, reason: &str) -> ! {
    let _ = writeln!(io::stderr(), "shmfuzz: {reason}");
    exit(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_told_from_options_and_their_values() {
        for (arguments, expected) in [
            ("", ""),
            ("--exact a::b --nocapture", "a::b"),
            ("--test-threads 4 a --skip b --skip=c d", "a d"),
            ("-Z unstable-options --format json -q a", "a"),
            ("-- --skip a", "--skip a"),
        ] {
            let found: Vec<_> = filters(arguments.split_whitespace().map(Into::into)).collect();
            let expected: Vec<_> = expected.split_whitespace().map(OsString::from).collect();
            assert_eq!(found, expected, "{arguments}");
        }
    }
}
