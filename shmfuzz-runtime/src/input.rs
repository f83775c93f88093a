//! What a fuzz test may take. The set is closed: the mutators, the corpus files and the record in
//! the test binary all have to know each kind.

use crate::record::InputKind;

#[cfg(feature = "arbitrary")]
pub(crate) mod arbitrary;

mod sealed {
    #[expect(unnameable_types, reason = "a sealed trait is one that nobody can name")]
    pub trait Sealed {}
}
use sealed::Sealed;

/// The types that a fuzz test may take: `&[u8]`, `Vec<u8>`, `&str`, `String`, and `Arbitrary<T>` with
/// the feature `arbitrary`.
#[diagnostic::on_unimplemented(
    message = "a fuzz test cannot take `{Self}`",
    label = "not an input",
    note = "take one of `&[u8]`, `Vec<u8>`, `&str`, `String`, or `Arbitrary<T>` with shmfuzz-runtime's feature `arbitrary`"
)]
pub trait Input<'a>: Sealed + Sized {
    /// How its inputs are mutated and checked.
    const KIND: InputKind;

    /// The value that these bytes stand for, or `None` if they stand for none.
    fn read(bytes: &'a [u8]) -> Option<Self>;
}

impl Sealed for &[u8] {}
impl<'a> Input<'a> for &'a [u8] {
    const KIND: InputKind = InputKind::Bytes;

    fn read(bytes: &'a [u8]) -> Option<Self> {
        Some(bytes)
    }
}

impl Sealed for Vec<u8> {}
impl Input<'_> for Vec<u8> {
    const KIND: InputKind = InputKind::Bytes;

    fn read(bytes: &[u8]) -> Option<Self> {
        Some(bytes.to_vec())
    }
}

impl Sealed for &str {}
impl<'a> Input<'a> for &'a str {
    const KIND: InputKind = InputKind::Text;

    fn read(bytes: &'a [u8]) -> Option<Self> {
        std::str::from_utf8(bytes).ok()
    }
}

impl Sealed for String {}
impl Input<'_> for String {
    const KIND: InputKind = InputKind::Text;

    fn read(bytes: &[u8]) -> Option<Self> {
        std::str::from_utf8(bytes).ok().map(str::to_owned)
    }
}

/// Says why these bytes are no input of this kind, if they are not.
///
/// # Errors
/// With a message that names the offset of the first byte that does not fit.
pub fn check(kind: InputKind, bytes: &[u8]) -> Result<(), String> {
    match kind {
        InputKind::Bytes => Ok(()),
        InputKind::Text => std::str::from_utf8(bytes)
            .map(drop)
            .map_err(|error| format!("not valid UTF-8 at byte {}", error.valid_up_to())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_valid_utf8_and_the_offset_is_named() {
        assert_eq!(<&str>::read(b"a\xff"), None);
        assert_eq!(String::read("ä".as_bytes()).as_deref(), Some("ä"));
        assert_eq!(Vec::read(b"a\xff"), Some(b"a\xff".to_vec()));
        assert_eq!(check(InputKind::Bytes, b"\xff"), Ok(()));
        let error = check(InputKind::Text, b"ab\xffc").unwrap_err();
        assert_eq!(error, "not valid UTF-8 at byte 2");
    }
}
