//! Control messages: what coordinator and worker say to each other, one JSON object a line.
//!
//! Only control is said here, a few lines per job; inputs, entries and coverage go through the
//! mapping. One request is in flight per worker, and each gets exactly one [`Reply`]. The worker
//! speaks first, with [`Reply::Hello`].

use crate::bucket::Bucket;
use serde_core::{Deserialize, Serialize};
use std::fmt;
use std::io::{self, BufRead, Write};

// By its path, which is then the same for a crate that includes this file by path.
#[path = "message/fields.rs"]
mod fields;

/// Longest line of a message, in bytes. What is longer is garbage.
pub const LINE_LIMIT: u64 = 1 << 20;

/// Name of the environment variable that makes a test binary a worker: the descriptors of the
/// mapping and of the control channel, as `3,4`, and that of a journal behind them if the worker
/// is to keep one.
pub const WORKER_ENV: &str = "SHMFUZZ_WORKER";

/// The signal that asks a worker in a call where that is: it publishes the stack of the thread
/// that runs the fuzz test. One that hardly any program uses: a real-time signal on Linux,
/// `SIGUSR2` elsewhere.
pub const SAMPLING_SIGNAL: i32 = if cfg!(target_os = "linux") { 46 } else { 31 };

/// The exit status of a worker that cannot begin: wrong descriptors, wrong version, no coverage.
/// It has said why on stderr.
pub const EXIT_CANNOT_START: i32 = 96;

/// Exit code of a worker in which a function of the user's that changes or makes inputs has panicked,
/// after the reason went to stderr.
pub const EXIT_MUTATOR: i32 = 95;

/// What the coordinator asks. The turn is given before a request is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Answer with [`Reply::Pong`].
    Ping {},
    /// Limits and silent buckets; the first request. Answered by [`Reply::Ready`].
    Setup(Setup),
    /// Run inputs and queue those that reach something new. Answered by [`Reply::Loaded`].
    Load(Load),
    /// Mutate and run. Answered by [`Reply::Fuzzed`].
    Fuzz(Fuzz),
    /// Shrink the failing input in the input area. Answered by [`Reply::Minimized`].
    Minimize(Minimize),
    /// Run the input in the input area. Answered by [`Reply::Replayed`].
    Replay(Replay),
    /// Run inputs some times each, to see what does not come back. Answered by
    /// [`Reply::Surveyed`].
    Survey(Survey),
    /// End the process. Answered by nothing.
    Stop {},
}

/// Settings for the worker's life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setup {
    /// Longest input to make, in bytes; at least 1.
    pub max_len: usize,
    /// Failures, and places of failures, that are known and must not end a job.
    pub silent: Vec<Bucket>,
    /// Backstop for the size of the data segment, in bytes (`RLIMIT_DATA`); 0 for none.
    pub data_limit: u64,
    /// Seed of the stream that stands in for the system's randomness (`getrandom`), if any, so
    /// that `HashMap` orders repeat.
    pub random: Option<u64>,
    /// Decide by work and count alone, never by the clock, so that runs repeat.
    pub by_work: bool,
    /// Whether the body finds the memory that it shares with the coordinator read-only.
    pub is_guarded: bool,
    /// How many tokens of the user's dictionary stand in the inbox.
    pub n_tokens: usize,
}

/// Where [`Load`] finds inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The inbox.
    Inbox,
    /// The input area: one input, too large for the inbox, with this tag.
    InputArea {
        /// The coordinator's name for it.
        tag: u64,
    },
    /// The seeds of the attribute.
    Attribute,
    /// The inbox: entries that another worker of the same build has run. They are queued with the
    /// features that it saw, where those are new, and not run.
    Known,
}

/// Run inputs once each, in order, and queue those that reach something new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Where they are.
    pub source: Source,
    /// How many of them to pass over: they were run by an earlier request.
    pub first: usize,
    /// When to pause, in milliseconds; the reply then says how far it came.
    pub budget_ms: u64,
}

/// Mutate and run, from the PRNG state in the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fuzz {
    /// When to end, in milliseconds. By work, where [`Setup::by_work`] says so.
    pub budget_ms: u64,
    /// How many calls at most.
    pub max_execs: Option<u64>,
    /// Failures, and places of failures, that other workers have found meanwhile.
    pub silent: Vec<Bucket>,
}

/// Shrink the failing input in the input area, keeping its bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minimize {
    /// The failure to keep.
    pub bucket: Bucket,
    /// When to pause, in milliseconds.
    pub budget_ms: u64,
    /// Which minimization this is: another number starts anew, the same goes on.
    pub id: u64,
}

