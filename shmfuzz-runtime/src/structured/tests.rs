#![expect(clippy::unwrap_used, reason = "clippy takes helpers of tests for other code")]

use super::values::{from_file, mutate, read, to_input};
use super::*;
use crate::shape::Body;
use crate::value::text::{FIRST_LINE, to_file, to_lines};
use crate::value::{Reader, text};
use crate::walk::walk;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::net::IpAddr;
use std::num::NonZeroU8;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Expr {
    Add(Box<Expr>, Box<Expr>),
    Call { name: String, arguments: Vec<Expr> },
    Number(i64),
    Negate(Box<Expr>),
    Nothing,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Node {
    value: u16,
    next: Option<Box<Node>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Wrapper<T>(T);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Many {
    numbers: (u8, i128, f32),
    text: Option<Option<char>>,
    bytes: Vec<u8>,
    address: IpAddr,
    pause: Duration,
    by_name: BTreeMap<String, Wrapper<u32>>,
    by_number: HashMap<u8, Wrapper<bool>>,
    #[serde(rename = "kind")]
    other: Result<Unit, [u16; 3]>,
    #[serde(skip)]
    cached: u8,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Text(String),
    Number(u8),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Flat {
    own: u8,
    #[serde(flatten)]
    rest: BTreeMap<String, u8>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Even(#[serde(deserialize_with = "even")] u8, NonZeroU8);

fn even<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u8, D::Error> {
    let number = u8::deserialize(from)?;
    match number % 2 == 0 {
        true => Ok(number),
        false => Err(serde::de::Error::custom("an odd number")),
    }
}

fn found<T: Structured>() -> &'static Found {
    let found = Box::leak(Box::new(Found::new()));
    found.form::<T>();
    found
}

/// That a value is the same after it was bytes and text, and that whatever bytes there are stand for a
/// value that does not change any more, or for none; -> its lines.
fn check<T: Structured + Debug + PartialEq>(found: &'static Found, value: &T) -> Vec<String> {
    let shape = &found.form::<T>().shape;
    let input = to_input(found, value);
    assert_eq!(read::<T>(found, &input).as_ref(), Some(value), "{input:?}");
    assert_eq!(walk(shape, &input, 0, &mut |_| {}), input.len());
    let file = to_file(shape, &input);
    assert_eq!(from_file::<T>(found, file.as_bytes()), Ok(input.clone()), "{file}");
    // As somebody else reads the shape.
    let other = Shape::parse(&shape.encode()).unwrap();
    assert_eq!(to_file(&other, &input), file);
    assert_eq!(text::from_file(&other, file.as_bytes()), Ok(input.clone()));
    to_lines(&other, &input)
}

fn check_bytes<T: Structured + Debug + PartialEq>(found: &'static Found, bytes: &[u8]) {
    let shape = &found.form::<T>().shape;
    let mut reader = Reader::new(bytes);
    let value = T::deserialize(read::Read { from: &mut reader, shape }).unwrap();
    let rest = bytes.len() - reader_len(&reader);
    assert_eq!(walk(shape, bytes, 0, &mut |_| {}), rest, "{bytes:?} {value:?}");
    let file = to_file(shape, bytes);
    let again = read::<T>(found, &from_file::<T>(found, file.as_bytes()).unwrap());
    assert_eq!(format!("{again:?}"), format!("{:?}", Some(value)), "{file}");
}

fn reader_len(reader: &Reader<'_>) -> usize {
    reader.clone().bytes(usize::MAX).len()
}

fn expressions() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![Just(Expr::Nothing), any::<i64>().prop_map(Expr::Number)];
    leaf.prop_recursive(8, 40, 4, |inner| {
        let pair = (inner.clone(), inner.clone());
        let call = (any::<String>(), prop::collection::vec(inner.clone(), 0..4));
        prop_oneof![
            pair.prop_map(|(a, b)| Expr::Add(Box::new(a), Box::new(b))),
            inner.prop_map(|of| Expr::Negate(Box::new(of))),
            call.prop_map(|(name, arguments)| Expr::Call { name, arguments }),
        ]
    })
}

proptest! {
    #[test]
    fn values_that_nest_come_back(value in expressions()) {
        check(found::<Expr>(), &value);
        check(found::<(Expr, u8)>(), &(value, 5_u8));
    }

    #[test]
    fn values_of_many_parts_come_back(
        numbers: (u8, i128, f32),
        text: Option<Option<char>>,
        bytes: Vec<u8>,
        address: IpAddr,
        pause: Duration,
        names: BTreeMap<String, u32>,
        other: Result<bool, [u16; 3]>,
    ) {
        let by_name = names.into_iter().map(|(name, number)| (name, Wrapper(number))).collect();
        let by_number = HashMap::from([(3, Wrapper(true))]);
        let other = other.map(|_| Unit);
        let many =
            Many { numbers, text, bytes, address, pause, by_name, by_number, other, cached: 0 };
        check(found::<Many>(), &many);
    }

    #[test]
    fn any_bytes_are_a_value(bytes: Vec<u8>) {
        check_bytes::<Expr>(found::<Expr>(), &bytes);
        check_bytes::<Node>(found::<Node>(), &bytes);
        check_bytes::<(u16, Vec<Expr>, Node)>(found::<(u16, Vec<Expr>, Node)>(), &bytes);
    }

    #[test]
    fn whatever_a_file_holds_nothing_panics(text: String) {
        let found = found::<(Expr, Many)>();
        let _ = from_file::<(Expr, Many)>(found, format!("{FIRST_LINE}{text}\n{text}").as_bytes());
    }
}

#[test]
fn values_that_nest_too_deep_end_with_what_nests_no_more() {
    // `Negate` without end, and `Some`.
    check_bytes::<Expr>(found::<Expr>(), &[3; 200]);
    check_bytes::<Node>(found::<Node>(), &[1; 400]);
    let mut deep = Expr::Nothing;
    for _ in 0..100 {
        deep = Expr::Negate(Box::new(deep));
    }
    let found = found::<Expr>();
    let mut input = Vec::new();
    let error = write::write(&deep, &found.form::<Expr>().shape, &mut input).unwrap_err();
    assert_eq!(error.to_string(), "values are nested deeper than 32 times");
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Tangle {
    a: Vec<Tangle>,
    b: Vec<Knot>,
    c: BTreeMap<u8, Tangle>,
    d: Option<Box<Tangle>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Knot {
    Of(Box<Tangle>, Vec<Knot>),
    Tied(Vec<Tangle>, Vec<Knot>, Vec<Knot>),
    Loose,
}

/// Each part is looked into once for a value: values that had all that they can hold would be as large
/// as their depth lets them grow.
#[test]
fn types_that_hold_each_other_are_found_out_by_small_values() {
    let traced = trace::trace::<Vec<Tangle>>();
    let encoded = format!("{:?}", traced.shape);
    assert_eq!(encoded, "List(Named(Tangle))");
    let found = found::<Vec<Tangle>>();
    for input in &found.form::<Vec<Tangle>>().examples {
        assert!(input.len() < 1000, "{} bytes", input.len());
        assert!(read::<Vec<Tangle>>(found, input).is_some());
    }
}

#[test]
fn every_variant_is_found_with_its_fields() {
    let traced = trace::trace::<Vec<Expr>>();
    let Shape::List(of) = &traced.shape else { panic!("{:?}", traced.shape) };
    let Shape::Named(named) = &**of else { panic!("{of:?}") };
    let Body::Enum(variants) = named.body() else { panic!("{named:?}") };
    let shown: Vec<_> =
        variants.iter().map(|one| format!("{} {:?}", one.name, one.fields.of)).collect();
    assert_eq!(
        shown,
        [
            "Add [Named(Expr), Named(Expr)]",
            "Call [Text, List(Named(Expr))]",
            "Number [Signed(8)]",
            "Negate [Named(Expr)]",
            "Nothing []"
        ]
    );
    assert_eq!(named.simplest(), 4);
    assert!(!traced.values.is_empty());
}

#[test]
fn values_are_written_as_serde_writes_them() {
    let found_many = found::<Many>();
    let many = Many {
        numbers: (1, i128::MIN, f32::NAN),
        text: Some(None),
        bytes: b"a\xff".to_vec(),
        address: "127.0.0.1".parse().unwrap(),
        pause: Duration::from_millis(1500),
        by_name: BTreeMap::from([("a".to_owned(), Wrapper(1))]),
        by_number: HashMap::from([(7, Wrapper(false))]),
        other: Ok(Unit),
        cached: 0,
    };
    let input = to_input(found_many, &many);
    let lines = to_lines(&found_many.form::<Many>().shape, &input);
    assert_eq!(
        lines,
        ["{\"address\":{\"V4\":[127,0,0,1]},\"by_name\":{\"a\":1},\"by_number\":[[7,false]],\
          \"bytes\":\"a\\\\xff\",\"kind\":{\"Ok\":[]},\
          \"numbers\":[1,\"-170141183460469231731687303715884105728\",\"NaN\"],\
          \"pause\":{\"nanos\":500000000,\"secs\":1},\"text\":{\"Some\":null}}"]
    );
    let call = Expr::Call { name: "f".to_owned(), arguments: vec![Expr::Nothing] };
    let lines = check(found::<(Expr, Node)>(), &(call, Node { value: 7, next: None }));
    assert_eq!(
        lines,
        ["{\"Call\":{\"arguments\":[\"Nothing\"],\"name\":\"f\"}}", "{\"next\":null,\"value\":7}"]
    );
}

#[test]
fn what_only_the_type_knows_is_json() {
    let both = (Untagged::Number(5), Flat { own: 1, rest: BTreeMap::from([("x".to_owned(), 2)]) });
    let lines = check(found::<(Untagged, Flat)>(), &both);
    assert_eq!(lines, ["5", "{\"own\":1,\"x\":2}"]);
    type Inner = Vec<(u8, serde_json::Value)>;
    let list: Inner = vec![(1, serde_json::json!({"a": [1, null]}))];
    assert_eq!(check(found::<Inner>(), &list), ["[[1,{\"a\":[1,null]}]]"]);
}

#[test]
fn types_that_refuse_values_are_made_of_what_they_accept() {
    let found = found::<Vec<Even>>();
    let value = vec![Even(4, NonZeroU8::MIN)];
    assert_eq!(check(found, &value), ["[[4,1]]"]);
    assert_eq!(read::<Vec<Even>>(found, &[1, 0, 0, 0, 3, 1]), None);
    assert!(!found.form::<Vec<Even>>().examples.is_empty());
    let error = from_file::<Vec<Even>>(found, format!("{FIRST_LINE}[[3,1]]").as_bytes());
    assert_eq!(error.unwrap_err().to_string(), "line 2: argument 1: an odd number");
}

#[test]
fn files_of_an_older_type_are_read_as_the_type_reads_them() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Point {
        x: u8,
        #[serde(alias = "why")]
        y: u8,
        #[serde(default = "seven")]
        added: u8,
    }
    fn seven() -> u8 {
        7
    }
    let found = found::<(Vec<Point>, u8)>();
    let read = |lines: &str| {
        from_file::<(Vec<Point>, u8)>(found, format!("{FIRST_LINE}{lines}").as_bytes())
            .map(|input| read::<(Vec<Point>, u8)>(found, &input).unwrap())
            .map_err(|error| error.to_string())
    };
    let expected = (vec![Point { x: 1, y: 2, added: 7 }], 3);
    assert_eq!(read("[{\"x\":1,\"why\":2}]\n3"), Ok(expected));
    let error = "line 2: argument 1: missing field `y`".to_owned();
    assert_eq!(read("[{\"x\":1}]\n3"), Err(error));
    let error = "line 3: argument 2: invalid value: integer `300`, expected u8".to_owned();
    assert_eq!(read("[]\n300"), Err(error));
    let error = "line 2: argument 2 is missing after it".to_owned();
    assert_eq!(read("[]"), Err(error));
}

#[test]
fn a_value_is_changed_and_written_back() {
    let found = found::<Node>();
    let mut input = to_input(found, &Node { value: 1, next: None });
    let change = |node: &mut Node| {
        node.value += 1;
        true
    };
    assert!(mutate::<Node>(found, &mut input, change));
    assert_eq!(read::<Node>(found, &input), Some(Node { value: 2, next: None }));
    assert!(!mutate::<Node>(found, &mut input, |_| true));
}

#[test]
fn what_a_struct_with_another_one_flattened_into_it_needs_is_found_out() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Name {
        first: String,
        last: Option<String>,
        is_known: bool,
    }
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Person {
        id: u64,
        #[serde(flatten)]
        name: Name,
        #[serde(flatten)]
        more: BTreeMap<String, u8>,
    }
    let form = found::<(Person, Vec<u8>, i8)>().form::<(Person, Vec<u8>, i8)>();
    assert_eq!(form.shape, Shape::Tuple(vec![Shape::Json, Shape::Bytes, Shape::Signed(1)]));
    assert!(!form.examples.is_empty());
}

#[test]
fn a_type_that_panics_at_some_values_is_made_of_the_others() {
    #[derive(Debug, Serialize)]
    struct Positive(u8);
    impl<'de> Deserialize<'de> for Positive {
        fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            let number = u8::deserialize(from)?;
            assert!(number > 0, "none is no number");
            Ok(Self(number))
        }
    }
    let form = found::<(Positive, bool)>().form::<(Positive, bool)>();
    assert_eq!(form.shape, Shape::Tuple(vec![Shape::Unsigned(1), Shape::Bool]));
}
