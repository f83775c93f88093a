//! `cargo shmfuzz minimize`: one failing input, made smaller.

use super::{Selected, label::label, repro};
use crate::building::{CargoOutput, build_instrumented};
use crate::cli::{Fuzzing, MessageFormat, One, Selection};
use crate::coordinator::action::Shelf;
use crate::coordinator::campaign::{Bytes, Campaign, TestIdx};
use crate::coordinator::driver::{self, Addresses, Crew};
use crate::coordinator::engine::Engine;
use crate::coordinator::interrupt::Interrupts;
use crate::coordinator::notice::{End, Finding, Limit, Notice, Reproducible};
use crate::coordinator::store::{self, Failing, Root, Store};
use crate::exit_code::{ExitCode, Failed};
use crate::options::{self, Layer, Limits};
use crate::report::{Opening, Report, Smaller};
use crate::show;
use crate::workspace::Workspace;
use anyhow::{Context as _, anyhow, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use shmfuzz_runtime::child::Calls;
use shmfuzz_runtime::record::InputKind;
use shmfuzz_runtime::sequence;
use shmfuzz_runtime::testdata;
use std::path::{Path, PathBuf};
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  cargo shmfuzz minimize parse crash-0123456789abcdef   a file of testdata/fuzz/<test>/
  cargo shmfuzz minimize parse /tmp/input --out /tmp/smaller
  cargo shmfuzz minimize parse /tmp/input --time 10m --in-place

What is written fails in the same way as INPUT: the same kind, place and message, numbers and quoted
text in it aside. It ends when nothing simpler does, after the time, or with Ctrl-C; the smallest
input until then is written. An input that ends the process costs a fresh worker for each try that
does, one that hangs a part of the timeout; one that leaks (leak-<hash>) is called many times for
each try.

Exit code 0 if INPUT fails, be there a smaller one or not, 2 if it does not fail, 130 if Ctrl-C came
before that was known; others as for all commands.";

/// The arguments of `minimize`.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) one: One,
    /// The failing input: the path of a file, or the name of one among the test's seeds
    pub(crate) input: Utf8PathBuf,
    /// Write the smaller input here [default: testdata/fuzz/<test>/<kind>-<hash>, beside the others]
    #[arg(short, long, value_name = "FILE", conflicts_with = "in_place")]
    pub(crate) out: Option<Utf8PathBuf>,
    /// Write the smaller input over INPUT
    #[arg(long)]
    pub(crate) in_place: bool,
    /// How long to try, as in 60s or 10m
    #[arg(long, visible_alias = "minimize-time", value_name = "TIME", default_value = "60s", value_parser = options::parse_time)]
    pub(crate) time: Duration,
    /// Longest time of one execution [default: the test's own, 10s]
    #[arg(long, value_name = "TIME", value_parser = options::parse_time)]
    pub(crate) timeout: Option<Duration>,
    /// Largest resident memory of a worker, 0 for no limit [default: the test's own, 2GiB]
    #[arg(long, value_name = "SIZE", value_parser = options::parse_size)]
    pub(crate) rss_limit: Option<u64>,
    #[command(flatten)]
    pub(crate) fuzzing: Fuzzing,
    /// How results are told
    #[arg(long, value_name = "FORMAT", default_value_t)]
    pub(crate) message_format: MessageFormat,
    #[command(flatten)]
    pub(crate) selection: Selection,
}

/// Builds, makes the input smaller, and writes what it came to.
///
/// # Errors
/// If the input cannot be read or does not fail, or what it came to cannot be written.
pub(crate) fn exec(arguments: &Arguments) -> Result<ExitCode, Failed> {
    let mut report = Report::new(arguments.message_format);
    let done = minimize(arguments, &mut report);
    report.end(*done.as_ref().unwrap_or_else(|failed| &failed.code));
    done
}

