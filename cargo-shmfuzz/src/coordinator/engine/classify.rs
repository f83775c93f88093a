//! What a worker's end means: a failure of the code under test, or something else. Pure.
//!
//! Invariant: only a process that ended while the input area held exactly the bytes being run is
//! a failure of that input. The messages do not depend on the input but by numbers, so that equal
//! failures fall into one bucket.
//!
//! A bucket is made of kind, location and normalized message, and of the names of functions where
//! the location does not tell enough: what fails inside a dependency is told apart by the user's
//! function that called it, and what has no location, such as a signal, by the user's functions it
//! was in. A hang is stopped anywhere in its loop, so only the function that it does not leave
//! counts; a memory limit is passed anywhere.

use crate::coordinator::event::{Cause, Death, Harvest};
use crate::coordinator::notice::Failure;
use crate::stack::Trace;
use shmfuzz_runtime::bucket::Bucket;
use shmfuzz_runtime::kind::FailureKind;
use shmfuzz_runtime::layout::Phase;
use shmfuzz_runtime::message::{EXIT_CANNOT_START, EXIT_MUTATOR};
use shmfuzz_runtime::place::{self, Owner};
use shmfuzz_runtime::words::LastWords;

/// What a worker's end means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The input that was being run ended it.
    Failure(Failure),
    /// Somebody else ended it; how.
    Outside(String),
    /// The engine asked for it.
    Asked,
    /// The harness or the protocol is in trouble; how.
    Trouble(String),
}

// The numbers are the same on all platforms whose workers can be started.
const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;
const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
const SIGSEGV: i32 = 11;
const SIGTERM: i32 = 15;

/// What the death of a worker means that had a request in flight.
pub(super) fn death(death: &Death, harvest: &Harvest, rss_limit: u64) -> Meaning {
    if is_unsent_report(harvest) {
        return Meaning::Failure(words(harvest));
    }
    let (kind, message) = match &death.cause {
        Cause::AsAsked => return Meaning::Asked,
        Cause::NotStarted(_) | Cause::BrokeProtocol(_) | Cause::Unresponsive => {
            return Meaning::Trouble(describe(&death.cause));
        }
        Cause::Signaled(SIGHUP | SIGINT | SIGKILL | SIGTERM) => {
            return Meaning::Outside(describe(&death.cause));
        }
        _ if !in_call(harvest) => return Meaning::Trouble(describe(&death.cause)),
        Cause::Exited(status) => (FailureKind::Exit, format!("exited with status {status}")),
        Cause::Signaled(signal) => {
            return Meaning::Failure(signaled(*signal, harvest, &death.output));
        }
        Cause::TimedOut(limit) => (FailureKind::Timeout, format!("ran longer than {limit:?}")),
        Cause::OutOfMemory(resident) => {
            let limit = if rss_limit > 0 { rss_limit } else { *resident };
            (FailureKind::Oom, format!("used more than {}", size(limit)))
        }
    };
    Meaning::Failure(failure(kind, message, None, harvest, &death.output))
}

/// The failure that a worker which lives on reports by its last words.
pub(super) fn words(harvest: &Harvest) -> Failure {
    match &harvest.words {
        Some(words) => Failure {
            kind: words.kind,
            message: words.message.clone(),
            location: location(words),
            bucket: bucket(words.kind, &words.message, Some(words), harvest.stack.as_ref()),
            silent: words.bucket(),
            any_way: words.bucket_any_way(),
            place: words.place(),
            stack: harvest.stack.clone().unwrap_or_default(),
            output: harvest.output.clone(),
        },
        // The input is worth keeping although the target wrote over what was said of it.
        None => {
            let message = "failed without last words".to_owned();
            failure(FailureKind::Panic, message, None, harvest, "")
        }
    }
}

/// How a process ended, as a lowercase fragment.
pub(in crate::coordinator) fn describe(cause: &Cause) -> String {
    match cause {
        Cause::NotStarted(why) => format!("could not be started: {why}"),
        Cause::Exited(status) => format!("exited with status {status}"),
        Cause::Signaled(signal) => format!("was ended by {}", signal_name(*signal)),
        Cause::TimedOut(limit) => format!("ran longer than {limit:?}"),
        Cause::OutOfMemory(bytes) => format!("used {}", size(*bytes)),
        Cause::BrokeProtocol(what) => format!("broke the protocol: {what}"),
        Cause::Unresponsive => "did not answer".to_owned(),
        Cause::AsAsked => "was ended".to_owned(),
    }
}

