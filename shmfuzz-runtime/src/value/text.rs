//! Values as text, for files that people read and change.
//!
//! The first line says what the file is; then one argument a line, as JSON. What JSON cannot say is
//! a string: bytes as Rust escapes them (as an argument of their own, `b"..."`), a `char`, an IP
//! address, floats that are no number (`"NaN"`, `"inf"`, `"-inf"`, `"NaN(0x7fc00001)"`) or are read
//! inexactly as JSON, and integers
//! that need more than 64 bits. `Option` is null or the value (`{"Some": value}` where that may be null
//! as well), `Result` `{"Ok": value}` or `{"Err": value}`, a map an object where its keys are text,
//! else a list of pairs. Structs and enums stand as serde writes them. Empty lines and lines that begin with `#` count for nothing. Pure.
//!
//! Invariant: what is written is read as the same value, to the last bit.

#[path = "text/named.rs"]
mod named;

use super::builtin::char_of;
use super::{Reader, put_count};
use crate::sequence::unescape;
use crate::shape::{MOST_NESTED, Shape};
use serde_json::{Map, Value as Json, json};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::{Deref, DerefMut};

/// The line with which such a file begins.
pub const FIRST_LINE: &str = "cargo-shmfuzz values v1\n";

/// Why a file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub why: String,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

impl std::error::Error for TextError {}

/// The shapes of the arguments, one a line.
fn arguments(shape: &Shape) -> &[Shape] {
    match shape {
        Shape::Tuple(of) if !of.is_empty() => of,
        one => std::slice::from_ref(one),
    }
}

/// The file of an input.
pub fn to_file(shape: &Shape, input: &[u8]) -> String {
    let lines = to_lines(shape, input);
    lines.iter().fold(FIRST_LINE.to_owned(), |file, line| file + line + "\n")
}

/// The arguments of an input, each as it stands in a file.
pub fn to_lines(shape: &Shape, input: &[u8]) -> Vec<String> {
    let mut from = Reader::new(input);
    let line = |shape: &Shape| match shape {
        Shape::Bytes => {
            let n = from.count();
            format!("b\"{}\"", from.bytes(n).escape_ascii())
        }
        shape => json_of(shape, &mut from).to_string(),
    };
    arguments(shape).iter().map(line).collect()
}

/// The input in a file.
///
/// # Errors
/// With the line that does not fit the arguments.
pub fn from_file(shape: &Shape, file: &[u8]) -> Result<Vec<u8>, TextError> {
    let mut input = Writer::default();
    for ((nth, shape), (line, text)) in (1..).zip(arguments(shape)).zip(lines(shape, file)?) {
        put_line(shape, text, &mut input)
            .map_err(|why| TextError { line, why: format!("argument {nth}{why}") })?;
    }
    Ok(input.bytes)
}

/// The lines that hold the arguments, one each, and their numbers.
///
/// # Errors
/// If there are more or fewer, and if it is no such file.
pub(crate) fn lines<'a>(shape: &Shape, file: &'a [u8]) -> Result<Vec<(usize, &'a str)>, TextError> {
    let error = |line, why: String| TextError { line, why };
    let text = std::str::from_utf8(file).map_err(|bad| {
        let before = &file[..bad.valid_up_to()];
        error(
            1 + before.iter().filter(|byte| **byte == b'\n').count(),
            "not valid UTF-8".to_owned(),
        )
    })?;
    let mut lines = (1..).zip(text.lines());
    let first = lines.next().map(|(_, line)| line);
    if first != Some(FIRST_LINE.trim_end()) {
        return Err(error(1, format!("`{}` expected", FIRST_LINE.trim_end())));
    }
    let is_value = |(_, line): &(usize, &str)| !line.trim().is_empty() && !line.starts_with('#');
    let lines: Vec<_> = lines.filter(is_value).collect();
    let n = arguments(shape).len();
    if let Some((number, _)) = lines.get(n) {
        return Err(error(*number, "there are no more arguments".to_owned()));
    }
    if lines.len() < n {
        let last = lines.last().map_or(1, |(number, _)| *number);
        return Err(error(last, format!("argument {} is missing after it", lines.len() + 1)));
    }
    Ok(lines)
}

/// An input that is being written.
#[derive(Debug, Default)]
struct Writer {
    bytes: Vec<u8>,
    /// How many structs and enums what comes next is in.
    depth: usize,
}

