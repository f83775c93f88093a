//! Files that appear whole or not at all.
//!
//! Invariant: what is written goes to a hidden file in the same folder first and is then renamed.

use crate::show;
use anyhow::Context as _;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How the names of unfinished files begin.
const UNFINISHED: &str = ".shmfuzz-";

/// After this long, an unfinished file belongs to nobody who is still alive.
const ABANDONED: Duration = Duration::from_secs(3600);

/// What a file is worth, and to whom it belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Care {
    /// Private to the user, and found again if it is lost.
    Cache,
    /// Private to the user, and on the disk when this returns.
    Finding,
    /// Part of the user's sources: on the disk when this returns, with ordinary permissions.
    Source,
}

/// Writes a file, making its folder if that is not there (any more).
///
/// # Errors
/// If the folder cannot be made or the file cannot be written.
pub(crate) fn write(
    folder: &Path,
    name: &str,
    bytes: &[u8],
    care: Care,
) -> anyhow::Result<PathBuf> {
    let path = folder.join(name);
    let written = match try_write(folder, &path, bytes, care) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            make_folder(folder, care).and_then(|()| try_write(folder, &path, bytes, care))
        }
        other => other,
    };
    written.with_context(|| format!("cannot write {}", show::path(&path)))?;
    Ok(path)
}

fn make_folder(folder: &Path, care: Care) -> io::Result<()> {
    let mode = if care == Care::Source { 0o777 } else { 0o700 };
    DirBuilder::new().recursive(true).mode(mode).create(folder)
}

fn try_write(folder: &Path, path: &Path, bytes: &[u8], care: Care) -> io::Result<()> {
    let mode = if care == Care::Source { 0o666 } else { 0o600 };
    let mut file = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    if care != Care::Cache {
        file.as_file().sync_all()?;
    }
    file.persist(path).map_err(|e| e.error)?;
    if care != Care::Cache {
        // Without this the name could be lost although the bytes are not.
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Removes a file, if it is there.
///
/// # Errors
/// If it is there and stays.
pub(crate) fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("cannot remove {}", show::path(path)))
        }
        _ => Ok(()),
    }
}

/// Removes what writers that were killed have left in a folder.
pub(crate) fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(UNFINISHED);
        let age = |entry: &fs::DirEntry| {
            let changed = entry.metadata().ok()?.modified().ok()?;
            SystemTime::now().duration_since(changed).ok()
        };
        if is_ours && age(&entry).is_some_and(|age| age > ABANDONED) {
            // It is in nobody's way; the next campaign tries again.
            let _ = fs::remove_file(entry.path());
        }
    }
}
