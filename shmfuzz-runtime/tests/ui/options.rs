use shmfuzz_runtime::fuzz_test;

#[fuzz_test(time = "1s")]
fn unknown(data: &[u8]) {}

#[fuzz_test(timeout)]
fn no_value(data: &[u8]) {}

#[fuzz_test(timeout = 5)]
fn no_unit(data: &[u8]) {}

#[fuzz_test(timeout = "5 hours")]
fn bad_unit(data: &[u8]) {}

#[fuzz_test(max_len = 0)]
fn zero(data: &[u8]) {}

#[fuzz_test(seeds = "one")]
fn no_list(data: &[u8]) {}

#[fuzz_test(max_len = 1, max_len = 2)]
fn twice(data: &[u8]) {}

#[fuzz_test("a seed")]
fn no_name(data: &[u8]) {}

#[fuzz_test(stack_size = "8MB")]
fn bad_size(data: &[u8]) {}

#[fuzz_test(crate = "name")]
fn bad_path(data: &[u8]) {}

#[fuzz_test(dict = "/usr/share/json.dict")]
fn absolute_dict(data: &[u8]) {}

#[fuzz_test(max_len = 1 timeout = "1s")]
fn no_comma(data: &[u8]) {}

fn main() {}
