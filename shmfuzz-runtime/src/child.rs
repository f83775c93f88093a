//! Replaying one input in a child of its own, under limits: both ends of it.
//!
//! In the child, the body may do anything to the process. So the child says that the body returned,
//! over a socket, and only then is its end that of a test: an `exit(0)` in the body is a failure.
//! The clock starts when the child says that it has started. The child leads a process group that
//! is killed as a whole, and everything is waited for with a limit.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::Path;

use crate::kind::FailureKind;
use crate::leak::LEAKS;
use crate::limits::Limits;
#[cfg(feature = "fuzz-test")]
use crate::sequence;

#[cfg(feature = "fuzz-test")]
mod calls;
#[cfg(all(unix, feature = "fuzz-test"))]
mod parent;
#[cfg(unix)]
mod unix;

/// The environment variable that says that standard input is a socket for the verdict; its value
/// is the parent's process id.
#[cfg(unix)]
const VERDICT: &str = "SHMFUZZ_REPLAY_VERDICT";

/// The environment variable with the limits, as [`Limits`] prints them.
#[cfg(unix)]
const LIMITS: &str = "SHMFUZZ_REPLAY_LIMITS";

/// The environment variable that asks for [`Calls::Many`], with any value.
#[cfg(unix)]
const MANY_CALLS: &str = "SHMFUZZ_REPLAY_MANY_CALLS";

/// What the child says, one line each: before the setup, if that fails, before the call, and after it.
#[cfg(unix)]
const SETTING_UP: &str = "setting up";
#[cfg(unix)]
const NOT_SET_UP: &str = "not set up ";
#[cfg(unix)]
const STARTED: &str = "started";
#[cfg(unix)]
const PASSED: &str = "passed";
#[cfg(unix)]
const FAILED: &str = "failed ";

/// The environment variable that names the one file to replay, or says `in-process`.
pub const REPLAY: &str = "SHMFUZZ_REPLAY";

/// What to replay.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The test binary.
    pub program: &'a Path,
    /// Where to run it; `None` for the folder that this process is in.
    pub folder: Option<&'a Path>,
    /// What to add to this process's environment.
    pub env: &'a [(String, OsString)],
    /// The fuzz test's path, as `cargo test` prints it.
    pub path: &'a str,
    /// The input's file, absolute.
    pub file: &'a Path,
    /// What the call may use.
    pub limits: Limits,
    /// How often it is called.
    pub calls: Calls,
}

/// How often a replay calls the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// Once.
    One,
    /// As often as it takes to see whether memory grows: see [`leak`](crate::leak).
    Many,
}

impl Calls {
    /// Those that show a failure of this kind.
    pub const fn of_kind(kind: FailureKind) -> Self {
        match kind {
            FailureKind::Leak => Self::Many,
            _ => Self::One,
        }
    }

    /// Those that a committed file of this name wants.
    pub fn of_file(file_name: &str) -> Self {
        let leak = FailureKind::Leak.file_prefix();
        match file_name.strip_prefix(leak) {
            Some(rest) if rest.starts_with('-') => Self::Many,
            _ => Self::One,
        }
    }
}

/// How a replay ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The body returned and the process ended well.
    Passed,
    /// The body panicked, returned `Err`, or leaks: how, on one line.
    Failed(String),
    /// The process ended itself with this status before the body returned, or badly after it.
    Exited(i32),
    /// A signal ended the process.
    Signal(i32),
    /// A thread ran off the end of its stack.
    StackOverflow,
    /// An allocation failed, or the memory limit was passed: this many bytes.
    OutOfMemory(u64),
    /// The call did not return in time.
    TimedOut(std::time::Duration),
    /// The process ended, or waited, before it reached the fuzz test.
    NeverStarted,
    /// What the fuzz test runs before its first call failed, on one line; so no input was run.
    NotSetUp(String),
}

impl End {
    /// The kind of failure; `None` if it is none of the fuzz test.
    pub fn kind(&self) -> Option<FailureKind> {
        match self {
            Self::Passed | Self::NeverStarted | Self::NotSetUp(_) => None,
            Self::Failed(how) if how.starts_with(RETURNED_ERR) => Some(FailureKind::Error),
            Self::Failed(how) if how.starts_with(LEAKS) => Some(FailureKind::Leak),
            Self::Failed(_) => Some(FailureKind::Panic),
            Self::Exited(_) => Some(FailureKind::Exit),
            Self::Signal(SIGABRT) => Some(FailureKind::Abort),
            Self::Signal(_) => Some(FailureKind::Signal),
            Self::StackOverflow => Some(FailureKind::StackOverflow),
            Self::OutOfMemory(_) => Some(FailureKind::Oom),
            Self::TimedOut(_) => Some(FailureKind::Timeout),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("passed"),
            Self::Failed(how) | Self::NotSetUp(how) => f.write_str(how),
            Self::Exited(status) => write!(f, "ended the process with exit status {status}"),
            Self::Signal(SIGABRT) => f.write_str("aborted the process (SIGABRT)"),
            Self::Signal(signal) => match signal_name(*signal) {
                Some(name) => write!(f, "ended the process by {name}"),
                None => write!(f, "ended the process by signal {signal}"),
            },
            Self::StackOverflow => f.write_str("overflowed its stack"),
            Self::OutOfMemory(u64::MAX) => f.write_str("ran out of memory"),
            Self::OutOfMemory(limit) => write!(f, "ran out of memory (the limit is {limit} bytes)"),
            Self::TimedOut(limit) => write!(f, "still ran after the timeout of {limit:?}"),
            Self::NeverStarted => f.write_str("the child never reached the fuzz test"),
        }
    }
}

