//! How the body of an `async` fuzz test is driven to its end: by a function that the user names.

/// Drives a body to its end.
pub fn block_on<F: Future, D: Drives<F>>(future: F, drives: D) -> F::Output {
    drives.drive(future)
}

/// A function that drives a future to its end.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be `block_on`: it drives no future to its end",
    label = "not a function that drives any future and returns its output",
    note = "name an executor's, as in `block_on = pollster::block_on`, or your own \
            `fn block_on<F: Future>(future: F) -> F::Output`; the future borrows the input, so \
            `F` can be neither `'static` nor, in general, `Send`"
)]
pub trait Drives<F: Future> {
    /// Drives it.
    fn drive(self, future: F) -> F::Output;
}

#[diagnostic::do_not_recommend]
impl<F: Future, D: FnOnce(F) -> F::Output> Drives<F> for D {
    fn drive(self, future: F) -> F::Output {
        self(future)
    }
}
