//! The folders of fuzzing builds in the target directory: which are in use, and which are left from
//! flags and toolchains that nobody has used for long.
//!
//! Each build has a folder named by a hash, and each change of toolchain or flags a new one, so they
//! add up. Invariant: a folder is removed only if it has a name that the command gives and neither
//! it nor its stamp was touched for [`KEEP`].

use crate::show;
use anyhow::Context as _;
use camino::Utf8Path;
use std::fs;
use std::io;
use std::time::{Duration, SystemTime};

/// The file in a folder whose time is that of the last build.
const STAMP: &str = ".shmfuzz-used";
/// How long a folder is kept that no build uses.
const KEEP: Duration = Duration::from_secs(DAYS * 24 * 60 * 60);
/// The same, for the message.
pub(crate) const DAYS: u64 = 30;
/// Of the folder with what is prepared for a toolchain.
pub(crate) const TOOLCHAIN: &str = "toolchain-";
/// Of such a folder before it is complete.
pub(crate) const NEW_TOOLCHAIN: &str = ".toolchain-";
/// Of a folder that is being removed.
const DOOMED: &str = ".removed-";

/// Marks a folder as used now, and makes it if there is none.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn touch(folder: &Utf8Path) -> anyhow::Result<()> {
    let stamp = || -> io::Result<()> {
        fs_err::create_dir_all(folder)?;
        fs_err::write(folder.join(STAMP), "")
    };
    stamp().with_context(|| format!("cannot mark {} as used", show::path(folder)))
}

/// Removes the folders in `dir` that were not used for long; -> how many. One that cannot be
/// removed is left for the next time.
pub(crate) fn sweep(dir: &Utf8Path, now: SystemTime) -> usize {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let mut n_removed = 0;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| is_ours(name)) else { continue };
        // Of the link itself, not of what it points to.
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let is_old = last_used(&dir.join(name)).is_some_and(|used| now >= used + KEEP);
        if is_folder && is_old && remove(dir, name).is_ok() {
            n_removed += 1;
        }
    }
    n_removed
}

/// Under another name first: whoever begins to use the folder meanwhile gets a new one instead of
/// half of it.
fn remove(dir: &Utf8Path, name: &str) -> io::Result<()> {
    let path = dir.join(name);
    if name.starts_with(DOOMED) {
        return fs::remove_dir_all(path);
    }
    let doomed = dir.join(format!("{DOOMED}{name}"));
    fs::rename(path, &doomed)?;
    fs::remove_dir_all(doomed)
}

fn is_ours(name: &str) -> bool {
    let is_hash = |text: &str| text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    name.starts_with(NEW_TOOLCHAIN)
        || name.starts_with(DOOMED)
        || is_hash(name.strip_prefix(TOOLCHAIN).unwrap_or(name))
}

fn last_used(folder: &Utf8Path) -> Option<SystemTime> {
    let modified = |path: &Utf8Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    modified(&folder.join(STAMP)).max(modified(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_folders_that_are_old_go() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let ours = ["0123456789abcdef", "toolchain-0123456789abcdef", ".toolchain-x7"];
        for name in ours.iter().chain(&["tests", "toolchain-mine"]) {
            touch(&dir.join(name)).unwrap();
        }
        fs::write(dir.join("fedcba9876543210"), "a file").unwrap();
        let now = SystemTime::now();
        assert_eq!(sweep(dir, now), 0);
        assert_eq!(sweep(&dir.join("none"), now), 0);
        assert_eq!(sweep(dir, now + KEEP - Duration::from_secs(60)), 0);

        let later = now + KEEP + Duration::from_secs(60);
        let used = fs::File::options().write(true).open(dir.join(ours[0]).join(STAMP)).unwrap();
        used.set_modified(later).unwrap();
        assert_eq!(sweep(dir, later), 2);
        let mut left: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [ours[0], "fedcba9876543210", "tests", "toolchain-mine"]);
    }
}