impl Writer {
    /// That there may be so many more values in this one.
    fn nest(&self, n: usize) -> Result<(), String> {
        match n == 0 || self.depth < MOST_NESTED {
            true => Ok(()),
            false => Err(format!(": nested deeper than {MOST_NESTED} times")),
        }
    }
}

impl Deref for Writer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Writer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

fn put_line(shape: &Shape, line: &str, to: &mut Writer) -> Result<(), String> {
    if let (Shape::Bytes, Some(text)) = (shape, line.trim().strip_prefix("b\"")) {
        let bytes =
            unescape(text.as_bytes()).map_err(|(at, why)| format!(": column {}: {why}", at + 3))?;
        put_count(bytes.len(), to);
        to.extend_from_slice(&bytes);
        return Ok(());
    }
    put(shape, &parse(line)?, to)
}

/// The bytes of a line, as the JSON of their text.
#[cfg(feature = "structured")]
pub(crate) fn parse_bytes(line: &str) -> Option<Json> {
    let text = line.trim().strip_prefix("b\"")?;
    Some(json!(unescape(text.as_bytes()).ok()?.escape_ascii().to_string()))
}

/// The value of a line.
pub(crate) fn parse(line: &str) -> Result<Json, String> {
    serde_json::from_str(line).map_err(|error| {
        // It knows of one line only.
        format!(": no JSON value: {}", error.to_string().replace(" at line 1", ""))
    })
}

/// A value as JSON.
fn json_of(shape: &Shape, from: &mut Reader<'_>) -> Json {
    match shape {
        Shape::Bool => json!(is_set(from)),
        Shape::Char => json!(char_of(u32::from_le_bytes(from.array())).to_string()),
        Shape::Unsigned(width) => {
            let number = unsigned(from, *width);
            u64::try_from(number).map_or_else(|_| json!(number.to_string()), |n| json!(n))
        }
        Shape::Signed(width) => {
            let number = signed(from, *width);
            i64::try_from(number).map_or_else(|_| json!(number.to_string()), |n| json!(n))
        }
        Shape::Float(4) => {
            let number = f32::from_le_bytes(from.array());
            float(number.into(), number.to_bits().into(), f32::NAN.to_bits().into())
        }
        Shape::Float(_) => {
            let number = f64::from_le_bytes(from.array());
            float(number, number.to_bits(), f64::NAN.to_bits())
        }
        Shape::Bytes => {
            let n = from.count();
            json!(from.bytes(n).escape_ascii().to_string())
        }
        Shape::Text => {
            let n = from.count();
            json!(String::from_utf8_lossy(from.bytes(n)))
        }
        Shape::List(of) => {
            let n = count(from);
            let mut list = Vec::new();
            while list.len() < n && !from.is_empty() {
                list.push(json_of(of, from));
            }
            Json::Array(list)
        }
        Shape::Array(n, of) => (0..*n).map(|_| json_of(of, from)).collect(),
        Shape::Tuple(of) => of.iter().map(|shape| json_of(shape, from)).collect(),
        Shape::Option(of) => match is_set(from) && from.depth < MOST_NESTED {
            false => Json::Null,
            true if is_nullable(of) => json!({ "Some": json_of(of, from) }),
            true => json_of(of, from),
        },
        Shape::Result(ok, err) => match is_set(from) {
            false => json!({ "Ok": json_of(ok, from) }),
            true => json!({ "Err": json_of(err, from) }),
        },
        Shape::Map(key, value) => map(key, value, from),
        Shape::Duration => {
            let secs = u64::from_le_bytes(from.array());
            let nanos = u32::from_le_bytes(from.array()) % NANOS;
            json!({ "secs": secs, "nanos": nanos })
        }
        Shape::Ip => match is_set(from) {
            false => json!(Ipv4Addr::from(from.array::<4>()).to_string()),
            true => json!(Ipv6Addr::from(from.array::<16>()).to_string()),
        },
        Shape::Ipv4 => json!(Ipv4Addr::from(from.array::<4>()).to_string()),
        Shape::Ipv6 => json!(Ipv6Addr::from(from.array::<16>()).to_string()),
        Shape::Json => {
            let n = from.count();
            serde_json::from_slice(from.bytes(n)).unwrap_or(Json::Null)
        }
        Shape::Named(named) => named::json_of(named, from),
    }
}

const NANOS: u32 = 1_000_000_000;

