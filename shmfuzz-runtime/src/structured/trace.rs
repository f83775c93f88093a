//! What a type is made of, found out by making values of it: each time the type asks for a part, what
//! it asks for is noted, and it is given one. It is asked again until every variant, option and
//! list was seen from the inside. (The method of serde-reflection.)

use super::error::{Error, ErrorKind};
use crate::shape::{Body, Fields, Named, Shape, Style, Variant};
use serde_core::de::value::{StrDeserializer, StringDeserializer};
use serde_core::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};
use std::any::type_name;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What is known about a part of a type.
#[derive(Clone, Debug, PartialEq)]
enum Part {
    Unknown,
    Leaf(Shape),
    Option(usize),
    List(usize),
    Tuple(Vec<usize>),
    Map(usize, usize),
    /// A map that keeps the order of its pairs, or is not known not to.
    Pairs(usize, usize),
    Named(usize),
    /// The type asks for anything that there is.
    Any,
}

/// A struct or an enum.
#[derive(Debug)]
struct Def {
    name: String,
    is_enum: bool,
    /// Of a struct there is one.
    variants: Vec<Holding>,
    /// How many values of it are being made.
    n_open: usize,
    /// Whether its fields are given as a list, since it takes no map.
    is_list: bool,
}

impl Def {
    /// Whether there was a value of each variant.
    fn is_whole(&self) -> bool {
        !self.variants.is_empty() && self.variants.iter().all(|one| one.is_made)
    }
}

#[derive(Clone, Debug)]
struct Holding {
    name: String,
    /// Unknown until it was seen.
    parts: Option<(Style, Vec<&'static str>, Vec<usize>)>,
    /// Whether there was a value of it.
    is_made: bool,
}

#[derive(Debug)]
struct Tracer {
    parts: Vec<Part>,
    defs: Vec<Def>,
    by_type: HashMap<&'static str, usize>,
    /// The names that a struct with others flattened into it was seen to need, with the parts that
    /// are their values.
    missed: HashMap<usize, Vec<(&'static str, usize)>>,
    /// How many values were asked for; what is given depends on it.
    round: usize,
    /// Whether this one is made without looking into more than it must have.
    is_shy: bool,
    /// In which round each part was looked into last.
    looked_into: Vec<usize>,
    /// For each part, and for each variant of each definition, whether it leads to what is to be found
    /// out, as of the beginning of the round.
    open_parts: Vec<bool>,
    open_variants: Vec<Vec<bool>>,
    depth: usize,
}

/// How many values are asked for, at most, and how often in vain.
const MOST_ROUNDS: usize = 20_000;
const MOST_IN_VAIN: usize = 1000;
/// How often the type may panic meanwhile, each time with a message. That is a mistake, for calls to
/// find: they read values as well.
const MOST_PANICS: usize = 8;
/// How deep a value of a type that holds itself may become.
const MOST_DEEP: usize = 40;

/// How many names a struct may be seen to need.
const MOST_MISSED: usize = 64;

const TEXTS: [&str; 12] = [
    "",
    "a",
    "0",
    "127.0.0.1",
    "2000-01-01T00:00:00Z",
    "2000-01-01",
    "00:00:00",
    "http://localhost/",
    "00000000-0000-0000-0000-000000000000",
    "::1",
    "1.0.0",
    "null",
];
const NUMBERS: [u8; 4] = [0, 1, 2, 100];

/// Maps of which the order of the pairs in an input says nothing.
const MAPS: [&str; 2] =
    ["alloc::collections::btree::map::BTreeMap<", "std::collections::hash::map::HashMap<"];

/// What a type is made of, and a value of each kind that was made on the way.
#[derive(Debug)]
pub(super) struct Traced<T> {
    pub(super) shape: Shape,
    pub(super) values: Vec<T>,
}

/// How many of the values are kept.
const MOST_VALUES: usize = 64;

/// Finds out what a type is made of. Where that does not come to an end, that part is [`Shape::Json`].
pub(super) fn trace<T: DeserializeOwned>() -> Traced<T> {
    let mut tracer = Tracer {
        parts: vec![Part::Unknown],
        defs: Vec::new(),
        by_type: HashMap::new(),
        missed: HashMap::new(),
        round: 0,
        is_shy: false,
        looked_into: vec![0],
        open_parts: vec![true],
        open_variants: Vec::new(),
        depth: 0,
    };
    let (mut values, mut n_in_vain, mut n_panics) = (Vec::new(), 0, 0);
    let most_in_vain = |tracer: &Tracer| MOST_IN_VAIN + 2 * tracer.n_variants();
    while tracer.round < MOST_ROUNDS && n_in_vain < most_in_vain(&tracer) && n_panics < MOST_PANICS
    {
        let before = tracer.n_known();
        tracer.is_shy = n_in_vain % 2 == 1;
        let made = AssertUnwindSafe(|| T::deserialize(Tracing { tracer: &mut tracer, at: 0 }));
        let value = catch_unwind(made).unwrap_or_else(|_| {
            n_panics += 1;
            Err(Error::new("it panicked"))
        });
        tracer.reset();
        let has_learnt = tracer.n_known() > before;
        if let (Ok(value), true) = (value, has_learnt && values.len() < MOST_VALUES) {
            values.push(value);
        }
        n_in_vain = if has_learnt { 0 } else { n_in_vain + 1 };
        if !tracer.open_parts[0] && !values.is_empty() {
            break;
        }
    }
    Traced { shape: tracer.shape(), values }
}

impl Tracer {
    fn n_known(&self) -> usize {
        let known = |part: &&Part| **part != Part::Unknown;
        let made = self
            .defs
            .iter()
            .flat_map(|def| &def.variants)
            .map(|one| usize::from(one.parts.is_some()) + usize::from(one.is_made));
        self.parts.iter().filter(known).count() + made.sum::<usize>()
    }

