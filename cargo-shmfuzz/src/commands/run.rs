//! `cargo shmfuzz run`: one campaign over all fuzz tests that match.

use super::Selected;
use super::dictionaries::{self, Tokens};
use super::label::label;
use crate::building::{CargoOutput, FuzzTest, build_instrumented, build_plain};
use crate::cli::{Filters, Fuzzing, MessageFormat, Selection};
use crate::coordinator::campaign::{Bytes, Campaign, CorpusInput, Test, TestIdx};
use crate::coordinator::driver::{self, Addresses, Crew, Groups};
use crate::coordinator::engine::Engine;
use crate::coordinator::interrupt::Interrupts;
use crate::coordinator::plain;
use crate::coordinator::store::{Loaded, Store};
use crate::exit_code::{ExitCode, Failed};
use crate::machine;
use crate::options::{self, Layer, Limits, OfPackage};
use crate::report::{Opening, Report};
use crate::show;
use crate::workspace::Workspace;
use anyhow::anyhow;
use camino::Utf8PathBuf;
use clap::Args;
use shmfuzz_runtime::bucket::Bucket;
use shmfuzz_runtime::layout::MAX_VALUE_LEN;
use std::collections::BTreeSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

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
    /// End the fuzzing of a test when fewer new inputs than N are expected in its next minute
    ///
    /// What is expected is shown while fuzzing: it is estimated from how the discoveries have grown
    /// scarcer so far, as if all workers were to fuzz that test. No test ends like this within its
    /// first 10000 executions and 10 seconds of one worker's time, or 30 if it has seeds or cached
    /// inputs. Its time goes to the others, and the campaign ends when all are there. [default with the flag: 1]
    #[arg(
        long,
        value_name = "N",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "1",
        value_parser = options::parse_expectation,
    )]
    pub(crate) until_plateau: Option<f64>,
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
    /// Longest input to try, at most 1GiB [default: 1MiB]
    #[arg(long, value_name = "SIZE", value_parser = options::parse_max_len)]
    pub(crate) max_len: Option<usize>,
    /// Tokens to put into inputs, in the format of AFL and libFuzzer; may be given several times
    ///
    /// A line is `"token"` or `name="token"`, a comment that begins with `#`, or one after the other;
    /// in a token, `\\`, `\"` and `\xAB` stand for bytes. A fuzz test's own dictionaries are used, too:
    /// testdata/fuzz/<test>.dict in its package, `dict = "path"` in its attribute and in
    /// `[package.metadata.shmfuzz]`.
    #[arg(long, value_name = "FILE")]
    pub(crate) dict: Vec<Utf8PathBuf>,
    /// End at the first failure
    #[arg(long)]
    pub(crate) stop_on_crash: bool,
    /// A failure that is no finding, by its bucket as findings show it; may be given several times
    ///
    /// Those of `ignore = ["..."]` in `[package.metadata.shmfuzz]` are none, either.
    #[arg(long, value_name = "BUCKET")]
    pub(crate) ignore: Vec<Bucket>,
    /// How long to make each failing input smaller, 0 for not at all
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = options::parse_time_or_zero)]
    pub(crate) minimize_time: Duration,
    /// How long to search for the earlier inputs that a failure needs which does not happen again
    /// alone, 0 for not at all
    ///
    /// As long is waited for it to happen once more, in a worker whose inputs are recorded.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = options::parse_time_or_zero)]
    pub(crate) sequence_time: Duration,
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

/// Builds, runs the campaign, and tells of it.
///
/// # Errors
/// If the campaign could not be run at all; the stream of events is closed then, too.
pub(crate) fn exec(arguments: &Arguments) -> Result<ExitCode, Failed> {
    let mut report = Report::new(arguments.message_format);
    let done = fuzz(arguments, &mut report);
    report.end(*done.as_ref().unwrap_or_else(|failed| &failed.code));
    done
}

fn fuzz(arguments: &Arguments, report: &mut Report) -> Result<ExitCode, Failed> {
    let interrupts = Interrupts::catch()?;
    let prepared = prepare(arguments, report, &interrupts.groups);
    // What failed then may have failed because cargo was killed.
    let begun = interrupts.begin_campaign();
    begun.map_err(|error| Failed::new(ExitCode::Interrupted, error))?;
    let Some(Prepared { workspace, selected, tests, store }) = prepared? else {
        return Ok(ExitCode::NoMatch);
    };
    let campaign = campaign(arguments, tests);
    let labels: Vec<_> = selected.iter().map(|one| label(one, &arguments.selection)).collect();
    report.begin(Opening {
        labels: labels.clone(),
        seed: campaign.seed,
        jobs: campaign.jobs,
        time: campaign.time,
        runs: campaign.runs,
        until_plateau: campaign.until_plateau,
    });
    let folders = (0..selected.len()).map(|i| store.findings_dir(TestIdx(i))).collect();
    report.keep_texts(folders, labels);
    let tests = campaign.tests.clone();
    let addresses = if campaign.by_work { Addresses::Same } else { Addresses::Random };
    let mut engine = Engine::new(campaign);
    let crew = Crew {
        tests: &tests,
        launches: selected.iter().map(|one| super::launch(&one.test)).collect(),
        sources: super::sources(&workspace, &selected),
        addresses,
        store,
        plain: plain_build(workspace, selected, interrupts.groups.clone()),
        report: &mut |notice, path| report.show(notice, path),
    };
    let outcome = driver::run(&mut engine, crew, &interrupts)?;
    if outcome.n_unsaved > 0 {
        let what = show::count(outcome.n_unsaved, "finding");
        return Err(Failed::new(
            outcome.exit.into(),
            anyhow!("{what} could not be written anywhere"),
        ));
    }
    Ok(outcome.exit.into())
}