fn is_set(from: &mut Reader<'_>) -> bool {
    from.array::<1>()[0] & 1 == 1
}

/// How many elements a list has.
fn count(from: &mut Reader<'_>) -> usize {
    let n = from.count();
    if from.depth < MOST_NESTED { n } else { 0 }
}

/// The bytes of a value, if it is written as such a value is.
#[cfg(feature = "structured")]
pub(crate) fn bytes_of(shape: &Shape, json: &Json) -> Option<Vec<u8>> {
    let mut to = Writer::default();
    put(shape, json, &mut to).ok().map(|()| to.bytes)
}

/// Whether a value of it may be null.
pub(crate) fn is_nullable(shape: &Shape) -> bool {
    match shape {
        Shape::Named(named) => named::is_nullable(named),
        shape => matches!(shape, Shape::Option(_) | Shape::Json),
    }
}

fn unsigned(from: &mut Reader<'_>, width: usize) -> u128 {
    let mut bytes = [0; 16];
    match width {
        1 => bytes[..1].copy_from_slice(&from.array::<1>()),
        2 => bytes[..2].copy_from_slice(&from.array::<2>()),
        4 => bytes[..4].copy_from_slice(&from.array::<4>()),
        8 => bytes[..8].copy_from_slice(&from.array::<8>()),
        _ => bytes = from.array(),
    }
    u128::from_le_bytes(bytes)
}

fn signed(from: &mut Reader<'_>, width: usize) -> i128 {
    let unused = 128 - 8 * width as u32;
    ((unsigned(from, width) << unused) as i128) >> unused
}

fn float(number: f64, bits: u64, nan: u64) -> Json {
    match number {
        n if n.is_finite() => finite(n),
        n if n.is_infinite() => json!(if n > 0.0 { "inf" } else { "-inf" }),
        _ if bits == nan => json!("NaN"),
        _ => json!(format!("NaN({bits:#x})")),
    }
}

/// A number, or where that is read as another one, its digits. To have all numbers read exactly is a
/// feature of the crate that reads them, which would change it for the code under test, too.
fn finite(number: f64) -> Json {
    let json = json!(number);
    let read: Option<f64> = serde_json::from_str(&json.to_string()).ok();
    match read.map(f64::to_bits) == Some(number.to_bits()) {
        true => json,
        false => json!(format!("{number:?}")),
    }
}

/// Of equal keys, the last one counts.
fn map(key: &Shape, value: &Shape, from: &mut Reader<'_>) -> Json {
    let n = count(from);
    let (mut pairs, mut n_taken) = (Vec::new(), 0);
    while n_taken < n && !from.is_empty() {
        pairs.push((json_of(key, from), json_of(value, from)));
        n_taken += 1;
    }
    match key {
        Shape::Text => {
            let text = |key: Json| key.as_str().map(str::to_owned).unwrap_or_default();
            Json::Object(pairs.into_iter().map(|(key, value)| (text(key), value)).collect())
        }
        _ => pairs.into_iter().map(|(key, value)| Json::Array(vec![key, value])).collect(),
    }
}

/// What was to be there and what is.
fn unlike(expected: &str, found: &Json) -> String {
    /// As much of a value as is repeated.
    const MOST: usize = 60;
    let found = found.to_string();
    let start: String = found.chars().take(MOST).collect();
    let dots = if start.len() < found.len() { "..." } else { "" };
    format!(": {expected} expected, not {start}{dots}")
}

fn put(shape: &Shape, json: &Json, to: &mut Writer) -> Result<(), String> {
    match shape {
        Shape::Unsigned(width) => put_unsigned(*width, json, to),
        Shape::Signed(width) => put_signed(*width, json, to),
        Shape::Float(width) => put_float(*width, json, to),
        Shape::List(of) => {
            let list = json.as_array().ok_or_else(|| unlike("a list", json))?;
            to.nest(list.len())?;
            put_count(list.len(), to);
            put_all(list.iter().map(|value| (&**of, value)), to)
        }
        Shape::Array(n, of) => {
            let list = json.as_array().filter(|list| list.len() == *n);
            let list = list.ok_or_else(|| unlike(&format!("a list of {n}"), json))?;
            put_all(list.iter().map(|value| (&**of, value)), to)
        }
        Shape::Tuple(of) => {
            let list = json.as_array().filter(|list| list.len() == of.len());
            let list = list.ok_or_else(|| unlike(&format!("a list of {}", of.len()), json))?;
            put_all(of.iter().zip(list), to)
        }
        Shape::Option(of) => put_option(of, json, to),
        Shape::Result(ok, err) => {
            let (tag, shape, value) = match (variant(json, "Ok"), variant(json, "Err")) {
                (Some(value), None) => (0, ok, value),
                (None, Some(value)) => (1, err, value),
                _ => return Err(unlike("{\"Ok\": ..} or {\"Err\": ..}", json)),
            };
            to.push(tag);
            put(shape, value, to)
        }
        Shape::Map(key, value) => put_map(key, value, json, to),
        Shape::Named(named) => named::put(named, json, to),
        single => put_single(single, json, to),
    }
}