    fn n_variants(&self) -> usize {
        self.defs.iter().map(|def| def.variants.len()).sum()
    }

    /// Before the next value.
    fn reset(&mut self) {
        self.round += 1;
        self.depth = 0;
        self.defs.iter_mut().for_each(|def| def.n_open = 0);
        self.list_open();
    }

    /// Finds out what leads to what is to be found out.
    fn list_open(&mut self) {
        self.open_parts = self.parts.iter().map(|part| *part == Part::Unknown).collect();
        self.open_variants = self
            .defs
            .iter()
            .map(|def| def.variants.iter().map(|one| !one.is_made).collect())
            .collect();
        loop {
            let before = self.n_open();
            // Parts come after what they are parts of.
            for at in (0..self.parts.len()).rev() {
                self.open_parts[at] |= match &self.parts[at] {
                    Part::Unknown => true,
                    Part::Leaf(_) | Part::Any => false,
                    Part::Option(of) | Part::List(of) => self.open_parts[*of],
                    Part::Tuple(of) => of.iter().any(|at| self.open_parts[*at]),
                    Part::Map(key, value) | Part::Pairs(key, value) => {
                        self.open_parts[*key] || self.open_parts[*value]
                    }
                    Part::Named(def) => self.open_variants[*def].contains(&true),
                };
            }
            for (def, open) in self.defs.iter().zip(&mut self.open_variants) {
                for (one, open) in def.variants.iter().zip(open) {
                    let parts = one.parts.iter().flat_map(|(_, _, of)| of);
                    *open |= parts.into_iter().any(|at| self.open_parts[*at]);
                }
            }
            if self.n_open() == before {
                break;
            }
        }
    }

    fn n_open(&self) -> usize {
        let variants = self.open_variants.iter().flatten();
        self.open_parts.iter().chain(variants).filter(|open| **open).count()
    }

