//! What fuzz tests link.

pub mod area;
pub mod bucket;
pub mod entries;
pub mod kind;
pub mod layout;
pub mod mapping;
pub mod message;
pub mod record;
#[cfg(feature = "coordinator")]
mod space;
pub mod turn;
pub mod words;
