//! What runs before the first call, and async bodies: what the attribute accepts.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs, unreachable_pub, unused_qualifications)]

use std::future::ready;
use std::pin::pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};

use shmfuzz_runtime::fuzz_test::FuzzTest;
use shmfuzz_runtime::outcome::Verdict;
use shmfuzz_runtime::{Reject, fuzz_test, replay};

static N_SETUPS: AtomicUsize = AtomicUsize::new(0);

fn count() {
    N_SETUPS.fetch_add(1, Relaxed);
}

fn is_counted() {
    assert_eq!(N_SETUPS.load(Relaxed), 1, "before the first call, and once");
}

#[fuzz_test(setup = count, seeds = ["a", "b"])]
fn is_set_up(_: &[u8]) {
    is_counted();
}

/// The same setup as another fuzz test of this process: it is not run again.
#[fuzz_test(seeds = [(1, 'x')], setup = count)]
fn shares_its_setup(_: u8, _: char) {
    is_counted();
}

static TABLE: OnceLock<Vec<u8>> = OnceLock::new();

mod tables {
    /// An associated function of a generic type.
    pub(super) struct Of<T>(T);

    impl<T: Default> Of<T> {
        pub(super) fn fill() -> Result<(), Vec<u8>> {
            let _ = Self(T::default()).0;
            super::TABLE.set(vec![7; 3])
        }
    }
}

#[fuzz_test(setup = tables::Of::<u8>::fill, seeds = ["a"])]
fn has_what_its_setup_made(_: &str) {
    assert_eq!(TABLE.get(), Some(&vec![7; 3]));
}

fn has_no_database() -> Result<(), String> {
    Err("no database".to_owned())
}

#[fuzz_test(setup = has_no_database)]
fn has_no_setup(_: &str) {
    panic!("it is never called");
}

#[test]
fn a_setup_that_fails_is_told_as_such_each_time() {
    for _ in 0..2 {
        let call = || replay("has_no_setup", "");
        let panic = std::panic::catch_unwind(call).unwrap_err();
        let expected = "setup `has_no_database` returned Err: \"no database\", so no input was run";
        assert_eq!(panic.downcast_ref::<String>().map(String::as_str), Some(expected));
    }
}

/// Polls until it is ready: nothing here waits for anybody.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

/// As some executors have it.
fn run<T>(future: impl IntoFuture<Output = T>) -> T {
    block_on(future.into_future())
}

async fn twice(n: u8) -> u16 {
    let pending = std::cell::Cell::new(true);
    std::future::poll_fn(|_| match pending.replace(false) {
        true => Poll::Pending,
        false => Poll::Ready(()),
    })
    .await;
    u16::from(n) * 2
}

#[fuzz_test(block_on = block_on, seeds = ["good"])]
async fn takes_bytes(data: &[u8]) {
    assert_ne!(ready(data).await, b"bad");
}

#[fuzz_test(block_on = run, setup = count, seeds = [(1, "one", vec![(2, 3)])])]
async fn takes_values(n: u8, text: &str, pairs: Vec<(u8, u16)>) -> Result<(), String> {
    is_counted();
    if twice(n).await == 4 {
        return Err(text.to_owned());
    }
    for (one, two) in pairs {
        if twice(one).await == two {
            return Err(format!("{one}, {two}"));
        }
    }
    Ok(())
}

mod rejects {
    use super::*;

    #[fuzz_test(block_on = block_on)]
    async fn long_texts(text: String) -> Option<Reject> {
        (text.len() > 3).then_some(Reject)
    }
}

#[test]
fn async_bodies_fail_and_reject_as_others_do() {
    let call = |path: &str, input: &[u8]| {
        let test = FuzzTest::find(path).expect("it is registered");
        test.set_up().unwrap();
        std::panic::catch_unwind(|| (test.body)(input)).ok()
    };
    assert_eq!(call("takes_bytes", b"good"), Some(Verdict::Kept));
    assert_eq!(call("takes_bytes", b"bad"), None);
    assert_eq!(call("takes_values", b"\x02"), Some(Verdict::Failed("\"\"".to_owned())));
    assert_eq!(call("rejects::long_texts", b"1234"), Some(Verdict::Rejected));
    assert_eq!(call("rejects::long_texts", b"123"), Some(Verdict::Kept));
}