    fn new_part(&mut self) -> usize {
        self.parts.push(Part::Unknown);
        self.looked_into.push(0);
        self.open_parts.push(true);
        self.parts.len() - 1
    }

    /// Notes what a part is, unless that is known.
    fn note(&mut self, at: usize, part: Part) {
        if self.parts[at] == Part::Unknown {
            self.parts[at] = part;
        }
    }

    /// The parts that this one has, made on the first visit.
    fn inner<const N: usize>(&mut self, at: usize, make: fn([usize; N]) -> Part) -> [usize; N] {
        match (&self.parts[at], N) {
            (Part::Option(of) | Part::List(of), 1) => return [*of; N],
            (Part::Map(key, value) | Part::Pairs(key, value), 2) => {
                let (key, value) = (*key, *value);
                return std::array::from_fn(|nth| if nth == 0 { key } else { value });
            }
            _ => {}
        }
        let inner = std::array::from_fn(|_| self.new_part());
        self.note(at, make(inner));
        inner
    }

    /// Whether this value is to look into a part: once, or values of types that hold themselves several
    /// times would grow without bounds.
    fn looks_into(&mut self, at: usize) -> bool {
        let looks = !self.is_shy
            && self.depth < MOST_DEEP
            && self.open_parts[at]
            && self.looked_into[at] != self.round + 1;
        if looks {
            self.looked_into[at] = self.round + 1;
        }
        looks
    }

    /// The struct or enum of this type, made on the first visit.
    fn def(&mut self, ty: &'static str, name: &str, variants: Option<&[&str]>) -> usize {
        if let Some(known) = self.by_type.get(ty) {
            return *known;
        }
        let holding = |name: &str| Holding { name: name.to_owned(), parts: None, is_made: false };
        let variants_of = variants.unwrap_or(&[""]).iter().map(|name| holding(name)).collect();
        self.defs.push(Def {
            name: name.to_owned(),
            is_enum: variants.is_some(),
            variants: variants_of,
            n_open: 0,
            is_list: false,
        });
        self.by_type.insert(ty, self.defs.len() - 1);
        self.open_variants.push(vec![true; self.defs[self.defs.len() - 1].variants.len()]);
        self.defs.len() - 1
    }

    /// Which variant to make: one that was not made yet, or leads to what is to be found out; within a
    /// value of the same enum one that was made before, the one with the fewest parts, or any.
    fn choose(&self, def: usize) -> usize {
        let own = &self.defs[def];
        let n = own.variants.len().max(1);
        let those = |is: &dyn Fn(usize) -> bool| -> Vec<usize> {
            (0..own.variants.len()).filter(|nth| is(*nth)).collect()
        };
        let is_made = |nth: usize| own.variants[nth].is_made;
        if own.n_open == 0 {
            let news = those(&|nth| !is_made(nth));
            let open = those(&|nth| self.open_variants[def][nth]);
            let candidates = if news.is_empty() || self.is_shy { open } else { news };
            if !candidates.is_empty() {
                return candidates[self.round % candidates.len()];
            }
        }
        let n_parts =
            |nth: &usize| own.variants[*nth].parts.as_ref().map_or(0, |parts| parts.2.len());
        let smallest = those(&is_made).into_iter().min_by_key(n_parts);
        smallest.unwrap_or(self.round % n)
    }

