//! From JSON, as corpus files hold it, to a value of any type that serde can make: whatever the type
//! makes of what is missing, renamed or unknown is what counts.

use super::error::Error;
use crate::shape::{Fields, Named, Shape};
use crate::value::text;
use serde_core::de::value::{StrDeserializer, StringDeserializer};
use serde_core::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde_json::Value as Json;

/// A value, and what it is to be; `None` where the type reads what it did not have before.
#[derive(Clone, Copy, Debug)]
pub(super) struct FromJson<'a> {
    pub(super) json: &'a Json,
    pub(super) shape: Option<&'a Shape>,
}

const BYTE: &Shape = &Shape::Unsigned(1);

impl<'a> FromJson<'a> {
    fn fields(&self) -> Option<(&'a Named, &'a Fields)> {
        match self.shape {
            Some(Shape::Named(named)) => Some((named, named.fields_of(0))),
            _ => None,
        }
    }

    /// As JSON is read without knowing more.
    fn plain<T>(self, read: impl FnOnce(Json) -> Result<T, serde_json::Error>) -> Result<T, Error> {
        read(self.json.clone()).map_err(|error| Error::new(error.to_string()))
    }

    /// The bytes of what is written as text.
    fn bytes_of<const N: usize>(self) -> Option<[u8; N]> {
        let bytes = text::bytes_of(self.shape?, self.json)?;
        bytes.try_into().ok()
    }

    fn list<'de, V: Visitor<'de>>(self, of: Of<'a>, visitor: V) -> Result<V::Value, Error> {
        match self.json {
            Json::Array(list) => visitor.visit_seq(List { rest: list.iter(), of, nth: 0 }),
            _ => self.plain(|json| json.deserialize_seq(visitor)),
        }
    }
}

macro_rules! plain {
    ($($method:ident),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.plain(|json| json.$method(visitor))
        }
    )*};
}

