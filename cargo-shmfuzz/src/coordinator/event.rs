//! What happens to a campaign.

use super::campaign::{Bytes, FindingId, WorkerId};
use crate::stack::Trace;
use shmfuzz_runtime::entries::LogEntry;
use shmfuzz_runtime::journal::Life;
use shmfuzz_runtime::layout::Phase;
use shmfuzz_runtime::message::{Hello, Reply};
use shmfuzz_runtime::words::LastWords;
use std::sync::Arc;
use std::time::Duration;

/// One thing that happened.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A worker has attached and said hello.
    Started {
        /// Which.
        worker: WorkerId,
        /// What it said.
        hello: Hello,
    },
    /// A worker has answered its request.
    Answered {
        /// Which.
        worker: WorkerId,
        /// What it said.
        reply: Reply,
        /// What was in the mapping.
        harvest: Harvest,
    },
    /// A worker's process has ended and was waited for, or it could not be started.
    Died {
        /// Which.
        worker: WorkerId,
        /// How.
        death: Death,
        /// What was in the mapping.
        harvest: Harvest,
    },
    /// A worker keeps no journal, although it should.
    NoJournal {
        /// Which.
        worker: WorkerId,
        /// Why, as a lowercase fragment.
        why: String,
    },
    /// A finding's input was run in the plain build.
    Checked {
        /// Which.
        finding: FindingId,
        /// What came of it.
        verdict: PlainVerdict,
    },
    /// Time has passed: at least every 100 ms.
    Tick,
    /// The user wants an end (Ctrl-C, SIGTERM).
    Interrupt,
}

/// What was read out of the mapping, owned: after every hand-over and after every death.
#[derive(Clone, Debug, Default)]
pub(crate) struct Harvest {
    /// The log's entries.
    pub(crate) entries: Vec<LogEntry>,
    /// The value in the input area: the bytes that were being run if `raw_in_mem`, else what the
    /// reply says it is.
    pub(crate) input: Option<Vec<u8>>,
    /// Whether the input was being run when the worker stopped or died.
    pub(crate) raw_in_mem: bool,
    /// What the worker said of a failure.
    pub(crate) words: Option<LastWords>,
    /// Where the thread of the fuzz test was that failed, or where it hangs.
    pub(crate) stack: Option<Trace>,
    /// The end of what was printed while one input was run again and failed.
    pub(crate) output: String,
    /// Resident memory after an answer, in bytes, if the system tells.
    pub(crate) resident: Option<u64>,
    /// The slowest call that was seen to go on during the job that was answered, if one was long.
    pub(crate) slow: Option<Slow>,
    /// What a replay used of the processor, all threads together, if the system tells.
    pub(crate) cpu: Option<Duration>,
    /// Calls of this job.
    pub(crate) count: u64,
    /// How many of them were none of the phase: traces, second runs of entries, trimming.
    pub(crate) extra_count: u64,
    /// What it was doing.
    pub(crate) phase: Option<Phase>,
    /// Tag of the inbox input that was being run, or the index of the attribute's seed.
    pub(crate) loading: Option<u64>,
    /// What does not fit together: the target wrote over the mapping.
    pub(crate) damage: Option<String>,
    /// All that the worker has run in its life, if that is on record and something failed.
    pub(crate) life: Option<Arc<Life>>,
}

impl Harvest {
    /// The input that failed, with what its worker ran before it.
    pub(crate) fn take_culprit(&mut self) -> Culprit {
        Culprit { input: self.input.take(), life: self.life.take() }
    }
}

/// An input that failed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Culprit {
    /// Its bytes, if they could be read.
    pub(crate) input: Option<Vec<u8>>,
    /// All that its worker has run, with the input at the end, if that is on record.
    pub(crate) life: Option<Arc<Life>>,
}

impl From<Vec<u8>> for Culprit {
    fn from(input: Vec<u8>) -> Self {
        Self { input: Some(input), life: None }
    }
}

/// A call that took long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slow {
    /// Its input.
    pub(crate) input: Bytes,
    /// How long, at least.
    pub(crate) took: Duration,
}

/// How a worker's process ended.
#[derive(Clone, Debug)]
pub(crate) struct Death {
    /// Why.
    pub(crate) cause: Cause,
    /// The end of what it printed, bounded.
    pub(crate) output: String,
}

/// Why a worker's process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It could not be started at all.
    NotStarted(String),
    /// It exited by itself with this status.
    Exited(i32),
    /// A signal that we did not send ended it.
    Signaled(i32),
    /// Killed by the driver: one call ran longer than the timeout.
    TimedOut(Duration),
    /// Killed by the driver: resident memory passed the limit, in bytes.
    OutOfMemory(u64),
    /// Killed by the driver: it said or did what the protocol does not allow.
    BrokeProtocol(String),
    /// Killed by the driver: no answer within the limit although calls go on or none was made.
    Unresponsive,
    /// Killed because the engine asked for it, or ended after [`Request::Stop`].
    ///
    /// [`Request::Stop`]: shmfuzz_runtime::message::Request::Stop
    AsAsked,
}

/// How an input fared in the plain build: no instrumentation, no `cfg(fuzzing)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PlainVerdict {
    /// It fails there too.
    Fails,
    /// It passes there.
    Passes,
    /// It could not be run; the reason.
    Unknown(String),
}
