//! One failing input, made smaller without a campaign around it: nothing is fuzzed, and nothing is
//! saved or run elsewhere.
//!
//! How the input fails is learned when it is run for the first time. From there on it is a finding
//! like others.

use super::finding::{Found, Stage};
use super::{Engine, Purpose};
use crate::coordinator::action::Shelf;
use crate::coordinator::campaign::{Bytes, Campaign, FindingId, TestIdx};
use crate::coordinator::notice::{End, Failure, Finding, Reproducible};
use crate::stack::Trace;
use shmfuzz_runtime::bucket::Bucket;
use shmfuzz_runtime::child::Calls;
use shmfuzz_runtime::kind::FailureKind;
use std::time::Duration;

impl Engine {
    /// The engine that makes an input of the campaign's only fuzz test smaller: one that fails when
    /// it is called so many times.
    pub(crate) fn minimization(campaign: Campaign, input: Bytes, calls: Calls) -> Self {
        debug_assert_eq!(campaign.tests.len(), 1);
        let mut engine = Self::new(campaign);
        engine.purpose = Purpose::Minimization;
        engine.stop = Some(End::Runs);
        let unknown = Failure {
            kind: FailureKind::Panic,
            message: String::new(),
            location: None,
            bucket: Bucket(0),
            silent: Bucket(0),
            any_way: Bucket(0),
            place: Bucket(0),
            stack: Trace::default(),
            output: String::new(),
        };
        let finding = Finding {
            id: FindingId(0),
            test: TestIdx(0),
            failure: unknown,
            input,
            reproducible: Reproducible::NotTried,
            elapsed: Duration::ZERO,
            execs: 0,
        };
        let stage = match calls {
            Calls::One => Stage::Confirm { runs: 0, failures: 0, losses: 0 },
            Calls::Many => engine.hunt_for(&finding.input),
        };
        engine.findings.push(Found {
            finding,
            stage,
            shelf: Shelf::Testdata,
            is_shown: false,
            is_withdrawn: false,
            life: None,
            worker: None,
            used: Duration::ZERO,
        });
        engine
    }

    /// Whether there is no campaign.
    pub(super) fn is_alone(&self) -> bool {
        self.purpose == Purpose::Minimization
    }

    /// How the input fails.
    pub(super) fn learn(&mut self, id: FindingId, failure: &Failure) {
        if self.is_alone() && !self.findings[id].is_shown {
            let test = self.findings[id].finding.test;
            self.note_failure(test, failure);
            self.findings[id].finding.failure = failure.clone();
        }
    }

    /// Another failure than the input's was met.
    pub(super) fn pass_over(&mut self, test: TestIdx, failure: &Failure) {
        let kind = failure.kind.name();
        let at = failure.location.as_ref().map(|at| format!(" at {at}")).unwrap_or_default();
        let text = format!(
            "another failure was met on the way, and passed over: {kind}{at}: {}",
            failure.message
        );
        self.warn_once(test, "another", text);
    }
}
