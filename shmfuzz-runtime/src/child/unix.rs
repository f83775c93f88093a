//! The parent's end on Unix: sockets, a process group, and a loop with limits.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::{
    Calls, End, FAILED, LIMITS, MANY_CALLS, NOT_SET_UP, Output, PASSED, REPLAY, Replay, Request,
    SETTING_UP, SIGABRT, STARTED, VERDICT,
};
use crate::gauge::Gauge;
use crate::hang::CallWatch;
use crate::leak;
use crate::limits::Limits;
use crate::process;
use crate::sequence;

/// How often memory, time and the child's state are looked at.
const TICK: Duration = Duration::from_millis(5);

/// Longest time from the start of the process to the start of the call: generous, since linking
/// and set-up of a large binary on a loaded machine are not what is measured.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Longest time from the result to the end of the process. What takes longer has been judged.
const END_LIMIT: Duration = Duration::from_secs(5);

/// Only the end of what a child prints is kept.
const OUTPUT_LIMIT: usize = 64 << 10;

pub(super) fn replay(request: &Request<'_>, output: Output) -> io::Result<Replay> {
    let mut watch = Watch::start(request, output)?;
    let limits = limits(request);
    let stopped = watch.run(limits);
    // Before the child is reaped: until then, nobody else can get its number.
    process::kill_group(watch.child.id())?;
    let status = watch.child.wait()?;
    let stopped = stopped?;
    watch.take_words();
    watch.take_rest_of_output();
    let output = String::from_utf8_lossy(&watch.printed).into_owned();
    let end = stopped.unwrap_or_else(|| watch.end(status, &output, limits));
    Ok(Replay { end, output })
}

/// The limits of all calls together: many of them are watched as if they were one.
fn limits(request: &Request<'_>) -> Limits {
    let Limits { timeout, rss_limit } = request.limits;
    match request.calls {
        Calls::One => Limits { timeout: timeout.saturating_mul(n_inputs(request.file)), rss_limit },
        Calls::Many => Limits { timeout: timeout.saturating_add(leak::LONGEST), rss_limit },
    }
}

/// How many inputs are in a file: one, unless it is a sequence.
fn n_inputs(file: &Path) -> u32 {
    let is_sequence = || {
        let mut start = [0; sequence::FIRST_LINE.len()];
        let is_read = File::open(file)?.read_exact(&mut start);
        io::Result::Ok(is_read.is_ok() && sequence::is_sequence(&start))
    };
    // What cannot be read is for the child to tell.
    let inputs = match is_sequence() {
        Ok(true) => fs::read(file).ok().and_then(|bytes| sequence::from_file(&bytes).ok()),
        _ => None,
    };
    inputs.and_then(|inputs| u32::try_from(inputs.len()).ok()).unwrap_or(1)
}

/// A running child.
#[derive(Debug)]
struct Watch {
    child: Child,
    output: UnixStream,
    becomes: Output,
    words: UnixStream,
    heard: Vec<u8>,
    printed: Vec<u8>,
    gauge: Gauge,
}

/// The call in the child, as the parent sees it.
#[derive(Debug)]
struct Call {
    began: Instant,
    looked: Instant,
    watch: CallWatch,
}

impl Call {
    fn new(timeout: Duration) -> Self {
        let now = Instant::now();
        Self { began: now, looked: now, watch: CallWatch::new(timeout) }
    }

    /// Whether it is over its time. Looks at most once an interval, however often it is asked.
    fn hangs(&mut self, mut gauge: &Gauge) -> bool {
        if self.looked.elapsed() < self.watch.interval() {
            return false;
        }
        self.looked = Instant::now();
        self.watch.look(self.began.elapsed(), &mut gauge)
    }
}

impl Watch {
    fn start(request: &Request<'_>, becomes: Output) -> io::Result<Self> {
        let (words, stdin) = UnixStream::pair()?;
        let (output, stdout) = UnixStream::pair()?;
        // To the body, standard input is at its end.
        words.shutdown(Shutdown::Write)?;
        words.set_nonblocking(true)?;
        output.set_read_timeout(Some(TICK))?;
        let mut command = Command::new(request.program);
        if let Some(folder) = request.folder {
            command.current_dir(folder);
        }
        command
            .args(["--exact", request.path, "--nocapture", "--test-threads=1"])
            .arg("--include-ignored")
            .envs(request.env.iter().map(|(name, value)| (name, value)))
            .env(REPLAY, request.file)
            .env(LIMITS, request.limits.to_string())
            .env(VERDICT, std::process::id().to_string())
            .env_remove("RUST_TEST_SHUFFLE")
            .stdin(Stdio::from(OwnedFd::from(stdin)))
            .stderr(Stdio::from(OwnedFd::from(stdout.try_clone()?)))
            .stdout(Stdio::from(OwnedFd::from(stdout)))
            .process_group(0);
        match request.calls {
            Calls::One => command.env_remove(MANY_CALLS),
            Calls::Many => command.env(MANY_CALLS, "1"),
        };
        let mut child = command.spawn()?;
        // It holds the child's ends of the sockets.
        drop(command);
        let gauge = match Gauge::open(child.id()) {
            Ok(gauge) => gauge,
            Err(error) => {
                process::kill_group(child.id())?;
                child.wait()?;
                return Err(error);
            }
        };
        let (heard, printed) = (Vec::new(), Vec::new());
        Ok(Self { child, output, becomes, words, heard, printed, gauge })
    }

