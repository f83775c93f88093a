//! What a campaign is asked to do: the engine's configuration, resolved once from flags,
//! attributes and defaults.

use shmfuzz_runtime::bucket::Bucket;
use shmfuzz_runtime::record::InputKind;
use shmfuzz_runtime::shape::Shape;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Index of a fuzz test in [`Campaign::tests`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TestIdx(pub(crate) usize);

/// Names one worker process; never used again for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct WorkerId(pub(crate) u64);

/// Names one finding of a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FindingId(pub(crate) u64);

/// The bytes of an input, shared by all who look at them.
pub(crate) type Bytes = Arc<[u8]>;

/// A campaign.
#[derive(Clone, Debug)]
pub(crate) struct Campaign {
    /// The fuzz tests, in the order shown.
    pub(crate) tests: Vec<Test>,
    /// How many workers run at once; at least 1.
    pub(crate) jobs: usize,
    /// Seed of all randomness.
    pub(crate) seed: u64,
    /// When to end, counted from the first worker's start.
    pub(crate) time: Option<Duration>,
    /// Calls of the fuzzing phase, exactly, for each fuzz test.
    pub(crate) runs: Option<u64>,
    /// A fuzz test is not fuzzed any more when fewer discoveries than this are to be expected of
    /// it in the next minute.
    pub(crate) until_plateau: Option<f64>,
    /// End at the first finding.
    pub(crate) stop_on_crash: bool,
    /// How long one finding is minimized; zero for not at all.
    pub(crate) minimize_time: Duration,
    /// How long a failure that passes alone is waited for to happen again, and how long the inputs
    /// before it are then searched for those that it needs; zero for not at all.
    pub(crate) sequence_time: Duration,
    /// Committed inputs that still fail count as findings for the exit code.
    pub(crate) fail_known: bool,
    /// How much memory workers may hold that wait for their next slice, in bytes; `None` for no
    /// bound but their number.
    pub(crate) idle_memory: Option<u64>,
    /// Decide by work and counts, so that the campaign repeats (`--seed` and `--runs` and one job).
    pub(crate) by_work: bool,
}

/// One fuzz test of a campaign.
#[derive(Clone, Debug)]
pub(crate) struct Test {
    /// Its name, unique in the campaign, for messages: the path as `cargo test` prints it, with
    /// as much of package and target before it as tells it apart.
    pub(crate) name: String,
    /// What it takes.
    pub(crate) kind: InputKind,
    /// What its inputs are made of, if they are values.
    pub(crate) shape: Option<Shape>,
    /// Longest time of one call.
    pub(crate) timeout: Duration,
    /// Largest resident memory of a worker, in bytes; 0 for none.
    pub(crate) rss_limit: u64,
    /// Longest input to make, in bytes.
    pub(crate) max_len: usize,
    /// Seeds in the attribute.
    pub(crate) n_attribute_seeds: u32,
    /// Tokens of the user's dictionaries, distinct; all of them fit a worker's inbox.
    pub(crate) tokens: Vec<Bytes>,
    /// Failures that are no findings.
    pub(crate) ignored: BTreeSet<Bucket>,
    /// Committed seeds and cached entries, distinct by content, seeds first.
    pub(crate) corpus: Vec<CorpusInput>,
    /// Committed sequences of inputs, each of which failed once.
    pub(crate) sequences: Vec<CommittedSequence>,
}

/// A sequence of inputs from disk.
#[derive(Clone, Debug)]
pub(crate) struct CommittedSequence {
    /// Its file's name.
    pub(crate) name: String,
    /// The inputs, as [`shmfuzz_runtime::sequence::pack`] packs them.
    pub(crate) packed: Bytes,
}

/// An input from disk.
#[derive(Clone, Debug)]
pub(crate) struct CorpusInput {
    /// Where it is from.
    pub(crate) place: Place,
    /// Its file's name.
    pub(crate) name: String,
    /// Its bytes.
    pub(crate) bytes: Bytes,
}

/// Where an input stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In `testdata/fuzz/<test>/`, committed.
    Seed,
    /// In the cache.
    Cache,
}
