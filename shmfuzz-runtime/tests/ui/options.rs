use shmfuzz_runtime::fuzz_test;

#[fuzz_test(time = "1s")]
fn misspelt(data: &[u8]) {}

#[fuzz_test(corpus = "inputs")]
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

#[fuzz_test(setup = "prepare")]
fn setup_is_text(data: &[u8]) {}

#[fuzz_test(setup = prepare())]
fn setup_is_called(data: &[u8]) {}

#[fuzz_test(setup = || ())]
fn setup_is_a_closure(data: &[u8]) {}

#[fuzz_test(setup)]
fn setup_is_nothing(data: &[u8]) {}

#[fuzz_test(setup = prepare, timeout = "1s", setup = prepare)]
fn setup_is_given_twice(data: &[u8]) {}

#[fuzz_test(block_on = "pollster")]
async fn block_on_is_text(data: &[u8]) {}

#[fuzz_test(block_on = |future| runtime.block_on(future))]
async fn block_on_is_a_closure(data: &[u8]) {}

#[fuzz_test(seeds = [1, 2], seeds = [3])]
fn seeds_are_given_twice(number: u8) {}

fn main() {}
