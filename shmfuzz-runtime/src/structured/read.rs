//! From an input to a value of any type that serde can make.
//!
//! Invariant: it takes as many bytes as [`walk`](crate::walk) says, whatever they are. Only the type
//! itself can refuse them.

use super::error::Error;
use crate::shape::{Body, MOST_NESTED, Named, Shape};
use crate::value::Reader;
use crate::value::builtin::char_of;
use serde_core::de::value::StrDeserializer;
use serde_core::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

/// What bytes are elements of.
const BYTE: &Shape = &Shape::Unsigned(1);

/// A value of this shape, next in an input.
#[derive(Debug)]
pub(super) struct Read<'a, 'de> {
    pub(super) from: &'a mut Reader<'de>,
    pub(super) shape: &'a Shape,
}

impl<'de> Read<'_, 'de> {
    fn run(&mut self) -> &'de [u8] {
        let n = self.from.count();
        self.from.bytes(n)
    }

    /// The type itself knows what its JSON means.
    fn json(&mut self) -> Result<serde_json::Value, Error> {
        serde_json::from_slice(self.run()).map_err(|error| Error::new(error.to_string()))
    }

    fn list<V: Visitor<'de>>(self, of: &Shape, visitor: V) -> Result<V::Value, Error> {
        let n = self.from.count();
        let n_left = if self.from.depth < MOST_NESTED { n } else { 0 };
        visitor.visit_seq(Elements { from: self.from, of, n_left })
    }

    fn all<V: Visitor<'de>>(self, shapes: &[Shape], visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Each { from: self.from, shapes })
    }

    fn is_set(&mut self) -> bool {
        self.from.array::<1>()[0] & 1 == 1
    }
}

/// Each by its own shape, unless only the type knows what it is.
macro_rules! primitives {
    ($($method:ident, $visit:ident, $read:expr);* $(;)?) => {$(
        fn $method<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
            if let Shape::Json = self.shape {
                return self.json()?.$method(visitor).map_err(|error| Error::new(error.to_string()));
            }
            let read: fn(&mut Self) -> _ = $read;
            visitor.$visit(read(&mut self))
        }
    )*};
}

macro_rules! through_json {
    ($self:ident, $($call:tt)*) => {
        if let Shape::Json = $self.shape {
            let json = $self.json()?;
            return json.$($call)*.map_err(|error| Error::new(error.to_string()));
        }
    };
}

impl<'de> Deserializer<'de> for Read<'_, 'de> {
    type Error = Error;

    fn is_human_readable(&self) -> bool {
        matches!(self.shape, Shape::Json)
    }

    primitives! {
        deserialize_bool, visit_bool, Self::is_set;
        deserialize_u8, visit_u8, |own| u8::from_le_bytes(own.from.array());
        deserialize_u16, visit_u16, |own| u16::from_le_bytes(own.from.array());
        deserialize_u32, visit_u32, |own| u32::from_le_bytes(own.from.array());
        deserialize_u64, visit_u64, |own| u64::from_le_bytes(own.from.array());
        deserialize_u128, visit_u128, |own| u128::from_le_bytes(own.from.array());
        deserialize_i8, visit_i8, |own| i8::from_le_bytes(own.from.array());
        deserialize_i16, visit_i16, |own| i16::from_le_bytes(own.from.array());
        deserialize_i32, visit_i32, |own| i32::from_le_bytes(own.from.array());
        deserialize_i64, visit_i64, |own| i64::from_le_bytes(own.from.array());
        deserialize_i128, visit_i128, |own| i128::from_le_bytes(own.from.array());
        deserialize_f32, visit_f32, |own| f32::from_le_bytes(own.from.array());
        deserialize_f64, visit_f64, |own| f64::from_le_bytes(own.from.array());
        deserialize_char, visit_char, |own| char_of(u32::from_le_bytes(own.from.array()));
        deserialize_bytes, visit_bytes, Self::run;
        deserialize_byte_buf, visit_byte_buf, |own| own.run().to_vec();
        deserialize_string, visit_string, |own| String::from_utf8_lossy(own.run()).into_owned();
    }

