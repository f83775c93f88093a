//! What the attribute refuses, at which place and in which words.
#![forbid(unsafe_code)]

#[test]
fn misuse_is_refused_in_words_that_help() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
