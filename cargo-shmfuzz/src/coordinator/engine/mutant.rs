//! Deliberate faults of the engine, one for each invariant that the simulation checks: a check
//! that no fault can trip proves nothing. Outside of tests nothing is ever mutated.

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mutant {
    /// A busy worker is taken for an idle one.
    AskTwice,
    /// A dead worker is kept.
    KeepDead,
    /// A finding is shown without being written.
    ShowUnsaved,
    /// Buckets are not remembered.
    ForgetBuckets,
    /// A place may have one message more.
    CrowdPlaces,
    /// The entries of a worker that died are not read.
    ForgetEntriesOfDead,
    /// What every worker finds is saved, whether it is new or not.
    SaveStale,
    /// A worker that does not stop is waited for.
    WaitForever,
    /// The calls of a worker that died do not count.
    ForgetCallsOfDead,
    /// One more worker runs than asked for.
    OneJobMore,
    /// Something is said after the end.
    SpeakAfterFinish,
    /// The tag in a worker's answer is believed.
    TrustTags,
    /// The campaign's time is not watched.
    IgnoreDeadline,
    /// A seed that ends the process is given to the next worker.
    RunFatalSeedAgain,
    /// What a worker has run is forgotten.
    LoadAgain,
    /// A committed seed that fails counts as a finding.
    SeedIsFinding,
}