    /// Until the child has ended or must be: then how.
    fn run(&mut self, limits: Limits) -> io::Result<Option<End>> {
        let spawned = Instant::now();
        let (mut started, mut judged) = (None, None);
        while !process::has_ended(self.child.id())? {
            self.take_output();
            self.take_words();
            if started.is_none() && self.heard_line(STARTED) {
                started = Some(Call::new(limits.timeout));
            }
            if judged.is_none() && self.result().is_some() {
                judged = Some(Instant::now());
            }
            let stopped = match (&mut started, judged) {
                (_, Some(at)) => self.result().filter(|_| at.elapsed() > END_LIMIT),
                (Some(call), None) => {
                    call.hangs(&self.gauge).then_some(End::TimedOut(limits.timeout))
                }
                (None, None) => (spawned.elapsed() > START_LIMIT)
                    .then(|| self.no_start(|| format!("did not return within {START_LIMIT:?}"))),
            };
            if stopped.is_some() {
                return Ok(stopped);
            }
            if self.gauge.resident().is_some_and(|bytes| bytes > limits.rss_limit) {
                let end = End::OutOfMemory(limits.rss_limit);
                let is_setup = started.is_none() && self.heard_line(SETTING_UP);
                return Ok(Some(if is_setup { self.no_start(|| end.to_string()) } else { end }));
            }
        }
        Ok(None)
    }

    /// Waits at most a tick for output. A child that has closed its output is waited for too.
    fn take_output(&mut self) {
        let mut chunk = [0; 16 << 10];
        match self.output.read(&mut chunk) {
            Ok(0) => thread::sleep(TICK),
            Ok(n) => self.keep(&chunk[..n]),
            Err(error) if is_not_yet(&error) => {}
            Err(_) => thread::sleep(TICK),
        }
    }

    fn keep(&mut self, chunk: &[u8]) {
        if self.becomes == Output::PassedOn {
            // Nobody is left to be told that standard error is gone.
            let _ = io::stderr().write_all(chunk);
        }
        self.printed.extend_from_slice(chunk);
        if self.printed.len() > 2 * OUTPUT_LIMIT {
            self.printed.drain(..self.printed.len() - OUTPUT_LIMIT);
        }
    }

    /// What is still in the socket. A process that left the group may go on printing for ever, so
    /// the amount is bounded.
    fn take_rest_of_output(&mut self) {
        let mut chunk = vec![0; 16 << 10];
        for _ in 0..64 {
            match self.output.read(&mut chunk) {
                Ok(n) if n > 0 => self.keep(&chunk[..n]),
                _ => break,
            }
        }
        let excess = self.printed.len().saturating_sub(OUTPUT_LIMIT);
        self.printed.drain(..excess);
    }

    fn take_words(&mut self) {
        let mut chunk = [0; 4096];
        while self.heard.len() < OUTPUT_LIMIT {
            match self.words.read(&mut chunk) {
                Ok(n) if n > 0 => self.heard.extend_from_slice(&chunk[..n]),
                _ => break,
            }
        }
    }

    fn heard_line(&self, wanted: &str) -> bool {
        self.heard.split(|byte| *byte == b'\n').any(|line| line == wanted.as_bytes())
    }

    /// What the child said of its call.
    fn result(&self) -> Option<End> {
        let passed = || self.heard_line(PASSED).then_some(End::Passed);
        self.said(FAILED).map(End::Failed).or_else(passed)
    }

    /// What stands behind the beginning of a complete line that the child said.
    fn said(&self, beginning: &str) -> Option<String> {
        let heard = String::from_utf8_lossy(&self.heard);
        let mut complete = heard.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        complete.find_map(|line| line.strip_prefix(beginning).map(str::to_owned))
    }

    fn end(&self, status: ExitStatus, output: &str, limits: Limits) -> End {
        let result = self.result();
        if let Some(failed @ End::Failed(_)) = result {
            return failed;
        }
        let end = self.end_of_call(status, output, limits, result.is_some());
        if self.heard_line(STARTED) { end } else { self.no_start(|| end.to_string()) }
    }

    /// What it is that no call was made: the setup's doing, if there was one at the time.
    fn no_start(&self, how: impl FnOnce() -> String) -> End {
        match self.said(NOT_SET_UP) {
            Some(failure) => End::NotSetUp(failure),
            None if self.heard_line(SETTING_UP) => {
                End::NotSetUp(format!("the setup {}, so no input was run", how()))
            }
            None => End::NeverStarted,
        }
    }

    fn end_of_call(
        &self,
        status: ExitStatus,
        output: &str,
        limits: Limits,
        has_returned: bool,
    ) -> End {
        match (status.code(), status.signal()) {
            (Some(0), _) if has_returned => End::Passed,
            (Some(code), _) => End::Exited(code),
            (None, Some(SIGABRT)) if output.contains("has overflowed its stack") => {
                End::StackOverflow
            }
            (None, Some(SIGABRT)) if failed_to_allocate(output) => {
                End::OutOfMemory(limits.rss_limit)
            }
            (None, signal) => End::Signal(signal.unwrap_or_default()),
        }
    }
}

/// std says no more than this line before it aborts.
fn failed_to_allocate(output: &str) -> bool {
    output.lines().any(|line| {
        line.contains("memory allocation of ") && line.trim_end().ends_with(" bytes failed")
    })
}

fn is_not_yet(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
