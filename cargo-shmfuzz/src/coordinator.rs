//! The coordinator of a campaign: it decides ([`engine`], pure) and does ([`driver`], effects).
//!
//! Invariant: everything the engine knows reached it as an [`event::Event`], and everything it
//! wants is an [`action::Action`]; so a campaign can be simulated without a process, a file or a
//! clock.

pub(crate) mod action;
pub(crate) mod campaign;
pub(crate) mod driver;
pub(crate) mod engine;
pub(crate) mod event;
pub(crate) mod interrupt;
pub(crate) mod notice;
pub(crate) mod plain;
pub(crate) mod store;
pub(crate) mod survey;
