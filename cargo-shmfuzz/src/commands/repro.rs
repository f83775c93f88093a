//! `cargo shmfuzz repro`: inputs, once each, in the ordinary build; or one of them under a debugger.

use crate::building::{CargoOutput, build_plain};
use crate::cli::{One, Selection};
use crate::commands::Selected;
use crate::exit_code::{ExitCode, Failed};
use crate::flags::CfgFuzzing;
use crate::report::console::{Console, Tone};
use crate::show;
use anyhow::{Context, anyhow};
use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};
use shmfuzz_runtime::child::{self, End, Output};
use shmfuzz_runtime::testdata;
use std::ffi::OsString;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

const EXAMPLES: &str = "\
Examples:
  cargo shmfuzz repro parse crash-0123456789abcdef   a file of testdata/fuzz/<test>/
  cargo shmfuzz repro parse /tmp/input
  cargo shmfuzz repro parse /tmp/input --debugger gdb   stopped where it panics or dies

Exit code 100 if an input fails, 0 if none does.";

/// The arguments of `repro`.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) one: One,
    /// Inputs: paths of files, or names of files among the test's seeds
    #[arg(required = true)]
    pub(crate) input: Vec<Utf8PathBuf>,
    /// Run the one input under a debugger, with a breakpoint on panics; the exit code is 0 then
    ///
    /// `rr` records the run, and then replays it, forwards and backwards; the recording is deleted
    /// in the end.
    #[arg(long, value_name = "DEBUGGER")]
    pub(crate) debugger: Option<Debugger>,
    #[command(flatten)]
    pub(crate) selection: Selection,
}

/// Runs the inputs, all of them, even after one has failed.
pub(crate) fn exec(arguments: &Arguments) -> Result<ExitCode, Failed> {
    let mut console = Console::plain(Box::new(anstream::stderr()));
    let workspace = super::workspace(&arguments.selection, CfgFuzzing::LeftOut)?;
    let build = build_plain(&workspace, CargoOutput::Terminal, None)?;
    let selected = super::select_one(&build, &arguments.one, |why| console.warn(why))?;
    let Some(selected) = &selected else { return Ok(ExitCode::NoMatch) };
    let paths: anyhow::Result<Vec<Utf8PathBuf>> =
        arguments.input.iter().map(|input| find(selected, input)).collect();
    let paths = paths.map_err(|error| Failed::new(ExitCode::Usage, error))?;
    if let Some(debugger) = arguments.debugger {
        let [path] = &paths[..] else {
            let why = anyhow!("--debugger takes one input, not {}", paths.len());
            return Err(Failed::new(ExitCode::Usage, why));
        };
        return Ok(debug(selected, path, debugger)?);
    }
    let mut code = ExitCode::Nothing;
    for path in paths {
        code = match replay(selected, &path, &mut console)? {
            End::Passed => code,
            // That is no failure of the fuzz test, and hides whatever it would have done.
            End::NeverStarted | End::NotSetUp(_) => return Ok(ExitCode::Harness),
            _ => ExitCode::Found,
        };
    }
    Ok(code)
}

/// A debugger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Debugger {
    /// GNU's.
    Gdb,
    /// LLVM's.
    Lldb,
    /// Records, and replays in both directions.
    Rr,
}

impl Debugger {
    /// What to call, one after the other, so that this program is run and stopped where it panics.
    fn commands(self, program: &[OsString]) -> Vec<Vec<OsString>> {
        /// What the standard library calls for each panic, so that debuggers can stop there.
        const BREAK: &str = "rust_panic";
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let breakpoint = format!("break {BREAK}");
        match self {
            Self::Gdb => {
                let pending = "set breakpoint pending on";
                let gdb = ["gdb", "-q", "-ex", pending, "-ex", &breakpoint, "-ex", "run", "--args"];
                vec![[&words(&gdb)[..], program].concat()]
            }
            Self::Lldb => {
                let set = format!("breakpoint set -n {BREAK}");
                vec![[&words(&["lldb", "-o", &set, "-o", "run", "--"])[..], program].concat()]
            }
            Self::Rr => vec![
                [&words(&["rr", "record"])[..], program].concat(),
                words(&["rr", "replay", "--", "-ex", &breakpoint, "-ex", "continue"]),
            ],
        }
    }
}

