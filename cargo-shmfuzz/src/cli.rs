//! The command line: what is said once for all subcommands. Each subcommand's own arguments stand
//! beside what it does, in `commands`.
//!
//! Owns the grammar and the help, decides nothing.

use crate::commands::{build, list, migrate, minimize, new, repro, run, stability};
use crate::flags::CfgFuzzing;
use camino::Utf8PathBuf;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::fmt;
use std::num::NonZeroU32;

/// What cargo calls: `cargo-shmfuzz shmfuzz ...`.
#[derive(Clone, Debug, Parser)]
#[command(name = "cargo", bin_name = "cargo", styles = clap_cargo::style::CLAP_STYLING)]
pub(crate) enum Cargo {
    /// Coverage-guided fuzzing on stable Rust: fuzz tests beside ordinary tests.
    #[command(version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
    Shmfuzz(Shmfuzz),
}

const EXAMPLES: &str = "\
Without a subcommand, `cargo shmfuzz` is `cargo shmfuzz run`.

Examples:
  cargo shmfuzz new parse            write a first fuzz test, tests/parse.rs
  cargo shmfuzz                      fuzz every fuzz test until Ctrl-C
  cargo shmfuzz run parse --time 60s fuzz `parse` for a minute
  cargo shmfuzz migrate              take over the targets of cargo-fuzz in fuzz/
  cargo shmfuzz list                 show all fuzz tests and their inputs
  cargo shmfuzz repro parse FILE     run one input once, with full output
  cargo shmfuzz minimize parse FILE  make a failing input smaller
  cargo test                         run all seeds, and all inputs that ever failed

Exit codes: 0 nothing found, 100 a failure was found, 101 the build failed, 4 no fuzz test
matched, 2 wrong usage, 96 a harness does not work or the toolchain cannot be used, 70 internal
error, 130 Ctrl-C before the campaign, or before all inputs of `stability` were run.";

impl Cargo {
    /// Reads a command line, the program's name first.
    ///
    /// A number after `--until-plateau` is the flag's and no filter: fuzz tests have names. Any
    /// other word there is none of its value, or `--until-plateau json` could not be written.
    ///
    /// # Errors
    /// If it is none; also for `--help` and `--version`.
    pub(crate) fn read(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut joined: Vec<OsString> = Vec::new();
        let mut is_flag = true;
        for word in words {
            match joined.last_mut() {
                Some(flag) if is_flag && *flag == PLATEAU && is_number(&word) => {
                    flag.push("=");
                    flag.push(word);
                }
                _ => {
                    is_flag &= word != "--";
                    joined.push(word);
                }
            }
        }
        Self::try_parse_from(joined)
    }
}

/// The flag whose value is optional.
const PLATEAU: &str = "--until-plateau";

/// Whether nobody would call a fuzz test so: `inf` may be one, `-1` is none.
fn is_number(word: &OsString) -> bool {
    let text = word.to_str().filter(|text| text.contains(|c: char| c.is_ascii_digit()));
    text.is_some_and(|text| text.parse::<f64>().is_ok())
}

/// `cargo shmfuzz`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Shmfuzz {
    /// What to do; nothing is `run`.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// The arguments of `run` without the word.
    #[command(flatten)]
    pub(crate) run: run::Arguments,
}

/// A subcommand.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Fuzz: run fuzz tests on inputs made to reach new code, and keep those that fail.
    Run(Box<run::Arguments>),
    /// List the fuzz tests, their seeds and their cached inputs.
    List(list::Arguments),
    /// Write a first fuzz test.
    New(new::Arguments),
    /// Turn the targets, corpora and artifacts of cargo-fuzz into fuzz tests.
    Migrate(migrate::Arguments),
    /// Run inputs once in the ordinary build, with full output.
    Repro(repro::Arguments),
    /// Make a failing input smaller, keeping the way in which it fails.
    Minimize(minimize::Arguments),
    /// Build the instrumented test binaries.
    Build(build::Arguments),
    /// List the lines that do not come back when an input is run again.
    Stability(stability::Arguments),
}

/// How results are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum MessageFormat {
    /// For people, on stderr.
    #[default]
    Human,
    /// One JSON object a line, on stdout.
    Json,
}

impl fmt::Display for MessageFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Human => "human",
            Self::Json => "json",
        })
    }
}

/// Cargo's own flags: what to build, and how.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Selection {
    #[command(flatten, next_help_heading = "Manifest options")]
    pub(crate) manifest: clap_cargo::Manifest,
    #[command(flatten, next_help_heading = "Package selection")]
    pub(crate) workspace: clap_cargo::Workspace,
    #[command(flatten, next_help_heading = "Feature selection")]
    pub(crate) features: clap_cargo::Features,
    #[command(flatten, next_help_heading = "Target selection")]
    pub(crate) targets: Targets,
    #[command(flatten, next_help_heading = "Compilation options")]
    pub(crate) compilation: Compilation,
}

