//! What changes and makes inputs beside the mutators that come with us: the user's functions, and what
//! the types of the arguments come with.
//!
//! Invariant: they run outside of calls. What goes wrong in them is no finding, but ends the worker
//! with a message.

use super::Context;
use super::edit::{self, Room};
use crate::area::Area;
use crate::fuzz_test::{FuzzTest, Generate, Mutate};
use crate::message::EXIT_MUTATOR;
use crate::record::InputKind;
use crate::role;
use crate::worker::random::Random;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The functions that there are.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::worker) struct Own {
    mutate: Option<Mutate>,
    generate: Option<Generate>,
}

/// How often a mutator stands among the arms, which are as likely as any other to begin with: as often
/// as all others together stand for a change of one kind.
const N_MUTATE: usize = 6;

impl Own {
    pub(in crate::worker) fn of(test: &FuzzTest) -> Self {
        Self { mutate: test.mutate, generate: test.generate }
    }

    #[inline]
    pub(in crate::worker) fn is_some(self) -> bool {
        self.mutate.is_some() || self.generate.is_some()
    }

    /// What the user's generator makes of a number.
    pub(in crate::worker) fn made(self, number: u64) -> Option<Vec<u8>> {
        let generate = self.generate?;
        Some(guarded("generator", || generate(number)))
    }

    /// How many arms they are.
    pub(super) fn n_arms(self) -> usize {
        let n_mutate = if self.mutate.is_some() { N_MUTATE } else { 0 };
        n_mutate + usize::from(self.generate.is_some())
    }

    /// Makes the mutation of one of them; false if it found nothing to do.
    #[cold]
    pub(super) fn apply(
        self,
        arm: usize,
        area: &mut Area<'_>,
        random: &mut Random,
        context: &Context<'_>,
    ) -> bool {
        let number = random.bits();
        let made = match self.mutate {
            Some(mutate) if arm < N_MUTATE => {
                let mut input = area.as_slice().to_vec();
                guarded("mutator", || mutate(&mut input, number)).then_some(input)
            }
            _ => self.made(number),
        };
        let Some(made) = made else { return false };
        let is_input = context.kind == InputKind::Bytes || std::str::from_utf8(&made).is_ok();
        is_input
            && made.len() <= context.limit
            && made != area.as_slice()
            && edit::replace(area, 0, area.len(), &made, Room(context.limit))
    }
}

/// Runs a function of the user's; a panic in it ends the process, and says so.
fn guarded<R>(what: &str, run: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        let reason = format!("the {what} of the fuzz test panicked: {text}");
        role::fail_with(EXIT_MUTATOR, &reason)
    })
}
