//! The built-in types.

use super::{Reader, Value, put_count};
use crate::shape::Tree;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

macro_rules! numbers {
    ($($variant:ident: $($ty:ty)*),*) => {$($(
        impl Value for $ty {
            const TREE: &'static Tree = &Tree::$variant(size_of::<$ty>() as u8);

            fn take(from: &mut Reader<'_>) -> Self {
                Self::from_le_bytes(from.array())
            }

            fn put(&self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_le_bytes());
            }
        }
    )*)*};
}

numbers!(Unsigned: u8 u16 u32 u64 u128, Signed: i8 i16 i32 i64 i128, Float: f32 f64);

macro_rules! sizes {
    ($($ty:ty as $wide:ty),*) => {$(
        impl Value for $ty {
            const TREE: &'static Tree = <$wide>::TREE;

            /// The low bits, where there are too many for this machine.
            fn take(from: &mut Reader<'_>) -> Self {
                <$wide>::take(from) as Self
            }

            fn put(&self, to: &mut Vec<u8>) {
                (*self as $wide).put(to);
            }
        }
    )*};
}

sizes!(usize as u64, isize as i64);

impl Value for bool {
    const TREE: &'static Tree = &Tree::Bool;

    fn take(from: &mut Reader<'_>) -> Self {
        from.array::<1>()[0] & 1 == 1
    }

    fn put(&self, to: &mut Vec<u8>) {
        to.push((*self).into());
    }
}

/// The character of a number, or of the number that is nearest to it in the bits that count.
pub(crate) fn char_of(number: u32) -> char {
    char::from_u32(number).or_else(|| char::from_u32(number & 0xf_ffff)).unwrap_or('\u{fffd}')
}

impl Value for char {
    const TREE: &'static Tree = &Tree::Char;

    fn take(from: &mut Reader<'_>) -> Self {
        char_of(u32::take(from))
    }

    fn put(&self, to: &mut Vec<u8>) {
        u32::from(*self).put(to);
    }
}

impl Value for String {
    const TREE: &'static Tree = &Tree::Text;

    fn take(from: &mut Reader<'_>) -> Self {
        let n = from.count();
        String::from_utf8_lossy(from.bytes(n)).into_owned()
    }

    fn put(&self, to: &mut Vec<u8>) {
        put_count(self.len(), to);
        to.extend_from_slice(self.as_bytes());
    }

    fn of_raw(bytes: &[u8]) -> Option<Self> {
        std::str::from_utf8(bytes).ok().map(str::to_owned)
    }
}

impl<T: Value> Value for Vec<T> {
    const TREE: &'static Tree = match T::TREE {
        Tree::Unsigned(1) => &Tree::Bytes,
        of => &Tree::List(of),
    };

    fn take(from: &mut Reader<'_>) -> Self {
        let n = from.count();
        let mut list = Self::with_capacity(n);
        for _ in 0..n {
            if from.is_empty() {
                break;
            }
            list.push(T::take(from));
        }
        list
    }

    fn put(&self, to: &mut Vec<u8>) {
        put_count(self.len(), to);
        self.iter().for_each(|value| value.put(to));
    }

    fn of_raw(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader::new(bytes);
        let is_bytes = matches!(Self::TREE, Tree::Bytes);
        is_bytes.then(|| bytes.iter().map(|_| T::take(&mut from)).collect())
    }
}

impl<T: Value, const N: usize> Value for [T; N] {
    const TREE: &'static Tree = &Tree::Array(N as u32, T::TREE);

    fn take(from: &mut Reader<'_>) -> Self {
        std::array::from_fn(|_| T::take(from))
    }

    fn put(&self, to: &mut Vec<u8>) {
        self.iter().for_each(|value| value.put(to));
    }
}

impl<T: Value> Value for Option<T> {
    const TREE: &'static Tree = &Tree::Option(T::TREE);

    fn take(from: &mut Reader<'_>) -> Self {
        bool::take(from).then(|| T::take(from))
    }

    fn put(&self, to: &mut Vec<u8>) {
        self.is_some().put(to);
        self.iter().for_each(|value| value.put(to));
    }
}

impl<T: Value, E: Value> Value for Result<T, E> {
    const TREE: &'static Tree = &Tree::Result(T::TREE, E::TREE);

    fn take(from: &mut Reader<'_>) -> Self {
        match bool::take(from) {
            false => Ok(T::take(from)),
            true => Err(E::take(from)),
        }
    }

    fn put(&self, to: &mut Vec<u8>) {
        self.is_err().put(to);
        match self {
            Ok(value) => value.put(to),
            Err(error) => error.put(to),
        }
    }
}

impl<K: Value + Ord, V: Value> Value for BTreeMap<K, V> {
    const TREE: &'static Tree = &Tree::Map(K::TREE, V::TREE);