/// Values in a row, each by its place.
fn put_all<'a>(
    values: impl Iterator<Item = (&'a Shape, &'a Json)>,
    to: &mut Writer,
) -> Result<(), String> {
    for (i, (shape, value)) in values.enumerate() {
        put(shape, value, to).map_err(|why| format!("[{i}]{why}"))?;
    }
    Ok(())
}

fn put_option(of: &Shape, json: &Json, to: &mut Writer) -> Result<(), String> {
    to.nest(usize::from(*json != Json::Null))?;
    to.push(u8::from(*json != Json::Null));
    match (json, is_nullable(of)) {
        (Json::Null, _) => Ok(()),
        (json, false) => put(of, json, to),
        (json, true) => {
            let value = variant(json, "Some").ok_or_else(|| unlike("{\"Some\": ..}", json))?;
            put(of, value, to)
        }
    }
}

/// What is made of no others, and is no number.
fn put_single(shape: &Shape, json: &Json, to: &mut Writer) -> Result<(), String> {
    let text = || json.as_str().ok_or_else(|| unlike("a string", json));
    match shape {
        Shape::Bool => to.push(json.as_bool().ok_or_else(|| unlike("true or false", json))?.into()),
        Shape::Char => {
            let mut chars = json.as_str().unwrap_or_default().chars();
            match (chars.next(), chars.next()) {
                (Some(one), None) => to.extend_from_slice(&u32::from(one).to_le_bytes()),
                _ => return Err(unlike("a string of one character", json)),
            }
        }
        Shape::Bytes => {
            let bytes = unescape_all(text()?).map_err(|why| format!(": {why}"))?;
            put_count(bytes.len(), to);
            to.extend_from_slice(&bytes);
        }
        Shape::Text => {
            put_count(text()?.len(), to);
            to.extend_from_slice(text()?.as_bytes());
        }
        Shape::Json => {
            let text = json.to_string();
            put_count(text.len(), to);
            to.extend_from_slice(text.as_bytes());
        }
        Shape::Duration => {
            let part = |name: &str| json.get(name).and_then(Json::as_u64);
            let nanos = part("nanos").and_then(|n| u32::try_from(n).ok()).filter(|n| *n < NANOS);
            let (Some(secs), Some(nanos)) = (part("secs"), nanos) else {
                return Err(unlike("{\"secs\": .., \"nanos\": ..}", json));
            };
            to.extend_from_slice(&secs.to_le_bytes());
            to.extend_from_slice(&nanos.to_le_bytes());
        }
        Shape::Ip => match address(json)? {
            IpAddr::V4(address) => {
                to.push(0);
                to.extend_from_slice(&address.octets());
            }
            IpAddr::V6(address) => {
                to.push(1);
                to.extend_from_slice(&address.octets());
            }
        },
        Shape::Ipv4 => to.extend_from_slice(&address::<Ipv4Addr>(json)?.octets()),
        _ => to.extend_from_slice(&address::<Ipv6Addr>(json)?.octets()),
    }
    Ok(())
}

/// Bytes as they stand in a string, quotes escaped or not.
fn unescape_all(text: &str) -> Result<Vec<u8>, &'static str> {
    let closed = |text: &str| unescape(format!("{text}\"").as_bytes());
    closed(text).or_else(|_| closed(&text.replace('"', "\\\""))).map_err(|(_, why)| why)
}

/// The one value of an object with this one key.
fn variant<'a>(json: &'a Json, name: &str) -> Option<&'a Json> {
    json.as_object().filter(|map| map.len() == 1)?.get(name)
}

fn address<T: std::str::FromStr>(json: &Json) -> Result<T, String> {
    let address = json.as_str().and_then(|text| text.parse().ok());
    address.ok_or_else(|| unlike("an IP address", json))
}