/// What a worker was at that died before it was ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::coordinator) enum At {
    /// Its start, in which the harness reaches the fuzz test.
    Harness,
    /// What the user wants run before the first input.
    Setup,
    /// A function of the user's that changes or makes inputs, between two of them.
    Mutator,
}

/// How a process ended before it was ready, as a lowercase fragment.
pub(in crate::coordinator) fn describe_start(cause: &Cause, at: At) -> String {
    let how = describe(cause);
    match (at, cause) {
        // It has said why.
        (At::Setup, Cause::Exited(EXIT_CANNOT_START)) => "its setup failed".to_owned(),
        (At::Setup, Cause::Unresponsive) => "its setup does not return".to_owned(),
        (At::Mutator, _) | (_, Cause::Exited(EXIT_MUTATOR)) => {
            "its mutator or generator panicked".to_owned()
        }
        (At::Setup, _) => format!("its setup failed: the process {how}"),
        (At::Harness, Cause::Exited(EXIT_CANNOT_START)) => "the worker cannot begin".to_owned(),
        (At::Harness, _) => format!("the worker never reaches the fuzz test: it {how}"),
    }
}

/// Whether the worker's job ended with a failure, of which its answer would have told: the mark of
/// an input outlasts a job for no other reason, and is reset with each request.
fn is_unsent_report(harvest: &Harvest) -> bool {
    let is_reported = |words: &LastWords| {
        matches!(words.kind, FailureKind::Panic | FailureKind::Error) && words.signal == 0
    };
    harvest.phase == Some(Phase::Idle)
        && harvest.raw_in_mem
        && harvest.input.is_some()
        && harvest.words.as_ref().is_some_and(is_reported)
}

fn in_call(harvest: &Harvest) -> bool {
    harvest.raw_in_mem
        && harvest.input.is_some()
        && !matches!(harvest.phase, Some(Phase::Starting | Phase::Idle))
}

fn signaled(signal: i32, harvest: &Harvest, output: &str) -> Failure {
    let words = harvest.words.as_ref();
    // std reports both on stderr and aborts.
    if words.is_some_and(|w| w.kind == FailureKind::StackOverflow)
        || output.contains("has overflowed its stack")
    {
        let message = "stack overflow".to_owned();
        return failure(FailureKind::StackOverflow, message, None, harvest, output);
    }
    if signal == SIGABRT {
        if let Some(message) = allocation(output) {
            return failure(FailureKind::Oom, message, None, harvest, output);
        }
        // Words of a panic mean that the panic could not unwind.
        let panic = words.filter(|w| {
            matches!(w.kind, FailureKind::Panic | FailureKind::Abort) && !w.message.is_empty()
        });
        let message = panic.map_or_else(|| "aborted".to_owned(), |w| w.message.clone());
        return failure(FailureKind::Abort, message, panic, harvest, output);
    }
    let name = signal_name(signal);
    let message = match words.filter(|w| w.signal == signal && signal == SIGSEGV) {
        Some(words) => format!("{name} at address {:#x}", words.address),
        None => name,
    };
    failure(FailureKind::Signal, message, None, harvest, output)
}

/// How std's line about a failed allocation ends.
const FAILED: &str = " bytes failed";

/// The part of std's line about a failed allocation that says what failed.
fn allocation(output: &str) -> Option<String> {
    const HEAD: &str = "memory allocation of ";
    const TAIL: &str = FAILED;
    let at = output.rfind(HEAD)?;
    let rest = &output[at + HEAD.len()..];
    let n = &rest[..rest.find(TAIL)?];
    n.bytes().all(|b| b.is_ascii_digit()).then(|| format!("{HEAD}{n}{TAIL}"))
}

