//! Space for the mapping's file: allocated, never sparse, so that a full disk is an error when
//! the file is made or grown, and not a SIGBUS when it is written.

use std::fs::File;
use std::io;
use std::path::Path;

/// Directories that live in memory, best first.
pub(crate) fn memory_dirs() -> impl Iterator<Item = &'static Path> {
    [Path::new("/dev/shm")].into_iter().filter(|_| cfg!(target_os = "linux"))
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
