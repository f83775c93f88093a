//! End-to-end tests: the built command over fixture crates.
