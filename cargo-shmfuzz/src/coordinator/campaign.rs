//! What a campaign is asked to do: the engine's configuration, resolved once from flags,
//! attributes and defaults.

use std::sync::Arc;
use std::time::Duration;

/// Index of a fuzz test in [`Campaign::tests`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TestIdx(pub usize);

/// Names one worker process; never used again for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(pub u64);

/// Names one finding of a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FindingId(pub u64);

/// The bytes of an input, shared by all who look at them.
pub type Bytes = Arc<[u8]>;

/// A campaign.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// The fuzz tests, in the order shown.
    pub tests: Vec<Test>,
    /// How many workers run at once; at least 1.
    pub jobs: usize,
    /// Seed of all randomness.
    pub seed: u64,
    /// When to end, counted from the first worker's start.
    pub time: Option<Duration>,
    /// Calls of the fuzzing phase, exactly, for each fuzz test.
    pub runs: Option<u64>,
    /// End at the first finding.
    pub stop_on_crash: bool,
    /// How long one finding is minimized; zero for not at all.
    pub minimize_time: Duration,
    /// Committed inputs that still fail count as findings for the exit code.
    pub fail_known: bool,
    /// Decide by work and counts, so that the campaign repeats (`--seed` and `--runs` and one job).
    pub by_work: bool,
}

/// One fuzz test of a campaign.
#[derive(Clone, Debug)]
pub struct Test {
    /// Its name, unique in the campaign, for messages: the path as `cargo test` prints it, with
    /// as much of package and target before it as tells it apart.
    pub name: String,
    /// Longest time of one call.
    pub timeout: Duration,
    /// Largest resident memory of a worker, in bytes; 0 for none.
    pub rss_limit: u64,
    /// Longest input to make, in bytes.
    pub max_len: usize,
    /// Seeds in the attribute.
    pub n_attribute_seeds: u32,
    /// Committed seeds and cached entries, distinct by content, seeds first.
    pub corpus: Vec<CorpusInput>,
}

/// An input from disk.
#[derive(Clone, Debug)]
pub struct CorpusInput {
    /// Where it is from.
    pub place: Place,
    /// Its file's name.
    pub name: String,
    /// Its bytes.
    pub bytes: Bytes,
}

/// Where an input stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In `testdata/fuzz/<test>/`, committed.
    Seed,
    /// In the cache.
    Cache,
}
