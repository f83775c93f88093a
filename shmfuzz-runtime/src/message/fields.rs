//! How messages are spelled in JSON: their fields by name and in order, variants in snake case.
//!
//! Written out here and not derived: the derive is made of more than the rest of what the runtime
//! needs of serde, and everybody's first test build would wait for it. Whoever adds a field is told
//! by the compiler to name it here. What is not known is passed over, but for a message without fields,
//! which has none.

use super::{
    Coverage, Flickering, Fuzz, Fuzzed, Hello, JobEnd, Load, Loaded, Minimize, Minimized, Replay,
    Replayed, Reply, Request, Setup, Source, Survey, Surveyed,
};
use crate::bucket::Bucket;
use serde_core::de::{DeserializeOwned, Error as _};
use serde_core::ser::{SerializeMap, Serializer};
use serde_core::{Deserialize, Deserializer, Serialize};
use serde_json::{Error, Map, Value as Json};

/// What is written field by field.
trait Fields: Sized {
    /// Writes them.
    fn put<M: SerializeMap>(&self, to: &mut M) -> Result<(), M::Error>;

    /// Takes them off those of an object.
    fn take(from: &mut Map<String, Json>) -> Result<Self, Error>;
}

/// Takes a field off an object. One that is not there is as if it were `null`, which an `Option`
/// takes.
fn field<T: DeserializeOwned>(from: &mut Map<String, Json>, name: &str) -> Result<T, Error> {
    match from.remove(name) {
        Some(value) => {
            T::deserialize(value).map_err(|error| Error::custom(format_args!("{name}: {error}")))
        }
        None => T::deserialize(Json::Null)
            .map_err(|_| Error::custom(format_args!("missing field `{name}`"))),
    }
}

/// That nothing is left of an object.
fn nothing(from: &Map<String, Json>) -> Result<(), Error> {
    match from.keys().next() {
        Some(name) => Err(Error::custom(format_args!("unknown field `{name}`"))),
        None => Ok(()),
    }
}

/// Serde's two traits, by the two functions of [`Fields`].
macro_rules! by_fields {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(None)?;
                self.put(&mut map)?;
                map.end()
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::take(&mut Map::deserialize(deserializer)?).map_err(D::Error::custom)
            }
        }
    };
}

macro_rules! record {
    ($name:ident { $($field:ident),* }) => {
        impl Fields for $name {
            fn put<M: SerializeMap>(&self, to: &mut M) -> Result<(), M::Error> {
                let Self { $($field),* } = self;
                $(to.serialize_entry(stringify!($field), $field)?;)*
                Ok(())
            }

            fn take(from: &mut Map<String, Json>) -> Result<Self, Error> {
                Ok(Self { $($field: field(from, stringify!($field))?),* })
            }
        }

        by_fields!($name);
    };
}

/// An enum whose variants are told by one field, beside those of what they hold.
macro_rules! tagged {
    ($name:ident by $tag:literal { $($text:literal => $variant:ident $(($of:ident))?),* $(,)? }) => {
        impl Fields for $name {
            fn put<M: SerializeMap>(&self, to: &mut M) -> Result<(), M::Error> {
                match self {
                    $(tagged!(@pattern own $variant $($of)?) => {
                        to.serialize_entry($tag, $text)?;
                        $(<$of as Fields>::put(own, to)?;)?
                    })*
                }
                Ok(())
            }

            fn take(from: &mut Map<String, Json>) -> Result<Self, Error> {
                match field::<String>(from, $tag)?.as_str() {
                    $($text => tagged!(@take from $variant $($of)?),)*
                    other => Err(Error::custom(format_args!("unknown {} `{other}`", $tag))),
                }
            }
        }

        by_fields!($name);
    };
    (@pattern $own:ident $variant:ident) => { Self::$variant {} };
    (@pattern $own:ident $variant:ident $of:ident) => { Self::$variant($own) };
    (@take $from:ident $variant:ident) => { nothing($from).map(|()| Self::$variant {}) };
    (@take $from:ident $variant:ident $of:ident) => { $of::take($from).map(Self::$variant) };
}

