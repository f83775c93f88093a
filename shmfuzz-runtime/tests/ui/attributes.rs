use shmfuzz_runtime::fuzz_test;

#[fuzz_test]
#[should_panic(expected = "overflow")]
fn should_panic(data: &[u8]) {}

#[fuzz_test]
#[test]
fn is_a_test_too(data: &[u8]) {}

#[fuzz_test]
#[tokio::test]
fn is_another_test_too(data: &[u8]) {}

#[fuzz_test]
#[fuzz_test]
fn twice(data: &[u8]) {}

#[fuzz_test]
struct NoFunction;

fn main() {}