/// All that a campaign needs.
struct Prepared {
    workspace: Workspace,
    selected: Vec<Selected>,
    /// As the engine takes them, in the same order.
    tests: Vec<Test>,
    store: Store,
}

/// Builds, selects and loads; `None` if no fuzz test matches.
fn prepare(
    arguments: &Arguments,
    report: &mut Report,
    groups: &Groups,
) -> Result<Option<Prepared>, Failed> {
    let begun = Instant::now();
    let given = dictionaries::given(&arguments.dict)?;
    let workspace = super::workspace(&arguments.selection, arguments.fuzzing.cfg())?;
    let build = build_instrumented(&workspace, CargoOutput::Terminal, Some(groups))?;
    // The first event, which says the version.
    report.built(&super::build::built(&build, begun.elapsed()));
    for notice in &build.notices {
        report.warn(&notice.to_string());
    }
    let Arguments { selection, dict, .. } = arguments;
    for warning in super::folders::warnings(&build, &workspace, selection, dict)? {
        report.warn(&warning);
    }
    let mut selected = match super::select(&build, &arguments.filters) {
        Ok(selected) => selected,
        Err(why) => {
            report.warn(&why);
            return Ok(None);
        }
    };
    let limits = resolve(&arguments.limits(), &workspace, &selected)
        .map_err(|error| Failed::new(ExitCode::Harness, error))?;
    let root = super::root(&workspace, arguments.corpus_dir.as_deref())?;
    super::describe(&mut selected, &root, &[])
        .map_err(|error| Failed::new(ExitCode::Harness, error))?;
    let homes = selected.iter().zip(&limits).map(|(one, limits)| super::home(one, limits));
    let mut store = Store::new(&root, homes.collect());
    let mut tests = Vec::new();
    for (i, (one, limits)) in selected.iter().zip(&limits).enumerate() {
        let Loaded { inputs, sequences, warnings } = store.load(TestIdx(i));
        for warning in warnings {
            report.warn(&format!("{}: {warning}", one.name));
        }
        let Tokens { usable, warning } = dictionaries::of_test(&workspace, one, &given)
            .map_err(|error| Failed::new(ExitCode::Harness, error))?;
        if let Some(warning) = warning {
            report.warn(&format!("{}: {warning}", one.name));
        }
        let mut test = campaign_test(one, limits, inputs, usable);
        let of_package = super::of_package(&workspace, &one.test)
            .map_err(|error| Failed::new(ExitCode::Harness, error))?;
        test.sequences = sequences;
        test.ignored = of_package.ignore.into_iter().chain(arguments.ignore.clone()).collect();
        tests.push(test);
    }
    Ok(Some(Prepared { workspace, selected, tests, store }))
}

/// The limits of each test: defaults, package, attribute, flags.
pub(super) fn resolve(
    flags: &Layer,
    workspace: &Workspace,
    selected: &[Selected],
) -> anyhow::Result<Vec<Limits>> {
    let one = |Selected { test, .. }: &Selected| {
        let OfPackage { layer, .. } = super::of_package(workspace, test)?;
        let attribute = Layer::from(&test.record.options);
        Ok(Limits::resolve(&[layer, attribute, *flags]))
    };
    selected.iter().map(one).collect()
}

/// A fuzz test as a campaign takes it.
pub(super) fn campaign_test(
    one: &Selected,
    limits: &Limits,
    corpus: Vec<CorpusInput>,
    tokens: Vec<Bytes>,
) -> Test {
    Test {
        name: one.name.clone(),
        kind: one.test.record.kind,
        shape: one.test.record.types.clone(),
        timeout: limits.timeout,
        rss_limit: limits.rss_limit,
        max_len: limits.max_len.min(MAX_VALUE_LEN),
        n_attribute_seeds: one.test.record.n_seeds,
        tokens,
        ignored: BTreeSet::new(),
        corpus,
        sequences: Vec::new(),
    }
}

/// Workers that wait may hold one part of the machine's memory in so many.
const IDLE_SHARE: u64 = 8;

fn campaign(arguments: &Arguments, tests: Vec<Test>) -> Campaign {
    let cores = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let jobs = arguments.jobs.unwrap_or_else(cores).get();
    let by_work = arguments.seed.is_some() && arguments.runs.is_some() && jobs == 1;
    Campaign {
        tests,
        jobs,
        // A shorter one is easier to type again.
        seed: arguments.seed.unwrap_or_else(|| RandomState::new().hash_one(0) & 0xffff_ffff),
        time: arguments.time,
        runs: arguments.runs.map(NonZeroU64::get),
        until_plateau: arguments.until_plateau,
        stop_on_crash: arguments.stop_on_crash,
        minimize_time: arguments.minimize_time,
        sequence_time: arguments.sequence_time,
        fail_known: arguments.fail_known,
        // How much memory a worker holds is not the same each time.
        idle_memory: machine::memory().filter(|_| !by_work).map(|all| all / IDLE_SHARE),
        by_work,
    }
}

/// Builds what `cargo test` builds, quietly, for the first finding.
fn plain_build(workspace: Workspace, selected: Vec<Selected>, groups: Groups) -> plain::Build {
    Box::new(move || {
        let build = build_plain(&workspace, CargoOutput::Captured, Some(&groups))?;
        let launch = |Selected { test, .. }: &Selected| {
            let binary = Arc::clone(build.counterpart(&test.binary)?);
            let path = test.path();
            let is_there = binary.records.iter().any(|record| record.path() == path);
            let record = test.record.clone();
            is_there.then(|| super::launch(&FuzzTest { binary, record }))
        };
        Ok(selected.iter().map(launch).collect())
    })
}
