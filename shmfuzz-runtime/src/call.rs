//! One call of a body outside fuzzing: a panic is caught and becomes a failure with its location.
//!
//! The location is only known to the panic hook, so one is added before the hooks that are there;
//! where the fuzzed code replaces the hook, failures are reported without it.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use crate::child::RETURNED_ERR;
use crate::fuzz_test::FuzzTest;
use crate::input;
use crate::outcome::Verdict;

thread_local! {
    static IN_CALL: Cell<bool> = const { Cell::new(false) };
    static PANICKED_AT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs the body once, on the present thread, after its setup.
///
/// # Errors
/// With one line that says how it failed.
pub(crate) fn call(test: &FuzzTest, bytes: &[u8]) -> Result<(), String> {
    set_up(test)?;
    input::check(test.record.kind, bytes)?;
    match catch(|| (test.body)(bytes))? {
        Verdict::Kept | Verdict::Rejected => Ok(()),
        Verdict::Failed(error) => Err(one_line(&format!("{RETURNED_ERR}: {error}"))),
    }
}

/// Runs the fuzz test's setup on the present thread, unless it was run in this process.
///
/// # Errors
/// With one line that says that the setup failed, and how.
pub(crate) fn set_up(test: &FuzzTest) -> Result<(), String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(add_hook);
    test.set_up()
}

/// Calls `f`; if it panics, the error is one line that says where, as far as that is known, and with
/// what.
pub(crate) fn catch<R>(f: impl FnOnce() -> R) -> Result<R, String> {
    PANICKED_AT.take();
    IN_CALL.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(f));
    IN_CALL.set(false);
    result.map_err(|payload| {
        let place = PANICKED_AT.take().map(|place| format!(" at {place}")).unwrap_or_default();
        one_line(&format!("panicked{place}: {}", message(&*payload)))
    })
}

fn add_hook() {
    let previous = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if IN_CALL.get() {
            PANICKED_AT.set(info.location().map(ToString::to_string));
        }
        previous(info);
    }));
}

/// The message of a panic, as std prints it.
pub(crate) fn message(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "Box<dyn Any>"
    }
}

/// Longest part of a message that a list of failures shows; the panic hook has printed all of it.
const LINE_LIMIT: usize = 500;

/// The text on one line, so that a list of failures has one each.
pub(crate) fn one_line(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut line = lines.join("; ");
    if let Some((end, _)) = line.char_indices().nth(LINE_LIMIT) {
        line.truncate(end);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_take_one_line() {
        let text = "assertion `left == right` failed\n  left: 1\n right: 2\n";
        assert_eq!(one_line(text), "assertion `left == right` failed; left: 1; right: 2");
        let long = one_line(&"ä".repeat(LINE_LIMIT + 1));
        assert_eq!(long.chars().count(), LINE_LIMIT + 1);
        assert!(long.ends_with('…'));
    }
}
