//! What the expansion of the macros calls. Not for people: it changes without notice.

use crate::role::{Role, serve};
use crate::seeds;

pub use crate::block_on::block_on;
pub use crate::fuzz_test::{FuzzTest, Mutate, Package};
pub use crate::outcome::{Outcome, Verdict};
pub use crate::probe::{MutateFound, Probe, ProbeMutator, ProbeOne, ProbeOwned, methods};
pub use crate::record::{Options, Record};
pub use crate::setup::{Setup, once};
pub use crate::structured::{Found, Known, Structure};
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

/// What serde knows of arguments, if nobody knows more.
pub const fn known_if(nobody_else: bool, known: Option<Known>) -> Option<Known> {
    if nobody_else { known } else { None }
}

/// The same for one fuzz test.
pub const fn structure(known: Option<Known>, found: &'static Found) -> Option<Structure> {
    match known {
        Some(known) => Some(Structure::new(found, known)),
        None => None,
    }
}

/// A function that changes inputs, if it does.
pub const fn mutate_if(does: bool, mutate: Mutate) -> Option<Mutate> {
    if does { Some(mutate) } else { None }
}

/// Changes an input by the mutator that its types have.
pub fn mutate_found(
    mutate: Option<MutateFound>,
    found: &'static Found,
    input: &mut Vec<u8>,
    number: u64,
) -> bool {
    mutate.is_some_and(|mutate| mutate(found, input, number))
}

/// Changes a value by the function that the attribute names.
pub fn change<T>(mutator: fn(&mut T, u64), value: &mut T, number: u64) -> bool {
    mutator(value, number);
    true
}

/// Makes a value by the function that the attribute names.
pub fn generate<T>(generator: fn(u64) -> T, number: u64) -> T {
    generator(number)
}

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

/// That text and bytes are seeds of arguments that are made of them.
///
/// # Panics
/// In the compiler, if they are values.
pub const fn takes_raw_seeds(are_raw: bool) {
    assert!(
        are_raw,
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
