//! What a fuzz test runs once in a process, before its first call.
//!
//! Invariant: a function runs once in a process, however many fuzz tests of it name that function and
//! whoever calls them (seed replay, worker, minimizer, child), and no body is called that it was to
//! come before, unless it passed. So its failure is told as its own, never as that of an input.

use std::any::TypeId;
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::call;
use crate::child::RETURNED_ERR;

/// What a fuzz test wants run before its first call.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// The function, as the attribute names it.
    pub name: &'static str,
    /// Runs it, unless that was done: then says again how that ended.
    pub run: fn() -> Result<(), String>,
}

impl Setup {
    /// Runs it once in this process. A panic is caught.
    ///
    /// # Errors
    /// With one line that says that this failed, and how.
    pub fn run(&self) -> Result<(), String> {
        (self.run)().map_err(|how| format!("setup `{}` {how}, so no input was run", self.name))
    }
}

/// How functions that were run ended.
type Ended = Arc<OnceLock<Result<(), String>>>;

/// By the function's own type, which each function has: two may share an address.
static FUNCTIONS: Mutex<Option<HashMap<TypeId, Ended>>> = Mutex::new(None);

/// Runs a function once in this process.
///
/// # Errors
/// If it panicked or returned `Err`: how.
pub fn once<F: Function<R> + 'static, R>(function: F) -> Result<(), String> {
    let mut functions = FUNCTIONS.lock().unwrap_or_else(PoisonError::into_inner);
    let ended = functions.get_or_insert_default().entry(TypeId::of::<F>()).or_default();
    let ended = Arc::clone(ended);
    // Not held while the function runs: others need not wait for this one.
    drop(functions);
    ended.get_or_init(|| call::catch(|| function.run()).unwrap_or_else(Err)).clone()
}

/// A function that can be a setup.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a setup",
    label = "not a setup",
    note = "write `fn prepare() {{ .. }}`, or `fn prepare() -> Result<(), E> {{ .. }}` with `E: Debug`, \
            and `setup = prepare`"
)]
pub trait Function<R> {
    /// Calls it.
    ///
    /// # Errors
    /// With one line that says what it returned.
    fn run(self) -> Result<(), String>;
}

#[diagnostic::do_not_recommend]
impl<F: FnOnce() -> R, R: Done> Function<R> for F {
    fn run(self) -> Result<(), String> {
        self().done()
    }
}

/// What a setup may return.
#[diagnostic::on_unimplemented(
    message = "a setup cannot return `{Self}`",
    label = "not an outcome of a setup",
    note = "return nothing, or `Result<(), E>` with `E: Debug`; what it makes goes into a `static`"
)]
pub trait Done {
    /// Whether all went well.
    ///
    /// # Errors
    /// With the error on one line.
    fn done(self) -> Result<(), String>;
}

impl Done for () {
    fn done(self) -> Result<(), String> {
        Ok(())
    }
}

impl<E: Debug> Done for Result<(), E> {
    fn done(self) -> Result<(), String> {
        self.map_err(|error| call::one_line(&format!("{RETURNED_ERR}: {error:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    #[test]
    fn a_function_runs_once_and_its_end_is_told_each_time() {
        static N_CALLS: AtomicUsize = AtomicUsize::new(0);
        fn fails() -> Result<(), &'static str> {
            N_CALLS.fetch_add(1, Relaxed);
            Err("no\ndatabase")
        }
        let setup = Setup { name: "fails", run: || once(fails) };
        let expected = "setup `fails` returned Err: \"no\\ndatabase\", so no input was run";
        assert_eq!(setup.run(), Err(expected.to_owned()));
        assert_eq!(setup.run(), Err(expected.to_owned()));
        assert_eq!(N_CALLS.load(Relaxed), 1);
    }

    /// The compiler may give equal functions one address.
    #[test]
    fn equal_functions_are_two() {
        fn one() {
            panic!("one");
        }
        fn other() {}
        fn another() {}
        assert_eq!((once(other), once(another)), (Ok(()), Ok(())));
        let error = once(one).unwrap_err();
        assert!(error.ends_with("panicked: one"), "{error}");
        let functions = FUNCTIONS.lock().unwrap();
        assert!(functions.as_ref().is_some_and(|functions| functions.len() >= 3));
    }
}