fn put_map(key: &Shape, value: &Shape, json: &Json, to: &mut Writer) -> Result<(), String> {
    if let (Shape::Text, Json::Object(map)) = (key, json) {
        return put_object(value, map, to);
    }
    let list = json.as_array().ok_or_else(|| unlike("a list of pairs", json))?;
    to.nest(list.len())?;
    put_count(list.len(), to);
    for (i, pair) in list.iter().enumerate() {
        let Some([first, second]) = pair.as_array().map(Vec::as_slice) else {
            return Err(format!("[{i}]{}", unlike("a pair", pair)));
        };
        put(key, first, to).map_err(|why| format!("[{i}].0{why}"))?;
        put(value, second, to).map_err(|why| format!("[{i}].1{why}"))?;
    }
    Ok(())
}

fn put_object(value: &Shape, map: &Map<String, Json>, to: &mut Writer) -> Result<(), String> {
    to.nest(map.len())?;
    put_count(map.len(), to);
    for (key, json) in map {
        put_count(key.len(), to);
        to.extend_from_slice(key.as_bytes());
        put(value, json, to).map_err(|why| format!("[{key:?}]{why}"))?;
    }
    Ok(())
}

fn put_unsigned(width: usize, json: &Json, to: &mut Writer) -> Result<(), String> {
    let number = match json {
        Json::String(text) => text.parse::<u128>().ok(),
        json => json.as_u64().map(u128::from),
    };
    let fits = |number: &u128| width == 16 || *number < 1 << (8 * width);
    let Some(number) = number.filter(fits) else {
        return Err(unlike(&format!("a number that fits u{}", 8 * width), json));
    };
    to.extend_from_slice(&number.to_le_bytes()[..width]);
    Ok(())
}

fn put_signed(width: usize, json: &Json, to: &mut Writer) -> Result<(), String> {
    let number = match json {
        Json::String(text) => text.parse::<i128>().ok(),
        json => json.as_i64().map(i128::from).or_else(|| json.as_u64().map(i128::from)),
    };
    let unused = 128 - 8 * width as u32;
    let Some(number) = number.filter(|number| (number << unused) >> unused == *number) else {
        return Err(unlike(&format!("a number that fits i{}", 8 * width), json));
    };
    to.extend_from_slice(&number.to_le_bytes()[..width]);
    Ok(())
}

