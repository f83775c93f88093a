//! What fuzz tests link.

pub mod bucket;
pub mod kind;
pub mod record;