    /// The parts of a variant, made on the first visit.
    fn fields(
        &mut self,
        (def, variant): (usize, usize),
        style: Style,
        names: &[&'static str],
        n: usize,
    ) -> Vec<usize> {
        if let Some((_, _, of)) = &self.defs[def].variants[variant].parts {
            return of.clone();
        }
        let of: Vec<_> = (0..n).map(|_| self.new_part()).collect();
        self.defs[def].variants[variant].parts = Some((style, names.to_vec(), of.clone()));
        of
    }

    /// The type, as far as it is known.
    fn shape(&self) -> Shape {
        let named: Vec<_> = self.defs.iter().map(|def| Named::new(def.name.clone())).collect();
        for (one, def) in named.iter().zip(&self.defs) {
            let variants: Vec<_> =
                def.variants.iter().map(|one| self.variant(one, &named)).collect();
            one.set(match (def.is_enum, variants) {
                (false, variants) => {
                    Body::Struct(variants.into_iter().next().expect("a struct has one").fields)
                }
                (true, variants) => Body::Enum(variants),
            });
        }
        let shape = self.shape_of(0, &named);
        let used: Vec<_> = named.iter().zip(&self.defs).filter(|(_, def)| def.is_whole()).collect();
        let used: Vec<_> = used.into_iter().map(|(one, _)| one.clone()).collect();
        if Named::settle(&used) { shape } else { Shape::Json }
    }

    fn variant(&self, one: &Holding, named: &[Arc<Named>]) -> Variant {
        let (style, names, of) =
            one.parts.as_ref().map_or((Style::Unit, &[][..], &[][..]), |(style, names, of)| {
                (*style, &names[..], &of[..])
            });
        let fields = Fields {
            style,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            of: of.iter().map(|at| self.shape_of(*at, named)).collect(),
        };
        Variant { name: one.name.clone(), fields }
    }

    fn shape_of(&self, at: usize, named: &[Arc<Named>]) -> Shape {
        let inner = |at: usize| Box::new(self.shape_of(at, named));
        match &self.parts[at] {
            Part::Leaf(shape) => shape.clone(),
            Part::Option(of) => Shape::Option(inner(*of)),
            Part::List(of) => match *inner(*of) {
                Shape::Unsigned(1) => Shape::Bytes,
                of => Shape::List(Box::new(of)),
            },
            Part::Tuple(of) => {
                let shapes: Vec<_> = of.iter().map(|at| self.shape_of(*at, named)).collect();
                match &shapes[..] {
                    // Unless they are the arguments, each on a line of its own.
                    [first, rest @ ..]
                        if (at != 0 || rest.len() > 7) && rest.iter().all(|one| one == first) =>
                    {
                        Shape::Array(shapes.len(), Box::new(first.clone()))
                    }
                    _ => Shape::Tuple(shapes),
                }
            }
            Part::Map(key, value) => Shape::Map(inner(*key), inner(*value)),
            Part::Pairs(key, value) => {
                let pair = Shape::Tuple(vec![*inner(*key), *inner(*value)]);
                Shape::List(Box::new(pair))
            }
            Part::Named(def) if self.defs[*def].is_whole() => Shape::Named(named[*def].clone()),
            // What could not be made, or is not known before it is there: the type itself knows.
            Part::Named(_) | Part::Any | Part::Unknown => Shape::Json,
        }
    }
}

/// The part that the type asks for next.
#[derive(Debug)]
struct Tracing<'t> {
    tracer: &'t mut Tracer,
    at: usize,
}

impl Tracing<'_> {
    fn leaf(&mut self, shape: Shape) -> u8 {
        self.tracer.note(self.at, Part::Leaf(shape));
        NUMBERS[self.sample() % NUMBERS.len()]
    }

    fn text(&mut self, shape: Shape) -> &'static str {
        self.tracer.note(self.at, Part::Leaf(shape));
        TEXTS[self.sample() % TEXTS.len()]
    }

    /// What to give: the simplest first, then anything, and to each part something else. Mixed twice,
    /// or what is given to two parts would go together.
    fn sample(&self) -> usize {
        let mix = |number: u32| (number ^ (number >> 15)).wrapping_mul(0x9e37_79b1);
        match self.tracer.round as u32 {
            0 => 0,
            round => (mix(mix(round).wrapping_add(self.at as u32)) >> 7) as usize,
        }
    }

    fn deeper(&mut self) -> Result<(), Error> {
        self.tracer.depth += 1;
        match self.tracer.depth <= 2 * MOST_DEEP {
            true => Ok(()),
            false => Err(Error::new("nested too deep")),
        }
    }

