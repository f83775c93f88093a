//! Figures from `/proc`. The files are opened once and read again in place: a look costs one
//! system call.

use crate::process::{clock_ticks_per_second, page_size};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::Duration;

/// The figures of one process.
#[derive(Debug)]
pub struct Gauge {
    stat: File,
    statm: File,
    tasks: PathBuf,
}

impl Gauge {
    /// Opens the figures of a child.
    ///
    /// # Errors
    /// If `/proc` is not mounted.
    pub fn open(pid: u32) -> io::Result<Self> {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        let open = |name: &str| {
            let path = folder.join(name);
            let explain =
                |e: io::Error| io::Error::new(e.kind(), format!("cannot open {path:?}: {e}"));
            File::open(&path).map_err(explain)
        };
        Ok(Self { stat: open("stat")?, statm: open("statm")?, tasks: folder.join("task") })
    }

    /// CPU time of all its threads, dead ones included.
    pub fn cpu_time(&self) -> Option<Duration> {
        let ticks = cpu_ticks(&read_again(&self.stat)?)?;
        Some(Duration::from_millis(
            ticks.checked_mul(1000)?.checked_div(clock_ticks_per_second()?)?,
        ))
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> Option<u64> {
        let text = read_again(&self.statm)?;
        let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
        pages.checked_mul(page_size()?)
    }

    /// Whether each of its threads sleeps or waits, so that none only lacks a processor.
    pub fn is_blocked(&self) -> bool {
        let Ok(tasks) = fs::read_dir(&self.tasks) else { return false };
        tasks.flatten().all(|task| {
            fs::read_to_string(task.path().join("stat"))
                .ok()
                .and_then(|text| state(&text))
                .is_some_and(|state| matches!(state, 'S' | 'D'))
        })
    }
}

fn read_again(file: &File) -> Option<String> {
    let mut bytes = [0; 1024];
    let n = file.read_at(&mut bytes, 0).ok()?;
    Some(String::from_utf8_lossy(&bytes[..n]).into_owned())
}

/// The fields after the name, which may itself hold spaces and parentheses.
fn fields(stat: &str) -> Option<impl Iterator<Item = &str>> {
    Some(stat.rsplit_once(") ")?.1.split(' '))
}

fn state(stat: &str) -> Option<char> {
    fields(stat)?.next()?.chars().next()
}

fn cpu_ticks(stat: &str) -> Option<u64> {
    let mut times = fields(stat)?.skip(11);
    let user: u64 = times.next()?.parse().ok()?;
    let system: u64 = times.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_do_not_shift_the_fields() {
        let stat = "7 (a) b (c) R 1 7 7 0 -1 4194304 1 0 0 0 120 30 5 6 20 0 1 0 9 8 7";
        assert_eq!(state(stat), Some('R'));
        assert_eq!(cpu_ticks(stat), Some(150));
        assert_eq!(cpu_ticks("7 (a) R 1"), None);
        assert_eq!(state("nonsense"), None);
    }

    #[test]
    fn a_process_sees_itself() {
        let gauge = Gauge::open(std::process::id()).unwrap();
        assert!(gauge.resident().unwrap() > 100_000);
        assert!(gauge.cpu_time().is_some());
        assert!(!gauge.is_blocked(), "this thread runs");
    }
}