/// Run the input in the input area, or the inputs that are packed there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replay {
    /// How often at most; the first failure ends it.
    pub times: u32,
    /// Whether it is a sequence of inputs, packed by [`crate::sequence::pack`].
    pub is_sequence: bool,
}

/// What the worker answers. Its turn is given back before it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The worker has attached and reached the fuzz test.
    Hello(Hello),
    /// To [`Request::Ping`].
    Pong {},
    /// To [`Request::Setup`].
    Ready {},
    /// To [`Request::Load`].
    Loaded(Loaded),
    /// To [`Request::Fuzz`].
    Fuzzed(Fuzzed),
    /// To [`Request::Minimize`].
    Minimized(Minimized),
    /// To [`Request::Replay`].
    Replayed(Replayed),
    /// To [`Request::Survey`].
    Surveyed(Surveyed),
}

/// The worker has attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Version of its `shmfuzz-runtime`.
    pub runtime: String,
    /// The fuzz test it serves, as `cargo test` prints it.
    pub test: String,
    /// How many counters the instrumentation put into the binary.
    pub n_counters: u64,
    /// How many program counters belong to them.
    pub n_pcs: u64,
    /// How many seeds the attribute has.
    pub n_seeds: u32,
}

/// What a worker has seen so far in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Counters that were ever above 0.
    pub edges: u64,
    /// Counter and bucket pairs.
    pub features: u64,
    /// Entries in the queue.
    pub entries: u64,
    /// Counters above 0 when an input was run again.
    pub checked: u64,
    /// Those of them that were not the same in all runs of some input.
    pub flickering: u64,
}

/// Why a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobEnd {
    /// The budget is used up, or the inputs are all run.
    Done,
    /// The coordinator asked it to stop.
    Stopped,
    /// A failure that is not silent: last words are in the mapping, the input in the input area.
    Failed,
    /// The log is full: read it and go on.
    LogFull,
    /// The worker's journal has no room for what it ran last: from here on, its life is not on
    /// record.
    JournalFull,
    /// An entry is too large for the log: it stands in the input area, with this many features.
    LargeEntry,
    /// The next input wants a larger input area.
    NeedsCapacity {
        /// How many bytes.
        bytes: usize,
    },
}

/// To [`Load`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Why it ended. After [`JobEnd::Failed`] the input that failed is the last of `n_run`.
    pub end: JobEnd,
    /// How many inputs of the source are behind it, counting those passed over.
    pub n_run: usize,
    /// How many of them were not valid for the test's input type (text that is no UTF-8).
    pub n_invalid: usize,
    /// Counters that moved in the first call of this worker's life; `None` before any call.
    pub first_moved: Option<u64>,
    /// Calls made.
    pub execs: u64,
    /// What it has seen.
    pub coverage: Coverage,
}

/// To [`Fuzz`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fuzzed {
    /// Why it ended.
    pub end: JobEnd,
    /// Calls of the fuzzing phase: never more than [`Fuzz::max_execs`].
    pub execs: u64,
    /// Other calls: traces, second runs of new entries, trimming, batches run again.
    pub extra_execs: u64,
    /// Failures that fell into silent buckets, by bucket.
    pub silenced: Vec<(Bucket, u64)>,
    /// Calls that returned `Reject`.
    pub rejected: u64,
    /// Sum of the lengths of the inputs run, in bytes.
    pub input_bytes: u64,
    /// Counters that moved in the first call of this worker's life; `None` before any call.
    pub first_moved: Option<u64>,
    /// What it has seen.
    pub coverage: Coverage,
}

/// To [`Minimize`]: the best input so far stands in the input area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minimized {
    /// [`JobEnd::Done`]: nothing makes it smaller. [`JobEnd::Stopped`]: the budget is used up.
    /// [`JobEnd::Failed`]: a *new* failure was met; its input stands in the input area instead,
    /// and the minimization can go on.
    pub end: JobEnd,
    /// Calls made.
    pub execs: u64,
    /// Whether the input given failed in its bucket at all.
    pub reproduced: bool,
}

/// To [`Replay`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// [`JobEnd::Failed`] (last words are in the mapping) or [`JobEnd::Done`].
    pub end: JobEnd,
    /// Calls made, the failing one included.
    pub execs: u64,
    /// Whether the test rejected the input, or it was not valid for its type.
    pub rejected: bool,
}

/// Run inputs some times each, in order, and compare what their runs reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survey {
    /// Where they are.
    pub source: Source,
    /// How many of them to pass over: they were run by an earlier request.
    pub first: usize,
    /// How often to run each.
    pub times: u32,
    /// When to pause, in milliseconds; the reply then says how far it came.
    pub budget_ms: u64,
}

