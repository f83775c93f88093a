//! Structs and enums as text, as serde writes them: a struct is an object, a list, or what it holds if
//! that is one thing; a variant its name, or an object of its name and what it holds.

use super::{Reader, Writer, json_of as json, put as put_value, put_all, unlike, variant};
use crate::shape::{Body, Fields, MOST_NESTED, Named, Style};
use serde_json::{Map, Value as Json, json};

pub(super) fn json_of(named: &Named, from: &mut Reader<'_>) -> Json {
    let depth = from.depth;
    let variant = from.variant(named);
    from.depth += 1;
    let fields = named.fields_of(variant);
    let held = held(fields, from);
    from.depth = depth;
    match named.body() {
        Body::Struct(_) => held,
        Body::Enum(variants) => match variants.get(variant) {
            Some(variant) if variant.fields.style == Style::Unit => json!(variant.name),
            Some(variant) => Json::Object(Map::from_iter([(variant.name.clone(), held)])),
            None => Json::Null,
        },
    }
}

fn held(fields: &Fields, from: &mut Reader<'_>) -> Json {
    let mut values = fields.of.iter().map(|shape| json(shape, from));
    match fields.style {
        Style::Unit => Json::Null,
        Style::New => values.next().unwrap_or(Json::Null),
        Style::Tuple => values.collect(),
        Style::Named => Json::Object(fields.names.iter().cloned().zip(values).collect()),
    }
}

/// Whether a value of it may be null.
pub(super) fn is_nullable(named: &Named) -> bool {
    match named.body() {
        Body::Enum(_) => false,
        Body::Struct(fields) => match (fields.style, &fields.of[..]) {
            (Style::Unit, _) => true,
            (Style::New, [of]) => super::is_nullable(of),
            _ => false,
        },
    }
}

pub(super) fn put(named: &Named, json: &Json, to: &mut Writer) -> Result<(), String> {
    let (nth, held) = match named.body() {
        Body::Struct(_) => (0, json),
        Body::Enum(_) => find(named, json)?,
    };
    if named.variant(Some(nth), to.depth) != nth {
        return Err(format!(": {} is nested deeper than {MOST_NESTED} times", named.name()));
    }
    named.put_tag(nth, to);
    to.depth += 1;
    put_held(named.fields_of(nth), held, to)?;
    to.depth -= 1;
    Ok(())
}

/// Which variant a value is, and what it holds.
fn find<'a>(named: &Named, json: &'a Json) -> Result<(usize, &'a Json), String> {
    let Body::Enum(variants) = named.body() else { return Ok((0, json)) };
    let found = variants.iter().enumerate().find_map(|(nth, one)| match one.fields.style {
        Style::Unit => (json.as_str() == Some(&*one.name)).then_some((nth, json)),
        _ => variant(json, &one.name).map(|held| (nth, held)),
    });
    found.ok_or_else(|| unlike(&format!("a variant of {}", named.name()), json))
}

fn put_held(fields: &Fields, json: &Json, to: &mut Writer) -> Result<(), String> {
    match fields.style {
        Style::Unit => Ok(()),
        Style::New => fields.of.iter().try_for_each(|shape| put_value(shape, json, to)),
        Style::Tuple => {
            let list = json.as_array().filter(|list| list.len() == fields.of.len());
            let list =
                list.ok_or_else(|| unlike(&format!("a list of {}", fields.of.len()), json))?;
            put_all(fields.of.iter().zip(list), to)
        }
        Style::Named => {
            let map = json.as_object().ok_or_else(|| unlike("an object", json))?;
            for (name, shape) in fields.names.iter().zip(&fields.of) {
                let value = map.get(name).ok_or_else(|| format!(": field {name:?} is missing"))?;
                put_value(shape, value, to).map_err(|why| format!(".{name}{why}"))?;
            }
            let is_unknown = |name: &&String| !fields.names.contains(name);
            match map.keys().find(is_unknown) {
                Some(name) => Err(format!(": there is no field {name:?}")),
                None => Ok(()),
            }
        }
    }
}