fn put_float(width: usize, json: &Json, to: &mut Writer) -> Result<(), String> {
    let nan = |text: &str| {
        let bits = text.strip_prefix("NaN(0x")?.strip_suffix(')')?;
        u64::from_str_radix(bits, 16).ok()
    };
    let text = json.as_str();
    let number = match text {
        Some("NaN") => Some(f64::NAN),
        Some("inf") => Some(f64::INFINITY),
        Some("-inf") => Some(f64::NEG_INFINITY),
        Some(text) => text.parse().ok().filter(|n: &f64| n.is_finite()),
        None => json.as_f64(),
    };
    let bits = match (number, text.and_then(nan)) {
        (Some(number), _) if width == 4 => u64::from((number as f32).to_bits()),
        (Some(number), _) => number.to_bits(),
        (None, Some(bits)) if width == 8 || bits >> 32 == 0 => bits,
        _ => return Err(unlike("a number, \"NaN\", \"inf\" or \"-inf\"", json)),
    };
    to.extend_from_slice(&bits.to_le_bytes()[..width]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Value;
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::fmt::Debug;
    use std::time::Duration;

    /// That a value is the same after it was text; -> its lines.
    fn check<T: Value + Debug>(value: &T) -> Vec<String> {
        let shape = Shape::of(T::TREE);
        let mut input = Vec::new();
        value.put(&mut input);
        let file = to_file(&shape, &input);
        assert_eq!(from_file(&shape, file.as_bytes()), Ok(input.clone()), "{value:?}\n{file}");
        to_lines(&shape, &input)
    }

    #[test]
    fn values_are_written_as_people_write_them() {
        assert_eq!(check(&(-5_i8, u64::MAX, true)), ["-5", "18446744073709551615", "true"]);
        assert_eq!(check(&(u128::MAX,)), ["\"340282366920938463463374607431768211455\""]);
        assert_eq!(check(&(0.1_f64, f32::NAN, f64::NEG_INFINITY)), ["0.1", "\"NaN\"", "\"-inf\""]);
        assert_eq!(check(&f64::from_bits(0x7ff8_0000_0000_0001)), ["\"NaN(0x7ff8000000000001)\""]);
        assert_eq!(check(&("a\"b\n".to_owned(), 'ß')), ["\"a\\\"b\\n\"", "\"ß\""]);
        assert_eq!(check(&(b"a\"\xff\\".to_vec(),)), ["b\"a\\\"\\xff\\\\\""]);
        assert_eq!(check(&vec![b"\"\xff\\".to_vec()]), ["[\"\\\\\\\"\\\\xff\\\\\\\\\"]"]);
        assert_eq!(
            check(&(Some(5_u8), None::<u8>, Some(None::<u8>))),
            ["5", "null", "{\"Some\":null}"]
        );
        assert_eq!(check(&Err::<u8, bool>(true)), ["{\"Err\":true}"]);
        let by_name = BTreeMap::from([("b".to_owned(), 1_u8), ("a".to_owned(), 2)]);
        assert_eq!(check(&(by_name,)), ["{\"a\":2,\"b\":1}"]);
        assert_eq!(check(&(BTreeMap::from([(1_u8, 'x')]),)), ["[[1,\"x\"]]"]);
        assert_eq!(check(&Duration::new(1, 5)), ["{\"nanos\":5,\"secs\":1}"]);
        assert_eq!(check(&"::1".parse::<IpAddr>().unwrap()), ["\"::1\""]);
        assert_eq!(check(&[(1_u8, [true]); 2]), ["[[1,[true]],[1,[true]]]"]);
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_line() {
        let shape = Shape::of(<(u8, Vec<(bool, String)>)>::TREE);
        let error = |lines: &str| {
            from_file(&shape, format!("{FIRST_LINE}{lines}").as_bytes()).unwrap_err().to_string()
        };
        assert_eq!(error("256\n[]"), "line 2: argument 1: a number that fits u8 expected, not 256");
        assert_eq!(
            error("# one\n1\n\n[[true, \"a\"], [0, \"b\"]]"),
            "line 5: argument 2[1][0]: true or false expected, not 0"
        );
        assert_eq!(error("1"), "line 2: argument 2 is missing after it");
        assert_eq!(error("1\n[]\n2"), "line 4: there are no more arguments");
        assert!(
            error("1\n[").starts_with("line 3: argument 2: no JSON value: EOF"),
            "{}",
            error("1\n[")
        );
        let raw = from_file(&shape, b"raw").unwrap_err();
        assert_eq!(raw.to_string(), "line 1: `cargo-shmfuzz values v1` expected");
        assert_eq!(from_file(&shape, b"a\nb\xff").unwrap_err().line, 2);
    }

    proptest! {
        #[test]
        fn whatever_value_it_is_it_comes_back(
            numbers: (u8, i16, u32, i64, u128, i128, usize),
            others: (bool, char, String, Vec<u8>, Option<Option<i8>>),
            lists: (Vec<(bool, u16)>, Vec<Vec<u8>>, BTreeMap<u8, String>, BTreeMap<String, [u32; 3]>),
            result: Result<u64, String>,
            single: u32,
            double: u64,
            address: IpAddr,
        ) {
            check(&numbers);
            check(&others);
            check(&lists);
            check(&(result, address));
            // Bits, since no NaN equals itself.
            check(&(f32::from_bits(single), f64::from_bits(double)));
        }

        #[test]
        fn any_bytes_are_the_value_that_the_code_under_test_sees(bytes: Vec<u8>) {
            type All = (Vec<(Option<bool>, i16)>, BTreeMap<char, String>, Duration, Result<Vec<u8>, IpAddr>);
            let mut canonical = Vec::new();
            All::take(&mut Reader::new(&bytes)).put(&mut canonical);
            let shape = Shape::of(All::TREE);
            let read = from_file(&shape, to_file(&shape, &bytes).as_bytes()).unwrap();
            let mut again = Vec::new();
            All::take(&mut Reader::new(&read)).put(&mut again);
            assert_eq!(canonical, again);
        }

        #[test]
        fn whatever_a_file_holds_nothing_panics(file: Vec<u8>, text: String) {
            let shape = Shape::of(<(Vec<(u8, f32)>, Vec<u8>)>::TREE);
            let _ = from_file(&shape, &file);
            let _ = from_file(&shape, format!("{FIRST_LINE}{text}").as_bytes());
        }
    }
}
