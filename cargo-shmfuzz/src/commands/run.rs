//! `cargo shmfuzz run`: one campaign over all fuzz tests that match.

use crate::cli::{Filters, Fuzzing, MessageFormat, Selection};
use crate::options::{self, Layer};
use camino::Utf8PathBuf;
use clap::Args;
use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  cargo shmfuzz run                      all fuzz tests, until Ctrl-C
  cargo shmfuzz run --time 10m           all of them, ten minutes together
  cargo shmfuzz run parse --stop-on-crash
  cargo shmfuzz run parse --seed 1 --runs 100000 --jobs 1   the same campaign each time

An input that fails is written to testdata/fuzz/<test>/ in the package; from then on `cargo test`
fails on it by name, until the bug is fixed. All else that was found goes to the cache.";

/// The arguments of `run`.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) filters: Filters,
    /// End after this time, as in 60s or 10m [default: never]
    #[arg(long, value_parser = options::parse_time)]
    pub(crate) time: Option<Duration>,
    /// End after exactly this many executions of each fuzz test
    #[arg(long, value_name = "N")]
    pub(crate) runs: Option<NonZeroU64>,
    /// How many workers run at once [default: the cores]
    #[arg(short, long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// Seed of all randomness [default: a random one, which is shown]
    ///
    /// With --runs and --jobs 1, the campaign repeats exactly: it then goes by counts and not by
    /// the clock.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Longest time of one execution [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = options::parse_time)]
    pub(crate) timeout: Option<Duration>,
    /// Largest resident memory of a worker, 0 for no limit [default: 2GiB]
    #[arg(long, value_name = "SIZE", value_parser = options::parse_size)]
    pub(crate) rss_limit: Option<u64>,
    /// Longest input to try [default: 1MiB]
    #[arg(long, value_name = "SIZE", value_parser = options::parse_max_len)]
    pub(crate) max_len: Option<usize>,
    /// End at the first failure
    #[arg(long)]
    pub(crate) stop_on_crash: bool,
    /// How long to make each failing input smaller, 0 for not at all
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = options::parse_time_or_zero)]
    pub(crate) minimize_time: Duration,
    /// Keep the corpus here [default: the user's cache directory]
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) corpus_dir: Option<Utf8PathBuf>,
    #[command(flatten)]
    pub(crate) fuzzing: Fuzzing,
    /// Committed inputs that still fail end the command with 100, too
    #[arg(long)]
    pub(crate) fail_known: bool,
    /// How results are told
    #[arg(long, value_name = "FORMAT", default_value_t)]
    pub(crate) message_format: MessageFormat,
    #[command(flatten)]
    pub(crate) selection: Selection,
}

impl Arguments {
    /// What the flags say of each fuzz test.
    pub(crate) fn limits(&self) -> Layer {
        Layer { timeout: self.timeout, rss_limit: self.rss_limit, max_len: self.max_len }
    }
}
pub(crate) fn exec(
    _arguments: &Arguments,
) -> Result<crate::exit_code::ExitCode, crate::exit_code::Failed> {
    unimplemented!()
}
