//! Why a value cannot be read or written.

use serde_core::de::{Expected, Unexpected};
use std::fmt;

/// A sentence about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Error {
    pub(crate) why: String,
    pub(crate) kind: ErrorKind,
}

/// What is done about it, where that is something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// This field was there twice, once by another of its names.
    Duplicate(&'static str),
    /// This field was not there.
    Missing(&'static str),
    /// There was a map where the type takes none.
    NoMap,
    Other,
}

impl Error {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), kind: ErrorKind::Other }
    }

    /// Where a type is asked for what it was not seen to be made of.
    pub(crate) fn unlike(what: &str, shape: &crate::shape::Shape) -> Self {
        Self::new(format!("the type asks for {what} where it was found to hold {shape:?}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Error {}

impl serde_core::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn missing_field(field: &'static str) -> Self {
        Self { why: format!("missing field `{field}`"), kind: ErrorKind::Missing(field) }
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self { why: format!("duplicate field `{field}`"), kind: ErrorKind::Duplicate(field) }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let kind = if found == Unexpected::Map { ErrorKind::NoMap } else { ErrorKind::Other };
        Self { why: format!("invalid type: {found}, expected {expected}"), kind }
    }
}

impl serde_core::ser::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }
}
