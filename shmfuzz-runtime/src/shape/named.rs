//! Structs and enums of the user's, which a [`Shape`] holds by reference: so a type may hold itself.

use super::{MOST_NESTED, Shape};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// A struct or an enum of the user's.
pub struct Named {
    name: String,
    /// Set once it has been read to its end, which it may be in the middle of.
    body: OnceLock<Body>,
    /// Of an enum, the variant whose values nest the least and have the fewest fields.
    simplest: OnceLock<usize>,
}

/// What a [`Named`] is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A struct.
    Struct(Fields),
    /// An enum: which variant stands before its fields, in a byte, or in two if there are more than 256.
    Enum(Vec<Variant>),
}

/// A variant of an enum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Its name, as it is serialized.
    pub name: String,
    /// What it holds.
    pub fields: Fields,
}

/// What a struct or a variant holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    /// How they are written.
    pub style: Style,
    /// Their names, if they have any.
    pub names: Vec<String>,
    /// Their types, in order.
    pub of: Vec<Shape>,
}

/// How the fields of a struct or a variant are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `Name`.
    Unit,
    /// `Name(a)`.
    New,
    /// `Name(a, b)`.
    Tuple,
    /// `Name { a, b }`.
    Named,
}

/// The greatest depth of a value whose types nest without end; the same number stands for those.
const ENDLESS: usize = usize::MAX;

impl Named {
    /// One whose body is to come.
    pub(crate) fn new(name: String) -> Arc<Self> {
        Arc::new(Self { name, body: OnceLock::new(), simplest: OnceLock::new() })
    }

    /// Gives it its body, once.
    pub(crate) fn set(&self, body: Body) {
        let _ = self.body.set(body);
    }

    /// The type's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is made of.
    pub fn body(&self) -> &Body {
        const NOTHING: &Body =
            &Body::Struct(Fields { style: Style::Unit, names: Vec::new(), of: Vec::new() });
        self.body.get().unwrap_or(NOTHING)
    }

    /// How many bytes say which variant it is: none of a struct.
    pub fn tag_width(&self) -> usize {
        match self.body() {
            Body::Struct(_) => 0,
            Body::Enum(variants) if variants.len() <= 256 => 1,
            Body::Enum(_) => 2,
        }
    }

    /// Which variant these bytes stand for in a value that is in so many others. Without any, at the
    /// end of the input, it is the simplest one: zeros might be one that nests, and its parts as well.
    pub fn variant(&self, tag: Option<usize>, depth: usize) -> usize {
        match (self.body(), tag) {
            (Body::Enum(variants), Some(tag)) if depth < MOST_NESTED => tag % variants.len().max(1),
            _ => self.simplest(),
        }
    }

    /// Puts which variant it is behind what is there.
    pub fn put_tag(&self, variant: usize, to: &mut Vec<u8>) {
        to.extend_from_slice(&variant.to_le_bytes()[..self.tag_width()]);
    }

    /// The fields of a variant, or of the struct.
    pub fn fields_of(&self, variant: usize) -> &Fields {
        const NONE: &Fields = &Fields { style: Style::Unit, names: Vec::new(), of: Vec::new() };
        match self.body() {
            Body::Struct(fields) => fields,
            Body::Enum(variants) => variants.get(variant).map_or(NONE, |variant| &variant.fields),
        }
    }

    /// Its variant of this name.
    pub fn variant_named(&self, name: &str) -> Option<&Variant> {
        match self.body() {
            Body::Enum(variants) => variants.iter().find(|variant| variant.name == name),
            Body::Struct(_) => None,
        }
    }

    /// Of an enum, the variant whose values nest the least; where values nest too deep, all
    /// others are read as this one.
    pub fn simplest(&self) -> usize {
        self.simplest.get().copied().unwrap_or(0)
    }

    /// Finds the simplest variants of all enums. False if one of the types has no value that ends.
    pub(crate) fn settle(all: &[Arc<Self>]) -> bool {
        let mut depths = vec![ENDLESS; all.len()];
        // Each round settles those that need only what is settled, so there are no more rounds than types.
        loop {
            let before = depths.clone();
            for (nth, named) in all.iter().enumerate() {
                depths[nth] = named.depth(all, &before);
            }
            if depths == before {
                break;
            }
        }
        for named in all {
            if let Body::Enum(variants) = named.body() {
                let fields = |nth: &usize| &variants[*nth].fields;
                let cost = |nth: &usize| (fields(nth).depth(all, &depths), fields(nth).of.len());
                let simplest = (0..variants.len()).min_by_key(cost).unwrap_or(0);
                let _ = named.simplest.set(simplest);
            }
        }
        !depths.contains(&ENDLESS)
    }

    fn depth(&self, all: &[Arc<Self>], depths: &[usize]) -> usize {
        let inner = match self.body() {
            Body::Struct(fields) => fields.depth(all, depths),
            Body::Enum(variants) => {
                let depths = variants.iter().map(|variant| variant.fields.depth(all, depths));
                depths.min().unwrap_or(ENDLESS)
            }
        };
        inner.saturating_add(1)
    }
}

impl Fields {
    fn depth(&self, all: &[Arc<Named>], depths: &[usize]) -> usize {
        self.of.iter().map(|shape| depth(shape, all, depths)).max().unwrap_or(0)
    }
}

fn depth(shape: &Shape, all: &[Arc<Named>], depths: &[usize]) -> usize {
    match shape {
        Shape::Array(_, of) => depth(of, all, depths),
        Shape::Tuple(of) => of.iter().map(|shape| depth(shape, all, depths)).max().unwrap_or(0),
        Shape::Result(a, b) => depth(a, all, depths).max(depth(b, all, depths)),
        Shape::Named(named) => {
            let nth = all.iter().position(|other| Arc::ptr_eq(other, named));
            nth.map_or(ENDLESS, |nth| depths[nth])
        }
        _ => 0,
    }
}

/// The same type, or one that another binary knows by the same name.
impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other) || self.name == other.name
    }
}

impl Eq for Named {}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
