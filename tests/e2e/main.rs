//! End-to-end tests: the built command over fixture crates, as a user runs it.
//!
//! Each fixture under `fixtures/` is a workspace of its own with a disarmed manifest. A test works
//! on a copy of it, with private cache and temporary directories; all copies share one target
//! directory, so that dependencies are compiled once.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "all of this is a test, helper functions too")]

mod project;
mod run;

mod campaign;
mod commands;
mod conformance;
mod corpus;
mod death;
mod dictionaries;
mod events;
mod examples;
mod faults;
mod findings;
mod harness;
mod instrumentation;
mod interruption;
mod kinds;
mod leaks;
mod loading;
mod migration;
mod minimization;
mod nuisances;
mod packages;
mod recovery;
mod repeating;
mod seeds;
mod sequences;
mod setups;
mod slow;
mod stability;
mod structured;
mod typed;
mod ways;
