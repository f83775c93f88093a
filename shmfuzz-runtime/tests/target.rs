//! What `fuzz_target!` accepts, in all forms that targets of cargo-fuzz have.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs, unreachable_pub, unused_qualifications)]

#[macro_use(fuzz_target)]
extern crate shmfuzz_runtime;

use shmfuzz_runtime::fuzz_test::FuzzTest;
use shmfuzz_runtime::outcome::Verdict;
use shmfuzz_runtime::record::InputKind;

fuzz_target!(|data: &[u8]| {
    if data.is_empty() {
        return;
    }
    assert_ne!(data, b"bad");
});

mod untyped {
    fuzz_target!(|input| assert!(input.len() < 3));
}

mod says_what_to_keep {
    use shmfuzz_runtime::{Corpus, fuzz_target};

    fuzz_target!(|data: &[u8]| -> Corpus {
        if data.is_ascii() { Corpus::Keep } else { Corpus::Reject }
    });
}

mod fails_by_an_error {
    shmfuzz_runtime::fuzz_target! {|data: &[u8]| -> Result<(), std::str::Utf8Error> {
        std::str::from_utf8(data).map(drop)
    }}
}

mod begins {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    pub(super) static N_INIT: AtomicUsize = AtomicUsize::new(0);

    shmfuzz_runtime::fuzz_target!(
        init: {
            let n_init = N_INIT.load(Relaxed);
            N_INIT.store(n_init + 1, Relaxed);
            n_init
        },
        |data: &[u8]| {
            assert_eq!(N_INIT.load(Relaxed), 1, "before the first call, and once");
            let _ = data;
        },
    );
}

mod cannot_begin {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    pub(super) static N_INIT: AtomicUsize = AtomicUsize::new(0);

    shmfuzz_runtime::fuzz_target!(
        init: assert!(N_INIT.fetch_add(1, Relaxed) > 1, "nothing to begin with"),
        |_data| ()
    );
}

fn call(path: &str, input: &[u8]) -> Verdict {
    let test = FuzzTest::find(path).expect("it is registered");
    (test.body)(input)
}

#[test]
fn targets_are_fuzz_tests_of_bytes() {
    let test = FuzzTest::find("fuzz_target").expect("it is registered");
    assert_eq!((test.record.kind, test.record.n_seeds), (InputKind::Bytes, 0));
    assert_eq!(test.record.folder(), "target.fuzz_target");
    let source = include_str!("target.rs");
    let line = source.lines().position(|line| line.starts_with("fuzz_target!")).unwrap() + 1;
    assert_eq!(test.record.line as usize, line);
    shmfuzz_runtime::replay("fuzz_target", "good");
    let bad = || shmfuzz_runtime::replay("fuzz_target", "bad");
    assert!(std::panic::catch_unwind(bad).is_err());
    shmfuzz_runtime::replay("untyped::fuzz_target", "ab");
}

#[test]
fn what_they_return_is_the_verdict() {
    assert_eq!(call("says_what_to_keep::fuzz_target", b"a"), Verdict::Kept);
    assert_eq!(call("says_what_to_keep::fuzz_target", b"\xff"), Verdict::Rejected);
    assert!(matches!(call("fails_by_an_error::fuzz_target", b"\xff"), Verdict::Failed(_)));
}

#[test]
fn init_runs_once_before_the_first_call() {
    assert_eq!(begins::N_INIT.load(std::sync::atomic::Ordering::Relaxed), 0);
    for input in ["1", "2"] {
        shmfuzz_runtime::replay("begins::fuzz_target", input);
    }
}

#[test]
fn an_init_that_fails_is_no_failure_of_an_input() {
    for _ in 0..2 {
        let call = || shmfuzz_runtime::replay("cannot_begin::fuzz_target", "");
        let panic = std::panic::catch_unwind(call).unwrap_err();
        let message = panic.downcast_ref::<String>().expect("a formatted message");
        assert!(message.starts_with("setup `init` panicked at "), "{message}");
        assert!(message.ends_with(": nothing to begin with, so no input was run"), "{message}");
    }
    assert_eq!(cannot_begin::N_INIT.load(std::sync::atomic::Ordering::Relaxed), 1);
}
