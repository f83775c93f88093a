//! The limits of one call, and the hidden file that records those of a finding.
//!
//! A finding that ends the process is replayed under the limits it was found with. They stand in
//! [`FILE_NAME`] beside the finding, one line for each file whose limits are not the test's own:
//! `<file name> timeout_ms=<n> rss_limit=<n>`, where a memory limit of 0 is none.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::record::Options;

/// Name of the file in a fuzz test's folder.
pub const FILE_NAME: &str = ".limits";

/// What one call may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest time of one call.
    pub timeout: Duration,
    /// Largest memory of the process, in bytes; [`u64::MAX`] for no limit, so that every comparison
    /// with it is right without a case of its own.
    pub rss_limit: u64,
}

impl Limits {
    /// The limits of a fuzz test whose attribute sets none.
    pub const DEFAULT: Self = Self { timeout: Duration::from_secs(10), rss_limit: 2 << 30 };

    /// Limits as people and files spell them: a memory limit of 0 is none.
    pub fn new(timeout: Duration, rss_limit: u64) -> Self {
        Self { timeout, rss_limit: if rss_limit == 0 { u64::MAX } else { rss_limit } }
    }

    /// The limits of a fuzz test with these options.
    pub fn of(options: &Options) -> Self {
        let timeout = match options.timeout_ms {
            0 => Self::DEFAULT.timeout,
            ms => Duration::from_millis(ms),
        };
        let rss_limit = match options.rss_limit {
            0 => Self::DEFAULT.rss_limit,
            bytes => bytes,
        };
        Self { timeout, rss_limit }
    }

    fn timeout_ms(&self) -> u64 {
        u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX)
    }

    /// As [`Limits::new`] takes it.
    fn rss_limit_or_zero(&self) -> u64 {
        if self.rss_limit == u64::MAX { 0 } else { self.rss_limit }
    }
}

/// As in the environment of a child: `<timeout_ms>,<rss_bytes>`.
impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.timeout_ms(), self.rss_limit_or_zero())
    }
}

impl FromStr for Limits {
    type Err = LimitsError;

    fn from_str(text: &str) -> Result<Self, LimitsError> {
        let parse = || {
            let (timeout, rss) = text.split_once(',')?;
            let timeout = Duration::from_millis(timeout.parse().ok()?);
            Some(Self::new(timeout, rss.parse().ok()?))
        };
        parse().ok_or(LimitsError { line: 1 })
    }
}

/// A line that does not parse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitsError {
    /// The line's number, from 1.
    pub line: usize,
}

impl fmt::Display for LimitsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: expected `<file name> timeout_ms=<n> rss_limit=<n>`", self.line)
    }
}

impl std::error::Error for LimitsError {}

/// The recorded limits of a fuzz test's findings, by file name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordedLimits(BTreeMap<String, Limits>);

impl RecordedLimits {
    /// The limits recorded for a file.
    pub fn get(&self, file_name: &str) -> Option<Limits> {
        self.0.get(file_name).copied()
    }

    /// Forgets a file's limits.
    pub fn remove(&mut self, file_name: &str) {
        self.0.remove(file_name);
    }

    /// Records a file's limits. Its name has no line break, which could not be written: those of
    /// findings, the only files that get limits, have none.
    pub fn set(&mut self, file_name: &str, limits: Limits) {
        self.0.insert(file_name.to_owned(), limits);
    }
}

impl FromStr for RecordedLimits {
    type Err = LimitsError;

    fn from_str(text: &str) -> Result<Self, LimitsError> {
        let mut recorded = Self::default();
        for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let (name, limits) = parse_line(line).ok_or(LimitsError { line: i + 1 })?;
            recorded.set(name, limits);
        }
        Ok(recorded)
    }
}

/// The limits stand at the end, so that a file name may hold spaces.
fn parse_line(line: &str) -> Option<(&str, Limits)> {
    let (rest, rss) = line.trim_end().rsplit_once(" rss_limit=")?;
    let (name, timeout) = rest.rsplit_once(" timeout_ms=")?;
    let timeout = Duration::from_millis(timeout.parse().ok()?);
    Some((name, Limits::new(timeout, rss.parse().ok()?)))
}

/// The whole text of the file, one line for each finding.
impl fmt::Display for RecordedLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, limits) in &self.0 {
            let (timeout, rss) = (limits.timeout_ms(), limits.rss_limit_or_zero());
            writeln!(f, "{name} timeout_ms={timeout} rss_limit={rss}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_limits_come_back() {
        let mut recorded = RecordedLimits::default();
        let limits = Limits { timeout: Duration::from_millis(250), rss_limit: 1 << 20 };
        recorded.set("timeout-0123456789abcdef", limits);
        recorded.set("a name with spaces", Limits::DEFAULT);
        let text = recorded.to_string();
        assert_eq!(
            text,
            "a name with spaces timeout_ms=10000 rss_limit=2147483648\n\
             timeout-0123456789abcdef timeout_ms=250 rss_limit=1048576\n"
        );
        assert_eq!(text.parse(), Ok(recorded));
        assert_eq!(limits.to_string().parse(), Ok(limits));
    }

    #[test]
    fn no_memory_limit_is_written_as_zero_and_read_as_none() {
        let limits = Limits::new(Duration::from_secs(1), 0);
        assert_eq!(limits.rss_limit, u64::MAX);
        assert_eq!(limits.to_string(), "1000,0");
        assert_eq!(limits.to_string().parse(), Ok(limits));
        let text = "oom-1 timeout_ms=1000 rss_limit=0\n";
        let recorded: RecordedLimits = text.parse().unwrap();
        assert_eq!(recorded.get("oom-1"), Some(limits));
        assert_eq!(recorded.to_string(), text);
    }

    #[test]
    fn a_bad_line_is_named() {
        let text = "a timeout_ms=1 rss_limit=2\n\nb timeout_ms=x rss_limit=2\n";
        assert_eq!(text.parse::<RecordedLimits>(), Err(LimitsError { line: 3 }));
    }

    #[test]
    fn the_attribute_wins_over_the_defaults() {
        let options = Options { timeout_ms: 5, ..Options::default() };
        let limits = Limits { timeout: Duration::from_millis(5), ..Limits::DEFAULT };
        assert_eq!(Limits::of(&options), limits);
    }
}
