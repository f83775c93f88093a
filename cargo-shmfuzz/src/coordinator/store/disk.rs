//! Files that appear whole or not at all.
//!
//! Invariant: what is written goes to a file without a name first, which is gone if the command is
//! killed, and is then given its name. Where the file system has no such files, or another file has
//! the name, it is a hidden file in the same folder, and is renamed.

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
    /// Such a file, which says again what an earlier one of its name says, and more: that one is
    /// gone for a moment, so that nothing unfinished is left if the command is killed.
    Text,
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
    // Why it cannot be done is for the other way to say, which works in more places.
    if write_nameless(folder, path, bytes, care, mode).is_err() {
        write_hidden(folder, path, bytes, care, mode)?;
    }
    if care != Care::Cache {
        // Without this the name could be lost although the bytes are not.
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn write_nameless(
    folder: &Path,
    path: &Path,
    bytes: &[u8],
    care: Care,
    mode: u32,
) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, Mode, OFlags};
    use std::os::fd::AsRawFd as _;
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::open(folder, flags, Mode::from_raw_mode(mode))?);
    fill(&mut file, bytes, care)?;
    if care == Care::Text {
        // If it cannot be removed, the other way replaces it.
        let _ = fs::remove_file(path);
    }
    // To name it by its descriptor alone takes a privilege.
    let descriptor = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::linkat(CWD, descriptor, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

#[cfg(not(target_os = "linux"))]
fn write_nameless(_: &Path, _: &Path, _: &[u8], _: Care, _: u32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

fn write_hidden(folder: &Path, path: &Path, bytes: &[u8], care: Care, mode: u32) -> io::Result<()> {
    let mut file = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(folder)?;
    fill(file.as_file_mut(), bytes, care)?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

fn fill(file: &mut File, bytes: &[u8], care: Care) -> io::Result<()> {
    file.write_all(bytes)?;
    match care {
        Care::Cache => Ok(()),
        Care::Finding | Care::Text | Care::Source => file.sync_all(),
    }
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