    fn each<'de, V: Visitor<'de>>(mut self, of: Vec<usize>, visitor: V) -> Result<V::Value, Error> {
        self.deeper()?;
        let made = visitor.visit_seq(Each::new(&mut *self.tracer, of));
        self.tracer.depth -= 1;
        made
    }

    /// Makes a struct with others flattened into it, which says of one field at a time that it is
    /// missing.
    fn flattened<'de, V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        self.deeper()?;
        let (at, tracer) = (self.at, self.tracer);
        let made = visitor.visit_map(Missed { tracer: &mut *tracer, at, nth: 0 });
        tracer.depth -= 1;
        if let Err(ErrorKind::Missing(name)) = made.as_ref().map_err(|error| error.kind) {
            let part = tracer.new_part();
            let known = tracer.missed.entry(at).or_default();
            if known.len() < MOST_MISSED && known.iter().all(|(other, _)| *other != name) {
                known.push((name, part));
            }
        }
        made
    }

    /// Makes a struct or what is written as one.
    fn structure<'de, V: Visitor<'de>>(
        mut self,
        name: &'static str,
        style: Style,
        (names, n): (&[&'static str], usize),
        visit: impl FnOnce(V, Each<'_>) -> Result<V::Value, Error>,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deeper()?;
        let def = self.tracer.def(type_name::<V::Value>(), name, None);
        self.tracer.note(self.at, Part::Named(def));
        let each = Each::of_fields(&mut *self.tracer, (def, 0), style, names, n);
        let value = visit(visitor, each)?;
        self.tracer.defs[def].variants[0].is_made = true;
        self.tracer.depth -= 1;
        Ok(value)
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $ty:ty, $shape:expr);* $(;)?) => {$(
        fn $method<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
            visitor.$visit(<$ty>::from(self.leaf($shape)))
        }
    )*};
}