/// The failure of a process that is over, at a place if one is known.
fn failure(
    kind: FailureKind,
    message: String,
    place: Option<&LastWords>,
    harvest: &Harvest,
    output: &str,
) -> Failure {
    let stack = harvest.stack.as_ref();
    // A limit that is set otherwise makes no other failure.
    let said = match kind {
        FailureKind::Timeout => "",
        FailureKind::Oom if !message.contains(FAILED) => "",
        _ => &message,
    };
    let bucket = bucket(kind, said, place, stack);
    let line = place.map(LastWords::location).unwrap_or_default();
    let any_way = Bucket::new(kind, &line, said);
    Failure {
        kind,
        message,
        location: place.and_then(location),
        // No worker is ever told of it: each of them is over that meets it.
        silent: bucket,
        any_way,
        place: Bucket::of_place(kind, &line),
        bucket,
        stack: stack.cloned().unwrap_or_default(),
        output: output.to_owned(),
    }
}

/// How many of the user's functions tell failures without a location apart.
const TELLING: usize = 3;

/// What a failure counts as.
fn bucket(
    kind: FailureKind,
    message: &str,
    place: Option<&LastWords>,
    stack: Option<&Trace>,
) -> Bucket {
    let location = place.map(LastWords::location).unwrap_or_default();
    let is_own = place
        .is_some_and(|words| !words.file.is_empty() && place::of(&words.file).0 == Owner::User);
    let most = match kind {
        _ if is_own => 0,
        FailureKind::Panic => 1,
        FailureKind::Oom if !message.contains(FAILED) => 0,
        FailureKind::Error => 0,
        _ => TELLING,
    };
    let functions = match (kind, stack) {
        (FailureKind::StackOverflow, Some(stack)) => stack.most_frequent().into_iter().collect(),
        (FailureKind::Timeout, Some(stack)) => stack.innermost_whole().into_iter().collect(),
        (_, Some(stack)) => stack.telling(most),
        (_, None) => Vec::new(),
    };
    match functions {
        functions if functions.is_empty() => Bucket::new(kind, &location, message),
        functions => {
            let place = format!("{location} in {}", functions.join(" from "));
            Bucket::new(kind, &place, message)
        }
    }
}

fn location(words: &LastWords) -> Option<String> {
    let LastWords { file, line, column, .. } = words;
    let column = Some(*column).filter(|column| *column > 0).map(|column| format!(":{column}"));
    let file = Some(place::of(file).1).filter(|file| !file.is_empty())?;
    Some(format!("{file}:{line}{}", column.unwrap_or_default()))
}

/// `512 MiB`, or bytes where that is not exact.
fn size(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    if bytes > 0 && bytes.is_multiple_of(MIB) {
        format!("{} MiB", bytes / MIB)
    } else {
        format!("{bytes} bytes")
    }
}

