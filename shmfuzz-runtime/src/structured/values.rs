//! Inputs of one type.

use super::error::Error;
use super::json::FromJson;
use super::read::Read;
use super::{Form, Found, Known, trace, write};
use crate::shape::Shape;
use crate::value::Reader;
use crate::value::text::{self, TextError};
use mutatis::{DefaultMutate, Session};
use serde_core::Serialize;
use serde_core::de::DeserializeOwned;
use serde_json::Value as Json;

/// What holds all arguments of a fuzz test together, if they are more than built-in types.
pub trait Structured: Serialize + DeserializeOwned + 'static {}

impl<T: Serialize + DeserializeOwned + 'static> Structured for T {}

impl Known {
    /// Of arguments of this type.
    pub const fn of<T: Structured>() -> Self {
        Self { form: Found::form::<T>, from_file: from_file::<T> }
    }
}

impl Found {
    pub(super) fn form<T: Structured>(&self) -> &Form {
        self.form.get_or_init(|| {
            let traced = trace::trace::<T>();
            let input = |value: &T| {
                let mut input = Vec::new();
                write::write(value, &traced.shape, &mut input).ok().map(|()| input)
            };
            let examples = traced.values.iter().filter_map(input).collect();
            Form { shape: traced.shape, examples }
        })
    }
}

/// The value that an input stands for; `None` if the type refuses it.
pub fn read<T: Structured>(found: &Found, input: &[u8]) -> Option<T> {
    value(&found.form::<T>().shape, input).ok()
}

fn value<T: Structured>(shape: &Shape, input: &[u8]) -> Result<T, Error> {
    T::deserialize(Read { from: &mut Reader::new(input), shape })
}

/// The input that stands for a value.
///
/// # Panics
/// If the type is not written as it is read.
pub fn to_input<T: Structured>(found: &Found, value: &T) -> Vec<u8> {
    let mut input = Vec::new();
    match write::write(value, &found.form::<T>().shape, &mut input) {
        Ok(()) => input,
        Err(error) => panic!("a seed cannot be an input: {error}"),
    }
}

/// Files of an older type are read as the type reads them: with what is missing by default, and under
/// older names.
pub(super) fn from_file<T: Structured>(
    found: &'static Found,
    file: &[u8],
) -> Result<Vec<u8>, TextError> {
    let shape = &found.form::<T>().shape;
    let exact = text::from_file(shape, file);
    if let Ok(input) = &exact {
        if value::<T>(shape, input).is_ok() {
            return exact;
        }
    }
    let lines = text::lines(shape, file)?;
    let mut list = Vec::new();
    for (nth, (line, text)) in (1..).zip(&lines) {
        let json = text::parse_bytes(text).map_or_else(|| text::parse(text), Ok);
        let why = |why| TextError { line: *line, why: format!("argument {nth}{why}") };
        list.push(json.map_err(why)?);
    }
    // Where it does not fit is where the exact reading failed first, as far as can be told.
    let line = exact.as_ref().err().map_or(2, |error| error.line);
    let why = |error: Error| {
        let nth = 1 + lines.iter().position(|(number, _)| *number == line).unwrap_or(0);
        TextError { line, why: format!("argument {nth}: {error}") }
    };
    let json = match (shape, &list[..]) {
        (Shape::Tuple(of), _) if !of.is_empty() => Json::Array(list),
        (_, [one]) => one.clone(),
        _ => Json::Null,
    };
    let value = T::deserialize(FromJson { json: &json, shape: Some(shape) }).map_err(why)?;
    let mut input = Vec::new();
    write::write(&value, shape, &mut input).map_err(why)?;
    Ok(input)
}

/// Changes an input by a function that changes a value.
pub fn mutate<T: Structured>(
    found: &Found,
    input: &mut Vec<u8>,
    change: impl FnOnce(&mut T) -> bool,
) -> bool {
    let shape = &found.form::<T>().shape;
    let Ok(mut value) = value::<T>(shape, input) else { return false };
    if !change(&mut value) {
        return false;
    }
    let mut new = Vec::new();
    let is_written = write::write(&value, shape, &mut new).is_ok();
    let is_new = is_written && new != *input;
    if is_new {
        *input = new;
    }
    is_new
}

/// The same by the mutator that the type has.
pub fn mutate_by_mutatis<T: Structured + DefaultMutate>(
    found: &'static Found,
    input: &mut Vec<u8>,
    number: u64,
) -> bool {
    mutate(found, input, |value: &mut T| Session::new().seed(number).mutate(value).is_ok())
}
