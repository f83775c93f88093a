//! Where blocks of a test binary stand in the source.
//!
//! It owns the reading of the binary's debug information, and which frame of a block that was
//! inlined is shown: the innermost one in the user's own code, since that is what they can change.

use crate::show;
use addr2line::Loader;
use anyhow::{Context as _, anyhow};
use object::{Object as _, ObjectSymbol as _};
use shmfuzz_runtime::message::ANCHOR;
use std::fmt;
use std::path::{Path, PathBuf};

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
}
