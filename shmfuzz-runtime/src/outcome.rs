//! What the body of a fuzz test may return, and the verdict that it becomes.
//!
//! The conversion runs inside the fuzzed code's own crate, once per execution: it is kept to a
//! branch, and the description of an error is made out of line, in this crate.

use std::fmt::Debug;

/// What one execution of a fuzz test says about its input. Panics and deaths are not among the
/// verdicts: they never return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing failed.
    Kept,
    /// Nothing failed, and the input is not worth keeping, whatever it covers.
    Rejected,
    /// The body returned `Err`: the error as `Debug` prints it.
    Failed(String),
}

/// Returned by a fuzz test for an input that is not interesting: it is not kept, whatever code it
/// reaches. It is not a failure.
///
/// ```
/// use shmfuzz_runtime::{Reject, fuzz_test};
///
/// #[fuzz_test]
/// fn sorts(data: Vec<u8>) -> Result<(), Reject> {
///     if data.is_empty() {
///         return Err(Reject);
///     }
///     let mut sorted = data.clone();
///     sorted.sort_unstable();
///     assert_eq!(sorted.len(), data.len());
///     Ok(())
/// }
/// ```
///
/// It has no `Debug` on purpose: that is how `Result<T, Reject>` is told from `Result<T, E>`.
#[expect(missing_debug_implementations, reason = "Result<T, Reject> is told from errors by it")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Reject;

/// Returned by a target of `fuzz_target!` that says of each input whether to keep it, as
/// `libfuzzer_sys::Corpus` does. In a new fuzz test, prefer [`Reject`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corpus {
    /// The input is kept if it reaches something new.
    Keep,
    /// The input is not kept, whatever code it reaches. It is not a failure.
    Reject,
}

impl From<()> for Corpus {
    fn from((): ()) -> Self {
        Self::Keep
    }
}

mod sealed {
    #[expect(unnameable_types, reason = "a sealed trait is one that nobody can name")]
    pub trait Sealed {}
}
use sealed::Sealed;

/// The types that a fuzz test may return: `()`, `Result<_, E: Debug>` where `Err` is a failure,
/// and [`Reject`], `Option<Reject>` or `Result<_, Reject>` for inputs not worth keeping; also [`Corpus`].
#[diagnostic::on_unimplemented(
    message = "a fuzz test cannot return `{Self}`",
    label = "not an outcome",
    note = "return nothing, `Result<(), E>` with `E: Debug` (`Err` is a failure), or `Reject`, `Option<Reject>` or `Result<(), Reject>` (not worth keeping)"
)]
pub trait Outcome: Sealed {
    /// The verdict on the input that led to this value.
    fn verdict(self) -> Verdict;
}

impl Sealed for () {}
impl Outcome for () {
    fn verdict(self) -> Verdict {
        Verdict::Kept
    }
}

impl Sealed for Reject {}
impl Outcome for Reject {
    fn verdict(self) -> Verdict {
        Verdict::Rejected
    }
}

impl Sealed for Corpus {}
impl Outcome for Corpus {
    fn verdict(self) -> Verdict {
        match self {
            Self::Keep => Verdict::Kept,
            Self::Reject => Verdict::Rejected,
        }
    }
}

impl Sealed for Option<Reject> {}
impl Outcome for Option<Reject> {
    fn verdict(self) -> Verdict {
        match self {
            Some(Reject) => Verdict::Rejected,
            None => Verdict::Kept,
        }
    }
}

impl<T, E> Sealed for Result<T, E> {}
impl<T: Outcome, E: Debug> Outcome for Result<T, E> {
    fn verdict(self) -> Verdict {
        match self {
            Ok(value) => value.verdict(),
            Err(error) => describe(&error),
        }
    }
}

impl<T: Outcome> Outcome for Result<T, Reject> {
    fn verdict(self) -> Verdict {
        match self {
            Ok(value) => value.verdict(),
            Err(Reject) => Verdict::Rejected,
        }
    }
}

#[cold]
#[inline(never)]
fn describe(error: &dyn Debug) -> Verdict {
    Verdict::Failed(format!("{error:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_return_type_has_its_verdict() {
        assert_eq!(().verdict(), Verdict::Kept);
        assert_eq!(Reject.verdict(), Verdict::Rejected);
        assert_eq!(Corpus::Keep.verdict(), Verdict::Kept);
        assert_eq!(Corpus::from(()).verdict(), Verdict::Kept);
        assert_eq!(Corpus::Reject.verdict(), Verdict::Rejected);
        assert_eq!(Ok::<Corpus, String>(Corpus::Reject).verdict(), Verdict::Rejected);
        assert_eq!(Some(Reject).verdict(), Verdict::Rejected);
        assert_eq!(None::<Reject>.verdict(), Verdict::Kept);
        assert_eq!(Ok::<(), String>(()).verdict(), Verdict::Kept);
        assert_eq!(Ok::<Reject, String>(Reject).verdict(), Verdict::Rejected);
        assert_eq!(Err::<(), Reject>(Reject).verdict(), Verdict::Rejected);
        let error = Err::<(), _>("no\nway").verdict();
        assert_eq!(error, Verdict::Failed("\"no\\nway\"".to_owned()));
    }
}
