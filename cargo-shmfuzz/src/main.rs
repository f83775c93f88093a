//! `cargo shmfuzz`: one executable, two roles.
//!
//! ```text
//! cargo shmfuzz run ──> cargo-shmfuzz shmfuzz run              the command (`commands`)
//!                         └─> cargo test --no-run              (`building`)
//!                               └─> cargo-shmfuzz rustc ..     the wrapper (`wrapper`)
//!                                     └─> [user's wrapper] rustc .. + our flags
//! ```
//!
//! This module owns only the choice between the two.
#![forbid(unsafe_code)]

mod building;
mod commands;
mod config;
mod discovery;
mod environment;
mod flags;
mod hooks;
mod probe;
mod toolchain;
mod workspace;
mod wrapper;

use std::process::ExitCode;

fn main() -> ExitCode {
    match wrapper::role() {
        Some(call) => call.replace_process(),
        None => commands::main(),
    }
}
