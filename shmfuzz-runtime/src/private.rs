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
pub fn seed_bytes<S: RawSeed + ?Sized>(seed: &S) -> &[u8] {
    seed.bytes()
}

/// What can be a seed where the input is bytes or text.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a seed of bytes or text",
    label = "neither bytes nor text",
    note = "write `\"text\"`, `b\"bytes\"`, `[0x00, 0xff]` or `include_bytes!(\"file\")`"
)]
pub trait RawSeed {
    /// Its bytes.
    fn bytes(&self) -> &[u8];
}

#[diagnostic::do_not_recommend]
impl<S: AsRef<[u8]> + ?Sized> RawSeed for S {
    fn bytes(&self) -> &[u8] {
        self.as_ref()
    }
}

/// That text and bytes are seeds of arguments of these types.
///
/// # Panics
/// In the compiler, if they are values.
pub const fn takes_raw_seeds(types: Option<&'static crate::shape::Tree>) {
    assert!(
        types.is_none(),
        "this fuzz test takes a value, and not bytes or text: write its seed as a value of the \
         argument's type"
    );
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