/// The most counters that one [`Surveyed`] names.
pub const MAX_FLICKERING: usize = 4096;

/// To [`Survey`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surveyed {
    /// Why it ended. After [`JobEnd::Failed`] the input that failed is the last of `n_run`.
    pub end: JobEnd,
    /// How many inputs of the source are behind it, counting those passed over.
    pub n_run: usize,
    /// Calls made.
    pub execs: u64,
    /// Counters that differed between runs of an input of this job; [`MAX_FLICKERING`] at most.
    pub flickering: Vec<Flickering>,
    /// What it has seen.
    pub coverage: Coverage,
}

/// A counter that differs between runs of the same input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flickering {
    /// Its number.
    pub counter: u32,
    /// Where its block begins, relative to [`ANCHOR`]; `None` if the table of blocks does not say.
    pub pc: Option<i64>,
    /// How many inputs made it differ.
    pub n_inputs: u32,
}

/// The symbol of the test binary to which [`Flickering::pc`] is relative.
pub const ANCHOR: &str = "__sanitizer_cov_pcs_init";

/// Why no message came.
#[derive(Debug)]
pub enum ChannelError {
    /// The other side has closed the channel.
    Closed,
    /// The operating system refused.
    Io(io::Error),
    /// A line that is no message.
    Garbage {
        /// Its start, escaped.
        line: String,
        /// What is wrong with it.
        why: String,
    },
}

impl fmt::Display for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => write!(f, "the control channel was closed"),
            Self::Io(e) => write!(f, "the control channel failed: {e}"),
            Self::Garbage { line, why } => {
                write!(f, "garbage on the control channel: {line:?}: {why}")
            }
        }
    }
}

impl std::error::Error for ChannelError {}

/// Sends a message.
///
/// # Errors
/// If the channel is closed or the system refuses.
pub fn send(channel: &mut impl Write, message: &impl Serialize) -> Result<(), ChannelError> {
    let mut line =
        serde_json::to_vec(message).map_err(|e| ChannelError::Io(io::Error::other(e)))?;
    line.push(b'\n');
    match channel.write_all(&line).and_then(|()| channel.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Err(ChannelError::Closed),
        other => other.map_err(ChannelError::Io),
    }
}

/// Waits for a message and reads it.
///
/// # Errors
/// If the channel is closed, fails, or carries something else.
pub fn receive<M: for<'de> Deserialize<'de>>(
    channel: &mut impl BufRead,
) -> Result<M, ChannelError> {
    let mut line = Vec::new();
    let mut limited = io::Read::take(&mut *channel, LINE_LIMIT);
    match limited.read_until(b'\n', &mut line) {
        Ok(0) => return Err(ChannelError::Closed),
        Err(e) if e.kind() == io::ErrorKind::ConnectionReset => return Err(ChannelError::Closed),
        Err(e) => return Err(ChannelError::Io(e)),
        Ok(_) => {}
    }
    parse(&line)
}