/// How the failure of a body begins that returned `Err`.
pub(crate) const RETURNED_ERR: &str = "returned Err";

/// The same number on every Unix.
const SIGABRT: i32 = 6;

#[cfg(unix)]
fn signal_name(signal: i32) -> Option<&'static str> {
    let names = [
        (libc::SIGBUS, "SIGBUS"),
        (libc::SIGFPE, "SIGFPE"),
        (libc::SIGILL, "SIGILL"),
        (libc::SIGKILL, "SIGKILL"),
        (libc::SIGPIPE, "SIGPIPE"),
        (libc::SIGSEGV, "SIGSEGV"),
        (libc::SIGSYS, "SIGSYS"),
        (libc::SIGTERM, "SIGTERM"),
        (libc::SIGTRAP, "SIGTRAP"),
        (libc::SIGXCPU, "SIGXCPU"),
    ];
    names.into_iter().find(|(number, _)| *number == signal).map(|(_, name)| name)
}

#[cfg(not(unix))]
fn signal_name(_signal: i32) -> Option<&'static str> {
    None
}

/// How a replay ended, and what the child printed last.
#[derive(Clone, Debug)]
pub struct Replay {
    /// How it ended.
    pub end: End,
    /// The end of its output, standard output and standard error as they came.
    pub output: String,
}

/// What becomes of a child's output as it comes. Its end is kept in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Nobody sees it.
    Kept,
    /// It goes to this process's standard error.
    PassedOn,
}

/// Replays an input in a child.
///
/// # Errors
/// If the child cannot be started or watched, and on platforms other than Unix.
pub fn replay(request: &Request<'_>, output: Output) -> io::Result<Replay> {
    #[cfg(unix)]
    return unix::replay(request, output);
    #[cfg(not(unix))]
    {
        let _ = (request, output);
        let message = "only Unix can replay inputs that end the process in a child; \
                       SHMFUZZ_REPLAY=in-process replays them in the test itself";
        Err(io::Error::new(io::ErrorKind::Unsupported, message))
    }
}

/// Whether the environment's request for a replay is for this process. What a replayed body starts
/// inherits the environment, but is no child of the process that asked for the replay.
///
/// The variables are not removed instead: nothing can tell that no other thread reads them.
#[cfg(feature = "fuzz-test")]
pub(crate) fn is_meant_for_this_process() -> bool {
    #[cfg(unix)]
    if let Ok(parent) = std::env::var(VERDICT) {
        return std::os::unix::process::parent_id().to_string() == parent;
    }
    true
}

/// Replays one file in this process, as the child of [`replay`] or for a debugger.
///
/// # Errors
/// With one line that says how it failed.
#[cfg(feature = "fuzz-test")]
pub(crate) fn replay_here(test: &crate::fuzz_test::FuzzTest, file: &Path) -> Result<(), String> {
    let bytes =
        std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    #[cfg(unix)]
    let mut parent = parent::Parent::attach().map_err(|error| error.to_string())?;
    let run = || {
        #[cfg(unix)]
        parent.say_setting_up();
        let is_set_up = crate::call::set_up(test);
        #[cfg(unix)]
        parent.say_whether_set_up(&is_set_up);
        is_set_up?;
        #[cfg(unix)]
        parent.say_started();
        let result = calls::make(test, &bytes);
        #[cfg(unix)]
        parent.say_result(&result);
        result
    };
    test.on_its_thread(run).map_err(|error| format!("cannot start a thread: {error}"))?
}

/// Calls the body with a file's input, or with those of a sequence, up to the first that fails.
///
/// # Errors
/// With one line that says how it failed, or what is wrong with the file.
#[cfg(feature = "fuzz-test")]
pub(crate) fn replay_file(test: &crate::fuzz_test::FuzzTest, bytes: &[u8]) -> Result<(), String> {
    if !sequence::is_sequence(bytes) {
        let input = test.input_of_file(bytes).map_err(|error| error.to_string())?;
        return crate::call::call(test, &input);
    }
    let inputs = sequence::from_file(bytes).map_err(|error| format!("not a sequence: {error}"))?;
    let n_inputs = inputs.len();
    (1..).zip(&inputs).try_for_each(|(nth, input)| {
        crate::call::call(test, input)
            .map_err(|how| format!("{how} (input {nth} of {n_inputs} in a row)"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_leaks_are_called_many_times() {
        for kind in FailureKind::ALL {
            let name = format!("{}-0123", kind.file_prefix());
            assert_eq!(Calls::of_file(&name), Calls::of_kind(kind), "{name}");
        }
        assert_eq!(Calls::of_file("leaks-on-empty"), Calls::One);
        let leak = End::Failed(crate::leak::message(96));
        assert_eq!(leak.kind(), Some(FailureKind::Leak));
    }

    #[test]
    fn ends_are_told_in_words() {
        assert_eq!(End::Exited(0).to_string(), "ended the process with exit status 0");
        assert_eq!(End::Signal(SIGABRT).kind(), Some(FailureKind::Abort));
        assert_eq!(End::Failed("returned Err: x".to_owned()).kind(), Some(FailureKind::Error));
        let end = End::TimedOut(Limits::DEFAULT.timeout);
        assert_eq!(end.to_string(), "still ran after the timeout of 10s");
        #[cfg(unix)]
        assert_eq!(End::Signal(libc::SIGSEGV).to_string(), "ended the process by SIGSEGV");
    }
}
