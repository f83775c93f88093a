//! What the arguments of a fuzz test are, found out by the compiler from the traits that their types
//! implement: values of built-in types, else values that serde knows, else ones that `arbitrary` makes.
//!
//! Constants are found by the rule that an inherent one is taken before a trait's, and only where its
//! bounds hold; methods by the rule that fewer references are tried before more. Both hold for
//! types that are spelled out, as in an expansion, and not for parameters.

use crate::outcome::Verdict;
use crate::record::InputKind;
use crate::shape::Tree;
#[cfg(feature = "structured")]
use crate::structured::{self, Structured};
use crate::structured::{Found, Known};
use crate::value::{Arguments, Reader, Seed, Value};
use std::marker::PhantomData;

/// The arguments of a fuzz test as they are written (`A`, a tuple), and as what holds them: `O`, a
/// tuple as well, unless there is only one.
#[derive(Debug)]
pub struct Probe<'a, A, O>(PhantomData<&'a ()>, PhantomData<(A, O)>);

impl<A, O> Probe<'_, A, O> {
    /// The one there is.
    pub const NEW: Self = Self(PhantomData, PhantomData);
}

impl<'a, A: Arguments<'a>, O> Probe<'a, A, O> {
    /// How inputs are mutated and stored.
    pub const KIND: InputKind = A::KIND;
    /// What they are made of, if that is known at compile time.
    pub const TYPES: Option<&'static Tree> = A::TYPES;
    /// Whether they are of built-in types.
    pub const IS_BUILT_IN: bool = true;
}

/// The same of all others.
pub trait Other {
    /// Bytes, which stand for values or are made into some.
    const KIND: InputKind = InputKind::Bytes;
    /// Not known.
    const TYPES: Option<&'static Tree> = None;
    /// They are not.
    const IS_BUILT_IN: bool = false;
}

impl<A, O> Other for Probe<'_, A, O> {}

/// What is done with arguments of built-in types.
pub trait BuiltIn<'a, A, O> {
    /// What holds them during a call.
    type Owned;

    /// Calls the body with what an input stands for.
    fn call(
        &self,
        found: &'static Found,
        input: &'a [u8],
        owned: &'a mut Self::Owned,
        as_written: impl FnOnce(A) -> Verdict,
        as_owned: impl FnOnce(O) -> Verdict,
    ) -> Verdict;

    /// The input that a seed stands for.
    fn seed(&self, found: &'static Found, seed: A, own: impl FnOnce(A) -> O) -> Vec<u8>
    where
        A: Seed;
}

impl<'a, A: Arguments<'a>, O> BuiltIn<'a, A, O> for &&&Probe<'a, A, O> {
    type Owned = A::Owned;

    #[inline]
    fn call(
        &self,
        _: &'static Found,
        input: &'a [u8],
        owned: &'a mut Self::Owned,
        as_written: impl FnOnce(A) -> Verdict,
        _: impl FnOnce(O) -> Verdict,
    ) -> Verdict {
        match A::read(input, owned) {
            Some(arguments) => as_written(arguments),
            None => Verdict::Rejected,
        }
    }

    fn seed(&self, _: &'static Found, seed: A, _: impl FnOnce(A) -> O) -> Vec<u8>
    where
        A: Seed,
    {
        seed.write()
    }
}

/// What is done with arguments that serde knows.
#[cfg(feature = "structured")]
pub trait ViaSerde<'a, A, O> {
    /// Calls the body with what an input stands for.
    fn call(
        &self,
        found: &'static Found,
        input: &'a [u8],
        owned: &'a mut (),
        as_written: impl FnOnce(A) -> Verdict,
        as_owned: impl FnOnce(O) -> Verdict,
    ) -> Verdict;

    /// The input that a seed stands for.
    fn seed(&self, found: &'static Found, seed: A, own: impl FnOnce(A) -> O) -> Vec<u8>;
}

#[cfg(feature = "structured")]
impl<'a, A, O: Structured> ViaSerde<'a, A, O> for &&Probe<'a, A, O> {
    #[inline]
    fn call(
        &self,
        found: &'static Found,
        input: &'a [u8],
        (): &'a mut (),
        _: impl FnOnce(A) -> Verdict,
        as_owned: impl FnOnce(O) -> Verdict,
    ) -> Verdict {
        match structured::read::<O>(found, input) {
            Some(arguments) => as_owned(arguments),
            None => Verdict::Rejected,
        }
    }

