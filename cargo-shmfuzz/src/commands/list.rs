//! `cargo shmfuzz list`: the fuzz tests and their inputs. Runs nobody's code.

use super::Selected;
use crate::building::{CargoOutput, FuzzTest, build_plain};
use crate::cli::{Filters, MessageFormat, Selection};
use crate::coordinator::campaign::{Place, TestIdx};
use crate::coordinator::store::{Loaded, Store};
use crate::exit_code::{ExitCode, Failed};
use crate::flags::CfgFuzzing;
use crate::options::Limits;
use crate::report::Report;
use camino::Utf8PathBuf;
use clap::Args;
use serde::Serialize;

/// The arguments of `list`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) filters: Filters,
    /// Where the corpus is kept [default: the user's cache directory]
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) corpus_dir: Option<Utf8PathBuf>,
    /// How results are told
    #[arg(long, value_name = "FORMAT", default_value_t)]
    pub(crate) message_format: MessageFormat,
    #[command(flatten)]
    pub(crate) selection: Selection,
}

/// One fuzz test, as programs read it.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename = "test")]
struct Line {
    test: String,
    package: String,
    target: String,
    kind: String,
    file: String,
    line: u32,
    ignored: bool,
    /// Of the attribute and of the folder.
    seeds: usize,
    /// Cached entries.
    corpus: usize,
    testdata: String,
    cache: String,
}

/// Builds as `cargo test` does, and reads the records of the fuzz tests from the binaries.
pub(crate) fn exec(arguments: &Arguments) -> Result<ExitCode, Failed> {
    let mut report = Report::new(arguments.message_format);
    let workspace = super::workspace(&arguments.selection, CfgFuzzing::LeftOut)?;
    let build = build_plain(&workspace, CargoOutput::Terminal, None)?;
    for warning in super::folders::warnings(&build, &workspace, &arguments.selection, &[])? {
        report.warn(&warning);
    }
    let filters = Filters { include_ignored: true, ..arguments.filters.clone() };
    let selected = match super::select(&build, &filters) {
        Ok(selected) => selected,
        Err(why) => {
            report.warn(&why);
            return Ok(ExitCode::NoMatch);
        }
    };
    let root = super::root(&workspace, arguments.corpus_dir.as_deref())?;
    let homes = selected.iter().map(|one| super::home(one, &Limits::default())).collect();
    let mut store = Store::new(&root, homes);
    let mut lines = Vec::new();
    for (i, one) in selected.iter().enumerate() {
        let (line, warnings) = line(one, &mut store, TestIdx(i));
        warnings.iter().for_each(|warning| report.warn(&format!("{}: {warning}", one.name)));
        lines.push(line);
    }
    match arguments.message_format {
        MessageFormat::Human => report.table(&table(&lines)),
        MessageFormat::Json => report.lines(&lines),
    }
    Ok(ExitCode::Nothing)
}

fn line(one: &Selected, store: &mut Store, idx: TestIdx) -> (Line, Vec<String>) {
    let FuzzTest { binary, record } = &one.test;
    let Loaded { inputs, sequences, warnings } = store.load(idx);
    let n_inputs = inputs.iter().filter(|input| input.place == Place::Seed).count();
    let n_files = n_inputs + sequences.len();
    let testdata = &one.seed_folder;
    let line = Line {
        test: one.name.clone(),
        package: binary.package_name.clone(),
        target: binary.target_name.clone(),
        kind: binary.target_kind.to_string(),
        file: record.file.clone(),
        line: record.line,
        ignored: record.ignored != 0,
        seeds: record.n_seeds as usize + n_files,
        corpus: inputs.len() - n_inputs,
        testdata: testdata.to_string_lossy().into_owned(),
        cache: store.cache_dir(idx).to_string_lossy().into_owned(),
    };
    (line, warnings)
}

fn table(lines: &[Line]) -> Vec<[String; 5]> {
    let head = ["TEST", "PACKAGE", "TARGET", "SEEDS", "CACHED"].map(str::to_owned);
    let row = |line: &Line| {
        let ignored = if line.ignored { " (ignored)" } else { "" };
        [
            format!("{}{ignored}", line.test),
            line.package.clone(),
            format!("{} {}", line.kind, line.target),
            line.seeds.to_string(),
            line.corpus.to_string(),
        ]
    };
    std::iter::once(head).chain(lines.iter().map(row)).collect()
}