/// Runs an input under a debugger.
fn debug(selected: &Selected, file: &Utf8PathBuf, debugger: Debugger) -> anyhow::Result<ExitCode> {
    // Ctrl-C is for the debugger, which stops the program. It reaches this process too.
    let is_interrupted = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGINT, is_interrupted)
        .context("cannot catch signals")?;
    // What is replayed is this recording, whatever others there are, and how this one ended.
    let recording = match debugger {
        Debugger::Rr => Some(tempfile::tempdir().context("cannot make a place for a recording")?),
        Debugger::Gdb | Debugger::Lldb => None,
    };
    let launch = super::launch(&selected.test);
    let run = launch.command();
    let program: Vec<OsString> =
        std::iter::once(run.get_program()).chain(run.get_args()).map(OsString::from).collect();
    for words in debugger.commands(&program) {
        let (name, arguments) = words.split_first().expect("a command has a name");
        let status = Command::new(name)
            .args(arguments)
            .current_dir(&launch.package_dir)
            .envs(launch.env.iter().map(|(name, value)| (name, value)))
            .env(child::REPLAY, file)
            .envs(recording.iter().map(|dir| ("_RR_TRACE_DIR", dir.path())))
            .status()
            .with_context(|| {
                let name = name.to_string_lossy();
                format!("cannot start {name}: is it installed, and in PATH?")
            })?;
        // A recorded program that fails is what is wanted; a debugger that says no is not.
        let is_recording = debugger == Debugger::Rr && words.get(1).is_some_and(|w| w == "record");
        if !status.success() && !is_recording {
            anyhow::bail!("{} ended with {status}", name.to_string_lossy());
        }
    }
    Ok(ExitCode::Nothing)
}

/// A file, or one of the test's seeds.
pub(super) fn find(selected: &Selected, input: &Utf8PathBuf) -> anyhow::Result<Utf8PathBuf> {
    let folder = &selected.seed_folder;
    let seed = folder.join(input);
    let found = [input.as_std_path(), seed.as_path()].into_iter().find(|path| path.is_file());
    let found = found.with_context(|| {
        let (input, folder) = (show::path(input), show::path(folder));
        format!("there is no file {input}, and none of that name in {folder}")
    })?;
    let absolute =
        std::path::absolute(found).with_context(|| format!("cannot find {}", show::path(input)))?;
    Utf8PathBuf::try_from(absolute).context("the input's path is not valid UTF-8")
}

fn replay(selected: &Selected, file: &Utf8PathBuf, console: &mut Console) -> anyhow::Result<End> {
    let Selected { test, name, seed_folder: folder, .. } = selected;
    let recorded = testdata::recorded_limits(folder)
        .with_context(|| format!("cannot read the limits in {}", show::path(folder)))?;
    let file_name = file.file_name().unwrap_or_default();
    let limits = testdata::limits_of(&recorded, &test.record, file_name);
    console.status(Tone::Good, "Running", &format!("{name} on {}", show::path(file)));
    let mut launch = super::launch(test);
    // The user's own choice counts, as always.
    if std::env::var_os("RUST_BACKTRACE").is_none() {
        launch.env.push(("RUST_BACKTRACE".to_owned(), "1".into()));
    }
    let request = child::Request {
        program: &launch.executable,
        folder: Some(&launch.package_dir),
        env: &launch.env,
        path: &launch.test_path,
        file: file.as_std_path(),
        limits,
        calls: child::Calls::of_file(file_name),
    };
    let replay = child::replay(&request, Output::PassedOn)
        .with_context(|| format!("cannot run {}", show::path(&test.binary.executable)))?;
    match &replay.end {
        End::Passed => console.status(Tone::Good, "Passed", name),
        end => console.status(
            Tone::Bad,
            "Failed",
            &format!("{name}: {}", show::line(&end.to_string())),
        ),
    }
    Ok(replay.end)
}
