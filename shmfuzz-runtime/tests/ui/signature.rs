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

fn main() {}