    /// Of equal keys, the last one counts.
    fn take(from: &mut Reader<'_>) -> Self {
        let n = from.count();
        let mut map = Self::new();
        for _ in 0..n {
            if from.is_empty() {
                break;
            }
            let key = K::take(from);
            map.insert(key, V::take(from));
        }
        map
    }

    fn put(&self, to: &mut Vec<u8>) {
        put_count(self.len(), to);
        for (key, value) in self {
            key.put(to);
            value.put(to);
        }
    }
}

impl Value for Duration {
    const TREE: &'static Tree = &Tree::Duration;

    fn take(from: &mut Reader<'_>) -> Self {
        let seconds = u64::take(from);
        Self::new(seconds, u32::take(from) % 1_000_000_000)
    }

    fn put(&self, to: &mut Vec<u8>) {
        self.as_secs().put(to);
        self.subsec_nanos().put(to);
    }
}

impl Value for Ipv4Addr {
    const TREE: &'static Tree = &Tree::Ipv4;

    fn take(from: &mut Reader<'_>) -> Self {
        from.array::<4>().into()
    }

    fn put(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.octets());
    }
}

impl Value for Ipv6Addr {
    const TREE: &'static Tree = &Tree::Ipv6;

    fn take(from: &mut Reader<'_>) -> Self {
        from.array::<16>().into()
    }

    fn put(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.octets());
    }
}

impl Value for IpAddr {
    const TREE: &'static Tree = &Tree::Ip;

    fn take(from: &mut Reader<'_>) -> Self {
        match bool::take(from) {
            false => Self::V4(Ipv4Addr::take(from)),
            true => Self::V6(Ipv6Addr::take(from)),
        }
    }

    fn put(&self, to: &mut Vec<u8>) {
        self.is_ipv6().put(to);
        match self {
            Self::V4(address) => address.put(to),
            Self::V6(address) => address.put(to),
        }
    }
}

impl Value for () {
    const TREE: &'static Tree = &Tree::Tuple(&[]);

    fn take(_: &mut Reader<'_>) -> Self {}

    fn put(&self, _: &mut Vec<u8>) {}
}

macro_rules! tuples {
    ($(($($name:ident $value:ident)*))*) => {$(
        impl<$($name: Value),*> Value for ($($name,)*) {
            const TREE: &'static Tree = &Tree::Tuple(&[$($name::TREE),*]);

            fn take(from: &mut Reader<'_>) -> Self {
                ($($name::take(from),)*)
            }

            fn put(&self, to: &mut Vec<u8>) {
                let ($($value,)*) = self;
                $($value.put(to);)*
            }
        }
    )*};
}

tuples!(
    (A a)
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
    use proptest::prelude::*;
    use std::fmt::Debug;

    /// That a value comes back, and that whatever bytes there are stand for some value.
    fn check<T: Value + Debug + PartialEq>(value: &T, bytes: &[u8]) {
        let mut put = Vec::new();
        value.put(&mut put);
        let mut reader = Reader::new(&put);
        assert_eq!(T::take(&mut reader), *value);
        assert!(reader.is_empty(), "{put:?}");
        let any = T::take(&mut Reader::new(bytes));
        let mut short = Vec::new();
        any.put(&mut short);
        let mut again = Vec::new();
        T::take(&mut Reader::new(&short)).put(&mut again);
        assert_eq!(short, again, "{any:?}");
    }

    proptest! {
        #[test]
        fn values_come_back_and_any_bytes_are_one(
            numbers: (u8, i16, u32, i64, u128, usize, isize),
            others: (bool, char, String, Vec<u8>, Option<i8>),
            lists: (Vec<(bool, u16)>, Vec<String>, BTreeMap<u8, String>, [u32; 3]),
            result: Result<u64, String>,
            time: Duration,
            address: IpAddr,
            bytes: Vec<u8>,
        ) {
            check(&numbers, &bytes);
            check(&others, &bytes);
            check(&lists, &bytes);
            check(&result, &bytes);
            check(&(time, address), &bytes);
            check(&numbers.1, &bytes);
        }
    }

    #[test]
    fn what_is_missing_is_zero_and_a_count_ends_with_the_input() {
        let take = |bytes: &[u8]| <(u16, Vec<u16>)>::take(&mut Reader::new(bytes));
        assert_eq!(take(&[]), (0, vec![]));
        assert_eq!(take(&[5]), (5, vec![]));
        assert_eq!(take(&[5, 0, 9, 0, 0, 0, 1, 0, 2]), (5, vec![1, 2]));
        assert_eq!(char_of(0x11_0041), '\u{10041}');
        assert_eq!(char_of(0xd800), '\u{fffd}');
    }
}
