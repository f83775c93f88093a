//! Values of any type that serde can write and read, as inputs.
//!
//! What a type is made of is found out when the fuzz test is first used; from then on its values lie
//! in the input as those of built-in types do, and are changed, compared, shortened and written as
//! text by the same code. Invariant: an input is the bytes of a value, in the mapping, at every call; so
//! a value that ends the process is there as it was, and nothing has to be made again.

#[cfg(feature = "structured")]
mod error;
#[cfg(feature = "structured")]
mod json;
#[cfg(feature = "structured")]
mod read;
#[cfg(feature = "structured")]
mod trace;
#[cfg(feature = "structured")]
mod values;
#[cfg(feature = "structured")]
mod write;

#[cfg(feature = "structured")]
pub use values::{Structured, mutate, mutate_by_mutatis, read, to_input};

use crate::shape::Shape;
use crate::value::text::TextError;
use std::sync::OnceLock;

/// What was found out about the arguments of one fuzz test.
#[derive(Debug, Default)]
pub struct Found {
    #[cfg_attr(not(feature = "structured"), expect(dead_code, reason = "nothing is found out"))]
    form: OnceLock<Form>,
}

/// The types, and some inputs that they make values of.
#[derive(Debug)]
struct Form {
    shape: Shape,
    examples: Vec<Vec<u8>>,
}

impl Found {
    /// Before anything is found out.
    pub const fn new() -> Self {
        Self { form: OnceLock::new() }
    }
}

/// What is known about arguments for those who do not know their types.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    form: fn(&'static Found) -> &'static Form,
    from_file: fn(&'static Found, &[u8]) -> Result<Vec<u8>, TextError>,
}

/// The same of one fuzz test.
#[derive(Clone, Copy, Debug)]
pub struct Structure {
    found: &'static Found,
    known: Known,
}

impl Structure {
    /// Of what was found, or will be.
    pub const fn new(found: &'static Found, known: Known) -> Self {
        Self { found, known }
    }

    /// What the arguments are made of.
    pub fn shape(&self) -> &'static Shape {
        &(self.known.form)(self.found).shape
    }

    /// Some inputs that the types make values of.
    pub fn examples(&self) -> &'static [Vec<u8>] {
        &(self.known.form)(self.found).examples
    }

    /// The input in a file, which may have been written for an older type.
    ///
    /// # Errors
    /// If it holds no arguments of this fuzz test, with the line.
    pub fn from_file(&self, file: &[u8]) -> Result<Vec<u8>, TextError> {
        (self.known.from_file)(self.found, file)
    }
}

#[cfg(all(test, feature = "structured"))]
#[path = "structured/tests.rs"]
mod tests;
