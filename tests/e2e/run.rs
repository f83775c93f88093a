//! Running a program to its end, or to a line it prints, within a limit.
//!
//! Owns the process and what it printed. A program that passes its limit is killed and the test
//! fails with all that was printed; nothing here waits for a time and hopes.

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// The longest a program may run unless the test says otherwise. It holds the first build too, on
/// a machine that is busy with other tests.
const LIMIT: Duration = Duration::from_secs(420);

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Output {
    /// Its exit code, or the negated number of the signal that ended it.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// The JSON events on stdout; any other line there fails the test.
    pub(crate) fn events(&self) -> Vec<Value> {
        let parse = |line| {
            serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("no event ({error}): {line}\n{self}"))
        };
        self.stdout.lines().map(parse).collect()
    }

    /// The events of one name.
    pub(crate) fn events_named(&self, name: &str) -> Vec<Value> {
        self.events().into_iter().filter(|event| event["event"] == name).collect()
    }

    /// The one event of a name.
    pub(crate) fn event(&self, name: &str) -> Value {
        let mut events = self.events_named(name);
        assert_eq!(events.len(), 1, "events named {name}\n{self}");
        events.remove(0)
    }

    /// Fails the test unless the exit code is this.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code\n{self}");
        self
    }

    /// Fails the test unless stdout and stderr together hold all these texts.
    #[track_caller]
    pub(crate) fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.both().contains(text), "{text:?} is not printed\n{self}");
        }
        self
    }

    /// Fails the test if stdout or stderr hold one of these texts.
    #[track_caller]
    pub(crate) fn says_not(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(!self.both().contains(text), "{text:?} is printed\n{self}");
        }
        self
    }

    pub(crate) fn both(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { code, stdout, stderr } = self;
        write!(f, "exit code {code}\n--- stdout\n{stdout}\n--- stderr\n{stderr}\n---")
    }
}

/// Where a line was printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Out,
    Err,
}

/// A program that runs. Dropped, it is killed with all its process group.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    lines: Receiver<(Stream, String)>,
    deadline: Instant,
    output: Output,
}

impl Running {
    /// Starts a program in a process group of its own, without a terminal and without input.
    pub(crate) fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
        let (sender, lines) = channel();
        read_lines(child.stdout.take().expect("stdout is piped"), Stream::Out, sender.clone());
        read_lines(child.stderr.take().expect("stderr is piped"), Stream::Err, sender);
        let output = Output { code: 0, stdout: String::new(), stderr: String::new() };
        Self { child, lines, deadline: Instant::now() + LIMIT, output }
    }

    /// The process's number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the process alone, not to its group.
    pub(crate) fn send(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the process is not waited for, so it is there");
    }

    /// Waits for an event and returns it.
    pub(crate) fn wait_for_event(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let Some((stream, line)) = self.next_line() else {
                panic!("it ended before the event\n{}", self.output)
            };
            if stream == Stream::Out
                && let Ok(event) = serde_json::from_str(&line)
                && wanted(&event)
            {
                return event;
            }
        }
    }

    /// Waits until something holds outside of the program.
    pub(crate) fn wait_until(&self, what: &str, holds: impl Fn() -> bool) {
        let left = self.deadline.saturating_duration_since(Instant::now());
        wait_until(left, what, holds);
    }

    /// Waits for the end.
    pub(crate) fn finish(mut self) -> Output {
        while self.next_line().is_some() {}
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            if Instant::now() > self.deadline {
                self.fail_at_limit();
            }
            thread::sleep(Duration::from_millis(5));
        };
        let signal = || -status.signal().expect("no code means a signal");
        self.output.code = status.code().unwrap_or_else(signal);
        let empty = Output { code: 0, stdout: String::new(), stderr: String::new() };
        std::mem::replace(&mut self.output, empty)
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn next_line(&mut self) -> Option<(Stream, String)> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok((stream, line)) => {
                let text = match stream {
                    Stream::Out => &mut self.output.stdout,
                    Stream::Err => &mut self.output.stderr,
                };
                text.push_str(&line);
                text.push('\n');
                Some((stream, line))
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => self.fail_at_limit(),
        }
    }

    fn fail_at_limit(&mut self) -> ! {
        self.kill_group();
        panic!("it ran longer than {LIMIT:?}\n{}", self.output)
    }

    fn kill_group(&self) {
        // The group may be gone already, which is what is wanted.
        let _ = kill_process_group(self.pid(), Signal::KILL);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.kill_group();
            let _ = self.child.wait();
        }
    }
}

/// Sends the lines of a pipe until its end. Bytes that are not UTF-8 are replaced: what a target
/// prints is anything.
fn read_lines(pipe: impl Read + Send + 'static, stream: Stream, sender: Sender<(Stream, String)>) {
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while matches!(pipe.read_until(b'\n', &mut line), Ok(n) if n > 0) {
            let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line));
            if sender.send((stream, text.into_owned())).is_err() {
                return;
            }
            line.clear();
        }
    });
}

/// Waits until something holds, and fails the test with `what` where it does not within `limit`.
#[track_caller]
pub(crate) fn wait_until(limit: Duration, what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
