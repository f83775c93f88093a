//! What machine this is, as far as a campaign must know.

/// How much memory there is, in bytes, to this process and all that it starts, as far as the system
/// tells (of limits, that of a container under version 2 of Linux' control groups); `None` if not.
#[cfg(target_os = "linux")]
pub(crate) fn memory() -> Option<u64> {
    let info = rustix::system::sysinfo();
    let all = (info.totalram as u64).checked_mul(u64::from(info.mem_unit))?;
    // In a container the machine's memory is not this process's.
    let limit = fs_err::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let limit = limit.and_then(|text| text.trim().parse().ok());
    Some(limit.unwrap_or(u64::MAX).min(all))
}

/// Nobody has asked this system yet.
#[cfg(not(target_os = "linux"))]
pub(crate) fn memory() -> Option<u64> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn there_is_some_memory() {
        assert!(super::memory().is_some_and(|bytes| bytes > 1 << 20));
    }
}