fn minimize(arguments: &Arguments, report: &mut Report) -> Result<ExitCode, Failed> {
    let interrupts = Interrupts::catch()?;
    let workspace = super::workspace(&arguments.selection, arguments.fuzzing.cfg())?;
    let build = build_instrumented(&workspace, CargoOutput::Terminal, Some(&interrupts.groups))?;
    for notice in &build.notices {
        report.warn(&notice.to_string());
    }
    let mut selected = super::select_one(&build, &arguments.one, |why| report.warn(why))?;
    let Some(one) = &mut selected else { return Ok(ExitCode::NoMatch) };
    let store_root = super::root(&workspace, None)?;
    let path =
        repro::find(one, &arguments.input).map_err(|error| Failed::new(ExitCode::Usage, error))?;
    super::describe(std::slice::from_mut(one), &store_root, &[path.clone().into()])
        .map_err(|error| Failed::new(ExitCode::Harness, error))?;
    let one = &*one;
    let given = given(arguments, one, path).map_err(|error| Failed::new(ExitCode::Usage, error))?;
    let begun = interrupts.begin_campaign();
    begun.map_err(|error| Failed::new(ExitCode::Interrupted, error))?;
    let limits = limits(arguments, &workspace, one, &given.path)
        .map_err(|error| Failed::new(ExitCode::Harness, error))?;
    report.begin_minimizing(
        opening(arguments, one),
        &format!("{}, {}", show::path(&given.path), show::size(given.input.len())),
    );
    let task = Task { workspace: &workspace, one, limits, given, store_root };
    let reached = task.run(arguments.time, report, &interrupts)?;
    task.conclude(&reached, report)
}

/// What the command line gives.
#[derive(Clone, Debug)]
struct Given {
    path: Utf8PathBuf,
    input: Bytes,
    place: Place,
}

/// Where a smaller input is written.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// Among the test's seeds.
    Testdata,
    /// Over the input.
    Input,
    /// In this file.
    File(PathBuf),
}

fn given(arguments: &Arguments, one: &Selected, path: Utf8PathBuf) -> anyhow::Result<Given> {
    if !cfg!(target_os = "linux")
        && Calls::of_file(path.file_name().unwrap_or_default()) == Calls::Many
    {
        let path = show::path(&path);
        bail!("{path} is named as an input that leaks, which is measured on Linux only");
    }
    let input =
        std::fs::read(&path).with_context(|| format!("cannot read {}", show::path(&path)))?;
    if sequence::is_sequence(&input) {
        bail!(
            "{} is a sequence of inputs, which is made smaller when it is found only",
            show::path(&path)
        );
    }
    let input = super::home(one, &Limits::default())
        .input_of(path.as_std_path(), input)
        .with_context(|| format!("{} is no input of {}", show::path(&path), one.name))?;
    if one.test.record.kind == InputKind::Text && std::str::from_utf8(&input).is_err() {
        bail!("{} is no valid UTF-8, which {} takes", show::path(&path), one.name);
    }
    let place = match &arguments.out {
        _ if arguments.in_place => Place::Input,
        None => Place::Testdata,
        Some(out) => {
            if is_same_file(out, &path) {
                bail!("--out names the input itself: --in-place writes over it");
            }
            if out.is_dir() {
                bail!("--out: {} is a directory, the name of a file is wanted", show::path(out));
            }
            let out = std::path::absolute(out)
                .with_context(|| format!("--out: cannot find {}", show::path(out)))?;
            Place::File(out)
        }
    };
    Ok(Given { path, input: input.into(), place })
}

fn is_same_file(a: &Utf8Path, b: &Utf8Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

/// The limits for this input.
fn limits(
    arguments: &Arguments,
    workspace: &Workspace,
    one: &Selected,
    path: &Utf8Path,
) -> anyhow::Result<Limits> {
    let flags = Layer { timeout: arguments.timeout, rss_limit: arguments.rss_limit, max_len: None };
    let limits = super::run::resolve(&flags, workspace, std::slice::from_ref(one))?;
    let mut limits = limits.into_iter().next().expect("as many as there are tests");
    // An input that was found under limits of its own fails under those only.
    let recorded = testdata::recorded_limits(&one.seed_folder)
        .with_context(|| format!("cannot read the limits in {}", show::path(&one.seed_folder)))?;
    if let Some(own) = recorded.get(path.file_name().unwrap_or_default()) {
        limits.timeout = flags.timeout.unwrap_or(own.timeout);
        // There, no limit is the largest number.
        let own = if own.rss_limit == u64::MAX { 0 } else { own.rss_limit };
        limits.rss_limit = flags.rss_limit.unwrap_or(own);
    }
    Ok(limits)
}

fn opening(arguments: &Arguments, one: &Selected) -> Opening {
    Opening {
        labels: vec![label(one, &arguments.selection)],
        seed: 0,
        jobs: 1,
        time: None,
        runs: None,
        until_plateau: None,
    }
}

/// What the engine came to.
struct Reached {
    /// With the smallest input; `None` if it could not be run at all.
    finding: Option<Finding>,
    limit: Limit,
    end: End,
}

/// An input to be made smaller, and what of.
struct Task<'a> {
    workspace: &'a Workspace,
    one: &'a Selected,
    limits: Limits,
    given: Given,
    store_root: Root,
}

