//! The seeds of a fuzz test as ordinary tests: which there are, and what replaying one says.
//!
//! Every seed is replayed, also after one has failed. Inputs whose name says that they end the
//! process are replayed in a child, so that the other tests of the binary still report; so are
//! sequences of inputs, which want a process that has run nothing else.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use crate::call;
use crate::child::{self, Replay};
use crate::fuzz_test::FuzzTest;
use crate::kind::FailureKind;
use crate::last_seed;
use crate::limits::RecordedLimits;
use crate::role::{self, Replaying};
use crate::sequence;
use crate::testdata;

/// Selects seeds by name, under either harness.
const SELECT: &str = "SHMFUZZ_SEED";

/// One seed.
#[derive(Debug)]
pub(crate) struct Seed {
    /// The file's name, or `seed#<n>` in the attribute, from 0.
    pub(crate) name: String,
    /// As failures name it: a path that can be opened from the package's folder.
    shown: String,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Attribute(Vec<u8>),
    File(PathBuf),
}

/// What `SHMFUZZ_SEED` leaves of the seeds of a fuzz test.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// All: it is not set.
    All,
    /// The one that it names.
    One,
    /// None, since it names another one: what there is, on one line.
    None(String),
}

/// The seeds of one fuzz test.
#[derive(Debug)]
pub(crate) struct Seeds {
    test: &'static FuzzTest,
    /// Those of the attribute in order, then the files by name.
    pub(crate) list: Vec<Seed>,
    recorded: RecordedLimits,
}

impl Seeds {
    /// The seeds of the attribute and of the fuzz test's folder.
    ///
    /// # Errors
    /// With the folder's name, if it cannot be read.
    pub(crate) fn of(test: &'static FuzzTest) -> Result<Self, String> {
        let package = test.package_dir();
        let folder = testdata::seed_folder(&package, &test.record);
        let in_folder = |error: io::Error| format!("{}: {error}", folder.display());
        let in_limits = |error| in_folder(error).replacen(": ", "/.limits: ", 1);
        let mut list = Vec::new();
        (test.seeds)(&mut |bytes| {
            let name = format!("seed#{}", list.len());
            list.push(Seed {
                shown: name.clone(),
                name,
                source: Source::Attribute(bytes.to_vec()),
            });
        });
        let testdata::SeedFiles { files, unnamed } =
            testdata::seed_files(&folder).map_err(in_folder)?;
        // What no name can be given for on a command line is run too, rather than passed over.
        let unnamed = unnamed.into_iter().map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, path)
        });
        for (name, path) in files.into_iter().map(|file| (file.name, file.path)).chain(unnamed) {
            let shown = path.strip_prefix(&package).unwrap_or(&path).display().to_string();
            list.push(Seed { name, shown, source: Source::File(path) });
        }
        let recorded = testdata::recorded_limits(&folder).map_err(in_limits)?;
        Ok(Self { test, list, recorded })
    }

    /// Keeps the seed that `SHMFUZZ_SEED` names, if it names one. Then those of other names are
    /// not run, and a fuzz test that has none of it runs nothing.
    pub(crate) fn select(&mut self) -> Selection {
        let Ok(wanted) = env::var(SELECT) else { return Selection::All };
        let is_wanted = |seed: &Seed| seed.name == wanted;
        if self.list.iter().any(is_wanted) {
            self.list.retain(is_wanted);
            return Selection::One;
        }
        let names: Vec<&str> = self.list.iter().map(|seed| seed.name.as_str()).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let path = self.test.path();
        let why = format!("{SELECT}={wanted}: no such seed of {path}; there are: {names}");
        self.list.clear();
        Selection::None(why)
    }

    /// Replays one seed, on the present thread or in a child.
    ///
    /// # Errors
    /// With one line that names the seed and how it failed.
    pub(crate) fn replay(&self, seed: &Seed, replaying: Replaying) -> Result<(), String> {
        let result = match (&seed.source, replaying) {
            (Source::Attribute(input), _) => {
                self.replay_here(seed, || call::call(self.test, input))
            }
            (Source::File(path), Replaying::Apart)
                if FailureKind::file_ends_process(&seed.name) =>
            {
                self.replay_apart(seed, path)
            }
            (Source::File(path), _) => match fs::read(path) {
                // Other seeds, of this test or on other threads, would be inputs in between.
                Ok(bytes)
                    if cfg!(unix)
                        && sequence::is_sequence(&bytes)
                        && replaying == Replaying::Apart =>
                {
                    self.replay_apart(seed, path)
                }
                Ok(bytes) => self.replay_here(seed, || child::replay_file(self.test, &bytes)),
                Err(error) => Err(format!("cannot be read: {error}")),
            },
        };
        result.map_err(|failure| format!("{}: {failure}", seed.shown))
    }

    fn replay_here(
        &self,
        seed: &Seed,
        call: impl FnOnce() -> Result<(), String>,
    ) -> Result<(), String> {
        let label = format!("{} of {}", seed.shown, self.test.path());
        last_seed::during(&label, call)
    }

    fn replay_apart(&self, seed: &Seed, file: &Path) -> Result<(), String> {
        let limits = testdata::limits_of(&self.recorded, &self.test.record, &seed.name);
        let file = std::path::absolute(file).map_err(|error| error.to_string())?;
        let program = env::current_exe()
            .map_err(|error| format!("cannot find this test's executable: {error}"))?;
        let path = self.test.path();
        let (folder, env) = (None, &[][..]);
        let (path, file, calls) = (&*path, &*file, child::Calls::of_file(&seed.name));
        let program = &*program;
        let request = child::Request { program, folder, env, path, file, limits, calls };
        let Replay { end, output } = child::replay(&request, child::Output::Kept)
            .map_err(|error| format!("cannot be replayed in a child: {error}"))?;
        if end == child::End::Passed {
            return Ok(());
        }
        show(&format!("--- output of the child that replayed {}\n{output}\n---", seed.shown));
        Err(end.to_string())
    }
}

