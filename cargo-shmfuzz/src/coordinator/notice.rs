//! What a campaign tells the user: the source of both the JSON events and the lines on a terminal.

use super::campaign::{Bytes, FindingId, TestIdx};
use crate::stack::Trace;
use shmfuzz_runtime::bucket::Bucket;
use shmfuzz_runtime::kind::FailureKind;
use std::time::Duration;

/// One thing to tell.
#[derive(Clone, Debug)]
pub(crate) enum Notice {
    /// The first worker of a fuzz test is ready.
    Start {
        /// Which test.
        test: TestIdx,
        /// Committed and attribute seeds.
        seeds: usize,
        /// Cached entries.
        corpus: usize,
        /// Tokens of the user's dictionaries.
        tokens: usize,
        /// Counters in the binary.
        counters: u64,
        /// Workers of the campaign.
        workers: usize,
    },
    /// How far the seeds and cached inputs of a fuzz test were run: a few times a second, and when
    /// all were.
    Loading {
        /// Which test.
        test: TestIdx,
        /// How far.
        trial: Trial,
        /// Time since the first of them was run.
        elapsed: Duration,
        /// Whether all were run.
        is_done: bool,
    },
    /// Figures, a few times a second.
    Stats {
        /// Which test.
        test: TestIdx,
        /// The figures.
        stats: Stats,
    },
    /// An entry was added to the corpus.
    NewEntry {
        /// Which test.
        test: TestIdx,
        /// Its bytes.
        input: Bytes,
        /// Features that nothing had reached before.
        new_features: usize,
    },
    /// A committed seed fails, as it did before.
    Known {
        /// Which test.
        test: TestIdx,
        /// The seed: a file's name, or `seed#<n>`.
        seed: String,
        /// How it fails.
        failure: Failure,
    },
    /// A failure was met that is no finding: the user said so.
    Ignored {
        /// Which test.
        test: TestIdx,
        /// How it fails.
        failure: Failure,
    },
    /// A failure was found and its input is on disk.
    Finding(Finding),
    /// A finding has a smaller input, which is on disk in the larger one's place, or it could not
    /// be made smaller.
    Minimized {
        /// With the smaller input.
        finding: Finding,
        /// The size before, in bytes.
        before: usize,
        /// Why it is not made smaller still.
        limit: Limit,
    },
    /// A finding does not fail in the plain build, so its file went to the cache.
    PassesPlain(Finding),
    /// Little is left to find for a fuzz test: it is not fuzzed any more.
    Plateau {
        /// Which test.
        test: TestIdx,
        /// Its figures.
        stats: Stats,
    },
    /// The slowest input of a fuzz test, if it takes far longer than others; it is in the cache. Comes
    /// right before the end.
    Slowest {
        /// Which test.
        test: TestIdx,
        /// The input.
        slowest: Slowest,
    },
    /// Fuzzing is over, and the plain build is waited for: it decides where findings belong.
    Checking {
        /// How many findings are still to be run there.
        n_findings: usize,
    },
    /// Something the user should know.
    Warning {
        /// Which test, if one.
        test: Option<TestIdx>,
        /// What, as a lowercase fragment.
        text: String,
    },
    /// The harness of a fuzz test does not work: it will not be fuzzed.
    Broken {
        /// Which test.
        test: TestIdx,
        /// Why, as a lowercase fragment.
        why: String,
        /// The end of what the worker printed.
        output: String,
    },
    /// The campaign is over. The last notice, and the only one of its kind.
    Finish {
        /// Totals, by test.
        totals: Vec<(TestIdx, Stats)>,
        /// How often each finding was met, in the order in which they were found.
        met: Vec<Met>,
        /// Why it is over.
        end: End,
        /// How it ended.
        exit: Exit,
    },
}

/// How far the inputs on disk were run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trial {
    /// Inputs that were run, or that fail and are passed over.
    pub(crate) done: usize,
    /// Inputs there are to run.
    pub(crate) total: usize,
    /// How many of those that were run have added something so far.
    pub(crate) useful: usize,
}

/// Figures of one fuzz test.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Stats {
    /// Time since the campaign's start.
    pub(crate) elapsed: Duration,
    /// Calls of the fuzzing phase.
    pub(crate) execs: u64,
    /// Other calls: seeds, traces, confirmations, minimization.
    pub(crate) extra_execs: u64,
    /// Calls a second, over the last seconds.
    pub(crate) execs_per_sec: f64,
    /// Inputs of the corpus that reach something the others do not.
    pub(crate) corpus: usize,
    /// Entries added by this campaign.
    pub(crate) new_entries: usize,
    /// Edges reached.
    pub(crate) edges: u64,
    /// Counters in the binary.
    pub(crate) edges_total: u64,
    /// Distinct failures found.
    pub(crate) findings: usize,
    /// Part of the edges that come back when an input is run again, from 0 to 1.
    pub(crate) stability: f64,
    /// What is left to find, once something can be said.
    pub(crate) forecast: Option<Forecast>,
}