    fn seed(&self, found: &'static Found, seed: A, own: impl FnOnce(A) -> O) -> Vec<u8> {
        structured::to_input(found, &own(seed))
    }
}

/// What is done with arguments that the crate `arbitrary` makes.
#[cfg(feature = "arbitrary")]
pub trait ViaArbitrary<'a, A, O> {
    /// Calls the body with what an input stands for.
    fn call(
        &self,
        found: &'static Found,
        input: &'a [u8],
        owned: &'a mut (),
        as_written: impl FnOnce(A) -> Verdict,
        as_owned: impl FnOnce(O) -> Verdict,
    ) -> Verdict;
}

#[cfg(feature = "arbitrary")]
impl<'a, A, O: arbitrary::Arbitrary<'a>> ViaArbitrary<'a, A, O> for &Probe<'a, A, O> {
    #[inline]
    fn call(
        &self,
        _: &'static Found,
        input: &'a [u8],
        (): &'a mut (),
        _: impl FnOnce(A) -> Verdict,
        as_owned: impl FnOnce(O) -> Verdict,
    ) -> Verdict {
        match crate::input::arbitrary::read::<O>(input) {
            Some(arguments) => as_owned(arguments),
            None => Verdict::Rejected,
        }
    }
}

/// What is said of all others.
pub trait Neither<'a, A, O> {
    /// Is not there, since the types are no arguments.
    fn call(
        &self,
        found: &'static Found,
        input: &'a [u8],
        owned: &'a mut (),
        as_written: impl FnOnce(A) -> Verdict,
        as_owned: impl FnOnce(O) -> Verdict,
    ) -> Verdict
    where
        A: Arguments<'a>,
    {
        let _ = (found, input, owned, as_written, as_owned);
        Verdict::Rejected
    }

    /// Is not there, since the types are no arguments.
    fn seed(&self, found: &'static Found, seed: A, own: impl FnOnce(A) -> O) -> Vec<u8>
    where
        A: Seed,
    {
        let _ = (found, own);
        seed.write()
    }
}

impl<'a, A, O> Neither<'a, A, O> for Probe<'a, A, O> {}

/// Changes an input by a function that changes what it stands for; false if it did not.
pub trait ChangeBuiltIn<O> {
    /// See there.
    fn change(
        &self,
        found: &'static Found,
        input: &mut Vec<u8>,
        change: impl FnOnce(&mut O) -> bool,
    ) -> bool;

    /// The input that a value stands for.
    fn input_of(&self, found: &'static Found, value: &O) -> Vec<u8>;
}

impl<'a, A: Arguments<'a>, O: Value> ChangeBuiltIn<O> for &&Probe<'a, A, O> {
    fn change(
        &self,
        found: &'static Found,
        input: &mut Vec<u8>,
        change: impl FnOnce(&mut O) -> bool,
    ) -> bool {
        let value = match A::TYPES {
            Some(_) => Some(O::take(&mut Reader::new(input))),
            None => O::of_raw(input),
        };
        let Some(mut value) = value else { return false };
        if !change(&mut value) {
            return false;
        }
        let new = self.input_of(found, &value);
        let is_new = new != *input;
        *input = new;
        is_new
    }

    fn input_of(&self, _: &'static Found, value: &O) -> Vec<u8> {
        let mut input = Vec::new();
        value.put(&mut input);
        // Without the count, which the input's length is.
        if A::TYPES.is_none() { input.split_off(4) } else { input }
    }
}

/// The same of values that serde knows.
#[cfg(feature = "structured")]
pub trait ChangeViaSerde<O> {
    /// See there.
    fn change(
        &self,
        found: &'static Found,
        input: &mut Vec<u8>,
        change: impl FnOnce(&mut O) -> bool,
    ) -> bool;

    /// The input that a value stands for.
    fn input_of(&self, found: &'static Found, value: &O) -> Vec<u8>;
}

#[cfg(feature = "structured")]
impl<A, O: Structured> ChangeViaSerde<O> for &Probe<'_, A, O> {
    fn change(
        &self,
        found: &'static Found,
        input: &mut Vec<u8>,
        change: impl FnOnce(&mut O) -> bool,
    ) -> bool {
        structured::mutate(found, input, change)
    }