/// Which targets of the packages.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Targets {
    /// Only the package's library
    #[arg(long)]
    pub(crate) lib: bool,
    /// All binaries
    #[arg(long)]
    pub(crate) bins: bool,
    /// Only this binary
    #[arg(long, value_name = "NAME")]
    pub(crate) bin: Vec<String>,
    /// All targets that can hold tests, which is the default
    #[arg(long)]
    pub(crate) tests: bool,
    /// Only this integration test
    #[arg(long, value_name = "NAME")]
    pub(crate) test: Vec<String>,
    /// All examples
    #[arg(long)]
    pub(crate) examples: bool,
    /// Only this example
    #[arg(long, value_name = "NAME")]
    pub(crate) example: Vec<String>,
}

impl Targets {
    /// As cargo takes them.
    pub(crate) fn options(&self) -> Vec<String> {
        let flags = [
            ("--lib", self.lib),
            ("--bins", self.bins),
            ("--tests", self.tests),
            ("--examples", self.examples),
        ];
        let mut options: Vec<String> = flags
            .into_iter()
            .filter(|(_, given)| *given)
            .map(|(flag, _)| flag.to_owned())
            .collect();
        options.extend(self.bin.iter().map(|name| format!("--bin={name}")));
        options.extend(self.test.iter().map(|name| format!("--test={name}")));
        options.extend(self.example.iter().map(|name| format!("--example={name}")));
        options
    }
}

/// How to build.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Compilation {
    /// Build for this target triple
    #[arg(long, value_name = "TRIPLE")]
    pub(crate) target: Option<String>,
    /// Directory for all generated artifacts
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) target_dir: Option<Utf8PathBuf>,
    /// How many jobs cargo builds with [default: cargo's]
    #[arg(long, value_name = "N")]
    pub(crate) build_jobs: Option<NonZeroU32>,
    /// Override a value of cargo's configuration, or add a file to it
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) config: Vec<String>,
    /// Require Cargo.lock to be up to date
    #[arg(long)]
    pub(crate) locked: bool,
    /// Do not access the network
    #[arg(long)]
    pub(crate) offline: bool,
    /// The same as --locked and --offline
    #[arg(long)]
    pub(crate) frozen: bool,
}

impl Compilation {
    /// The options that every command of cargo takes.
    pub(crate) fn cargo_options(&self) -> Vec<String> {
        let flags =
            [("--locked", self.locked), ("--offline", self.offline), ("--frozen", self.frozen)];
        let mut options: Vec<String> = flags
            .into_iter()
            .filter(|(_, given)| *given)
            .map(|(flag, _)| flag.to_owned())
            .collect();
        options.extend(self.config.iter().map(|value| format!("--config={value}")));
        options
    }

    /// The options that cargo's building commands take besides.
    pub(crate) fn build_options(&self) -> Vec<String> {
        self.build_jobs.iter().map(|n| format!("--jobs={n}")).collect()
    }
}

/// What a fuzzing build is compiled with.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Fuzzing {
    /// Build without `--cfg fuzzing`
    #[arg(long)]
    no_cfg_fuzzing: bool,
}

impl Fuzzing {
    /// Whether crates see `cfg(fuzzing)`.
    pub(crate) fn cfg(&self) -> CfgFuzzing {
        if self.no_cfg_fuzzing { CfgFuzzing::LeftOut } else { CfgFuzzing::Set }
    }
}

/// Which fuzz tests.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Filters {
    /// Fuzz tests, by name or by a part of their path; several select any of them [default: all]
    ///
    /// A filter that is the whole path or the last part of the path of some fuzz test selects only
    /// tests called so; any other filter selects all whose path contains it, as in `cargo test`.
    #[arg(value_name = "FILTER")]
    pub(crate) filter: Vec<String>,
    /// Take FILTER as the whole path
    #[arg(long)]
    pub(crate) exact: bool,
    /// Fuzz tests marked `#[ignore]`, too
    #[arg(long)]
    pub(crate) include_ignored: bool,
}

/// Which one fuzz test.
#[derive(Clone, Debug, Args)]
pub(crate) struct One {
    /// The fuzz test, by name or by a part of its path that no other has
    #[arg(value_name = "TEST")]
    pub(crate) fuzz_test: String,
    /// Take TEST as the whole path
    #[arg(long)]
    pub(crate) exact: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use std::time::Duration;

    fn parse(words: &str) -> Result<Shmfuzz, clap::Error> {
        let words = ["cargo-shmfuzz", "shmfuzz"].into_iter().chain(words.split_whitespace());
        Cargo::read(words.map(OsString::from)).map(|Cargo::Shmfuzz(shmfuzz)| shmfuzz)
    }

    fn run(words: &str) -> run::Arguments {
        match parse(words).unwrap() {
            Shmfuzz { command: None, run } => run,
            Shmfuzz { command: Some(Command::Run(run)), .. } => *run,
            other => panic!("{words} is {other:?}"),
        }
    }

