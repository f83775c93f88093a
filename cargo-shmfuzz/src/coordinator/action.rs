//! What the engine wants done. The driver does it in order, and never decides.

use super::campaign::{Bytes, FindingId, TestIdx, WorkerId};
use super::notice::Notice;
use shmfuzz_runtime::bucket::Bucket;
use shmfuzz_runtime::kind::FailureKind;
use shmfuzz_runtime::message::Request;
use std::sync::Arc;
use std::time::Duration;

/// One thing to do.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Start a worker for a fuzz test. Answered by `Started` or `Died`.
    Spawn {
        /// Its name.
        worker: WorkerId,
        /// What it fuzzes.
        test: TestIdx,
        /// Whether all that it runs is to be on record.
        has_journal: bool,
        /// Bytes that it may use beyond what the fuzz test may, for what it is sent or keeps.
        spare: u64,
    },
    /// Hand the turn over and send a request. Answered by `Answered` or `Died`.
    Send {
        /// To whom.
        worker: WorkerId,
        /// The request.
        request: Request,
        /// What goes into the mapping first.
        freight: Freight,
        /// State and increment of the PRNG to put into the header.
        random: Option<(u64, u64)>,
        /// How long one call may take before the worker is killed.
        timeout: Duration,
    },
    /// Ask a worker to end its current job soon (the header's `stop`).
    Interrupt {
        /// Which.
        worker: WorkerId,
    },
    /// End a worker's process at once. Answered by `Died`.
    Kill {
        /// Which.
        worker: WorkerId,
    },
    /// Write an entry to the cache.
    SaveEntry {
        /// Of which fuzz test.
        test: TestIdx,
        /// Its bytes.
        input: Bytes,
        /// The cached entry whose place it takes, to be deleted afterwards.
        replaces: Option<Bytes>,
    },
    /// Write the slowest input of a fuzz test, over the one before it.
    SaveSlowest {
        /// Of which fuzz test.
        test: TestIdx,
        /// Its bytes.
        input: Bytes,
    },
    /// Write a failing input, before anything else is done about it.
    SaveFinding {
        /// Its name in the campaign.
        finding: FindingId,
        /// Of which fuzz test.
        test: TestIdx,
        /// How it fails.
        kind: FailureKind,
        /// Its bytes.
        input: Bytes,
        /// The larger input of the same finding whose file it replaces; for a leak, the input that was
        /// run when memory ran out.
        replaces: Option<Bytes>,
        /// Where to.
        shelf: Shelf,
    },
    /// Run a finding's input once in the plain build. Answered by `Checked`, some time.
    CheckPlain {
        /// Which.
        finding: FindingId,
        /// Of which fuzz test.
        test: TestIdx,
        /// How it fails.
        kind: FailureKind,
        /// Its bytes.
        input: Bytes,
        /// Its failure's bucket.
        #[cfg_attr(
            not(test),
            expect(dead_code, reason = "the plain build may have other buckets")
        )]
        bucket: Bucket,
    },
    /// Tell the user.
    Show(Notice),
    /// The campaign is over: nothing is running any more.
    Finish,
}

/// What goes into the mapping before a request.
#[derive(Clone, Debug, Default)]
pub(crate) enum Freight {
    /// Nothing.
    #[default]
    None,
    /// Inputs for the inbox, with their tags; all of them fit.
    Inbox(Vec<(u64, Bytes)>),
    /// Entries for the inbox that another worker has run, with their features; all of them fit.
    Known(Vec<Known>),
    /// One input for the input area, which is grown for it.
    Input(Bytes),
    /// Nothing, but the input area is grown to this many bytes.
    Room(usize),
}

/// An entry that a worker is given and need not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// Its tag.
    pub(crate) tag: u64,
    /// Its bytes.
    pub(crate) input: Bytes,
    /// The features that the worker which ran it was the first to reach.
    pub(crate) features: Arc<[u32]>,
    /// What an execution of it costs.
    pub(crate) work: u64,
}

/// Where a finding's file belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shelf {
    /// `testdata/fuzz/<test>/`: the next `cargo test` fails on it.
    Testdata,
    /// The cache: it does not fail there, or not reliably. Moves the file if it is in testdata.
    Cache,
}