/// What is left to find for a fuzz test, estimated. A discovery is an entry added to the corpus.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Forecast {
    /// That the next call discovers something, from 0 to 1.
    pub(crate) probability: f64,
    /// Discoveries in the next minute, if all workers of the campaign spend it on this test.
    pub(crate) next_minute: f64,
}

/// The slowest input of a fuzz test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slowest {
    /// How long a call of it takes, at least.
    pub(crate) took: Duration,
    /// Its size in bytes.
    pub(crate) size: usize,
}

/// A failure, as shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// How.
    pub(crate) kind: FailureKind,
    /// The message, or what there is instead: the signal's name, the status, the limit.
    pub(crate) message: String,
    /// `file:line:column`, if known.
    pub(crate) location: Option<String>,
    /// What it counts as, in every build.
    pub(crate) bucket: Bucket,
    /// What it counts as among the workers, who know no names of functions.
    pub(crate) silent: Bucket,
    /// What it counts as there however it was reached.
    pub(crate) any_way: Bucket,
    /// What all failures of its kind at its location count as there, whatever they say.
    pub(crate) place: Bucket,
    /// Where it failed or hangs; empty if it is not known.
    pub(crate) stack: Trace,
    /// The end of what the worker printed.
    pub(crate) output: String,
}

/// A finding, as shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Its name in the campaign.
    pub(crate) id: FindingId,
    /// Which test.
    pub(crate) test: TestIdx,
    /// How it fails.
    pub(crate) failure: Failure,
    /// Its input.
    pub(crate) input: Bytes,
    /// Whether it failed again in a fresh worker.
    pub(crate) reproducible: Reproducible,
    /// When it was found, from the campaign's start.
    pub(crate) elapsed: Duration,
    /// After how many calls of its fuzz test.
    pub(crate) execs: u64,
}

/// How often a finding was met in a campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Met {
    /// Which finding.
    pub(crate) finding: FindingId,
    /// Of which test.
    pub(crate) test: TestIdx,
    /// How it fails.
    pub(crate) kind: FailureKind,
    /// `file:line:column`, if known.
    pub(crate) location: Option<String>,
    /// What it counts as.
    pub(crate) bucket: Bucket,
    /// How often it was met, its confirmation and minimization left out, as far as that was counted.
    pub(crate) times: u64,
}

/// Whether a finding is known to fail again in a fresh worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reproducible {
    /// It failed again at once.
    Yes,
    /// It failed again, but not each time.
    Sometimes {
        /// How often.
        failures: u32,
        /// Of how many fresh workers that ran it.
        runs: u32,
    },
    /// It failed again as the last of so many inputs, one after the other in one process: the
    /// finding's input is the file of that sequence. Alone, it passed each time.
    InSequence {
        /// How many.
        n_inputs: usize,
    },
    /// It passed each time.
    No,
    /// It was not run often enough to tell: the campaign ended, or its workers were lost.
    NotTried,
}

impl Reproducible {
    /// Whether it passed in a fresh worker.
    pub(crate) fn is_flaky(self) -> bool {
        matches!(self, Self::Sometimes { .. } | Self::No)
    }
}

/// What kept an input from being made smaller still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Nothing simpler fails in the same way.
    Smallest,
    /// The time for it, or the campaign's, was over.
    Time,
    /// Too many attempts failed in another way, passed after all, or lost their worker.
    Setbacks,
}

/// Why a campaign ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// `--time` is over.
    Time,
    /// `--runs` are done.
    Runs,
    /// `--until-plateau`, and little is left to find for any fuzz test.
    Plateau,
    /// `--stop-on-crash` and a finding.
    Crash,
    /// Ctrl-C.
    Interrupted,
    /// No fuzz test is left that works.
    Broken,
}

/// How a campaign ended, for the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: nothing was found.
    Nothing,
    /// 100: a failure was found.
    Found,
    /// 96: a harness does not work, or no fuzz test was ever fuzzed.
    Harness,
    /// 70: a failure was found, and its input could not be written anywhere.
    Unsaved,
}