/// Reads the message in one line, with or without its end.
///
/// # Errors
/// [`ChannelError::Garbage`] if it is none.
pub fn parse<M: for<'de> Deserialize<'de>>(line: &[u8]) -> Result<M, ChannelError> {
    let garbage = |why: String| ChannelError::Garbage {
        line: String::from_utf8_lossy(&line[..line.len().min(80)]).into_owned(),
        why,
    };
    match serde_json::from_slice(line) {
        Ok(message) => Ok(message),
        Err(_) if !line.ends_with(b"\n") && (line.len() as u64) < LINE_LIMIT => {
            Err(garbage("the line has no end".to_owned()))
        }
        Err(e) => Err(garbage(e.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_request_is_one_line_of_json() {
        let mut line = Vec::new();
        let load = Request::Load(Load { source: Source::Inbox, first: 3, budget_ms: 100 });
        send(&mut line, &load).unwrap();
        assert_eq!(
            String::from_utf8(line.clone()).unwrap(),
            "{\"request\":\"load\",\"source\":\"inbox\",\"first\":3,\"budget_ms\":100}\n"
        );
        assert_eq!(receive::<Request>(&mut &line[..]).unwrap(), load);
    }

    fn is_spelled<M: for<'de> Deserialize<'de> + Serialize>(line: &str) {
        let message: M = parse(line.as_bytes()).unwrap();
        let mut sent = Vec::new();
        send(&mut sent, &message).unwrap();
        assert_eq!(String::from_utf8(sent).unwrap(), format!("{line}\n"));
    }

    #[test]
    fn messages_are_spelled_as_ever() {
        for line in [
            r#"{"request":"ping"}"#,
            r#"{"request":"setup","max_len":1,"silent":[7,18446744073709551615],"data_limit":2,"random":null,"by_work":true,"is_guarded":false,"n_tokens":3}"#,
            r#"{"request":"load","source":{"input_area":{"tag":5}},"first":0,"budget_ms":9}"#,
            r#"{"request":"load","source":"attribute","first":0,"budget_ms":9}"#,
            r#"{"request":"load","source":"known","first":0,"budget_ms":9}"#,
            r#"{"request":"fuzz","budget_ms":100,"max_execs":4,"silent":[]}"#,
            r#"{"request":"minimize","bucket":3,"budget_ms":100,"id":1}"#,
            r#"{"request":"replay","times":2,"is_sequence":true}"#,
            r#"{"request":"survey","source":"inbox","first":0,"times":4,"budget_ms":9}"#,
            r#"{"request":"stop"}"#,
        ] {
            is_spelled::<Request>(line);
        }
        let coverage =
            r#""coverage":{"edges":1,"features":2,"entries":3,"checked":4,"flickering":5}}"#;
        for line in [
            r#"{"reply":"hello","runtime":"0.1.0","test":"a::b","n_counters":1,"n_pcs":2,"n_seeds":3}"#,
            r#"{"reply":"pong"}"#,
            r#"{"reply":"ready"}"#,
            r#"{"reply":"loaded","end":"log_full","n_run":1,"n_invalid":2,"first_moved":null,"execs":3,"#,
            r#"{"reply":"fuzzed","end":{"needs_capacity":{"bytes":64}},"execs":1,"extra_execs":2,"silenced":[[7,1]],"rejected":3,"input_bytes":4,"first_moved":5,"#,
            r#"{"reply":"minimized","end":"large_entry","execs":3,"reproduced":true}"#,
            r#"{"reply":"replayed","end":"done","execs":3,"rejected":true}"#,
            r#"{"reply":"surveyed","end":"journal_full","n_run":1,"execs":3,"flickering":[{"counter":1,"pc":-5,"n_inputs":2}],"#,
        ] {
            let is_whole = line.ends_with('}');
            is_spelled::<Reply>(&if is_whole {
                line.to_owned()
            } else {
                format!("{line}{coverage}")
            });
        }
    }

    #[test]
    fn what_is_missing_or_no_message_is_named() {
        for (line, why) in [
            (r#"{"first":0}"#, "missing field `request`"),
            (r#"{"request":"dance"}"#, "unknown request `dance`"),
            (r#"{"request":"ping","first":0}"#, "unknown field `first`"),
            (r#"{"request":"replay","times":2}"#, "missing field `is_sequence`"),
            (r#"{"request":"replay","times":-2,"is_sequence":true}"#, "times: invalid value"),
            (r#"{"request":"load","source":"moon","first":0}"#, "source: unknown variant `moon`"),
            (r#"{"request":"load","source":{"inbox":{}}}"#, "source: unknown variant `inbox`"),
            (r#"{"request":"load","source":"input_area"}"#, "unknown variant `input_area`"),
            (r#"{"request":"load","source":{"input_area":5}}"#, "a variant without its fields"),
            (r#"[]"#, "invalid type: sequence"),
        ] {
            let error = parse::<Request>(format!("{line}\n").as_bytes()).unwrap_err();
            let error = error.to_string();
            assert!(error.contains(why), "{line}: {error}");
        }
        let more = br#"{"request":"replay","is_new":1,"times":2,"is_sequence":true}"#;
        assert!(parse::<Request>(more).is_ok(), "fields of a later version");
    }

    #[test]
    fn a_closed_channel_and_garbage_are_told_apart() {
        assert!(matches!(receive::<Reply>(&mut &b""[..]), Err(ChannelError::Closed)));
        for garbage in
            [&b"hello\n"[..], b"{\"reply\":\"pong\"", b"{\"reply\":\"nonsense\"}\n", b"\xff\n"]
        {
            let error = receive::<Reply>(&mut &garbage[..]).unwrap_err();
            assert!(matches!(error, ChannelError::Garbage { .. }), "{error}");
        }
    }

    #[test]
    fn an_endless_line_is_garbage() {
        let endless = vec![b'x'; LINE_LIMIT as usize + 10];
        assert!(matches!(receive::<Reply>(&mut &endless[..]), Err(ChannelError::Garbage { .. })));
    }

    proptest! {
        #[test]
        fn random_lines_never_panic(line: Vec<u8>) {
            let _ = parse::<Reply>(&line);
            let _ = parse::<Request>(&line);
        }
    }
}
