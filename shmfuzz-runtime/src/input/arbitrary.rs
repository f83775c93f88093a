//! Inputs that are values of the user's own types, made from bytes by the crate `arbitrary`.
//!
//! Invariant: the bytes stand for the value that they stand for in a target of cargo-fuzz, so that
//! a corpus may go either way.

use crate::value::Argument;
use ::arbitrary::{Arbitrary as FromBytes, Unstructured};

/// An input that is a value of any type which implements [`arbitrary::Arbitrary`](FromBytes).
///
/// Fuzzing changes bytes, and seeds and findings are files of bytes: the type makes values of them.
/// Bytes that it makes none of are rejected, which is no failure. They are decoded as
/// `libfuzzer_sys::fuzz_target!` decodes them, so the corpora of cargo-fuzz work as they are: fewer
/// bytes than the lower bound of `size_hint` are rejected at once, and `arbitrary_take_rest` gets
/// all others.
///
/// It needs the feature `arbitrary`. Derive the trait with the crate of that name as a
/// dev-dependency (`cargo add --dev arbitrary --features derive`), or as
/// [`shmfuzz_runtime::arbitrary`](crate::arbitrary), which is the same crate, with the feature
/// `arbitrary-derive`.
///
/// ```
/// # #[cfg(feature = "arbitrary-derive")]
/// # mod tests {
/// use shmfuzz_runtime::{Arbitrary, arbitrary, fuzz_test};
///
/// #[derive(Debug, arbitrary::Arbitrary)]
/// enum Step {
///     Push(u8),
///     Pop,
/// }
///
/// #[fuzz_test]
/// fn a_stack_is_as_deep_as_its_history_says(Arbitrary(steps): Arbitrary<Vec<Step>>) {
///     let (mut stack, mut depth) = (Vec::new(), 0_usize);
///     for step in steps {
///         match step {
///             Step::Push(value) => stack.push(value),
///             Step::Pop => drop(stack.pop()),
///         }
///         depth = match step {
///             Step::Push(_) => depth + 1,
///             Step::Pop => depth.saturating_sub(1),
///         };
///         assert_eq!(stack.len(), depth);
///     }
/// }
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arbitrary<T>(pub T);

impl<'a, T: FromBytes<'a>> Argument<'a> for Arbitrary<T> {
    type Owned = Vec<u8>;

    fn give(owned: &'a mut Option<Vec<u8>>) -> Option<Self> {
        Self::of_raw(owned.as_deref()?)
    }

    fn of_raw(bytes: &'a [u8]) -> Option<Self> {
        read(bytes).map(Self)
    }
}

/// The value that bytes stand for, if they do.
pub(crate) fn read<'a, T: FromBytes<'a>>(bytes: &'a [u8]) -> Option<T> {
    // Without this, fuzzing would explore all the ways of not having enough bytes first.
    if bytes.len() < T::size_hint(0).0 {
        return None;
    }
    T::arbitrary_take_rest(Unstructured::new(bytes)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Hinted(u8);

    impl<'a> FromBytes<'a> for Hinted {
        fn arbitrary(unstructured: &mut Unstructured<'a>) -> ::arbitrary::Result<Self> {
            match u8::arbitrary(unstructured)? {
                0xff => Err(::arbitrary::Error::IncorrectFormat),
                byte => Ok(Self(byte)),
            }
        }

        fn size_hint(_: usize) -> (usize, Option<usize>) {
            (2, None)
        }
    }

    #[test]
    fn too_few_bytes_and_errors_are_rejected() {
        assert_eq!(Arbitrary::<Hinted>::of_raw(b"a"), None);
        assert_eq!(Arbitrary::of_raw(b"ab"), Some(Arbitrary(Hinted(b'a'))));
        assert_eq!(Arbitrary::<Hinted>::of_raw(b"\xffb"), None);
    }

    /// What `arbitrary` itself makes of them would differ: it reads lengths from the end.
    #[test]
    fn values_take_the_rest_of_the_bytes() {
        let read = Arbitrary::<(u16, &[u8])>::of_raw(b"\x01\x02all of this");
        assert_eq!(read, Some(Arbitrary((0x201, &b"all of this"[..]))));
        assert_eq!(Arbitrary::of_raw(b"ab\xff"), Some(Arbitrary("ab")));
        assert_eq!(Arbitrary::of_raw(b""), Some(Arbitrary(())));
    }
}