    fn input_of(&self, found: &'static Found, value: &O) -> Vec<u8> {
        structured::to_input(found, value)
    }
}

/// The same of all others, which it is said of that they have no mutators.
pub trait ChangeNeither<O> {
    /// Is not there.
    fn change(
        &self,
        found: &'static Found,
        input: &mut Vec<u8>,
        change: impl FnOnce(&mut O) -> bool,
    ) -> bool
    where
        O: Value,
    {
        let _ = (found, input, change);
        false
    }

    /// Is not there.
    fn input_of(&self, found: &'static Found, value: &O) -> Vec<u8>
    where
        O: Value,
    {
        let _ = (found, value);
        Vec::new()
    }
}

impl<A, O> ChangeNeither<O> for Probe<'_, A, O> {}

/// One argument, of which it is said where it stands that it cannot be one.
#[derive(Debug)]
pub struct ProbeOne<'a, A>(PhantomData<&'a ()>, PhantomData<A>);

impl<A> ProbeOne<'_, A> {
    /// The one there is.
    pub const NEW: Self = Self(PhantomData, PhantomData);
}

/// One of a built-in type.
pub trait OneBuiltIn {
    /// Nothing is wrong.
    fn check(&self) {}
}

impl<'a, A: crate::value::Argument<'a>> OneBuiltIn for &&&ProbeOne<'a, A> {}

/// One that serde knows.
#[cfg(feature = "structured")]
pub trait OneViaSerde {
    /// Nothing is wrong.
    fn check(&self) {}
}

#[cfg(feature = "structured")]
impl<A: Structured> OneViaSerde for &&ProbeOne<'_, A> {}

/// One that `arbitrary` makes.
#[cfg(feature = "arbitrary")]
pub trait OneViaArbitrary {
    /// Nothing is wrong.
    fn check(&self) {}
}

#[cfg(feature = "arbitrary")]
impl<'a, A: arbitrary::Arbitrary<'a>> OneViaArbitrary for &ProbeOne<'a, A> {}

/// One that is none.
pub trait OneNeither<'a, A> {
    /// Is not there.
    fn check(&self)
    where
        A: crate::value::Argument<'a>,
    {
    }
}

impl<'a, A> OneNeither<'a, A> for ProbeOne<'a, A> {}

/// What holds the arguments.
#[derive(Debug)]
pub struct ProbeOwned<O>(PhantomData<fn(O)>);

/// Changes an input, the same way for the same number; false if it did not.
pub type MutateFound = fn(&'static Found, &mut Vec<u8>, u64) -> bool;

#[cfg(feature = "structured")]
impl<O: Structured> ProbeOwned<O> {
    /// They are such arguments.
    pub const KNOWN: Option<Known> = Some(Known::of::<O>());
}

/// All others.
pub trait NoStructure {
    /// They are none.
    const KNOWN: Option<Known> = None;
}

impl<O> NoStructure for ProbeOwned<O> {}

/// Arguments that may have a mutator of `mutatis`.
#[derive(Debug)]
pub struct ProbeMutator<O>(PhantomData<fn(O)>);

#[cfg(feature = "structured")]
impl<O: Structured + mutatis::DefaultMutate> ProbeMutator<O> {
    /// It changes an input.
    pub const MUTATE: Option<MutateFound> = Some(structured::mutate_by_mutatis::<O>);
}

/// All others.
pub trait NoMutator {
    /// There is none.
    const MUTATE: Option<MutateFound> = None;
}

impl<O> NoMutator for ProbeMutator<O> {}

/// All the traits, for an expansion to have their methods and none of their names.
pub mod methods {
    pub use super::{
        BuiltIn as _, ChangeBuiltIn as _, ChangeNeither as _, Neither as _, NoMutator as _,
        NoStructure as _, OneBuiltIn as _, OneNeither as _, Other as _,
    };
    #[cfg(feature = "structured")]
    pub use super::{ChangeViaSerde as _, OneViaSerde as _, ViaSerde as _};
    #[cfg(feature = "arbitrary")]
    pub use super::{OneViaArbitrary as _, ViaArbitrary as _};
}
