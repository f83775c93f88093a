//! What the expansion of the macros calls. Not for people: it changes without notice.

use crate::role::{Role, serve};
use crate::seeds;

pub use crate::block_on::block_on;
pub use crate::fuzz_test::{FuzzTest, Package};
pub use crate::outcome::{Outcome, Verdict};
pub use crate::record::{Options, Record};
pub use crate::setup::{Setup, once};
pub use crate::value::{Arguments, Seed};
pub use inventory;

#[cfg(feature = "harness")]
pub use crate::harness::main;

/// The text, or nothing where the compiler was not given any.
pub const fn or_empty(text: Option<&'static str>) -> &'static str {
    match text {
        Some(text) => text,
        None => "",
    }
}

/// That a fuzz test may take it.
pub const fn is_argument<'a, T: crate::value::Argument<'a>>() {}

/// The bytes of a seed: a string, a byte string, an array of bytes.
pub fn seed_bytes<S: AsRef<[u8]> + ?Sized>(seed: &S) -> &[u8] {
    seed.as_ref()
}

/// The body of the `#[test]` that a fuzz test becomes.
///
/// # Panics
/// If a seed fails.
#[track_caller]
pub fn run(module: &str, name: &str) {
    let found = crate::fuzz_test::registry()
        .find(|test| test.record.module == module && test.record.name == name);
    let Some(test) = found else {
        panic!(
            "the fuzz test {module}::{name} did not register: this platform or linker drops constructors"
        )
    };
    let role = Role::of_this_process();
    match (serve(test, &role), role) {
        (Some(Err(failure)), _) => panic!("{failure}"),
        (None, Role::Tests(replaying)) => seeds::run_all(test, replaying),
        _ => {}
    }
}
