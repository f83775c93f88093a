//! Where blocks and calls of a test binary stand in the source.
//!
//! It owns the reading of the binary's debug information, which frame of a block that was
//! inlined is shown: the innermost one in the user's own code, since that is what they can change;
//! and whose code a function is.

use crate::show;
use crate::stack::{Frame, Origin, Trace};
use addr2line::Loader;
use anyhow::{Context as _, anyhow};
use object::{Object as _, ObjectSymbol as _};
use shmfuzz_runtime::message::ANCHOR;
use shmfuzz_runtime::place::{self, Owner};
use shmfuzz_runtime::stack::{N_OUTERMOST, Stack};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A line of the source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    /// The file; relative to the root, if it is below it.
    pub(crate) file: String,
    /// The line, counted from 1.
    pub(crate) line: u32,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// The source of one test binary.
pub(crate) struct Source {
    loader: Loader,
    anchor: u64,
    root: PathBuf,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Source {
    /// The source of a test binary; `root` is the folder of the user's own code.
    ///
    /// # Errors
    /// If the binary cannot be read, or was stripped.
    pub(crate) fn open(executable: &Path, root: &Path) -> anyhow::Result<Self> {
        let explain = || format!("cannot read the debug information of {}", show::path(executable));
        let bytes = fs_err::read(executable)?;
        let file = object::File::parse(&bytes[..]).with_context(explain)?;
        // Apple's linker puts an underscore before each name.
        let is_anchor = |name: &str| name.strip_prefix('_') == Some(ANCHOR) || name == ANCHOR;
        let anchor = file.symbols().find(|symbol| symbol.name().is_ok_and(is_anchor));
        let anchor = anchor
            .map(|symbol| symbol.address())
            .ok_or_else(|| anyhow!("{}: it has no symbol {ANCHOR}; was it stripped?", explain()))?;
        // The error holds what is not `Send`.
        let loader = Loader::new(executable).map_err(|e| anyhow!("{}: {e}", explain()))?;
        Ok(Self { loader, anchor, root: root.to_owned() })
    }

    /// The line of the block that begins at `pc`, relative to [`ANCHOR`]; nothing if the debug
    /// information does not tell.
    pub(crate) fn line(&self, pc: i64) -> Option<Line> {
        let address = self.anchor.checked_add_signed(pc)?;
        let mut frames = self.loader.find_frames(address).ok()?;
        let mut innermost = None;
        while let Ok(Some(frame)) = frames.next() {
            let Some(location) = frame.location else { continue };
            let (Some(file), Some(line)) = (location.file, location.line) else { continue };
            let own = Path::new(file).strip_prefix(&self.root).ok();
            if let Some(own) = own {
                return Some(Line { file: own.to_string_lossy().into_owned(), line });
            }
            innermost.get_or_insert(Line { file: file.to_owned(), line });
        }
        innermost
    }

    /// The stack of a fuzz test, without what ran it.
    pub(crate) fn trace(&self, stack: &Stack) -> Trace {
        let mut trace = Trace::default();
        let gap = stack.pcs.len().saturating_sub(N_OUTERMOST);
        for (i, pc) in stack.pcs.iter().enumerate() {
            if stack.left_out > 0 && i == gap {
                trace.gap = Some((trace.frames.len(), stack.left_out));
            }
            self.add_frames(*pc, &mut trace.frames);
        }
        trace.of_test()
    }

    /// Adds the call at a program counter, and before it those that were inlined into it.
    fn add_frames(&self, pc: i64, all: &mut Vec<Frame>) {
        let Some(address) = self.anchor.checked_add_signed(pc) else { return };
        // Line tables name functions without their modules, and code without them has symbols still:
        // what was not inlined is called by those.
        let symbol = self.loader.find_symbol(address).map(demangled);
        let mut calls = Vec::new();
        if let Ok(mut frames) = self.loader.find_frames(address) {
            while let Ok(Some(frame)) = frames.next() {
                let function = frame.function.as_ref().and_then(|f| f.raw_name().ok());
                let function = function.map(|name| demangled(&name));
                let location = frame.location.as_ref();
                let file = location.and_then(|location| location.file);
                let line = location.and_then(|location| location.line);
                let column = location.and_then(|location| location.column);
                calls.push((function, file.map(str::to_owned), line, column));
            }
        }
        match calls.last_mut() {
            Some(outermost) => outermost.0 = symbol.or(outermost.0.take()),
            None => calls.push((symbol, None, None, None)),
        }
        let outermost = calls.len() - 1;
        for (i, (function, file, line, column)) in calls.into_iter().enumerate() {
            let is_inlined = i < outermost;
            all.push(Frame { is_inlined, ..self.frame(function, file.as_deref(), line, column) });
        }
    }

    fn frame(
        &self,
        function: Option<String>,
        file: Option<&str>,
        line: Option<u32>,
        column: Option<u32>,
    ) -> Frame {
        let (origin, file) = self.origin(function.as_deref().unwrap_or_default(), file);
        let place = file.map(|file| {
            let number = |n: Option<u32>| n.filter(|n| *n > 0).map(|n| format!(":{n}"));
            let line = number(line).unwrap_or_default();
            let column = number(column).filter(|_| !line.is_empty()).unwrap_or_default();
            format!("{file}{line}{column}")
        });
        Frame { function, place, origin, is_inlined: false }
    }

    /// Whose a function is, and its file in short.
    fn origin(&self, function: &str, file: Option<&str>) -> (Origin, Option<String>) {
        let is_body = function.contains("__shmfuzz_");
        let Some(file) = file else {
            let is_harness = is_body || function.contains("shmfuzz_runtime::");
            return (if is_harness { Origin::Harness } else { Origin::Other }, None);
        };
        let is_harness = is_body || is_of_runtime(file);
        match place::of(file) {
            _ if is_harness => (Origin::Harness, Some(self.relative(file))),
            (Owner::Std, short) => (Origin::Std, Some(short.to_owned())),
            (Owner::Dependency, short) => (Origin::Dependency, Some(short.to_owned())),
            (Owner::User, file) => (Origin::Own, Some(self.relative(file))),
        }
    }

    /// A file, relative to the root if it is below it.
    fn relative(&self, file: &str) -> String {
        let own = Path::new(file).strip_prefix(&self.root).ok();
        own.map_or_else(|| file.to_owned(), |own| own.to_string_lossy().into_owned())
    }
}

/// Whether a file is the runtime's: of a registry's copy, whose folder's name has a version, or not.
fn is_of_runtime(file: &str) -> bool {
    const NAME: &str = "/shmfuzz-runtime";
    file.rfind(NAME).is_some_and(|at| {
        let rest = &file[at + NAME.len()..];
        let version = rest.find("/src/").map(|end| &rest[..end]);
        version.is_some_and(|v| v.is_empty() || v.starts_with('-') && !v.contains('/'))
    })
}

/// A name as Rust has it, without the hash.
fn demangled(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

/// The source of a test binary that is opened when it is first asked, by any thread.
#[derive(Clone, Debug)]
pub(crate) struct Lazy(Arc<Mutex<State>>);

#[derive(Debug)]
enum State {
    Unopened {
        executable: PathBuf,
        root: PathBuf,
    },
    Open(Box<Source>),
    /// Why not, until somebody has asked.
    Failed(Option<anyhow::Error>),
}

impl Lazy {
    /// The source of a test binary; `root` is the folder of the user's own code.
    pub(crate) fn new(executable: PathBuf, root: PathBuf) -> Self {
        Self(Arc::new(Mutex::new(State::Unopened { executable, root })))
    }

    /// The stack of a fuzz test; `None` if the binary cannot be read.
    pub(crate) fn trace(&self, stack: &Stack) -> Option<Trace> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Unopened { executable, root } = &*state {
            *state = match Source::open(executable, root) {
                Ok(source) => State::Open(Box::new(source)),
                // A finding is worth showing without its stack.
                Err(error) => State::Failed(Some(error)),
            };
        }
        match &*state {
            State::Open(source) => Some(source.trace(stack)),
            State::Unopened { .. } | State::Failed(_) => None,
        }
    }

    /// Why there are no stacks, if that is so; told once.
    pub(crate) fn take_error(&self) -> Option<anyhow::Error> {
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Failed(error) => error.take(),
            State::Unopened { .. } | State::Open(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_that_cannot_be_read_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let binary = folder.path().join("binary");
        fs_err::write(&binary, "no executable").unwrap();
        let source = Lazy::new(binary.clone(), folder.path().to_owned());
        assert!(source.take_error().is_none(), "nobody has asked for a stack");
        assert_eq!(source.trace(&Stack { pcs: vec![1], left_out: 0 }), None);
        let error = show::error(&source.take_error().unwrap());
        assert!(error.contains("cannot read the debug information of"), "{error}");
        assert!(source.take_error().is_none());
    }
}
