//! The coordinator of a campaign: it decides ([`engine`], pure) and does ([`driver`], effects).
//!
//! Invariant: everything the engine knows reached it as an [`event::Event`], and everything it
//! wants is an [`action::Action`]; so a campaign can be simulated without a process, a file or a
//! clock.

pub mod action;
pub mod campaign;
pub mod driver;
pub mod engine;
pub mod event;
mod interrupt;
pub mod notice;
pub mod plain;
pub mod store;
