//! From a value of any type that serde knows to the bytes that stand for it.

use super::error::Error;
use crate::shape::{Body, Fields, MOST_NESTED, Named, Shape};
use crate::simplest::put_simplest;
use crate::value::put_count;
use serde_core::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

/// Writes a value of this shape behind what is there.
#[derive(Debug)]
pub(super) struct Write<'a> {
    pub(super) to: &'a mut Vec<u8>,
    pub(super) shape: &'a Shape,
    /// How many structs and enums it is in.
    pub(super) depth: usize,
}

/// A list, a map, or the fields of something, of which some are written.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    to: &'a mut Vec<u8>,
    depth: usize,
    /// Where the count stands, and how many there are so far.
    count: Option<(usize, usize)>,
    of: Of<'a>,
}

#[derive(Debug)]
enum Of<'a> {
    Same(&'a Shape),
    Pair(&'a Shape, &'a Shape),
    Each(&'a [Shape]),
    Fields(&'a Fields, usize),
}

const BYTE: &Shape = &Shape::Unsigned(1);

impl<'a> Write<'a> {
    fn put<const N: usize>(self, bytes: [u8; N], what: &str) -> Result<(), Error> {
        let fits = match self.shape {
            Shape::Unsigned(width) | Shape::Signed(width) | Shape::Float(width) => *width == N,
            Shape::Bool => N == 1,
            Shape::Char => N == 4,
            _ => false,
        };
        if !fits {
            return Err(mismatch(what, self.shape));
        }
        self.to.extend_from_slice(&bytes);
        Ok(())
    }

    fn run(self, bytes: &[u8], what: &str) -> Result<(), Error> {
        match self.shape {
            Shape::Bytes | Shape::Text => {
                put_count(bytes.len(), self.to);
                self.to.extend_from_slice(bytes);
                Ok(())
            }
            other => Err(mismatch(what, other)),
        }
    }

    /// What only the type knows the parts of.
    fn json(self, value: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        let text = serde_json::to_vec(value).map_err(|error| Error::new(error.to_string()))?;
        put_count(text.len(), self.to);
        self.to.extend_from_slice(&text);
        Ok(())
    }

    /// Writes a value whose shape may be that only the type knows what it is made of.
    fn any(self, value: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        match self.shape {
            Shape::Json => self.json(value),
            _ => value.serialize(self),
        }
    }

    fn list(self) -> Result<Parts<'a>, Error> {
        let of = match self.shape {
            Shape::List(of) => Of::Same(of),
            Shape::Bytes => Of::Same(BYTE),
            Shape::Map(key, value) => Of::Pair(key, value),
            other => return Err(mismatch("a list", other)),
        };
        let at = self.to.len();
        put_count(0, self.to);
        Ok(Parts { to: self.to, depth: self.depth, count: Some((at, 0)), of })
    }

    fn fields(self, what: &'static str) -> Result<Parts<'a>, Error> {
        let Shape::Named(named) = self.shape else { return Err(mismatch(what, self.shape)) };
        let of = Of::Fields(named.fields_of(0), 0);
        Ok(Parts { to: self.to, depth: self.depth + 1, count: None, of })
    }

    fn variant(self, nth: u32, name: &'static str) -> Result<Parts<'a>, Error> {
        let Shape::Named(named) = self.shape else { return Err(mismatch(name, self.shape)) };
        let nth = find(named, nth, name)?;
        if named.variant(Some(nth), self.depth) != nth {
            return Err(too_deep());
        }
        named.put_tag(nth, self.to);
        let of = Of::Fields(named.fields_of(nth), 0);
        Ok(Parts { to: self.to, depth: self.depth + 1, count: None, of })
    }
}

/// Variants are known by name; numbers count those that are skipped, too.
fn find(named: &Named, nth: u32, name: &str) -> Result<usize, Error> {
    let Body::Enum(variants) = named.body() else {
        return Err(Error::new(format!(
            "{} is written as an enum and read as a struct",
            named.name()
        )));
    };
    let by_name = variants.iter().position(|variant| variant.name == name);
    let nth = by_name.or_else(|| (variants.len() > nth as usize).then_some(nth as usize));
    nth.ok_or_else(|| {
        Error::new(format!("{} is written as `{name}`, which it is not read as", named.name()))
    })
}

fn mismatch(what: &str, shape: &Shape) -> Error {
    Error::new(format!("the type is written as {what} and read as {shape:?}"))
}

macro_rules! primitives {
    ($($method:ident $ty:ty),*) => {$(
        fn $method(self, value: $ty) -> Result<(), Error> {
            self.put(value.to_le_bytes(), stringify!($ty))
        }
    )*};
}

impl<'a> Serializer for Write<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Parts<'a>;
    type SerializeTuple = Parts<'a>;
    type SerializeTupleStruct = Parts<'a>;
    type SerializeTupleVariant = Parts<'a>;
    type SerializeMap = Parts<'a>;
    type SerializeStruct = Parts<'a>;
    type SerializeStructVariant = Parts<'a>;

    fn is_human_readable(&self) -> bool {
        false
    }

    primitives!(
        serialize_u8 u8, serialize_u16 u16, serialize_u32 u32, serialize_u64 u64,
        serialize_u128 u128, serialize_i8 i8, serialize_i16 i16, serialize_i32 i32,
        serialize_i64 i64, serialize_i128 i128, serialize_f32 f32, serialize_f64 f64
    );

    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.put([value.into()], "bool")
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.put(u32::from(value).to_le_bytes(), "char")
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        self.run(value.as_bytes(), "text")
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        self.run(value, "bytes")
    }

    fn serialize_none(self) -> Result<(), Error> {
        let Shape::Option(_) = self.shape else { return Err(mismatch("an option", self.shape)) };
        self.to.push(0);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        let Shape::Option(of) = self.shape else {
            return Err(mismatch("an option", self.shape));
        };
        if self.depth >= MOST_NESTED {
            return Err(too_deep());
        }
        self.to.push(1);
        Write { to: self.to, shape: of, depth: self.depth }.any(value)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        Ok(())
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        nth: u32,
        name: &'static str,
    ) -> Result<(), Error> {
        self.variant(nth, name).map(drop)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.fields(name)?.part(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        nth: u32,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.variant(nth, name)?.part(value)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Parts<'a>, Error> {
        self.list()
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Parts<'a>, Error> {
        let pair = self.shape.pair();
        let mut parts = self.list()?;
        if let Some((key, value)) = pair {
            parts.of = Of::Pair(key, value);
        }
        Ok(parts)
    }

    fn serialize_tuple(self, _: usize) -> Result<Parts<'a>, Error> {
        let of = match self.shape {
            Shape::Array(_, of) => Of::Same(of),
            Shape::Tuple(shapes) => Of::Each(shapes),
            other => return Err(mismatch("a tuple", other)),
        };
        Ok(Parts { to: self.to, depth: self.depth, count: None, of })
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Parts<'a>, Error> {
        self.fields(name)
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Parts<'a>, Error> {
        self.fields(name)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        nth: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Parts<'a>, Error> {
        self.variant(nth, name)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        nth: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Parts<'a>, Error> {
        self.variant(nth, name)
    }
}

/// Writes a value: the way in.
pub(super) fn write(
    value: &(impl Serialize + ?Sized),
    shape: &Shape,
    to: &mut Vec<u8>,
) -> Result<(), Error> {
    Write { to, shape, depth: 0 }.any(value)
}

impl Parts<'_> {
    fn put(&mut self, shape: &Shape, value: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        Write { to: &mut *self.to, shape, depth: self.depth }.any(value)
    }

    /// Writes the next one, by its place.
    fn part(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        if let Some((_, n)) = &mut self.count {
            *n += 1;
        }
        let shape = match &mut self.of {
            Of::Same(of) => *of,
            Of::Each(shapes) => {
                let (shape, rest) = shapes.split_first().ok_or_else(too_many)?;
                *shapes = rest;
                shape
            }
            Of::Fields(fields, nth) => {
                let shape = fields.of.get(*nth).ok_or_else(too_many)?;
                *nth += 1;
                shape
            }
            Of::Pair(..) => return Err(too_many()),
        };
        self.put(shape, value)
    }

    /// Writes a field; those before it that were left out are what is simplest.
    fn field(&mut self, name: &str, value: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        if let Of::Fields(fields, nth) = &mut self.of {
            let left_out = fields.names.iter().skip(*nth).position(|one| one == name);
            let left_out = left_out.ok_or_else(|| {
                Error::new(format!(
                    "the field `{name}` is written and not read, or in another order"
                ))
            })?;
            for shape in &fields.of[*nth..*nth + left_out] {
                put_simplest(shape, self.to);
            }
            *nth += left_out;
        }
        self.part(value)
    }

    fn finish(self) -> Result<(), Error> {
        if let Of::Fields(fields, nth) = self.of {
            fields.of[nth..].iter().for_each(|shape| put_simplest(shape, self.to));
        }
        if let Some((at, n)) = self.count {
            if n > 0 && self.depth >= MOST_NESTED {
                return Err(too_deep());
            }
            self.to[at..at + 4].copy_from_slice(&(n as u32).to_le_bytes());
        }
        Ok(())
    }
}

fn too_deep() -> Error {
    Error::new(format!("values are nested deeper than {MOST_NESTED} times"))
}

fn too_many() -> Error {
    Error::new("more is written than is read")
}

macro_rules! parts {
    ($($of:ident $method:ident),*) => {$(
        impl $of for Parts<'_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.part(value)
            }

            fn end(self) -> Result<(), Error> {
                self.finish()
            }
        }
    )*};
}

parts!(
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field
);

impl SerializeMap for Parts<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        let Of::Pair(shape, _) = self.of else { return Err(too_many()) };
        if let Some((_, n)) = &mut self.count {
            *n += 1;
        }
        self.put(shape, key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let Of::Pair(_, shape) = self.of else { return Err(too_many()) };
        self.put(shape, value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl SerializeStruct for Parts<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.field(name, value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl SerializeStructVariant for Parts<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.field(name, value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}
