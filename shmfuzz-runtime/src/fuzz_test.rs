//! A fuzz test as the attribute registers it, and the registry of all those in this binary.
//!
//! How a body is called is decided here for everybody (seed replay, worker, minimizer): on a
//! thread of [`FuzzTest::stack_size`], so that what overflows the stack in one overflows it in all.

use std::borrow::Cow;
use std::io;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use crate::outcome::Verdict;
use crate::record::Record;
use crate::setup::Setup;
use crate::shape::Shape;
use crate::structured::Structure;
use crate::testdata;
use crate::value::text::{self, TextError};

/// Stack of the thread that runs a body unless the attribute says otherwise: as libtest's, in bytes.
pub const DEFAULT_STACK_SIZE: usize = 2 << 20;

/// The package that a fuzz test was compiled in.
#[derive(Clone, Copy, Debug)]
pub struct Package {
    /// `CARGO_MANIFEST_DIR` at compile time.
    pub dir: &'static str,
    /// `CARGO_PKG_NAME` at compile time.
    pub name: &'static str,
}

/// Calls back with each seed of the attribute, in order.
pub type EachSeed = fn(&mut dyn FnMut(&[u8]));

/// Changes an input, the same way for the same number; false if it did not.
pub type Mutate = fn(&mut Vec<u8>, u64) -> bool;

/// Makes an input, the same one for the same number.
pub type Generate = fn(u64) -> Vec<u8>;

/// A fuzz test of this binary.
#[derive(Debug)]
pub struct FuzzTest {
    /// What the command reads from the binary.
    pub record: Record,
    /// The record's encoding. Named here so that the linker keeps it with the test.
    pub record_bytes: &'static [u8],
    /// Where it was compiled.
    pub package: Package,
    /// The seeds of the attribute.
    pub seeds: EachSeed,
    /// What must have passed in this process before the body is called.
    pub setup: Option<Setup>,
    /// What serde knows of its arguments, if they are of other types than the built-in ones.
    pub structure: Option<Structure>,
    /// How the user or the arguments' types change an input.
    pub mutate: Option<Mutate>,
    /// Makes an input for a number, as the user does.
    pub generate: Option<Generate>,
    /// Runs the body once, on the present thread. Panics if the body does.
    pub body: fn(&[u8]) -> Verdict,
}

inventory::collect!(FuzzTest);

/// All fuzz tests of this binary, in no particular order.
pub fn registry() -> impl Iterator<Item = &'static FuzzTest> {
    inventory::iter::<FuzzTest>.into_iter()
}

/// Runs one input through a fuzz test of this binary, as its seeds are run: for a test that is to
/// stay when the input's file is gone. `test` is the path as `cargo test` prints it. An input that
/// ends the process ends that of all tests, and one that hangs holds them up: a file of such an input
/// would be run apart, and within its limits.
///
/// ```no_run
/// #[shmfuzz_runtime::fuzz_test]
/// fn parses(text: &str) {
///     let _ = text.parse::<u8>();
/// }
///
/// // As a `#[test]` beside it:
/// fn parses_what_is_no_number() {
///     shmfuzz_runtime::replay("parses", "-1");
/// }
/// ```
///
/// # Panics
/// If the input fails, and if there is no such fuzz test.
#[track_caller]
pub fn replay(test: &str, input: impl AsRef<[u8]>) {
    let input = input.as_ref();
    let Some(test) = FuzzTest::find(test) else {
        let mut paths: Vec<_> = registry().map(FuzzTest::path).collect();
        paths.sort_unstable();
        panic!("there is no fuzz test `{test}` in this binary; there are: {}", paths.join(", "));
    };
    let run = || crate::child::replay_file(test, input);
    match test.on_its_thread(run) {
        Ok(Ok(())) => {}
        Ok(Err(how)) => panic!("{how}"),
        Err(error) => panic!("cannot start a thread: {error}"),
    }
}

impl FuzzTest {
    /// The fuzz test of this path, as [`FuzzTest::path`] spells it.
    pub fn find(path: &str) -> Option<&'static Self> {
        registry().find(|test| test.path() == path)
    }

    /// The path as `cargo test` prints it.
    pub fn path(&self) -> String {
        self.record.path()
    }

    /// What its inputs are made of, if they are values.
    pub fn shape(&self) -> Option<Shape> {
        match self.structure {
            Some(structure) => Some(structure.shape().clone()),
            None => self.record.types.map(Shape::of),
        }
    }

    /// The input in a file.
    ///
    /// # Errors
    /// If it holds no arguments of this fuzz test, with the line.
    pub fn input_of_file<'a>(&self, file: &'a [u8]) -> Result<Cow<'a, [u8]>, TextError> {
        if let Some(structure) = self.structure {
            return structure.from_file(file).map(Cow::Owned);
        }
        match self.shape() {
            Some(shape) => text::from_file(&shape, file).map(Cow::Owned),
            None => Ok(Cow::Borrowed(file)),
        }
    }

    /// Runs its setup on the present thread, unless that was done in this process.
    ///
    /// # Errors
    /// With one line that says that the setup failed, and how.
    pub fn set_up(&self) -> Result<(), String> {
        self.setup.map_or(Ok(()), |setup| setup.run())
    }

    /// Stack of the thread that runs the body, in bytes.
    pub fn stack_size(&self) -> usize {
        match self.record.options.stack_size {
            0 => DEFAULT_STACK_SIZE,
            size => usize::try_from(size).unwrap_or(usize::MAX),
        }
    }

    /// Calls `f` on a thread of the right stack size and with the test's name, and returns what
    /// `f` returns. A panic of `f` goes on in the caller.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn on_its_thread<R: Send>(&self, f: impl FnOnce() -> R + Send) -> io::Result<R> {
        let builder = thread::Builder::new().name(self.path()).stack_size(self.stack_size());
        thread::scope(|scope| {
            let result = builder.spawn_scoped(scope, f)?.join();
            Ok(result.unwrap_or_else(|panic| resume_unwind(panic)))
        })
    }

    /// The folder of the package, where this process runs: cargo and nextest say at run time where
    /// the sources are, which matters for a binary that was moved to another machine.
    pub fn package_dir(&self) -> PathBuf {
        let same_package = match std::env::var("CARGO_PKG_NAME") {
            Ok(name) => name == self.package.name,
            Err(_) => true,
        };
        std::env::var_os("CARGO_MANIFEST_DIR")
            .map(PathBuf::from)
            .filter(|dir| same_package && dir.join("Cargo.toml").is_file())
            .unwrap_or_else(|| Path::new(self.package.dir).to_owned())
    }

    /// The folder of its seeds and findings; it need not exist.
    pub fn seed_folder(&self) -> PathBuf {
        testdata::seed_folder(&self.package_dir(), &self.record)
    }
}
