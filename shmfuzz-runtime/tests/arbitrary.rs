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

/// A target of cargo-fuzz, with nothing changed but the crate's name.
mod target {
    use shmfuzz_runtime::{
        Corpus,
        arbitrary::{self, Arbitrary},
        fuzz_target,
    };

    #[derive(Debug, Arbitrary)]
    struct Request {
        is_post: bool,
        body: Vec<u8>,
    }

    fuzz_target!(|request: Request| -> Corpus {
        if request.body.is_empty() {
            return Corpus::Reject;
        }
        assert!(!request.is_post);
        Corpus::Keep
    });
}

mod target_of_text {
    shmfuzz_runtime::fuzz_target!(|text: &str| assert_ne!(text, "bad"));
}

#[test]
fn targets_take_values() {
    use shmfuzz_runtime::outcome::Verdict;
    let call = |path: &str, input: &[u8]| {
        let test = FuzzTest::find(path).expect("it is registered");
        std::panic::catch_unwind(|| (test.body)(input)).ok()
    };
    assert_eq!(call("target::fuzz_target", b"\0\x01b"), Some(Verdict::Kept));
    assert_eq!(call("target::fuzz_target", b"\0"), Some(Verdict::Rejected));
    assert_eq!(call("target::fuzz_target", b"\x01\x01b"), None);
    assert_eq!(call("target_of_text::fuzz_target", b"good"), Some(Verdict::Kept));
    assert_eq!(call("target_of_text::fuzz_target", b"bad"), None);
}
