//! What the bytes of an input must be before a body is called with them.

use crate::record::InputKind;

#[cfg(feature = "arbitrary")]
pub(crate) mod arbitrary;

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
        assert_eq!(check(InputKind::Bytes, b"\xff"), Ok(()));
        let error = check(InputKind::Text, b"ab\xffc").unwrap_err();
        assert_eq!(error, "not valid UTF-8 at byte 2");
    }
}