/// About so many bytes.
pub(super) fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.saturating_add(1 << 19) >> 20)
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        SIGHUP => "SIGHUP",
        SIGINT => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        SIGABRT => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        SIGKILL => "SIGKILL",
        10 => "SIGUSR1",
        SIGSEGV => "SIGSEGV",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        SIGTERM => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn harvest(words: Option<LastWords>) -> Harvest {
        Harvest {
            input: Some(b"x".to_vec()),
            raw_in_mem: true,
            phase: Some(Phase::Fuzzing),
            words,
            ..Harvest::default()
        }
    }

    fn said(kind: FailureKind, signal: i32, message: &str) -> Option<LastWords> {
        let (file, message) = ("src/a.rs".to_owned(), message.to_owned());
        Some(LastWords { kind, signal, address: 0x10, line: 3, column: 9, trail: 0, file, message })
    }

    fn meaning(cause: Cause, output: &str, harvest: &Harvest) -> Meaning {
        death(&Death { cause, output: output.to_owned() }, harvest, 512 << 20)
    }

    fn check(cause: Cause, output: &str, words: Option<LastWords>, expected: (FailureKind, &str)) {
        match meaning(cause.clone(), output, &harvest(words)) {
            Meaning::Failure(f) => assert_eq!((f.kind, f.message.as_str()), expected),
            other => panic!("{cause:?}: {other:?}"),
        }
    }

    #[test]
    fn every_way_to_die_has_its_kind_and_message() {
        use FailureKind::{Abort, Exit, Oom, Panic, Signal, StackOverflow, Timeout};
        check(Cause::Exited(0), "", None, (Exit, "exited with status 0"));
        check(Cause::Exited(96), "", None, (Exit, "exited with status 96"));
        check(Cause::Signaled(6), "", None, (Abort, "aborted"));
        check(Cause::Signaled(6), "", said(Panic, 0, "in drop"), (Abort, "in drop"));
        let overflow = "thread 'main' has overflowed its stack\nfatal runtime error";
        check(Cause::Signaled(6), overflow, None, (StackOverflow, "stack overflow"));
        let words = said(StackOverflow, 11, "");
        check(Cause::Signaled(11), "", words, (StackOverflow, "stack overflow"));
        let line = "x\nmemory allocation of 99 bytes failed\n";
        check(Cause::Signaled(6), line, None, (Oom, "memory allocation of 99 bytes failed"));
        check(Cause::Signaled(11), "", None, (Signal, "SIGSEGV"));
        let words = said(Signal, 11, "");
        check(Cause::Signaled(11), "", words, (Signal, "SIGSEGV at address 0x10"));
        check(Cause::Signaled(8), "", said(Signal, 8, ""), (Signal, "SIGFPE"));
        check(Cause::Signaled(50), "", None, (Signal, "signal 50"));
        let limit = Duration::from_millis(1500);
        check(Cause::TimedOut(limit), "", None, (Timeout, "ran longer than 1.5s"));
        check(Cause::OutOfMemory(537_000_001), "", None, (Oom, "used more than 512 MiB"));
    }

    #[test]
    fn only_a_running_input_is_to_blame() {
        let idle = Harvest { phase: Some(Phase::Idle), ..harvest(None) };
        let stale = Harvest { raw_in_mem: false, ..harvest(None) };
        let lost = Harvest { input: None, ..harvest(None) };
        for harvest in [idle, stale, lost] {
            let meaning = meaning(Cause::Signaled(11), "", &harvest);
            assert!(matches!(meaning, Meaning::Trouble(_)), "{meaning:?}");
        }
    }

    #[test]
    fn a_failure_that_was_written_down_counts_however_its_worker_ended() {
        let said = said(FailureKind::Panic, 0, "boom");
        let harvest = Harvest { phase: Some(Phase::Idle), ..harvest(said) };
        for cause in [Cause::Signaled(9), Cause::Exited(96), Cause::Unresponsive] {
            match meaning(cause.clone(), "", &harvest) {
                Meaning::Failure(f) => {
                    assert_eq!((f.kind, f.message.as_str()), (FailureKind::Panic, "boom"));
                }
                other => panic!("{cause:?}: {other:?}"),
            }
        }
        assert_eq!(meaning(Cause::AsAsked, "", &Harvest::default()), Meaning::Asked);
    }

    #[test]
    fn what_others_do_to_a_worker_is_no_failure() {
        for signal in [1, 2, 9, 15] {
            let meaning = meaning(Cause::Signaled(signal), "", &harvest(None));
            assert!(matches!(meaning, Meaning::Outside(_)), "{meaning:?}");
        }
        assert_eq!(meaning(Cause::AsAsked, "", &harvest(None)), Meaning::Asked);
        let garbage = Cause::BrokeProtocol("garbage".to_owned());
        assert!(matches!(meaning(garbage, "", &harvest(None)), Meaning::Trouble(_)));
        assert!(matches!(meaning(Cause::Unresponsive, "", &harvest(None)), Meaning::Trouble(_)));
    }

    #[test]
    fn buckets_do_not_depend_on_sizes_and_addresses() {
        let bucket = |cause, output: &str, words| match meaning(cause, output, &harvest(words)) {
            Meaning::Failure(failure) => failure.bucket,
            other => panic!("{other:?}"),
        };
        let failed = |n: u32| format!("memory allocation of {n} bytes failed");
        assert_eq!(
            bucket(Cause::Signaled(6), &failed(7), None),
            bucket(Cause::Signaled(6), &failed(123_456), None)
        );
        assert_ne!(bucket(Cause::Exited(1), "", None), bucket(Cause::Signaled(6), "", None));
    }
}
