//! Seeded campaigns with simulated workers that answer, crash, hang, lie and die, and a check of
//! the engine's invariants after every step; and for each invariant an engine with a fault that
//! the check must find.

mod act;
mod check;
mod draw;
mod world;

use super::mutant::Mutant;
use check::Invariant;
use std::panic::{AssertUnwindSafe, catch_unwind};
use world::{LEAKY, STATEFUL, World};

/// Runs the campaign of a seed; -> the first invariant that did not hold.
fn violation(seed: u64, mutant: Option<Mutant>) -> Option<(Invariant, String)> {
    let run = AssertUnwindSafe(|| World::new(seed, mutant).run());
    catch_unwind(run).unwrap_or_else(|panic| {
        let message = panic.downcast_ref::<String>().cloned();
        Some((Invariant::NoPanic, message.unwrap_or_else(|| "a panic".to_owned())))
    })
}

#[test]
fn invariants_hold_in_thousands_of_campaigns() {
    for seed in (0..3000).chain(LEAKY..LEAKY + 500).chain(STATEFUL..STATEFUL + 300) {
        if let Some((invariant, what)) = violation(seed, None) {
            panic!("seed {seed}: {invariant:?}: {what}");
        }
    }
}

#[test]
fn a_campaign_repeats() {
    for seed in 0..20 {
        let trace = || World::new(seed, None).trace();
        assert_eq!(trace(), trace(), "seed {seed}");
    }
}

/// Whether some seed of the batch shows that an invariant does not hold in the mutant.
fn is_caught(mutant: Mutant, invariant: Invariant) -> bool {
    (0..1000).any(|seed| violation(seed, Some(mutant)).is_some_and(|(found, _)| found == invariant))
}

#[test]
fn every_mutant_is_caught_by_its_invariant() {
    for (mutant, invariant) in [
        (Mutant::AskTwice, Invariant::OneRequest),
        (Mutant::KeepDead, Invariant::LivingOnly),
        (Mutant::ShowUnsaved, Invariant::SavedBeforeShown),
        (Mutant::ForgetBuckets, Invariant::OncePerBucket),
        (Mutant::CrowdPlaces, Invariant::FewPerPlace),
        (Mutant::ForgetEntriesOfDead, Invariant::EntriesSaved),
        (Mutant::SaveStale, Invariant::EntriesSaved),
        (Mutant::WaitForever, Invariant::InterruptEnds),
        (Mutant::ForgetCallsOfDead, Invariant::RunsExact),
        (Mutant::OneJobMore, Invariant::JobsBound),
        (Mutant::SpeakAfterFinish, Invariant::FinishLast),
        (Mutant::TrustTags, Invariant::NoPanic),
        (Mutant::IgnoreDeadline, Invariant::DeadlineEnds),
        (Mutant::RunFatalSeedAgain, Invariant::FatalOnce),
        (Mutant::LoadAgain, Invariant::LoadedOnce),
        (Mutant::SeedIsFinding, Invariant::FindingsReal),
    ] {
        assert!(is_caught(mutant, invariant), "{mutant:?} is not caught by {invariant:?}");
    }
}

#[test]
fn the_campaigns_reach_what_they_check() {
    let traces: Vec<_> = (0..600)
        .chain(LEAKY..LEAKY + 100)
        .chain(STATEFUL..STATEFUL + 50)
        .flat_map(|seed| World::new(seed, None).trace())
        .collect();
    for what in [
        "Show(Finding(",
        "reproducible: Yes",
        "reproducible: NotTried",
        "reproducible: InSequence { n_inputs: 2 }",
        "reproducible: Sometimes {",
        "has_journal: true",
        "seed: \"sequence-1\"",
        "Show(Minimized",
        "replaces: Some",
        "Show(PassesPlain",
        "kind: Leak, message: \"memory grows by about",
        "and no input was seen to leak alone",
        "shelf: Cache",
        "Show(Known",
        "Show(Broken",
        "different messages",
        "limit: Smallest",
        "limit: Time",
        "limit: Setbacks",
        "Show(NewEntry",
        "Show(Loading",
        "is_done: true",
        "freight: Known([Known",
        "source: Attribute, first: 2",
        "freight: Room(",
        "Interrupt {",
        "end: Runs",
        "end: Time",
        "end: Crash",
        "end: Interrupted",
        "end: Broken",
        "exit: Nothing",
        "exit: Found",
        "exit: Harness",
    ] {
        let n = traces.iter().filter(|line| line.contains(what)).count();
        assert!(n >= 3, "{what:?} happens {n} times");
    }
}