#[expect(clippy::print_stderr, reason = "libtest captures what its macros print, and nothing else")]
fn show(text: &str) {
    eprintln!("{text}");
}

/// Replays all seeds of a fuzz test on one thread of its stack size, and panics with a list of
/// those that failed, one a line.
#[track_caller]
pub(crate) fn run_all(test: &'static FuzzTest, replaying: Replaying) {
    let mut seeds = match Seeds::of(test) {
        Ok(seeds) => seeds,
        Err(error) => panic!("{error}"),
    };
    match seeds.select() {
        Selection::None(why) if role::is_alone(&test.path()) => panic!("{why}"),
        // It is most likely a seed of another fuzz test, in this binary or in another of the
        // workspace, which all get the same environment.
        Selection::None(why) => return show(&why),
        Selection::All | Selection::One => {}
    }
    if seeds.list.is_empty() {
        return;
    }
    let replay_all = || -> Result<Vec<String>, String> {
        // Said once, and not of each seed.
        let label = format!("none yet, but the setup of {}", test.path());
        last_seed::during(&label, || call::set_up(test))?;
        Ok(seeds.list.iter().filter_map(|seed| seeds.replay(seed, replaying).err()).collect())
    };
    let failures = match test.on_its_thread(replay_all) {
        Ok(Ok(failures)) => failures,
        Ok(Err(failure)) => panic!("{}: {failure}", test.path()),
        Err(error) => {
            panic!("cannot start a thread of {} bytes of stack: {error}", test.stack_size())
        }
    };
    if !failures.is_empty() {
        let (n_failed, n_seeds) = (failures.len(), seeds.list.len());
        let list = failures.join("\n  ");
        panic!("{n_failed} of {n_seeds} seeds of {} failed:\n  {list}\n", test.path());
    }
}
