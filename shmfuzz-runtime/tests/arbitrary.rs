//! Fuzz tests that take values of any type: what the attribute accepts, and what `cargo test` runs.
#![forbid(unsafe_code)]

use arbitrary::{Error, Unstructured};
use shmfuzz_runtime::fuzz_test::FuzzTest;
use shmfuzz_runtime::record::InputKind;
use shmfuzz_runtime::{Arbitrary, fuzz_test};

#[derive(Debug, PartialEq, arbitrary::Arbitrary)]
struct Message<'a> {
    channel: u16,
    text: &'a str,
}

#[fuzz_test(seeds = [b"\x01\x02hello", b"no"])]
fn takes_a_derived_type(Arbitrary(message): Arbitrary<Message>) {
    let expected = if message.text.is_empty() { (0x6f6e, "") } else { (0x201, "hello") };
    assert_eq!((message.channel, message.text), expected);
}

#[fuzz_test(seeds = ["abc"])]
fn takes_it_whole(input: Arbitrary<[u8; 3]>) -> Result<(), std::num::TryFromIntError> {
    u16::try_from(input.0.len()).map(drop)
}

struct Never;

impl<'a> arbitrary::Arbitrary<'a> for Never {
    fn arbitrary(_: &mut Unstructured<'a>) -> Result<Self, Error> {
        Err(Error::IncorrectFormat)
    }
}

#[fuzz_test(seeds = ["anything"])]
fn is_never_called(Arbitrary(_): Arbitrary<Never>) {
    panic!("there is no such value");
}

mod no_names {
    #![no_implicit_prelude]

    #[::shmfuzz_runtime::fuzz_test(seeds = ["x"])]
    fn takes_a_boolean(
        ::shmfuzz_runtime::Arbitrary(is_odd): ::shmfuzz_runtime::Arbitrary<::core::primitive::bool>,
    ) {
        ::core::assert!(!is_odd);
    }
}

#[test]
fn inputs_are_bytes() {
    let test = FuzzTest::find("takes_a_derived_type").expect("it is registered");
    assert_eq!(test.record.kind, InputKind::Bytes);
}

/// The derive macro works with the re-exported crate too.
mod through_the_runtime {
    use shmfuzz_runtime::{Arbitrary, arbitrary, fuzz_test};

    #[derive(Debug, arbitrary::Arbitrary)]
    struct Pair(u8, u8);

    #[fuzz_test(seeds = ["aa"])]
    fn takes_a_pair(Arbitrary(Pair(a, b)): Arbitrary<Pair>) {
        assert_eq!(a, b);
    }
}
