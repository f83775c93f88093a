//! Space for the mapping's file: allocated, never sparse, so that a full disk is an error when
//! the file is made or grown, and not a SIGBUS when it is written.
//!
//! A file cannot move once both sides have mapped it, so where it can grow is decided at the start.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The directory that lives in memory.
const MEMORY_DIR: Option<&str> = if cfg!(target_os = "linux") { Some("/dev/shm") } else { None };

/// Free space in bytes that makes a directory in memory a place to grow in: more than the 64 MiB
/// that containers get by default, of which several workers would take their share.
const ROOM_TO_GROW: u64 = 256 << 20;

/// Directories to try in turn for a file of `len` bytes: the one in memory before the temp
/// directory if it has room to grow, and after it if not.
pub(crate) fn dirs(len: u64) -> Vec<PathBuf> {
    let temp_dir = std::env::temp_dir();
    match MEMORY_DIR.map(Path::new) {
        Some(dir) if has_room(free_space(dir), len) => vec![dir.to_owned(), temp_dir],
        Some(dir) => vec![temp_dir, dir.to_owned()],
        None => vec![temp_dir],
    }
}

fn has_room(free: Option<u64>, len: u64) -> bool {
    free.is_some_and(|free| free >= len.max(ROOM_TO_GROW))
}

/// The directory of a file that may have lost its name, where the system tells.
pub(crate) fn dir_of(file: &File) -> Option<PathBuf> {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;
        let link = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()?;
        link.parent().map(Path::to_owned)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = file;
        None
    }
}

/// Bytes that this user may still take of the file system of a directory, where the system tells.
#[cfg(target_os = "linux")]
fn free_space(dir: &Path) -> Option<u64> {
    use std::os::unix::ffi::OsStrExt;
    let dir = std::ffi::CString::new(dir.as_os_str().as_bytes()).ok()?;
    let mut figures = std::mem::MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: the path ends with a zero byte, and both it and the figures outlive the call.
    if unsafe { libc::statvfs(dir.as_ptr(), figures.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: all zeroes is a valid value (integers only), and the call overwrote it with one.
    let figures = unsafe { figures.assume_init() };
    figures.f_bavail.checked_mul(figures.f_frsize)
}

#[cfg(not(target_os = "linux"))]
fn free_space(_dir: &Path) -> Option<u64> {
    None
}

/// Takes every right on a file from all but its owner: a nameless one is made with what the umask
/// leaves.
///
/// # Errors
/// If the system refuses.
#[cfg(unix)]
pub(crate) fn make_private(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
}

/// Does nothing: a temp file is private to its user here.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub(crate) fn make_private(_file: &File) -> io::Result<()> {
    Ok(())
}

/// Makes `file` at least `len` bytes long and reserves the space for all of it.
///
/// # Errors
/// If the disk is full, or the platform cannot reserve space.
#[cfg(target_os = "linux")]
pub(crate) fn allocate(file: &File, len: u64) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let len = libc::off_t::try_from(len).map_err(io::Error::other)?;
    loop {
        // SAFETY: the descriptor is open for the duration of the call, which touches no memory.
        let error = unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, len) };
        match error {
            0 => return Ok(()),
            libc::EINTR => {}
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
}

/// Makes `file` at least `len` bytes long by writing zeros: slower, but never sparse.
///
/// # Errors
/// If the disk is full.
#[cfg(not(target_os = "linux"))]
pub(crate) fn allocate(mut file: &File, len: u64) -> io::Result<()> {
    use std::io::{Seek, SeekFrom, Write};
    let mut at = file.seek(SeekFrom::End(0))?;
    while at < len {
        let zeros = [0; 1 << 16];
        let n = zeros.len().min(usize::try_from(len - at).unwrap_or(usize::MAX));
        file.write_all(&zeros[..n])?;
        at += n as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_fills_up_with_a_few_files_is_none_to_grow_in() {
        assert!(!has_room(Some(64 << 20), 5 << 20));
        assert!(has_room(Some(ROOM_TO_GROW), 5 << 20));
        assert!(!has_room(Some(ROOM_TO_GROW), ROOM_TO_GROW + 1));
        assert!(!has_room(None, 1));
        assert_eq!(dirs(u64::MAX)[0], std::env::temp_dir());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_file_without_a_name_has_a_directory_and_a_directory_has_free_space() {
        let dir = tempfile::tempdir().unwrap();
        let file = tempfile::tempfile_in(dir.path()).unwrap();
        assert_eq!(dir_of(&file), Some(dir.path().canonicalize().unwrap()));
        assert!(free_space(dir.path()).is_some());
        assert_eq!(free_space(&dir.path().join("none")), None);
    }
}
