//! The calls of a replay, in the process that makes them: one, those of a sequence, or as many as
//! show a leak.

#[cfg(unix)]
use crate::call::call;
use crate::fuzz_test::FuzzTest;
#[cfg(unix)]
use crate::leak::{self, Growth, Measure, Verdict};

/// Makes the calls that the environment asks for.
///
/// # Errors
/// With one line that says how a call failed, or that the input leaks.
pub(super) fn make(test: &FuzzTest, bytes: &[u8]) -> Result<(), String> {
    #[cfg(unix)]
    if std::env::var_os(super::MANY_CALLS).is_some() {
        return measure(test, bytes);
    }
    super::replay_file(test, bytes)
}

/// Calls the body until it is known whether it leaks. Where memory cannot be seen, nothing leaks.
#[cfg(unix)]
fn measure(test: &FuzzTest, bytes: &[u8]) -> Result<(), String> {
    use crate::gauge::Gauge;
    use std::env;
    use std::process;
    use std::time::Instant;

    let gauge = Gauge::open(process::id()).map_err(|error| error.to_string())?;
    let limits = env::var(super::LIMITS).ok().and_then(|text| text.parse().ok());
    let limits = limits.unwrap_or(crate::limits::Limits::DEFAULT);
    let input = test.input_of_file(bytes).map_err(|error| error.to_string())?;
    let mut growth = Growth::new(Measure::Clock, limits.rss_limit);
    let began = Instant::now();
    while let Some(resident) = gauge.resident() {
        match growth.look(resident, began.elapsed()) {
            Verdict::Call(times) => {
                for _ in 0..times {
                    call(test, &input)?;
                }
            }
            Verdict::Leaks(bytes) => return Err(leak::message(bytes)),
            Verdict::Steady => break,
        }
    }
    Ok(())
}