/// Of numbers that JSON cannot say, their text.
macro_rules! or_text {
    ($($method:ident $visit:ident $ty:ty),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.bytes_of() {
                Some(bytes) => visitor.$visit(<$ty>::from_le_bytes(bytes)),
                None => self.plain(|json| json.$method(visitor)),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for FromJson<'_> {
    type Error = Error;

    fn is_human_readable(&self) -> bool {
        matches!(self.shape, None | Some(Shape::Json))
    }

    plain!(
        deserialize_any,
        deserialize_ignored_any,
        deserialize_identifier,
        deserialize_bool,
        deserialize_u8,
        deserialize_u16,
        deserialize_u32,
        deserialize_u64,
        deserialize_i8,
        deserialize_i16,
        deserialize_i32,
        deserialize_i64,
        deserialize_char,
        deserialize_str,
        deserialize_string
    );
    or_text!(
        deserialize_u128 visit_u128 u128,
        deserialize_i128 visit_i128 i128,
        deserialize_f32 visit_f32 f32,
        deserialize_f64 visit_f64 f64
    );

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_byte_buf(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.shape.and_then(|shape| text::bytes_of(shape, self.json)) {
            // Behind their number.
            Some(bytes) => visitor.visit_byte_buf(bytes[4..].to_vec()),
            None => self.plain(|json| json.deserialize_byte_buf(visitor)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Some(Shape::Option(of)) = self.shape else {
            return self.plain(|json| json.deserialize_option(visitor));
        };
        match (self.json, text::is_nullable(of)) {
            (Json::Null, _) => visitor.visit_none(),
            (json, true) => {
                let json = json.get("Some").unwrap_or(json);
                visitor.visit_some(FromJson { json, shape: Some(of) })
            }
            (json, false) => visitor.visit_some(FromJson { json, shape: Some(of) }),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.json {
            Json::Array(list) if list.is_empty() => visitor.visit_unit(),
            _ => self.plain(|json| json.deserialize_unit(visitor)),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.fields().and_then(|(_, fields)| fields.of.first()) {
            Some(shape) => {
                visitor.visit_newtype_struct(FromJson { json: self.json, shape: Some(shape) })
            }
            None => self.plain(|json| json.deserialize_newtype_struct(name, visitor)),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.shape {
            Some(Shape::List(of)) => self.list(Of::Same(of), visitor),
            Some(shape @ Shape::Bytes) => match text::bytes_of(shape, self.json) {
                Some(bytes) => {
                    let list = bytes[4..].iter().map(|byte| Json::from(*byte)).collect();
                    FromJson { json: &Json::Array(list), shape: None }.deserialize_seq(visitor)
                }
                None => self.list(Of::Same(BYTE), visitor),
            },
            _ => self.plain(|json| json.deserialize_seq(visitor)),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        match self.shape {
            Some(Shape::Array(_, of)) => self.list(Of::Same(of), visitor),
            Some(Shape::Tuple(of)) => self.list(Of::Each(of), visitor),
            _ => self.plain(|json| json.deserialize_tuple(len, visitor)),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.fields() {
            Some((_, fields)) => self.list(Of::Each(&fields.of), visitor),
            None => self.plain(|json| json.deserialize_tuple_struct(name, len, visitor)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match (self.shape.and_then(Shape::pair), self.json) {
            (Some((_, value)), Json::Object(map)) => {
                visitor.visit_map(Members { rest: map.iter(), value: None, of: Of::Same(value) })
            }
            (Some((key, value)), Json::Array(pairs)) => {
                visitor.visit_map(Pairs { rest: pairs.iter(), value: None, of: (key, value) })
            }
            _ => self.plain(|json| json.deserialize_map(visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match (self.fields(), self.json) {
            (Some((_, fields)), Json::Object(map)) => {
                let of = Of::Fields(fields);
                visitor.visit_map(Members { rest: map.iter(), value: None, of })
            }
            (Some((_, fields)), _) => self.list(Of::Each(&fields.of), visitor),
            (None, _) => self.plain(|json| json.deserialize_struct(name, names, visitor)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let Some((named, _)) = self.fields() else {
            return self.plain(|json| json.deserialize_enum(name, variants, visitor));
        };
        match self.json {
            Json::String(name) => visitor.visit_enum(OfVariant { name, held: None, named }),
            Json::Object(map) if map.len() == 1 => {
                let (name, held) = map.iter().next().expect("there is one");
                visitor.visit_enum(OfVariant { name, held: Some(held), named })
            }
            _ => self.plain(|json| json.deserialize_enum(name, variants, visitor)),
        }
    }
}

/// What the elements of something are.
#[derive(Clone, Copy)]
enum Of<'a> {
    Same(&'a Shape),
    Each(&'a [Shape]),
    Fields(&'a Fields),
}

impl<'a> Of<'a> {
    fn nth(&self, nth: usize) -> Option<&'a Shape> {
        match self {
            Self::Same(of) => Some(of),
            Self::Each(of) => of.get(nth),
            Self::Fields(_) => None,
        }
    }

    fn named(&self, name: &str) -> Option<&'a Shape> {
        match self {
            Self::Same(of) => Some(of),
            Self::Each(_) => None,
            Self::Fields(fields) => {
                let nth = fields.names.iter().position(|one| one == name)?;
                fields.of.get(nth)
            }
        }
    }
}

struct List<'a> {
    rest: std::slice::Iter<'a, Json>,
    of: Of<'a>,
    nth: usize,
}

impl<'de> SeqAccess<'de> for List<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some(json) = self.rest.next() else { return Ok(None) };
        let shape = self.of.nth(self.nth);
        self.nth += 1;
        seed.deserialize(FromJson { json, shape }).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// The members of an object.
struct Members<'a> {
    rest: serde_json::map::Iter<'a>,
    value: Option<FromJson<'a>>,
    of: Of<'a>,
}

impl<'de> MapAccess<'de> for Members<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some((name, json)) = self.rest.next() else { return Ok(None) };
        self.value = Some(FromJson { json, shape: self.of.named(name) });
        let name: StringDeserializer<Error> = name.clone().into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        let value = self.value.take();
        seed.deserialize(value.ok_or_else(|| Error::new("a value before its key"))?)
    }
}

/// The pairs of a map whose keys are no text.
struct Pairs<'a> {
    rest: std::slice::Iter<'a, Json>,
    value: Option<&'a Json>,
    of: (&'a Shape, &'a Shape),
}

impl<'de> MapAccess<'de> for Pairs<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some(pair) = self.rest.next() else { return Ok(None) };
        let Some([key, value]) = pair.as_array().map(Vec::as_slice) else {
            return Err(Error::new(format!("a pair of key and value expected, not {pair}")));
        };
        self.value = Some(value);
        seed.deserialize(FromJson { json: key, shape: Some(self.of.0) }).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        let json = self.value.take();
        let json = json.ok_or_else(|| Error::new("a value before its key"))?;
        seed.deserialize(FromJson { json, shape: Some(self.of.1) })
    }
}

struct OfVariant<'a> {
    name: &'a str,
    held: Option<&'a Json>,
    named: &'a Named,
}

impl<'a> OfVariant<'a> {
    /// What it holds; where it is known by another name, as a list or an object.
    fn held(&self) -> Result<(&'a Json, Option<&'a Fields>), Error> {
        let held =
            self.held.ok_or_else(|| Error::new(format!("`{}` holds something", self.name)))?;
        Ok((held, self.named.variant_named(self.name).map(|variant| &variant.fields)))
    }
}

impl<'de> EnumAccess<'de> for OfVariant<'_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let name: StrDeserializer<'_, Error> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for OfVariant<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.held {
            None | Some(Json::Null) => Ok(()),
            Some(_) => Err(Error::new(format!("`{}` holds nothing", self.name))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        let (json, fields) = self.held()?;
        let shape = fields.and_then(|fields| fields.of.first());
        seed.deserialize(FromJson { json, shape })
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        let (json, fields) = self.held()?;
        let plain = FromJson { json, shape: None };
        match fields {
            Some(fields) => plain.list(Of::Each(&fields.of), visitor),
            None => plain.deserialize_tuple(len, visitor),
        }
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let (json, fields) = self.held()?;
        match (fields, json) {
            (Some(fields), Json::Object(map)) => {
                let of = Of::Fields(fields);
                visitor.visit_map(Members { rest: map.iter(), value: None, of })
            }
            _ => FromJson { json, shape: None }.deserialize_struct("", names, visitor),
        }
    }
}
