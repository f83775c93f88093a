//! `cargo shmfuzz stability`: the lines of a fuzz test that do not come back when an input is run
//! again.

use super::Selected;
use crate::building::{CargoOutput, build_instrumented};
use crate::cli::{Fuzzing, MessageFormat, One, Selection};
use crate::coordinator::campaign::TestIdx;
use crate::coordinator::driver::{self, Addresses, Crew};
use crate::coordinator::interrupt::Interrupts;
use crate::coordinator::notice::End;
use crate::coordinator::store::{Loaded, Store};
use crate::coordinator::survey::{Found, Survey};
use crate::exit_code::{ExitCode, Failed};
use crate::options::Layer;
use crate::report::{Report, Steadiness};
use crate::source::{Line, Source};
use anyhow::anyhow;
use camino::Utf8PathBuf;
use clap::Args;
use std::collections::BTreeMap;

const EXAMPLES: &str = "\
Examples:
  cargo shmfuzz stability parse             all seeds and cached inputs, 8 times each
  cargo shmfuzz stability parse --times 50  what flickers rarely, too

Code that depends on time, randomness, addresses, the order of a HashMap or what earlier calls have
left behind makes an input reach other lines each time. That costs speed, and failures may not
repeat.

Exit code 0 whether or not a line flickers, 130 if Ctrl-C came before all inputs were run (those that
were are told of), 4 if no fuzz test matches or it has no inputs; others as for all commands.";

/// The arguments of `stability`.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) one: One,
    /// How often to run each input
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    pub(crate) times: u32,
    /// Where the corpus is kept [default: the user's cache directory]
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) corpus_dir: Option<Utf8PathBuf>,
    #[command(flatten)]
    pub(crate) fuzzing: Fuzzing,
    /// How results are told
    #[arg(long, value_name = "FORMAT", default_value_t)]
    pub(crate) message_format: MessageFormat,
    #[command(flatten)]
    pub(crate) selection: Selection,
}

/// Builds, runs the inputs, and lists the lines.
///
/// # Errors
/// If the inputs could not be run.
pub(crate) fn exec(arguments: &Arguments) -> Result<ExitCode, Failed> {
    let mut report = Report::new(arguments.message_format);
    let interrupts = Interrupts::catch()?;
    let workspace = super::workspace(&arguments.selection, arguments.fuzzing.cfg())?;
    let build = build_instrumented(&workspace, CargoOutput::Terminal, Some(&interrupts.groups))?;
    for notice in &build.notices {
        report.warn(&notice.to_string());
    }
    let mut selected = super::select_one(&build, &arguments.one, |why| report.warn(why))?;
    let root = super::root(&workspace, arguments.corpus_dir.as_deref())?;
    super::describe(selected.as_mut_slice(), &root, &[])
        .map_err(|error| Failed::new(ExitCode::Harness, error))?;
    let Some(one) = &selected else { return Ok(ExitCode::NoMatch) };
    let limits = super::run::resolve(&Layer::default(), &workspace, std::slice::from_ref(one))
        .map_err(|error| Failed::new(ExitCode::Harness, error))?;
    let mut store = Store::new(&root, vec![super::home(one, &limits[0])]);
    // The inputs of a sequence have no say: each of them is most likely an input of the corpus, too.
    let Loaded { inputs, warnings, .. } = store.load(TestIdx(0));
    for warning in warnings {
        report.warn(&format!("{}: {warning}", one.name));
    }
    let test = super::run::campaign_test(one, &limits[0], inputs, Vec::new());
    if test.corpus.is_empty() && test.n_attribute_seeds == 0 {
        let name = &one.name;
        report.warn(&format!(
            "{name} has no seeds and no cached inputs: `cargo shmfuzz run {name}` finds some"
        ));
        return Ok(ExitCode::NoMatch);
    }
    let begun = interrupts.begin_campaign();
    begun.map_err(|error| Failed::new(ExitCode::Interrupted, error))?;
    let tests = [test.clone()];
    let mut survey = Survey::new(test, arguments.times);
    let crew = Crew {
        tests: &tests,
        launches: vec![super::launch(&one.test)],
        sources: super::sources(&workspace, std::slice::from_ref(one)),
        addresses: Addresses::Random,
        store,
        plain: Box::new(|| Err(anyhow!("no finding is checked in a survey"))),
        report: &mut |_, _| {},
    };
    let outcome = driver::run(&mut survey, crew, &interrupts)?;
    let found = survey
        .into_found()
        .map_err(|why| Failed::new(ExitCode::Harness, anyhow!("{}: {why}", one.name)))?;
    let executable = one.test.binary.executable.as_std_path();
    let source = Source::open(executable, workspace.root().as_std_path())?;
    let steadiness = steadiness(one, arguments.times, &found, outcome.end, &source);
    report.steadiness(&steadiness);
    Ok(if steadiness.is_done { ExitCode::Nothing } else { ExitCode::Interrupted })
}

/// What was found, by line: blocks of one line are one, and count as the one that flickered most.
fn steadiness(one: &Selected, times: u32, found: &Found, end: End, source: &Source) -> Steadiness {
    let mut lines: BTreeMap<Line, u32> = BTreeMap::new();
    let mut n_unknown = 0;
    for (pc, n_inputs) in found.flickering.values() {
        match pc.and_then(|pc| source.line(pc)) {
            Some(line) => {
                let most = lines.entry(line).or_default();
                *most = (*most).max(*n_inputs);
            }
            None => n_unknown += 1,
        }
    }
    let mut lines: Vec<_> = lines.into_iter().collect();
    lines.sort_by_key(|(_, n_inputs)| std::cmp::Reverse(*n_inputs));
    Steadiness {
        test: one.name.clone(),
        package: one.test.binary.package_name.clone(),
        n_inputs: found.n_inputs,
        n_failing: found.n_failing,
        n_all: found.n_all,
        is_done: end != End::Interrupted,
        times,
        checked: found.checked,
        lines,
        n_unknown,
    }
}
