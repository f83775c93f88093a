use shmfuzz_runtime::fuzz_test;

#[fuzz_test]
async fn is_async(data: &[u8]) {}

#[fuzz_test]
fn is_generic<T: AsRef<[u8]>>(data: T) {}

#[fuzz_test]
fn has_a_lifetime<'a>(data: &'a [u8]) {}

#[fuzz_test]
fn is_static(data: &'static [u8]) {}

#[fuzz_test]
fn takes_nothing() {}

#[fuzz_test]
fn takes_nine(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: u8) {}

#[fuzz_test]
fn takes_anything(data: impl AsRef<[u8]>) {}

#[fuzz_test]
fn returns_anything(data: &[u8]) -> impl Sized {}

#[fuzz_test]
const fn is_const(data: &[u8]) {}

#[fuzz_test]
unsafe fn is_unsafe(data: &[u8]) {}

#[fuzz_test]
extern "C" fn is_extern(data: &[u8]) {}

#[fuzz_test]
unsafe extern "C" fn is_variadic(data: &[u8], mut rest: ...) {}

struct Parser;

impl Parser {
    #[fuzz_test]
    fn is_a_method(&self, data: &[u8]) {}
}

#[fuzz_test(block_on = pollster::block_on)]
fn is_not_async(data: &[u8]) {}

#[fuzz_test]
fn takes_a_number_by_reference(number: &u32) {}

#[fuzz_test]
fn takes_bytes_to_change(data: &mut [u8]) {}

#[fuzz_test]
fn takes_text_to_change(text: &mut str) {}

#[fuzz_test]
fn takes_a_vec_by_reference(data: &Vec<u8>, numbers: &Vec<(u8, u16)>) {}

#[fuzz_test]
fn takes_a_string_by_reference(text: &String) {}

#[fuzz_test]
fn takes_a_slice_of_numbers(numbers: &[u16]) {}

#[fuzz_test]
fn takes_an_array_by_reference(data: &[u8; 4], rest: &&str) {}

#[fuzz_test]
fn takes_a_value_to_change(number: &mut Number) {}

#[fuzz_test]
fn takes_a_trait_object(read: &dyn std::io::Read) {}

#[fuzz_test]
fn leaves_the_type_out(data: _) {}

#[fuzz_test(seeds = [1, (1,), (1, 2, 3), [1, 2], (1, "two")])]
fn has_seeds_with_too_few_or_many_parts(number: u8, text: &str) {}

fn main() {}
