//! How a fuzz test can fail, and how each way is spelled in file names, events and messages.

/// One way to fail. The spelling of [`FailureKind::name`] is stable: it is the prefix of files
/// under `testdata/fuzz/` and the `kind` of JSON events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum FailureKind {
    /// The body panicked; the process lives on.
    Panic = 1,
    /// The body returned `Err`.
    Error = 2,
    /// The process was aborted: SIGABRT, a double panic, `std::process::abort`.
    Abort = 3,
    /// A fatal signal other than SIGABRT.
    Signal = 4,
    /// A thread ran off the end of its stack.
    StackOverflow = 5,
    /// The memory limit was passed, or an allocation failed.
    Oom = 6,
    /// One call ran longer than the timeout.
    Timeout = 7,
    /// The process ended itself with `exit`, whatever the status.
    Exit = 8,
    /// Memory was leaked.
    Leak = 9,
    /// A sanitizer reported an error.
    Sanitizer = 10,
}

impl FailureKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Panic,
        Self::Error,
        Self::Abort,
        Self::Signal,
        Self::StackOverflow,
        Self::Oom,
        Self::Timeout,
        Self::Exit,
        Self::Leak,
        Self::Sanitizer,
    ];

    /// The name used in JSON events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::Error => "error",
            Self::Abort => "abort",
            Self::Signal => "signal",
            Self::StackOverflow => "stack_overflow",
            Self::Oom => "oom",
            Self::Timeout => "timeout",
            Self::Exit => "exit",
            Self::Leak => "leak",
            Self::Sanitizer => "sanitizer",
        }
    }

    /// What stands before `-<hash>` in the name of a failing input's file. Panics and errors share
    /// `crash`: both end a call, not the process, and such a file is replayed in-process.
    pub const fn file_prefix(self) -> &'static str {
        match self {
            Self::Panic | Self::Error => "crash",
            other => other.name(),
        }
    }

    /// Whether the process outlives such a failure, so that it can be replayed in-process.
    pub const fn is_recoverable(self) -> bool {
        matches!(self, Self::Panic | Self::Error)
    }

    /// The kind with this number, as stored in the mapping.
    pub fn from_u32(n: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|k| *k as u32 == n)
    }

    /// Whether a file of this name holds an input that ends the process: it must not be replayed
    /// in the process of other tests.
    pub fn file_ends_process(file_name: &str) -> bool {
        Self::ALL
            .into_iter()
            .filter(|k| !k.is_recoverable())
            .any(|k| file_name.strip_prefix(k.name()).is_some_and(|rest| rest.starts_with('-')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_kinds_agree() {
        for kind in FailureKind::ALL {
            assert_eq!(FailureKind::from_u32(kind as u32), Some(kind));
        }
        assert_eq!(FailureKind::from_u32(0), None);
        assert_eq!(FailureKind::from_u32(11), None);
    }

    #[test]
    fn only_process_ending_files_are_set_apart() {
        assert!(FailureKind::file_ends_process("stack_overflow-0a1b"));
        assert!(FailureKind::file_ends_process("exit-0a1b"));
        assert!(!FailureKind::file_ends_process("crash-0a1b"));
        assert!(!FailureKind::file_ends_process("exit"));
        assert!(!FailureKind::file_ends_process("exits-on-empty"));
    }
}
