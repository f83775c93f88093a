//! How the command ends: the exit codes, and the errors that carry one.
//!
//! The codes are part of the interface (nextest's, where it has one for the same thing).

use crate::building::BuildError;
use crate::coordinator::notice::Exit;
use std::process;

/// An exit code of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitCode {
    /// Nothing was found, and something was done.
    Nothing = 0,
    /// Wrong usage: what clap refuses, and what can only be refused later.
    Usage = 2,
    /// No fuzz test matched.
    NoMatch = 4,
    /// Something that should work did not: a bug of the command, or the machine's trouble.
    Internal = 70,
    /// A harness never reached its fuzz test, the configuration is bad, the toolchain unusable.
    Harness = 96,
    /// A failure was found.
    Found = 100,
    /// The build failed.
    Build = 101,
    /// Ctrl-C before the campaign, or in a survey, of which only a part is known then: the shell's
    /// convention for it.
    Interrupted = 130,
}

impl ExitCode {
    /// The number.
    pub(crate) fn number(self) -> u8 {
        self as u8
    }
}

impl From<ExitCode> for process::ExitCode {
    fn from(code: ExitCode) -> Self {
        code.number().into()
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Nothing => Self::Nothing,
            Exit::Found => Self::Found,
            Exit::Harness => Self::Harness,
            Exit::Unsaved => Self::Internal,
        }
    }
}

/// Why a command could not do its work, and with which code it ends.
#[derive(Debug)]
pub(crate) struct Failed {
    /// The exit code.
    pub(crate) code: ExitCode,
    /// What to say.
    pub(crate) error: anyhow::Error,
}

impl Failed {
    /// An error that ends the command with this code.
    pub(crate) fn new(code: ExitCode, error: impl Into<anyhow::Error>) -> Self {
        Self { code, error: error.into() }
    }
}

impl From<BuildError> for Failed {
    fn from(error: BuildError) -> Self {
        let code = match &error {
            BuildError::Cargo { .. } => ExitCode::Build,
            BuildError::Unusable(_) => ExitCode::Harness,
            BuildError::Internal(_) => ExitCode::Internal,
        };
        Self::new(code, error)
    }
}

/// Whatever nobody has given another code is internal.
impl From<anyhow::Error> for Failed {
    fn from(error: anyhow::Error) -> Self {
        Self::new(ExitCode::Internal, error)
    }
}
