//! Changes to values of which only their JSON is known.

use super::{FLOATS, INTERESTING};
use crate::worker::random::Random;
use serde_json::{Number, Value as Json};

/// The text of another value; `None` if this is no JSON, or nothing was found to change.
pub(super) fn change(text: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let mut json: Json = serde_json::from_slice(text).ok()?;
    let before = json.clone();
    let at = random.index(count(&json));
    change_nth(&mut json, at, random);
    (json != before).then(|| json.to_string().into_bytes())
}

/// How many values it is made of, itself among them.
fn count(json: &Json) -> usize {
    1 + match json {
        Json::Array(list) => list.iter().map(count).sum(),
        Json::Object(map) => map.values().map(count).sum(),
        _ => 0,
    }
}

fn change_nth(json: &mut Json, mut nth: usize, random: &mut Random) {
    if nth == 0 {
        return change_one(json, random);
    }
    nth -= 1;
    let inner: Vec<&mut Json> = match json {
        Json::Array(list) => list.iter_mut().collect(),
        Json::Object(map) => map.values_mut().collect(),
        _ => return,
    };
    for json in inner {
        let n = count(json);
        if nth < n {
            return change_nth(json, nth, random);
        }
        nth -= n;
    }
}

fn change_one(json: &mut Json, random: &mut Random) {
    match json {
        Json::Null => *json = small(random),
        Json::Bool(is) => *is = !*is,
        Json::Number(number) => *number = other_number(number, random),
        Json::String(text) => change_text(text, random),
        Json::Array(list) => {
            let at = random.index(list.len().max(1));
            match (random.below(4), list.is_empty()) {
                (0, false) => drop(list.remove(at)),
                (1, false) => list.insert(at, list[at].clone()),
                (2, false) => {
                    let other = random.index(list.len());
                    list.swap(at, other);
                }
                _ => list.push(small(random)),
            }
        }
        Json::Object(map) => {
            let keys: Vec<_> = map.keys().cloned().collect();
            let Some(key) = keys.get(random.index(keys.len().max(1))) else { return };
            match random.below(3) {
                0 => drop(map.remove(key)),
                1 => drop(map.insert(key.clone(), small(random))),
                _ => {
                    // The value of another key.
                    let other = &keys[random.index(keys.len())];
                    let value = map[other].clone();
                    map.insert(key.clone(), value);
                }
            }
        }
    }
}

fn small(random: &mut Random) -> Json {
    match random.below(6) {
        0 => Json::Null,
        1 => Json::Bool(random.one_in(2)),
        2 => random.below(17).into(),
        3 => Json::String(String::new()),
        4 => Json::Array(Vec::new()),
        _ => Json::Object(serde_json::Map::new()),
    }
}

fn other_number(number: &Number, random: &mut Random) -> Number {
    let step = i64::from(random.below(35)) - 17;
    match (random.below(4), number.as_i64()) {
        (0, _) => INTERESTING[random.index(INTERESTING.len())].into(),
        (1, _) => {
            let float = FLOATS[random.index(FLOATS.len())];
            Number::from_f64(float).unwrap_or_else(|| 0.into())
        }
        (2, Some(n)) => (n ^ (1 << random.below(63))).into(),
        (_, Some(n)) => n.wrapping_add(step).into(),
        (_, None) => {
            let float = number.as_f64().unwrap_or_default() + step as f64 / 4.0;
            Number::from_f64(float).unwrap_or_else(|| 0.into())
        }
    }
}

fn change_text(text: &mut String, random: &mut Random) {
    let mut chars: Vec<char> = text.chars().collect();
    let at = random.index(chars.len().max(1));
    let other = super::text::random_char(random);
    match (random.below(4), chars.is_empty()) {
        (0, false) => drop(chars.remove(at)),
        (1, false) => chars[at] = other,
        (2, false) => chars.insert(at, chars[at]),
        _ => chars.insert(at.min(chars.len()), other),
    }
    *text = chars.into_iter().collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_json_and_all_parts_change() {
        let mut random = Random::from_state(3, 5);
        let text = br#"{"a":[1,-2.5,"x"],"b":null,"c":true}"#;
        let mut seen = [false; 4];
        for _ in 0..2000 {
            let Some(new) = change(text, &mut random) else { continue };
            let json: Json = serde_json::from_slice(&new).unwrap();
            seen[0] |= json["a"][0] != 1 && json["a"][1] == -2.5;
            seen[1] |= json["a"][2].as_str().is_some_and(|text| text != "x");
            seen[2] |= json["c"] == false;
            seen[3] |= json.get("b").is_none();
        }
        assert_eq!(seen, [true; 4]);
        assert_eq!(change(b"{", &mut random), None);
    }
}