impl<'de> Deserializer<'de> for Tracing<'_> {
    type Error = Error;

    fn is_human_readable(&self) -> bool {
        false
    }

    numbers! {
        deserialize_u8 visit_u8 u8, Shape::Unsigned(1);
        deserialize_u16 visit_u16 u16, Shape::Unsigned(2);
        deserialize_u32 visit_u32 u32, Shape::Unsigned(4);
        deserialize_u64 visit_u64 u64, Shape::Unsigned(8);
        deserialize_u128 visit_u128 u128, Shape::Unsigned(16);
        deserialize_i16 visit_i16 i16, Shape::Signed(2);
        deserialize_i32 visit_i32 i32, Shape::Signed(4);
        deserialize_i64 visit_i64 i64, Shape::Signed(8);
        deserialize_i128 visit_i128 i128, Shape::Signed(16);
        deserialize_f32 visit_f32 f32, Shape::Float(4);
        deserialize_f64 visit_f64 f64, Shape::Float(8);
        deserialize_char visit_char char, Shape::Char;
    }

    fn deserialize_i8<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_i8(self.leaf(Shape::Signed(1)) as i8)
    }

    fn deserialize_bool<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(self.leaf(Shape::Bool) & 1 == 1)
    }

    fn deserialize_str<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(self.text(Shape::Text))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bytes(self.text(Shape::Bytes).as_bytes())
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_byte_buf(self.text(Shape::Bytes).as_bytes().to_vec())
    }

    /// Something that most types which ask for anything take.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.tracer.note(self.at, Part::Any);
        match self.sample() % 6 {
            0 => visitor.visit_unit(),
            1 => visitor.visit_u64(0),
            2 => visitor.visit_str(""),
            3 => visitor.visit_bool(false),
            4 => visitor.visit_seq(Each::new(self.tracer, Vec::new())),
            _ => visitor.visit_map(Nothing),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        let [of] = self.tracer.inner(self.at, |[of]| Part::Option(of));
        if !self.tracer.looks_into(of) {
            return visitor.visit_none();
        }
        self.deeper()?;
        let made = visitor.visit_some(Tracing { tracer: &mut *self.tracer, at: of });
        self.tracer.depth -= 1;
        made
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.tracer.note(self.at, Part::Tuple(Vec::new()));
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
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        let visit = |visitor: V, each: Each<'_>| {
            let at = each.of[0];
            visitor.visit_newtype_struct(Tracing { tracer: each.tracer, at })
        };
        self.structure(name, Style::New, (&[], 1), visit, visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let [of] = self.tracer.inner(self.at, |[of]| Part::List(of));
        let of = if self.tracer.looks_into(of) { vec![of] } else { Vec::new() };
        self.each(of, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        let of = match &self.tracer.parts[self.at] {
            Part::Tuple(of) => of.clone(),
            _ => {
                let of: Vec<_> = (0..len).map(|_| self.tracer.new_part()).collect();
                self.tracer.note(self.at, Part::Tuple(of.clone()));
                of
            }
        };
        self.each(of, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.structure(
            name,
            Style::Tuple,
            (&[], len),
            |visitor, each| visitor.visit_seq(each),
            visitor,
        )
    }

    fn deserialize_map<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        if self.tracer.parts[self.at] == Part::Any {
            return self.flattened(visitor);
        }
        let has_no_order = MAPS.iter().any(|map| type_name::<V::Value>().starts_with(map));
        let [key, value] = self.tracer.inner(
            self.at,
            match has_no_order {
                true => |[key, value]: [usize; 2]| Part::Map(key, value),
                false => |[key, value]: [usize; 2]| Part::Pairs(key, value),
            },
        );
        let is_open = self.tracer.looks_into(key) | self.tracer.looks_into(value);
        let of = if is_open { vec![key, value] } else { Vec::new() };
        self.deeper()?;
        let (at, tracer) = (self.at, self.tracer);
        let made = visitor.visit_map(Each::new(&mut *tracer, of));
        tracer.depth -= 1;
        // Keys that are names of fields: a struct with others flattened into it.
        if tracer.parts[key] == Part::Any {
            tracer.parts[at] = Part::Any;
        }
        made
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let visit = |visitor: V, each: Each<'_>| each.by_name(visitor);
        self.structure(name, Style::Named, (names, names.len()), visit, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deeper()?;
        let def = self.tracer.def(type_name::<V::Value>(), name, Some(variants));
        self.tracer.note(self.at, Part::Named(def));
        let variant = self.tracer.choose(def);
        if variants.is_empty() {
            return Err(Error::new(format!("{name} has no values")));
        }
        self.tracer.defs[def].n_open += 1;
        let value =
            visitor.visit_enum(OfVariant { tracer: &mut *self.tracer, at: (def, variant) })?;
        let def = &mut self.tracer.defs[def];
        def.n_open -= 1;
        def.variants[variant].is_made = true;
        self.tracer.depth -= 1;
        Ok(value)
    }
}

/// One of each part; of a map, its pairs.
#[derive(Debug)]
struct Each<'t> {
    tracer: &'t mut Tracer,
    of: Vec<usize>,
    nth: usize,
    /// Of what they are the fields: definition and variant.
    fields: Option<(usize, usize)>,
}

impl<'t> Each<'t> {
    fn new(tracer: &'t mut Tracer, of: Vec<usize>) -> Self {
        Self { tracer, of, nth: 0, fields: None }
    }

