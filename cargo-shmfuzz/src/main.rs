//! `cargo shmfuzz`: one executable, three roles.
//!
//! ```text
//! cargo shmfuzz run ──> cargo-shmfuzz shmfuzz run              the command (`commands`)
//!                         └─> cargo-shmfuzz cargo ..           the tether (`tether`), becomes
//!                             cargo test --no-run              (`building`)
//!                               └─> cargo-shmfuzz rustc ..     the wrapper (`wrapper`)
//!                                     └─> [user's wrapper] rustc .. + our flags
//! ```
//!
//! This module owns only the choice among the three, and that a panic ends with the exit code of an
//! internal error.
#![forbid(unsafe_code)]

mod build_folders;
mod building;
mod cli;
mod commands;
mod config;
mod coordinator;
mod describing;
mod dictionary;
mod discovery;
mod environment;
mod exit_code;
mod filter;
mod flags;
mod hooks;
mod machine;
mod options;
mod probe;
mod report;
mod show;
mod source;
mod stack;
mod tether;
mod toolchain;
mod workspace;
mod wrapper;

use crate::exit_code::ExitCode;

fn main() -> std::process::ExitCode {
    // First: the tether of a fuzzing build has the wrapper's plan in its environment, too.
    if let Some(call) = tether::role() {
        return call.replace_process();
    }
    match wrapper::role() {
        Some(call) => call.replace_process(),
        // Rust's own code for a panic, 101, is here the code of a build that failed.
        None => std::panic::catch_unwind(commands::main).unwrap_or(ExitCode::Internal).into(),
    }
}
