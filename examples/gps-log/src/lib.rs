//! Reads the log of a GPS receiver with a crate from crates.io, [`nmea0183`].
//!
//! The crate is pinned at a version that panics on some logs, and its documentation says that it
//! should not. The fuzz test in `tests/fuzz.rs` finds such a log:
//!
//! ```console
//! $ cargo shmfuzz run -p gps-log --time 30s --stop-on-crash
//! ```

use nmea0183::{ParseResult, Parser};

/// What a log holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Sentences with a position.
    pub n_positions: usize,
    /// Other sentences: without a position, or of another kind.
    pub n_others: usize,
    /// Sentences that cannot be read.
    pub n_errors: usize,
}

/// Counts the sentences of a log.
///
/// ```
/// let log = b"$GPGLL,,,,,,,*7C\r\nnoise\r\n";
/// assert_eq!(gps_log::summarize(log).n_positions, 0);
/// ```
pub fn summarize(log: &[u8]) -> Summary {
    let mut summary = Summary::default();
    for sentence in Parser::new().parse_from_bytes(log) {
        match sentence {
            Ok(
                ParseResult::GGA(Some(_)) | ParseResult::GLL(Some(_)) | ParseResult::RMC(Some(_)),
            ) => {
                summary.n_positions += 1;
            }
            Ok(_) => summary.n_others += 1,
            Err(_) => summary.n_errors += 1,
        }
    }
    summary
}