    fn of_fields(
        tracer: &'t mut Tracer,
        at: (usize, usize),
        style: Style,
        names: &[&'static str],
        n: usize,
    ) -> Self {
        let of = tracer.fields(at, style, names, n);
        Self { tracer, of, nth: 0, fields: Some(at) }
    }

    /// Gives the fields with their names. A name that is another one of a field before is none of a
    /// field's own from then on; and what takes no names gets a list from then on.
    fn by_name<'de, V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        let Some((def, variant)) = self.fields else { return visitor.visit_map(self) };
        if self.tracer.defs[def].is_list {
            return visitor.visit_seq(self);
        }
        let mut nth = 0;
        let names = Names { each: &mut self, nth: &mut nth, at: (def, variant) };
        let made = visitor.visit_map(names);
        let own = &mut self.tracer.defs[def];
        match made.as_ref().map_err(|error| error.kind) {
            Err(ErrorKind::NoMap) => own.is_list = true,
            // Other names stand beside the field's own, which is the one that is kept.
            Err(ErrorKind::Duplicate(name)) if nth > 1 => {
                if let Some((_, names, of)) = &mut own.variants[variant].parts {
                    if names.remove(nth - 1) == name {
                        names[nth - 2] = name;
                    }
                    of.remove(nth - 1);
                }
            }
            _ => {}
        }
        made
    }
}

/// Fields with their names.
struct Names<'a, 't> {
    each: &'a mut Each<'t>,
    /// How many were given.
    nth: &'a mut usize,
    at: (usize, usize),
}

impl<'de> MapAccess<'de> for Names<'_, '_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let (def, variant) = self.at;
        let parts = &self.each.tracer.defs[def].variants[variant].parts;
        let name = parts.as_ref().and_then(|(_, names, _)| names.get(*self.nth));
        let Some(name) = name else { return Ok(None) };
        *self.nth += 1;
        let name: StrDeserializer<'_, Error> = (*name).into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        self.each.next_value_seed(seed)
    }
}

impl<'de> SeqAccess<'de> for Each<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some(&at) = self.of.get(self.nth) else { return Ok(None) };
        self.nth += 1;
        seed.deserialize(Tracing { tracer: &mut *self.tracer, at }).map(Some)
    }
}

impl<'de> MapAccess<'de> for Each<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        self.next_element_seed(seed)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        let value = self.next_element_seed(seed)?;
        value.ok_or_else(|| Error::new("a value without a key"))
    }
}

/// A map with the names that were missed.
struct Missed<'t> {
    tracer: &'t mut Tracer,
    at: usize,
    /// How many were given.
    nth: usize,
}

impl<'de> MapAccess<'de> for Missed<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let names = self.tracer.missed.get(&self.at);
        let Some((name, _)) = names.and_then(|names| names.get(self.nth)) else { return Ok(None) };
        self.nth += 1;
        let name: StrDeserializer<'_, Error> = (*name).into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        let names = self.tracer.missed.get(&self.at);
        let of = names.and_then(|names| names.get(self.nth.checked_sub(1)?));
        let Some(&(_, at)) = of else { return Err(Error::new("a value without a key")) };
        seed.deserialize(Tracing { tracer: &mut *self.tracer, at })
    }
}

/// A map of nothing.
struct Nothing;

impl<'de> MapAccess<'de> for Nothing {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, _: K) -> Result<Option<K::Value>, Error> {
        Ok(None)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, _: T) -> Result<T::Value, Error> {
        Err(Error::new("a value without a key"))
    }
}

/// A variant of an enum.
struct OfVariant<'t> {
    tracer: &'t mut Tracer,
    at: (usize, usize),
}

impl<'t> OfVariant<'t> {
    fn each(self, style: Style, names: &[&'static str], n: usize) -> Each<'t> {
        Each::of_fields(self.tracer, self.at, style, names, n)
    }
}

impl<'de> EnumAccess<'de> for OfVariant<'_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let name = self.tracer.defs[self.at.0].variants[self.at.1].name.clone();
        let name: StringDeserializer<Error> = name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for OfVariant<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        self.tracer.fields(self.at, Style::Unit, &[], 0);
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        let at = self.tracer.fields(self.at, Style::New, &[], 1)[0];
        seed.deserialize(Tracing { tracer: self.tracer, at })
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(self.each(Style::Tuple, &[], len))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.each(Style::Named, names, names.len()).by_name(visitor)
    }
}
