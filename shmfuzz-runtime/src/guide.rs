//! How to do what, by tasks. There is nothing here but text.
//!
//! - [Your first fuzz test](first): from nothing to a mended bug.
//! - [Typed inputs](typed): numbers, lists, your own types, state, `async`.
//! - [From cargo-fuzz](from_cargo_fuzz), [from Go](from_go), [from proptest](from_proptest): what you
//!   know, and what it is called here.

#[doc = include_str!("guide/first.md")]
pub mod first {}
#[doc = include_str!("guide/typed.md")]
pub mod typed {}
#[doc = include_str!("guide/from_cargo_fuzz.md")]
pub mod from_cargo_fuzz {}
#[doc = include_str!("guide/from_go.md")]
pub mod from_go {}
#[doc = include_str!("guide/from_proptest.md")]
pub mod from_proptest {}