/// An enum whose variants are a text each, or an object of that one name.
macro_rules! choice {
    ($name:ident { $($text:literal => $variant:ident $({ $field:ident })?),* $(,)? }) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$variant $({ $field })? => choice!(@put serializer $text $($field)?),)*
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let (text, mut from) = match Json::deserialize(deserializer)? {
                    Json::String(text) => (text, None),
                    Json::Object(object) if object.len() == 1 => match object.into_iter().next() {
                        Some((text, Json::Object(fields))) => (text, Some(fields)),
                        _ => return Err(D::Error::custom("a variant without its fields")),
                    },
                    _ => return Err(D::Error::custom("no variant")),
                };
                match (text.as_str(), &mut from) {
                    $(choice!(@pattern $text $($field)?, fields) => {
                        Ok(Self::$variant $({
                            $field: field(fields, stringify!($field)).map_err(D::Error::custom)?
                        })?)
                    })*
                    _ => Err(D::Error::custom(format_args!("unknown variant `{text}`"))),
                }
            }
        }
    };
    (@put $to:ident $text:literal) => { $to.serialize_str($text) };
    (@put $to:ident $text:literal $field:ident) => {{
        let mut map = $to.serialize_map(Some(1))?;
        map.serialize_entry($text, &Json::from_iter([(stringify!($field), *$field)]))?;
        map.end()
    }};
    (@pattern $text:literal, $fields:ident) => { ($text, None) };
    (@pattern $text:literal $field:ident, $fields:ident) => { ($text, Some($fields)) };
}

record!(Setup { max_len, silent, data_limit, random, by_work, is_guarded, n_tokens });
record!(Load { source, first, budget_ms });
record!(Fuzz { budget_ms, max_execs, silent });
record!(Minimize { bucket, budget_ms, id });
record!(Replay { times, is_sequence });
record!(Hello { runtime, test, n_counters, n_pcs, n_seeds });
record!(Coverage { edges, features, entries, checked, flickering });
record!(Loaded { end, n_run, n_invalid, first_moved, execs, coverage });
record!(Fuzzed { end, execs, extra_execs, silenced, rejected, input_bytes, first_moved, coverage });
record!(Minimized { end, execs, reproduced });
record!(Replayed { end, execs, rejected });
record!(Survey { source, first, times, budget_ms });
record!(Surveyed { end, n_run, execs, flickering, coverage });
record!(Flickering { counter, pc, n_inputs });
tagged!(Request by "request" {
    "ping" => Ping,
    "setup" => Setup(Setup),
    "load" => Load(Load),
    "fuzz" => Fuzz(Fuzz),
    "minimize" => Minimize(Minimize),
    "replay" => Replay(Replay),
    "survey" => Survey(Survey),
    "stop" => Stop,
});
tagged!(Reply by "reply" {
    "hello" => Hello(Hello),
    "pong" => Pong,
    "ready" => Ready,
    "loaded" => Loaded(Loaded),
    "fuzzed" => Fuzzed(Fuzzed),
    "minimized" => Minimized(Minimized),
    "replayed" => Replayed(Replayed),
    "surveyed" => Surveyed(Surveyed),
});
choice!(Source {
    "inbox" => Inbox,
    "input_area" => InputArea { tag },
    "attribute" => Attribute,
    "known" => Known,
});
choice!(JobEnd {
    "done" => Done,
    "stopped" => Stopped,
    "failed" => Failed,
    "log_full" => LogFull,
    "journal_full" => JournalFull,
    "large_entry" => LargeEntry,
    "needs_capacity" => NeedsCapacity { bytes },
});

impl Serialize for Bucket {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for Bucket {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(Self)
    }
}