    #[test]
    fn the_grammar_is_sound() {
        Cargo::command().debug_assert();
    }

    #[test]
    fn no_subcommand_is_run() {
        for words in ["json --time 10s --jobs 1", "run json --time 10s --jobs 1"] {
            let run = run(words);
            assert_eq!(run.filters.filter, ["json"]);
            assert_eq!(run.time, Some(Duration::from_secs(10)));
            assert_eq!(run.jobs.map(Into::into), Some(1));
        }
        assert!(run("").filters.filter.is_empty());
    }

    #[test]
    fn defaults_are_what_the_help_says() {
        let run = run("run");
        assert_eq!(run.minimize_time, Duration::from_secs(60));
        assert_eq!(run.sequence_time, Duration::from_secs(60));
        assert_eq!(run.message_format, MessageFormat::Human);
        assert_eq!((run.time, run.runs, run.jobs, run.seed), (None, None, None, None));
        assert_eq!(run.limits(), crate::options::Layer::default());
    }

    #[test]
    fn a_line_with_every_flag_is_understood() {
        let run = run(
            "run a b --time 10m --runs 1000 --jobs 2 --seed 7 --timeout 1s --rss-limit 512MiB \
             --max-len 4k --dict a.dict --dict b.dict --until-plateau=0.5 --stop-on-crash --minimize-time 0 --corpus-dir c --no-cfg-fuzzing --fail-known \
             --message-format json --exact --include-ignored --manifest-path Cargo.toml -p x --workspace \
             --exclude y --features f,g --lib --bin t --test u --example v --target-dir d --locked --config a.b=1 --build-jobs 3",
        );
        assert_eq!(run.filters.filter, ["a", "b"]);
        assert!(run.filters.exact && run.filters.include_ignored);
        assert_eq!(run.limits().rss_limit, Some(512 << 20));
        assert_eq!(run.limits().max_len, Some(4096));
        assert_eq!(run.dict, ["a.dict", "b.dict"]);
        assert_eq!(run.until_plateau, Some(0.5));
        assert!(run.minimize_time.is_zero());
        assert_eq!(
            run.selection.targets.options(),
            ["--lib", "--bin=t", "--test=u", "--example=v"]
        );
        assert_eq!(run.selection.compilation.cargo_options(), ["--locked", "--config=a.b=1"]);
        assert_eq!(run.selection.compilation.build_options(), ["--jobs=3"]);
    }

    #[test]
    fn the_plateau_takes_no_filter_for_its_number() {
        let read = |words: &str| {
            let run = run(words);
            (run.until_plateau, run.filters.filter.join(" "))
        };
        assert_eq!(read("run --until-plateau json 5"), (Some(1.0), "json 5".to_owned()));
        assert_eq!(read("run --until-plateau"), (Some(1.0), String::new()));
        for word in ["inf", "v2", "5s"] {
            let words = format!("run --until-plateau {word}");
            assert_eq!(read(&words), (Some(1.0), word.to_owned()));
        }
        assert_eq!(read("run -- --until-plateau 5"), (None, "--until-plateau 5".to_owned()));
    }

    #[test]
    fn the_plateau_takes_a_number_after_a_blank() {
        for words in [
            "run json --until-plateau 0.5",
            "run --until-plateau 0.5 json",
            "--until-plateau 5e-1 json",
        ] {
            let run = run(words);
            assert_eq!(
                (run.until_plateau, &run.filters.filter[..]),
                (Some(0.5), &["json".into()][..])
            );
        }
        let error = parse("run --until-plateau -1").unwrap_err().to_string();
        assert!(error.contains("it must be above zero"), "{error}");
    }

    #[test]
    fn wrong_values_are_refused_with_status_2() {
        let lines = [
            "run --minimize-time 10",
            "run --minimize-time soon",
            "run --time 0",
            "run --time 5x",
            "run --until-plateau=0",
            "run --until-plateau 0",
            "run --jobs 0",
            "run --runs 0",
            "run --timeout 0",
            "run --rss-limit much",
            "run --max-len 0",
            "run --max-len 2G",
            "run --message-format xml",
            "run --frobnicate",
            "new",
            "repro test",
            "run --seed -1",
            "stability",
            "stability parse --times 1",
            "minimize parse",
            "minimize parse a b",
            "minimize parse a --time 0",
            "minimize parse a --out b --in-place",
        ];
        for line in lines {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn other_subcommands_take_their_own_arguments() {
        for line in [
            "list json --message-format json",
            "new parse",
            "repro json a b",
            "build --message-format json",
            "minimize json a --out b --time 10s",
            "minimize json a --in-place --minimize-time 10s --timeout 1s --rss-limit 1GiB",
            "stability parse --times 20 --message-format json",
        ] {
            assert!(parse(line).unwrap().command.is_some(), "{line}");
        }
    }
}
