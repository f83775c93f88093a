//! The arguments of a fuzz test.

use super::{Reader, Value};
use crate::record::InputKind;
use crate::shape::Tree;

/// What one argument of a fuzz test may be: a [`Value`], or a reference to bytes or text.
#[diagnostic::on_unimplemented(
    message = "a fuzz test cannot take `{Self}`",
    label = "not an input",
    note = "take `&[u8]`, `&str`, numbers, `bool`, `char`, `String`, `Duration`, IP addresses, and \
            tuples, arrays, `Vec`, `Option`, `Result`, `BTreeMap` of them; or a type that derives \
            `serde::Serialize` and `serde::Deserialize`, with the feature `structured` of \
            shmfuzz-runtime, or `arbitrary::Arbitrary`, with its feature `arbitrary`"
)]
pub trait Argument<'a>: Sized {
    /// What holds it during a call.
    type Owned: Value;

    /// The argument, of what holds it. Called once.
    fn give(owned: &'a mut Option<Self::Owned>) -> Option<Self>;

    /// The argument, where it is the only one and takes bytes or text: then they are the input as it
    /// is. `None` if they are none of that.
    fn of_raw(bytes: &'a [u8]) -> Option<Self> {
        let _ = bytes;
        None
    }
}

/// An argument that a seed of the attribute may give.
pub trait Given<'a>: Argument<'a> {
    /// What would hold it.
    fn to_owned_value(self) -> Self::Owned;
}

impl<'a> Argument<'a> for &'a [u8] {
    type Owned = Vec<u8>;

    fn give(owned: &'a mut Option<Vec<u8>>) -> Option<Self> {
        owned.as_deref()
    }

    fn of_raw(bytes: &'a [u8]) -> Option<Self> {
        Some(bytes)
    }
}

impl<'a> Given<'a> for &'a [u8] {
    fn to_owned_value(self) -> Vec<u8> {
        self.to_vec()
    }
}

impl<'a> Argument<'a> for &'a str {
    type Owned = String;

    fn give(owned: &'a mut Option<String>) -> Option<Self> {
        owned.as_deref()
    }

    fn of_raw(bytes: &'a [u8]) -> Option<Self> {
        std::str::from_utf8(bytes).ok()
    }
}

impl<'a> Given<'a> for &'a str {
    fn to_owned_value(self) -> String {
        self.to_owned()
    }
}

// So that the compiler says what an argument may be, and not what this one would need for it.
#[diagnostic::do_not_recommend]
impl<T: Value> Argument<'_> for T {
    type Owned = T;

    fn give(owned: &mut Option<T>) -> Option<T> {
        owned.take()
    }

    fn of_raw(bytes: &[u8]) -> Option<T> {
        T::of_raw(bytes)
    }
}

impl<T: Value> Given<'_> for T {
    fn to_owned_value(self) -> T {
        self
    }
}

/// All arguments of a fuzz test: a tuple of one to eight.
pub trait Arguments<'a>: Sized {
    /// What holds them during a call.
    type Owned: Default;

    /// How inputs are mutated and stored.
    const KIND: InputKind;
    /// What they are made of; nothing where the input is the only argument as it is.
    const TYPES: Option<&'static Tree>;

    /// The arguments that an input stands for, or `None` if it stands for none.
    fn read(input: &'a [u8], owned: &'a mut Self::Owned) -> Option<Self>;
}

/// The arguments that a seed of the attribute gives.
pub trait Seed {
    /// The input that stands for these arguments.
    fn write(self) -> Vec<u8>;
}

/// What the tree of a fuzz test's only argument is, unless the input is the argument.
const fn of_one(tree: &'static Tree) -> Option<&'static Tree> {
    match tree {
        Tree::Bytes | Tree::Text => None,
        other => Some(other),
    }
}

impl<'a, A: Argument<'a>> Arguments<'a> for (A,) {
    type Owned = Option<A::Owned>;

    const KIND: InputKind = match A::Owned::TREE {
        Tree::Text => InputKind::Text,
        _ => InputKind::Bytes,
    };
    const TYPES: Option<&'static Tree> = of_one(A::Owned::TREE);

    fn read(input: &'a [u8], owned: &'a mut Self::Owned) -> Option<Self> {
        if Self::TYPES.is_none() {
            return Some((A::of_raw(input)?,));
        }
        *owned = Some(A::Owned::take(&mut Reader::new(input)));
        Some((A::give(owned)?,))
    }
}

impl<'a, A: Given<'a>> Seed for (A,) {
    fn write(self) -> Vec<u8> {
        let mut input = Vec::new();
        self.0.to_owned_value().put(&mut input);
        // Without the count, which the input's length is.
        match of_one(A::Owned::TREE) {
            None => input.split_off(4),
            Some(_) => input,
        }
    }
}

macro_rules! arguments {
    ($(($($name:ident $value:ident)*))*) => {$(
        impl<'a, $($name: Argument<'a>),*> Arguments<'a> for ($($name,)*) {
            type Owned = ($(Option<$name::Owned>,)*);

            const KIND: InputKind = InputKind::Bytes;
            const TYPES: Option<&'static Tree> = Some(&Tree::Tuple(&[$($name::Owned::TREE),*]));

            fn read(input: &'a [u8], owned: &'a mut Self::Owned) -> Option<Self> {
                let mut from = Reader::new(input);
                let ($($value,)*) = owned;
                $(*$value = Some($name::Owned::take(&mut from));)*
                Some(($($name::give($value)?,)*))
            }
        }

        impl<'a, $($name: Given<'a>),*> Seed for ($($name,)*) {
            fn write(self) -> Vec<u8> {
                let mut input = Vec::new();
                let ($($value,)*) = self;
                $($value.to_owned_value().put(&mut input);)*
                input
            }
        }
    )*};
}

arguments!(
    (A a B b)
    (A a B b C c)
    (A a B b C c D d)
    (A a B b C c D d E e)
    (A a B b C c D d E e F f)
    (A a B b C c D d E e F f G g)
    (A a B b C c D d E e F f G g H h)
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_argument_of_bytes_or_text_is_the_input() {
        let mut owned = None;
        assert_eq!(<(&[u8],)>::read(b"ab", &mut owned), Some((&b"ab"[..],)));
        let mut owned = None;
        assert_eq!(<(Vec<u8>,)>::read(b"ab", &mut owned), Some((b"ab".to_vec(),)));
        let mut owned = None;
        assert_eq!(<(&str,)>::read(b"a\xff", &mut owned), None);
        assert_eq!(<(&str,)>::KIND, InputKind::Text);
        assert_eq!(<(String,)>::TYPES, None);
        assert_eq!(("ab",).write(), b"ab");
        assert_eq!((b"ab".to_vec(),).write(), b"ab");
    }

    #[test]
    fn others_are_laid_out_one_behind_the_other() {
        let input = ("ab", 0x0102_u16, &b"c"[..]).write();
        assert_eq!(input, b"\x02\0\0\0ab\x02\x01\x01\0\0\0c");
        let mut owned = Default::default();
        let read = <(&str, u16, &[u8])>::read(&input, &mut owned);
        assert_eq!(read, Some(("ab", 0x0102, &b"c"[..])));
        assert_eq!(<(u16,)>::TYPES, Some(&Tree::Unsigned(2)));
        let mut owned = None;
        assert_eq!(<(u16,)>::read(&[5], &mut owned), Some((5,)));
    }
}