    fn deserialize_str<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        through_json!(self, deserialize_str(visitor));
        visitor.visit_str(&String::from_utf8_lossy(self.run()))
    }

    fn deserialize_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        through_json!(self, deserialize_any(visitor));
        Err(Error::unlike("anything", self.shape))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        through_json!(self, deserialize_identifier(visitor));
        Err(Error::unlike("a name", self.shape))
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        through_json!(self, deserialize_option(visitor));
        let Shape::Option(of) = self.shape else {
            return Err(Error::unlike("an option", self.shape));
        };
        match self.is_set() && self.from.depth < MOST_NESTED {
            true => visitor.visit_some(Read { from: self.from, shape: of }),
            false => visitor.visit_none(),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        through_json!(self, deserialize_unit(visitor));
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        through_json!(self, deserialize_newtype_struct(name, visitor));
        let Shape::Named(named) = self.shape else {
            return Err(Error::unlike(name, self.shape));
        };
        let [of] = &named.fields_of(0).of[..] else {
            return Err(Error::unlike("one field", self.shape));
        };
        self.from.depth += 1;
        let depth = self.from.depth;
        let value = visitor.visit_newtype_struct(Read { from: &mut *self.from, shape: of });
        self.from.depth = depth - 1;
        value
    }

    fn deserialize_seq<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        through_json!(self, deserialize_seq(visitor));
        match self.shape {
            Shape::List(of) => self.list(of, visitor),
            Shape::Bytes => self.list(BYTE, visitor),
            other => Err(Error::unlike("a list", other)),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        mut self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        through_json!(self, deserialize_tuple(len, visitor));
        match self.shape {
            Shape::Array(n, of) => visitor.visit_seq(Same { from: self.from, of, n_left: *n }),
            Shape::Tuple(shapes) => self.all(shapes, visitor),
            other => Err(Error::unlike("a tuple", other)),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_struct(name, &[], visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        through_json!(self, deserialize_map(visitor));
        let Some((key, value)) = self.shape.pair() else {
            return Err(Error::unlike("a map", self.shape));
        };
        let n = self.from.count();
        let n_left = if self.from.depth < MOST_NESTED { n } else { 0 };
        visitor.visit_map(Pairs { from: self.from, key, value, n_left })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        through_json!(self, deserialize_struct(name, fields, visitor));
        let Shape::Named(named) = self.shape else {
            return Err(Error::unlike(name, self.shape));
        };
        let depth = self.from.depth;
        self.from.depth += 1;
        let value =
            visitor.visit_seq(Each { from: &mut *self.from, shapes: &named.fields_of(0).of });
        self.from.depth = depth;
        value
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        through_json!(self, deserialize_enum(name, variants, visitor));
        let Shape::Named(named) = self.shape else {
            return Err(Error::unlike(name, self.shape));
        };
        let depth = self.from.depth;
        let variant = self.from.variant(named);
        self.from.depth += 1;
        let value = visitor.visit_enum(OfVariant { from: &mut *self.from, named, variant });
        self.from.depth = depth;
        value
    }
}

/// The elements of a list.
struct Elements<'a, 'de> {
    from: &'a mut Reader<'de>,
    of: &'a Shape,
    n_left: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        if self.n_left == 0 || self.from.is_empty() {
            return Ok(None);
        }
        self.n_left -= 1;
        seed.deserialize(Read { from: self.from, shape: self.of }).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.n_left)
    }
}

/// So many of one shape, even past the input's end.
struct Same<'a, 'de> {
    from: &'a mut Reader<'de>,
    of: &'a Shape,
    n_left: usize,
}

impl<'de> SeqAccess<'de> for Same<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some(n_left) = self.n_left.checked_sub(1) else { return Ok(None) };
        self.n_left = n_left;
        seed.deserialize(Read { from: self.from, shape: self.of }).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.n_left)
    }
}

/// One of each shape.
struct Each<'a, 'de> {
    from: &'a mut Reader<'de>,
    shapes: &'a [Shape],
}

impl<'de> SeqAccess<'de> for Each<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some((shape, rest)) = self.shapes.split_first() else { return Ok(None) };
        self.shapes = rest;
        seed.deserialize(Read { from: self.from, shape }).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.shapes.len())
    }
}

/// The pairs of a map.
struct Pairs<'a, 'de> {
    from: &'a mut Reader<'de>,
    key: &'a Shape,
    value: &'a Shape,
    n_left: usize,
}

impl<'de> MapAccess<'de> for Pairs<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        if self.n_left == 0 || self.from.is_empty() {
            return Ok(None);
        }
        self.n_left -= 1;
        seed.deserialize(Read { from: self.from, shape: self.key }).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(Read { from: self.from, shape: self.value })
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.n_left)
    }
}

/// A variant of an enum.
struct OfVariant<'a, 'de> {
    from: &'a mut Reader<'de>,
    named: &'a Named,
    variant: usize,
}

impl<'a, 'de> OfVariant<'a, 'de> {
    fn each(self) -> Each<'a, 'de> {
        Each { from: self.from, shapes: &self.named.fields_of(self.variant).of }
    }
}

impl<'de> EnumAccess<'de> for OfVariant<'_, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        // Its number would count the other names that variants may have.
        let Body::Enum(variants) = self.named.body() else {
            return Err(Error::new(format!("{} is no enum", self.named.name())));
        };
        let name = variants.get(self.variant).map_or("", |variant| &variant.name);
        let name: StrDeserializer<'_, Error> = name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for OfVariant<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        let [shape] = &self.named.fields_of(self.variant).of[..] else {
            return Err(Error::new(format!(
                "{} has no such variant of one field",
                self.named.name()
            )));
        };
        seed.deserialize(Read { from: self.from, shape })
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(self.each())
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_seq(self.each())
    }
}