impl Task<'_> {
    fn store(&self) -> Store {
        Store::new(&self.store_root, vec![super::home(self.one, &self.limits)])
    }

    fn run(
        &self,
        time: Duration,
        report: &mut Report,
        interrupts: &Interrupts,
    ) -> anyhow::Result<Reached> {
        let tests = [super::run::campaign_test(self.one, &self.limits, Vec::new(), Vec::new())];
        let campaign = Campaign {
            tests: tests.to_vec(),
            jobs: 1,
            seed: 0,
            time: None,
            runs: None,
            until_plateau: None,
            stop_on_crash: false,
            minimize_time: time,
            sequence_time: Duration::ZERO,
            fail_known: false,
            idle_memory: None,
            by_work: false,
        };
        let calls = Calls::of_file(self.given.path.file_name().unwrap_or_default());
        let mut engine = Engine::minimization(campaign, self.given.input.clone(), calls);
        let (mut finding, mut limit) = (None, None);
        let mut listen = |notice: &Notice, _: Option<&Path>| match notice {
            Notice::Finding(found) => {
                if found.reproducible == Reproducible::Yes {
                    report.fails(&found.failure);
                }
                finding = Some(found.clone());
            }
            Notice::Minimized { finding: smaller, limit: by, .. } => {
                (finding, limit) = (Some(smaller.clone()), Some(*by));
            }
            Notice::Start { .. } => report.start(notice),
            Notice::Warning { .. } | Notice::Broken { .. } => report.show(notice, None),
            _ => {}
        };
        let crew = Crew {
            tests: &tests,
            launches: vec![super::launch(&self.one.test)],
            sources: super::sources(self.workspace, std::slice::from_ref(self.one)),
            addresses: Addresses::Random,
            store: self.store(),
            plain: Box::new(|| Err(anyhow!("nothing is run in the plain build"))),
            report: &mut listen,
        };
        let end = driver::run(&mut engine, crew, interrupts)?.end;
        // A second Ctrl-C ends it before that is told.
        let untold = if end == End::Interrupted { Limit::Time } else { Limit::Smallest };
        Ok(Reached { finding, limit: limit.unwrap_or(untold), end })
    }

    /// Writes and tells what was reached, or says why there is nothing.
    fn conclude(&self, reached: &Reached, report: &mut Report) -> Result<ExitCode, Failed> {
        let finding = match &reached.finding {
            Some(finding) if finding.reproducible == Reproducible::Yes => finding,
            Some(finding) if finding.reproducible == Reproducible::No => {
                let path = show::path(&self.given.path);
                let why = anyhow!("{path} does not fail, so there is nothing to keep");
                return Err(Failed::new(ExitCode::Usage, why));
            }
            Some(Finding { reproducible: Reproducible::Sometimes { failures, runs }, .. }) => {
                let path = show::path(&self.given.path);
                let why = anyhow!(
                    "{path} fails only sometimes, {failures} of {runs} times: what is smaller \
                     cannot be told from what fails less often"
                );
                return Err(Failed::new(ExitCode::Usage, why));
            }
            _ if reached.end == End::Interrupted => return Ok(ExitCode::Interrupted),
            _ => {
                let why = anyhow!("workers are lost over the input without a failure of its own");
                return Err(Failed::new(ExitCode::Harness, why));
            }
        };
        let path = self.write(finding, report)?;
        let (before, limit) = (self.given.input.len(), reached.limit);
        report.smaller(&Smaller { finding, before, limit, path: &path });
        Ok(ExitCode::Nothing)
    }

    fn file_of(&self, finding: &Finding) -> Vec<u8> {
        super::home(self.one, &self.limits).to_file(&finding.input).into_owned()
    }

    /// Writes what is smaller; -> where it is.
    fn write(&self, finding: &Finding, report: &mut Report) -> anyhow::Result<PathBuf> {
        let Given { path, input, place } = &self.given;
        match place {
            Place::File(file) => {
                store::write_input(file, &self.file_of(finding))?;
                Ok(file.clone())
            }
            _ if finding.input == *input => Ok(path.clone().into()),
            Place::Input => {
                store::write_input(path.as_std_path(), &self.file_of(finding))?;
                Ok(path.clone().into())
            }
            Place::Testdata => {
                let saved = self.store().save_finding(&Failing {
                    test: TestIdx(0),
                    kind: finding.failure.kind,
                    input: finding.input.clone(),
                    replaces: None,
                    shelf: Shelf::Testdata,
                })?;
                if let Some(warning) = &saved.warning {
                    report.warn(warning);
                }
                Ok(saved.path)
            }
        }
    }
}
