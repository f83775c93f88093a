//! Whatever a receiver sends, the log can be summarized.
//!
//! The seeds are a few sentences in `testdata/fuzz/reads_any_log/`; `cargo test` passes on them
//! until fuzzing has written an input that fails beside them.

use shmfuzz_runtime::fuzz_test;

#[fuzz_test]
fn reads_any_log(log: &[u8]) {
    let summary = gps_log::summarize(log);
    assert!(summary.n_positions + summary.n_others + summary.n_errors <= log.len());
}

#[test]
fn a_position_is_counted() {
    let log = include_bytes!("../testdata/fuzz/reads_any_log/position.nmea");
    assert_eq!(gps_log::summarize(log).n_positions, 1);
}
